"""The loop resumes exactly; the reader's and the key encoder's losses agree with hand-worked values."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from quipu.training.loop import LoopSettings, fit
from quipu.training.reader.model import span_loss
from quipu.training.retriever.model import in_batch_softmax

pytestmark = pytest.mark.torch


def train(run: Path, *stops: int) -> dict[str, torch.Tensor]:
    """A two-parameter regression, interrupted at each of ``stops`` steps."""
    torch.manual_seed(7)
    model = torch.nn.Linear(3, 1)
    for steps in stops:
        settings = LoopSettings(steps=steps, learning_rate=0.05, report_every=5)

        def batch_at(step: int) -> dict[str, torch.Tensor]:
            generator = torch.Generator().manual_seed(step)
            return {"x": torch.randn(4, 3, generator=generator)}

        def loss_of(batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
            loss = (model(batch["x"]) - batch["x"].sum(1, keepdim=True)).square().mean()
            return loss, {}

        fit(model, batch_at, loss_of, settings, run)
    return model.state_dict()


def test_a_resumed_run_ends_where_an_undisturbed_one_does(tmp_path: Path) -> None:
    """If moments, step or data order were lost, a killed night of training would quietly end elsewhere."""
    # The schedule depends on the whole length, so the first part is cut by the clock, not by fewer steps.
    whole = train(tmp_path / "whole", 20)
    torch.manual_seed(7)
    model = torch.nn.Linear(3, 1)
    seen: list[int] = []

    def batch_at(step: int) -> dict[str, torch.Tensor]:
        seen.append(step)
        if len(seen) == 12:
            raise KeyboardInterrupt
        return {"x": torch.randn(4, 3, generator=torch.Generator().manual_seed(step))}

    def loss_of(batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        return (model(batch["x"]) - batch["x"].sum(1, keepdim=True)).square().mean(), {}

    settings = LoopSettings(steps=20, learning_rate=0.05, report_every=5, save_every_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        fit(model, batch_at, loss_of, settings, tmp_path / "cut")
    model = torch.nn.Linear(3, 1)
    fit(model, batch_at, loss_of, settings, tmp_path / "cut")
    for name, value in model.state_dict().items():
        assert torch.equal(value, whole[name]), name


def test_span_loss_ignores_tokens_that_cannot_be_answers() -> None:
    """Without the mask the question's own words compete, and short passages look easier than they are."""
    logits = torch.tensor([[0.0, 50.0, 0.0]])
    allowed = torch.tensor([[True, False, True]])
    loss = span_loss(logits, logits, allowed, torch.tensor([2]), torch.tensor([2]))
    assert loss.item() == pytest.approx(math.log(2), abs=1e-5)


def test_in_batch_softmax_leaves_out_keys_that_answer_too() -> None:
    """A second right key counted as a negative would push right pairs away from their questions."""
    asked, stored = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    none = torch.zeros(2, 2, dtype=torch.bool)
    assert in_batch_softmax(asked, stored, none, 1.0).item() == pytest.approx(math.log(2), abs=1e-5)
    same = torch.tensor([[False, True], [False, False]])
    assert in_batch_softmax(asked, stored, same, 1.0).item() == pytest.approx(math.log(2) / 2, abs=1e-5)

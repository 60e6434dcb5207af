"""What the claims are measured on, and what is made of their figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.training.test_qamat import checkpoint

from quipu.errors import SettingsError
from quipu.storage.store import Store
from quipu.training.experiments.qamat_claims import ClaimSettings, Row, claims, prepare, verdict
from quipu.training.qamat.data import ExampleFiles

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (((90, 1), (80, 1), (20, 1)), "holds"),
        (((90, 3), (86, 3), (20, 1)), "holds in part"),  # 4 apart, both errors together 4.2
        (((90, 1), (20, 1), (80, 1)), "holds in part"),
        (((50, 1), (20, 1), (80, 1)), "does not hold at this size"),
        (((50, 0), (50, 0), (50, 0)), "does not hold at this size"),
    ],
)
def test_a_claim_holds_where_its_rows_stand_in_order(figures: tuple[tuple[float, float], ...], said: str) -> None:
    names = ("in batch, then global", "in batch only", "global only")
    rows = [Row("stages", name, em, error, 0) for name, (em, error) in zip(names, figures, strict=True)]
    assert verdict("stages", [*rows[::-1], Row("hops", "1 hop", 1, 1, 1)]) == said


def test_a_small_world_is_trained_on_and_asked(tmp_path: Path) -> None:
    base = str(checkpoint(tmp_path / "base", "bert"))
    settings = ClaimSettings(
        tmp_path / "w", documents=40, seeds=2, steps=1, tuning=1, batch=4, asked=8, base=base,
        decoder={"heads": 2, "layers": 1, "inner": 32, "vocabulary": 30},
    )  # fmt: skip
    lines: list[dict[str, object]] = []
    rows = claims(settings, ["edits", "hops"], lines.append)
    assert [row.name for row in rows] == [
        "1 hop", "2 hops", "new names", "new names in new phrasings", "followed", "old answer kept"
    ]  # fmt: skip
    mined = json.loads((tmp_path / "w" / "mined.json").read_text())
    assert 0 < mined["with the right one"] <= mined["with a chain"] <= mined["questions"]
    with Store.open(tmp_path / "w" / "memory.quipu") as store, Store.open(tmp_path / "w" / "edited.quipu") as other:
        both = list(zip(store.pairs(), other.pairs(), strict=True))
        assert all(one.question == edited.question and row == at for (row, one), (at, edited) in both)
        assert sum(one.answer != edited.answer for (_, one), (_, edited) in both) > 0.9 * len(both)
    unseen = {item.positives[0] for item in ExampleFiles([tmp_path / "w" / "asked.jsonl"])}
    learned = {row for item in ExampleFiles([tmp_path / "w" / "examples.jsonl"]) for row in item.positives}
    assert unseen and not unseen & learned
    with pytest.raises(SettingsError, match="other settings"):
        prepare(replace(settings, steps=2))

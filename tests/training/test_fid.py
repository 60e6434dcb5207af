"""The baselines for the reader of memories: passages read apart and decoded together, and a writer without any."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import json

from tests.training.test_qamat import TEXTS, checkpoint, memory  # noqa: F401  (the fixture of a small memory)

import quipu
from quipu.errors import SettingsError
from quipu.evaluation.tasks.compare import compare
from quipu.models.memory_reader import MemoryReader
from quipu.records import Example
from quipu.training.experiments.fid import FidRecipe, loss, run
from quipu.training.qamat.copying import CopyConfig
from quipu.training.qamat.data import MemoryExample, asked, write_examples
from quipu.training.qamat.loading import load_backbone

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
DECODER = {"heads": 2, "layers": 1, "inner": 64, "vocabulary": 57}  # with the semicolon that ends an answer
QUESTIONS = [
    asked("When was the canal opened?", ["1869"]), asked("How many tea plants?", ["20000"]),
    asked("How many makers of glass?", ["300"]), asked("When did Lesseps begin?", ["1859"]),
]  # fmt: skip


def recipe(folder: Path, memory_path: Path, **settings: object) -> FidRecipe:
    questions = folder / "questions.jsonl"
    write_examples(questions, QUESTIONS)
    base = str(checkpoint(folder / "base", "bert"))
    return FidRecipe(folder / "run", memory_path, (questions,), base, decoder=DECODER, **settings)  # type: ignore[arg-type]


def test_the_order_of_passages_means_nothing_and_each_is_read_with_the_question_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    backbone = load_backbone(checkpoint(tmp_path, "bert"), CopyConfig(**DECODER, ordered=False)).eval()
    settings = FidRecipe(tmp_path, tmp_path, (), passages=3)
    texts = list(TEXTS.values())
    with torch.inference_mode():
        one, figures = loss(backbone, QUESTIONS[:1], [texts], settings)
        turned, _ = loss(backbone, QUESTIONS[:1], [texts[::-1]], settings)
        less, _ = loss(backbone, QUESTIONS[:1], [texts[1:]], settings)
    assert turned.item() == pytest.approx(one.item(), rel=1e-5) and figures["held"] == 1
    assert less.item() == 0  # no passage holds the answer: it does not count


def test_fid_learns_and_answers_beside_the_other_ways(memory: Path, tmp_path: Path) -> None:  # noqa: F811
    loop = {"steps": 120, "learning_rate": 5e-3, "encoder_rate": 1.0, "report_every": 10}
    lines: list[dict[str, float]] = []
    reader = run(recipe(tmp_path, memory, passages=2, batch=4, bf16=False, loop=loop), lines.append)
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.3 * losses[0]
    said = MemoryReader(reader).read(["When was the canal opened?"], [[(text, "") for text in TEXTS.values()]])
    assert said[0].text == "1869" and said[0].stored is None
    with quipu.open(memory, read_only=True) as opened:
        example = Example("1", "When was the canal opened?", ("1869",))
        (report,) = compare(opened, [example], ["fid-20"], fid=reader)
    values = {score.metric: score.value for score in report.scores}
    assert values["EM"] == 100 and values["words read"] > 10
    assert any(name.startswith("passage_recall@") for name in values)


def test_a_closed_book_writer_reads_nothing(memory: Path, tmp_path: Path) -> None:  # noqa: F811
    loop = {"steps": 120, "learning_rate": 5e-3}
    reader = run(recipe(tmp_path, memory, passages=0, batch=4, bf16=False, loop=loop))
    assert json.loads((reader / "model.json").read_text())["k"] == 0
    assert MemoryReader(reader).read(["How many tea plants?"], [[]])[0].text == "20000"  # learned by heart


def test_nothing_to_train_on(memory: Path, tmp_path: Path) -> None:  # noqa: F811
    made = recipe(tmp_path, memory)
    write_examples(made.examples[0], list[MemoryExample]())
    with pytest.raises(SettingsError, match="nothing to train on"):
        run(made)

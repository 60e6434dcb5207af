"""The extractor: its loss and its targets by hand, a tiny training that resumes exactly, an export that agrees."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tiny_bert import TEXTS, config, wordpieces
from transformers import BertModel

from quipu.datasets.contexts import Asked, Context
from quipu.errors import InputError
from quipu.models.extractor import Extractor, shapes
from quipu.training.extractor.data import Batches, collate, marked, parts_of
from quipu.training.extractor.export import export_extractor
from quipu.training.extractor.model import ExtractorConfig, ExtractorModel, asked_loss
from quipu.training.extractor.train import ExtractorRecipe, recall, run
from quipu.training.heldout import held_out

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
ANSWERS = [("1869", "Ferdinand de Lesseps"), ("China", "1848"), ("sand", "soda")]


def context(number: int, group: str = "canal") -> Context:
    text = f"{group}: {TEXTS[number % len(TEXTS)]}"
    spans = [(text.index(answer), text.index(answer) + len(answer)) for answer in ANSWERS[number % len(TEXTS)]]
    return Context(group, text, tuple(Asked(f"What of {group}?", *span) for span in spans), "files")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A Hugging Face folder of a tiny encoder."""
    torch.manual_seed(1)
    tokenizer = wordpieces(tmp_path / "base")
    BertModel(config(tokenizer), add_pooling_layer=False).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def recipe(tmp_path: Path, base: Path) -> ExtractorRecipe:
    """Thirty articles in a file, of which some are held out."""
    rows = [context(number, f"article {number}") for number in range(30)]
    assert 0 < sum(held_out(row.source, row.group) for row in rows) < 15
    file = tmp_path / "contexts.jsonl"
    lines = [
        {"group": row.group, "text": row.text, "source": row.source,
         "asked": [[item.question, item.start, item.end] for item in row.asked]}
        for row in rows
    ]  # fmt: skip
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    loop = {"steps": 12, "learning_rate": 2e-3, "report_every": 4, "save_every_seconds": 0.0}
    return ExtractorRecipe(
        data=tmp_path, run=tmp_path / "run", sources={str(file): 1.0}, base=str(base), judged=(str(file),),
        judge_every=4, tokens_per_batch=120, scorer={"span_length": 5, "features": 16}, loop=loop,
    )  # fmt: skip


def test_the_loss_asks_for_any_span_that_says_the_answer() -> None:
    """p is .5, .25, .125 and .125 over what is allowed; two spans say the first answer, one the second."""
    scores = torch.log(torch.tensor([[[4.0, 2.0], [1.0, 1.0], [99.0, 99.0]]]))
    may_be = torch.tensor([[[True, True], [True, True], [False, False]]])
    row, place, group = torch.zeros(3, dtype=torch.long), torch.tensor([0, 2, 1]), torch.tensor([0, 0, 1])
    loss = asked_loss(scores, may_be, row, place, group, torch.tensor([3.0, 1.0]))
    assert loss.item() == pytest.approx(-(3 * math.log(0.625) + math.log(0.25)) / 4, abs=1e-5)


def test_an_answer_is_marked_wherever_it_stands(base: Path) -> None:
    """People mark one place; another with the same words, or with an article before it, is as right."""
    tokenizer = wordpieces(base)
    text = "the canal was opened in 1869. Glass is made of sand. Was the canal glass?"
    asked = (Asked("What was opened?", 4, 9), Asked("What is that?", 4, 9), Asked("When?", 24, 28), Asked("Free?"))
    found = marked(Context("x", text, asked, "files"), tokenizer, 8)
    assert found is not None
    offsets = tokenizer.encode(text).offsets
    said = [
        ({text[offsets[first][0] : offsets[first + wide][1]] for first, wide in spans}, len(spans), count)
        for spans, count in found.groups
    ]
    assert said == [({"canal", "the canal"}, 4, 2.0), ({"1869", "1869."}, 2, 1.0)]
    assert marked(Context("x", text, (Asked("Free?"),), "files"), tokenizer, 8) is None


def test_parts_keep_the_questions_answered_in_them() -> None:
    """An offset that is not moved along would mark other words."""
    text = " ".join(f"Sentence {number} names the town Town{number} here." for number in range(12))
    asked = tuple(Asked("Which?", text.index(f"Town{n} "), text.index(f"Town{n} ") + len(f"Town{n}")) for n in (1, 9))
    parts = parts_of(Context("x", text, asked, "files"), words=30)
    assert len(parts) > 1 and " ".join(part.text for part in parts) == text
    said = [part.text[item.start : item.end] for part in parts for item in part.asked]
    assert said == ["Town1", "Town9"]


def test_batches_are_a_function_of_their_number(base: Path) -> None:
    """A resumed run asks for batch 7 first; an epoch shows each passage once, or its source's share of them."""
    tokenizer = wordpieces(base)
    rows = [marked(context(number), tokenizer, 5) for number in range(12)]
    batches = Batches([(rows, 1.0), (rows[:4], 0.5)], tokens=60, widest=5, seed=3)
    first = [batches.at(step) for step in range(8)]
    again = Batches([(rows, 1.0), (rows[:4], 0.5)], tokens=60, widest=5, seed=3)
    for step in (7, 0, 3):
        assert all(torch.equal(value, first[step][name]) for name, value in again.at(step).items())
    epoch = batches.epoch(0)
    assert sum(len(batch) for batch in epoch) == 14
    assert all(len(batch) * max(len(item.ids) for item in batch) <= 60 for batch in epoch)


def test_training_resumes_exactly_and_keeps_the_best(recipe: ExtractorRecipe, tmp_path: Path) -> None:
    """A killed run must end where an undisturbed one does; what is kept is the best on held-out articles."""
    checkpoint = run(recipe)
    other = replace(recipe, run=tmp_path / "again")

    def stop(line: dict[str, object]) -> None:
        if line["step"] == 8 and "loss" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(other, stop)
    run(other)
    for name in ("model.safetensors", "metrics.jsonl"):
        ours, theirs = (folder / name for folder in (recipe.run, other.run))
        if name.endswith("jsonl"):
            lines = [[json.loads(line)["loss"] for line in file.read_text().splitlines()] for file in (ours, theirs)]
            assert lines[0] == lines[1]
        else:
            assert ours.read_bytes() == theirs.read_bytes()
    lines = [json.loads(line) for line in (recipe.run / "recall.jsonl").read_text().splitlines()]
    best = max(line["recall@14"] for line in lines)  # type: ignore[call-overload]
    model = ExtractorModel.load(checkpoint)
    rows = [json.loads(line) for line in Path(next(iter(recipe.sources))).read_text().splitlines()]
    held = [
        Context(row["group"], row["text"], tuple(Asked(*item) for item in row["asked"]), row["source"])
        for row in rows
        if held_out(row["source"], row["group"])
    ]
    assert recall(model, wordpieces(tmp_path / "again-base"), held, (14,))["recall@14"] == pytest.approx(best)


def test_it_learns_what_is_asked(recipe: ExtractorRecipe) -> None:
    """After a few steps the marked spans come first."""
    lines: list[dict[str, float]] = []
    run(replace(recipe, loop={**recipe.loop, "steps": 60, "learning_rate": 5e-3, "encoder_rate": 1.0}), lines.append)
    losses = [line["loss"] for line in lines if "loss" in line]
    assert losses[-1] < 0.6 * losses[0]


def test_a_recipe_without_held_out_articles_is_refused(recipe: ExtractorRecipe) -> None:
    """The best checkpoint could not be told from the last one."""
    with pytest.raises(InputError, match="no held-out article"):
        run(replace(recipe, judged=("elsewhere",)))


def test_the_export_scores_as_torch_does(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes, mask and the shift of the ends must be those of training; alone, together and in windows."""
    monkeypatch.setattr("quipu.training.export.onnx.to_int8", lambda source, target: shutil.copy(source, target))
    torch.manual_seed(5)
    model = ExtractorModel.from_base(base, ExtractorConfig(span_length=5, features=16)).eval()
    with torch.no_grad():
        model.shape.normal_(std=0.2)
        table = model.encoder.embeddings.word_embeddings.weight  # as the export stores it: eight bits a number
        scales = table.abs().amax(dim=1, keepdim=True).clamp(min=1e-12) / 127
        table.copy_((table / scales).round() * scales)
    model.save(tmp_path / "checkpoint", base)
    figures = export_extractor(tmp_path / "checkpoint", tmp_path / "out", name="tiny/x", version="1", texts=TEXTS)
    assert figures["same_candidates"] == 1.0
    extractor, tokenizer = Extractor(tmp_path / "out"), wordpieces(base)
    for text, scores in zip(TEXTS, extractor.span_scores(TEXTS), strict=True):
        encoding = tokenizer.encode(text)
        ids, kinds = torch.tensor([encoding.ids]), torch.tensor([shapes(text, encoding)])
        with torch.inference_mode():
            wanted = model(model.words(ids), kinds, torch.ones_like(ids))[0, :, :, 0].numpy()
        assert np.abs(scores - wanted).max() < 1e-4
    assert extractor.extract(TEXTS) == [extractor.extract([text])[0] for text in TEXTS]
    assert extractor.extract([]) == [] and extractor.extract([""]) == [[]]
    listing = json.loads((tmp_path / "out" / "model.json").read_text())
    (tmp_path / "out" / "model.json").write_text(json.dumps({**listing, "window": 12, "stride": 8}))
    windowed = Extractor(tmp_path / "out")
    long = " ".join(TEXTS)
    assert [len(scores) for scores in windowed.span_scores([long])] == [len(tokenizer.encode(long).ids)]
    found = windowed.extract([long], limit=5)[0]
    assert len(found) == 5 and all(long[item.span.start : item.span.end] == item.text for item in found)


def test_collate_pads_without_allowing_spans(base: Path) -> None:
    """A padded piece that could be an answer would share in the probability."""
    tokenizer = wordpieces(base)
    rows = [marked(context(number), tokenizer, 5) for number in (0, 2)]
    batch = collate(rows, 5)
    for at, item in enumerate(rows):
        assert not batch["allowed"][at, len(item.ids) :].any() and batch["mask"][at].sum() == len(item.ids)
    assert batch["allowed"].flatten(1)[batch["row"], batch["place"]].all()

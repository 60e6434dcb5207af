"""Training, labelling and writing on tiny models: what is killed ends as what is not, and all recipes run in order."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file
from tests import toy_llama

from quipu.datasets import published
from quipu.datasets import written as written_files
from quipu.datasets.contexts import Asked, Context
from quipu.errors import FormatError, InputError, SettingsError
from quipu.settings import from_mapping, read_toml
from quipu.training.heldout import held_out
from quipu.training.jobs.self_labelling import write_context
from quipu.training.lm import base, label, ship, train, write
from quipu.training.lm.base import BaseRecipe
from quipu.training.lm.data import batch_of
from quipu.training.lm.label import LabelRecipe, marked_by
from quipu.training.lm.model import load
from quipu.training.lm.speaker import Answer, Speaker
from quipu.training.lm.train import Ahead, LmRecipe
from quipu.training.lm.write import Job, WriteRecipe, merged, written

pytestmark = pytest.mark.torch

RECIPES = Path(__file__).parents[2] / "recipes" / "small"
PLACES = ("Brume", "Vellamar", "Sarn", "Orlo", "Tyne", "Quill", "Moss", "Hadley")
NAMES = ("Pelagia", "Idris", "Omar", "Greta", "Ansel", "Wim", "Ida", "Tove")


def rows(source: str, answered: bool = True) -> list[dict[str, Any]]:
    """Two passages with a question for each of eight articles; two of the sets have the same passages."""
    made = []
    town = "old" if source in ("timeqa", "squadshifts_new_wiki") else source
    for place, name in zip(PLACES, NAMES, strict=True):
        for thing in ("light", "pier"):
            text = f"The {thing} of {place} was built by {name} with the help of many hands from the {town} town."
            start = text.index(name) if answered else -1
            asked = [
                [
                    f"Who built the {thing} of {place} near the {town} town?",
                    start,
                    start + len(name) if answered else -1,
                ]
            ]
            made.append({"group": place, "text": text, "asked": asked, "source": source})
    return made


def zipped(path: Path, lines: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every public set that the recipes name, tiny."""
    root = tmp_path_factory.mktemp("data")
    for name, file in published.LAYOUT.items():
        zipped(root / file, rows(name, answered=name != "squad_train_sentences"))
    for part in ("dev", "test"):
        zipped(root / "qamr" / f"{part}.jsonl.gz", [
            {"id": f"W:x:{at}:1:1#0", "context": row["text"], "question": row["asked"][0][0],
             "answer": NAMES[at // 2], "answer_start": row["asked"][0][1]}
            for at, row in enumerate(rows("qamr"))
        ])  # fmt: skip
    zipped(root / "squad_qg" / "pairs.jsonl.gz", [
        {"sentence": row["text"].lower(), "question": row["asked"][0][0].lower()} for row in rows("squad_qg")
    ])  # fmt: skip
    zipped(root / "fairytaleqa" / "train.jsonl.gz", [
        {"story": row["group"], "context": row["text"], "question": row["asked"][0][0], "answers": [NAMES[at // 2]]}
        for at, row in enumerate(rows("fairytaleqa"))
    ])  # fmt: skip
    paragraphs = [
        {"context": row["text"], "qas": [{"question": row["asked"][0][0], "answers": [
            {"text": NAMES[at // 2], "answer_start": row["asked"][0][1]}]}]}
        for at, row in enumerate(rows("policyqa"))
    ]  # fmt: skip
    zipped(root / "policyqa" / "dev.json.gz", [{"data": [{"title": "t", "paragraphs": paragraphs}]}])
    hotpot = [
        {"question": f"Who built {place}?", "answer": name, "type": "bridge", "supporting_facts": [[place, 0]],
         "context": [[place, [f"{name} built it."]], ["Elsewhere", ["Nobody built it."]]]}
        for place, name in zip(PLACES, NAMES, strict=True)
    ]  # fmt: skip
    zipped(root / "hotpotqa" / "train-100.json.gz", [hotpot])
    zipped(root / "2wiki" / "train-500.jsonl.gz", hotpot)
    steps = [{"question": f"Who built house {at}?", "answer": "Omar", "paragraph_support_idx": 0} for at in range(20)]
    zipped(root / "musique" / "train-100.json.gz", [[
        {"id": f"2hop__{at}", "question": "Who?", "answer": "Omar", "question_decomposition": [step],
         "paragraphs": [{"title": "Sarn", "paragraph_text": f"Omar built house {at}.", "is_supporting": True}]}
        for at, step in enumerate(steps)
    ]])  # fmt: skip
    zipped(root / "2wiki" / "corpus.json.gz", [[{"title": row["group"], "text": row["text"]} for row in rows("x")]])
    zipped(root / "openstax_anthropology" / "sections.jsonl.gz", [{"title": "Bones", "paragraphs": [toy_llama.TEXT]}])
    zipped(root / "factbook" / "factbook.jsonl.gz", [{"data": {}}])
    return root


def recipe(data: Path, run: Path, start: Path, **changes: Any) -> LmRecipe:
    loop = {"steps": 12, "learning_rate": 5e-3, "report_every": 4, "save_every_seconds": 0.0, "warmup": 0.1}
    values: dict[str, Any] = {
        "data": data, "run": run, "start": start, "mixture": {"timeqa": 3.0, "onestopqa": 1.0}, "rows": 2,
        "length": 256, "loop": loop,
    }  # fmt: skip
    return LmRecipe(**{**values, **changes})


def test_the_loss_goes_down_and_the_folder_says_what_was_learned(data: Path, tmp_path: Path) -> None:
    """A loss on the wrong tokens, or a checkpoint of other weights, would show nowhere else."""
    start = toy_llama.folder(tmp_path / "base", hidden_size=64, intermediate_size=128)
    lines: list[dict[str, Any]] = []
    changes = {"steps": 90, "report_every": 10, "save_every_seconds": 300.0}
    toy = recipe(data, tmp_path / "run", start)
    out = train.run(recipe(data, tmp_path / "run", start, loop={**toy.loop, **changes}), lines.append)
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == 9 and losses[-1] < 0.45 * losses[0]
    mixture = train.mixture_of(toy, Speaker(start).prompts)
    batch = batch_of(mixture, 4, 256, random.Random(99))
    with torch.no_grad():
        before, after = train.loss(load(start), batch).item(), train.loss(load(out), batch).item()
    assert after < 0.5 * before
    assert json.loads((tmp_path / "run" / "recipe.json").read_text())["rows"] == 2


def test_a_killed_training_ends_with_the_same_weights(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night of training is killed now and then: moments, step, data order and draws must all come back."""
    start = toy_llama.folder(tmp_path / "base")
    whole = train.run(recipe(data, tmp_path / "whole", start))
    at, seen = Ahead.at, []

    def killed(self: Ahead, number: int) -> Any:
        seen.append(number)
        if len(seen) == 8:
            raise KeyboardInterrupt
        return at(self, number)

    monkeypatch.setattr(Ahead, "at", killed)
    with pytest.raises(KeyboardInterrupt):
        train.run(recipe(data, tmp_path / "cut", start))
    again = train.run(recipe(data, tmp_path / "cut", start))
    assert seen == [*range(8), *range(7, 12)]
    left, right = (load_file(folder / "model.safetensors") for folder in (whole, again))
    assert left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
    assert (tmp_path / "whole" / "metrics.jsonl").read_text().count("\n") == 3


def test_batches_do_not_depend_on_the_processes_that_draw_them(data: Path, tmp_path: Path) -> None:
    """Otherwise a run with workers could not be repeated on another machine."""
    start = toy_llama.folder(tmp_path / "base")
    plain, ahead = (recipe(data, tmp_path / "x", start, workers=workers) for workers in (0, 2))
    mixture = train.mixture_of(plain, Speaker(start).prompts)
    one, other = Ahead(mixture, plain), Ahead(mixture, ahead)
    for number in (0, 1, 2, 7, 8):
        left, right = one.at(number), other.at(number)
        assert all(torch.equal(left[name], right[name]) for name in left), number
    assert not torch.equal(one.at(0)["ids"], one.at(1)["ids"])


def test_a_gradient_without_bounds_stops_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that are not numbers would be saved over the last good ones."""
    start = toy_llama.folder(tmp_path / "base")

    def steep(model: Any, batch: Any) -> torch.Tensor:
        return (model.norm.weight - model.norm.weight.detach()).sqrt().sum()  # 0, with a slope without bounds

    monkeypatch.setattr(train, "loss", steep)
    with pytest.raises(FloatingPointError, match="gradient"):
        train.run(recipe(data, tmp_path / "run", start))
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_nothing_that_is_held_out_is_learned(data: Path, tmp_path: Path) -> None:
    """Probabilities are fitted on these articles later."""
    start = toy_llama.folder(tmp_path / "base")
    held = [place for place in PLACES if held_out("squadshifts_new_wiki", place)]
    assert held and len(held) < len(PLACES)
    mixture = train.mixture_of(
        recipe(data, tmp_path / "x", start, mixture={"squadshifts_new_wiki": 1.0, "timeqa": 1.0}),
        Speaker(start).prompts,
    )
    prompts, rng = Speaker(start).prompts, random.Random(1)
    said = " ".join(prompts.decode(mixture.draw(rng)[1].prefix) for _ in range(400))
    assert not any(f"of {place} was built" in said for place in held)  # in timeqa the same passages stand as well
    assert sum(f"of {place} was built" in said for place in PLACES) == len(PLACES) - len(
        {*held, *(place for place in PLACES if held_out("timeqa", place))}
    )


def test_answers_are_marked_where_they_stand() -> None:
    """A wrong place would be learned as the span of the question."""
    marked = Asked("b?", 0, 3)
    asked = [marked if letter == "b" else Asked(f"{letter}?") for letter in "abcde"]
    context = Context("g", "The Light of Brume", tuple(asked), "s")
    answers = [Answer("light", 0.9, 0.0), Answer("Brume", 0.2, 0.0), Answer("", 0.9, 0.9), Answer("x", 0.9, 0.0)]
    made = marked_by(context, answers, 0.35)
    assert made.asked == (Asked("a?", 4, 9), marked)


def test_labelling_goes_on_where_it_was_killed(data: Path, tmp_path: Path) -> None:
    """The second half must be what it would have been."""
    model = toy_llama.folder(tmp_path / "model")
    values: dict[str, Any] = {"data": data, "model": model, "least": 0.0, "chunk": 3, "limit": 7}
    whole = label.run(LabelRecipe(out=tmp_path / "whole.jsonl", **values))
    lines = whole.read_bytes().splitlines(keepends=True)
    assert len(lines) == 14 and len(published.read_contexts(whole)) == 14
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join(lines[:6]) + lines[6][:9])
    assert label.run(LabelRecipe(out=cut, **values)).read_bytes() == whole.read_bytes()


def test_spans_of_people_come_first_among_those_asked_about() -> None:
    """Spans of people and of the extractor take turns, none twice."""
    assert merged([(0, 1), (2, 3)], [(2, 3), (4, 5), (6, 7)], 3) == [(0, 1), (2, 3), (4, 5)]
    assert merged([], [(2, 3)], 3) == [(2, 3)]


def test_a_base_of_another_kind_gets_markers_and_a_cut_vocabulary(tmp_path: Path) -> None:
    """Any Llama folder is a base; what is cut off must not move what stays."""
    start = toy_llama.folder(tmp_path / "start", markers=False)
    out = base.run(BaseRecipe(tmp_path / "base", source=str(start), vocabulary=300))
    old, new = load(start), load(out)
    assert new.config.vocab_size == 306  # with six markers
    torch.testing.assert_close(new.embed_tokens.weight[:300], old.embed_tokens.weight[:300], rtol=1e-3, atol=1e-4)
    assert not new.embed_tokens.weight[300:].isnan().any()
    speaker = Speaker(out)
    assert len(speaker.read([("", "A light.")], [["What?", "Who?"]])[0]) == 2
    with pytest.raises(SettingsError, match="has 3"):
        base.run(BaseRecipe(tmp_path / "b", source=str(start), vocabulary=100_000))


def test_a_base_that_is_not_what_was_asked_for(tmp_path: Path) -> None:
    """Other weights under the same name would be trained for hours before anybody saw it."""
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(FormatError, match="sha256 is"):
        base.run(BaseRecipe(tmp_path / "out", source=str(tmp_path), sha256="0" * 64))
    for source, said in (("nowhere", "neither a Hugging Face"), (str(tmp_path / "empty"), "holds neither")):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(InputError, match=said):
            base.run(BaseRecipe(tmp_path / "out", source=source))
    bare = toy_llama.folder(tmp_path / "bare", markers=False)
    with pytest.raises(FormatError, match="has no <"):
        Speaker(bare)


class SpanFinder:
    """An extractor that finds capitalised words."""

    @classmethod
    def from_pretrained(cls, name: str) -> SpanFinder:
        return cls()

    def extract(self, texts: list[str], *, limit: int) -> list[list[Any]]:
        from quipu.records import Candidate, Span

        found = []
        for text in texts:
            places = [at for at, letter in enumerate(text) if letter.isupper()][:limit]
            spans = [Span(at, text.index(" ", at) if " " in text[at:] else len(text)) for at in places]
            found.append([Candidate(span, text[span.start : span.end], 0.5, "learned") for span in spans])
        return found


def test_the_recipes_run_in_order_on_a_tiny_base(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the base to the folder that runs without torch: every recipe as it is but for paths and sizes."""
    monkeypatch.setattr(write, "Extractor", SpanFinder)
    start = toy_llama.folder(tmp_path / "start", hidden_size=64, intermediate_size=128)

    def settings(name: str) -> dict[str, Any]:
        made = read_toml(RECIPES / f"{name}.toml")
        made.pop("train")
        for key, value in made.items():
            if isinstance(value, str) and value.startswith("runs/"):
                made[key] = str(tmp_path / value)
            if isinstance(value, list):
                made[key] = [str(tmp_path / item) if str(item).startswith("runs/") else item for item in value]
        return {**made, **({"data": str(data)} if "data" in made else {})}

    smaller = {"workers": 0, "compiled": False, "rows": 2, "length": 400}
    loop = {"steps": 3, "learning_rate": 3e-3, "report_every": 1}
    base.run(from_mapping(BaseRecipe, {**settings("1-base"), "source": str(start), "vocabulary": 350}, "1"))
    for stage in ("2-answered", "3-label", "4-all", "5-write", "6-final"):
        made = settings(stage)
        if stage == "3-label":
            path = label.run(from_mapping(LabelRecipe, {**made, "least": 0.0}, stage))
            assert len(published.read_contexts(path)) == 32
            unmarked = [item for name in made["sets"] for item in published.named(data, name)]
            with path.open("w") as file:  # what random weights say stands nowhere
                for item in unmarked:
                    write_context(file, marked_by(item, [Answer("hands", 0.9, 0.0)] * len(item.asked), 0.0))
        elif stage == "5-write":
            path = write.run(from_mapping(WriteRecipe, {**made, "articles": 6, "per_set": 4, "chunk": 8}, stage))
            assert 20 < len(path.read_text().splitlines()) < 60
            monkeypatch.setattr("quipu.datasets.written.LIKELY", -1.0)  # what random weights wrote is no question
            _as_if_trained(path)
        else:
            train.run(from_mapping(LmRecipe, {**made, **smaller, "loop": loop}, stage))
    shipped = {**settings("export"), "rounded_on": 4, "compared": 4, "bits": 8, "least": 0.0}
    out = ship.run(from_mapping(ship.LmShipRecipe, shipped, "export"))
    assert "quipu-small/lm" in (out / "README.md").read_text()
    _same_at_run_time(tmp_path / "runs/small/final/hf", out)


def _as_if_trained(path: Path) -> None:
    """Questions that are read back as their spans, in place of what random weights wrote."""
    lines = []
    for item in written_files.read(path):
        pairs = [
            [f"What is number {at}?", pair.start, pair.end, 0.9, item.span(pair), 0.9, 0.0]
            for at, pair in enumerate(item.pairs)
        ]
        lines.append(json.dumps({**item.to_json(), "q": pairs}) + "\n")
    path.write_text("".join(lines))


def _same_at_run_time(checkpoint: Path, exported: Path) -> None:
    """The folder writes and reads about as the trained model does."""
    from quipu.models.lm.model import LanguageModel
    from quipu.records import Span

    job = Job("Brume", toy_llama.TEXT, "x")
    (made,) = written(Speaker(checkpoint), [job], [[(0, 23), (41, 45)]])
    model = LanguageModel.from_pretrained(exported)
    asked = model.write([job.text], [[Span(0, 23), Span(41, 45)]], titles=["Brume"])[0]
    assert len(asked) == len(made.pairs) == 2
    read = model.read_many([job.text], [[pair.question for pair in made.pairs]], titles=["Brume"])[0]
    for pair, reading in zip(made.pairs, read, strict=True):
        assert reading.nothing == pytest.approx(pair.p_nothing, abs=0.05)

"""The exported language model against torch, for decoders of three shapes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tiny_llama import SHAPES, greedy, make_checkpoint

from quipu.errors import FormatError, InputError
from quipu.models.lm.decoding import Branch, Decoding
from quipu.models.lm.engine import Engine
from quipu.models.lm.model import LanguageModel
from quipu.models.lm.shape import DecoderShape
from quipu.records import Span
from quipu.training.lm.checkpoint import load_checkpoint, shape_of
from quipu.training.lm.export import ExportOptions, export_language_model

TEXTS = [
    "Ada wrote the first program in 1843. Ada was a countess.",
    "Rain.",
    "The tower of Brume is 61 metres tall and was built by Pelagia.",
    "",
    "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen.",
]
QUESTIONS = ["Who wrote it?", "When?", "How tall is the tower of Brume, and who built it in which year?"]
SAID = [(text, "{read}Who?{answer} Ada{end}{write}1843{written} When?{end}") for text in TEXTS if text]


@pytest.fixture(scope="module", params=list(SHAPES))
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("checkpoint")
    return folder, make_checkpoint(folder, request.param)


@pytest.fixture(scope="module")
def floats(trained: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("floats")
    export_language_model(trained[0], out, name="tiny", version="0", options=ExportOptions(bits=32, rotate=False))
    return out


@pytest.fixture(scope="module")
def integers(trained: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("integers")
    options = ExportOptions(bits=8, window=64, stride=24)
    export_language_model(trained[0], out, name="tiny", version="0", texts=SAID, options=options)
    return out


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of one shape, for what does not depend on the shape."""
    checkpoint, out = tmp_path_factory.mktemp("checkpoint"), tmp_path_factory.mktemp("ready")
    make_checkpoint(checkpoint, next(iter(SHAPES)))
    options = ExportOptions(bits=8, window=64, stride=24)
    export_language_model(checkpoint, out, name="tiny", version="0", options=options)
    return out


def engine_of(folder: Path) -> Engine:
    settings = json.loads((folder / "model.json").read_text())
    return Engine(folder, DecoderShape.from_json(settings["shape"]), positions=settings["positions"])


def decoded(
    engine: Engine, prefixes: list[list[int]], prompts: list[list[list[int]]], *, end: int, steps: int
) -> list[Branch]:
    decoding = Decoding(engine, end=end, steps=steps, label=3)
    branches = [Branch() for mine in prompts for _ in mine]
    decoding.add(engine.prefixes(prefixes), prompts, branches)
    while decoding.running:
        decoding.step()
    return branches


def rows(seed: int, count: int, low: int, high: int) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(6, 262) for _ in range(rng.randrange(low, high))] for _ in range(count)]


@pytest.mark.parametrize("rotate", [False, True])
def test_the_float_graph_says_what_torch_says(trained: tuple[Path, Any], tmp_path: Path, rotate: bool) -> None:
    """Token for token with the same probabilities, whether branches share a passage or not; turning changes nothing."""
    export_language_model(trained[0], tmp_path, name="t", version="0", options=ExportOptions(bits=32, rotate=rotate))
    engine, passages, prompts = engine_of(tmp_path), rows(1, 3, 1, 40), rows(2, 9, 2, 30)
    grouped = [prompts[:5], prompts[5:6], prompts[6:]]
    expected = [
        greedy(trained[1], passage + prompt, end=0, steps=9)
        for passage, mine in zip(passages, grouped, strict=True)
        for prompt in mine
    ]
    shared = decoded(engine, passages, grouped, end=0, steps=9)
    owners = [passages[at] for at, mine in enumerate(grouped) for _ in mine]
    alone = decoded(engine, owners, [[prompt] for prompt in prompts], end=0, steps=9)
    for branches in (shared, alone):
        assert [branch.tokens for branch in branches] == [tokens for tokens, _ in expected]
        for branch, (_, chances) in zip(branches, expected, strict=True):
            np.testing.assert_allclose(branch.probabilities, chances, rtol=1e-3)


def test_an_end_token_ends_a_branch_and_the_others_go_on(trained: tuple[Path, Any], floats: Path) -> None:
    engine, passages, prompts = engine_of(floats), rows(3, 2, 5, 20), rows(4, 6, 2, 9)
    grouped = [prompts[:3], prompts[3:]]
    first = decoded(engine, passages, grouped, end=-1, steps=6)
    end = first[1].tokens[2]
    for branch, whole in zip(decoded(engine, passages, grouped, end=end, steps=6), first, strict=True):
        cut = whole.tokens.index(end) + 1 if end in whole.tokens else 6
        assert branch.tokens == whole.tokens[:cut]


def test_branches_that_join_later_change_nothing(floats: Path) -> None:
    engine, passages, prompts = engine_of(floats), rows(5, 4, 3, 50), rows(6, 12, 2, 20)
    grouped = [prompts[3 * at : 3 * at + 3] for at in range(4)]
    expected = decoded(engine, passages, grouped, end=0, steps=12)
    decoding, branches = Decoding(engine, end=0, steps=12, label=3), [Branch() for _ in prompts]
    read = engine.prefixes(passages)
    for at in range(4):
        decoding.add(read[at : at + 1], grouped[at : at + 1], branches[3 * at : 3 * at + 3])
        for _ in range(2 * at + 1):
            decoding.step()
    while decoding.running:
        decoding.step()
    assert branches == expected


def test_given_answers_are_scored_as_torch_scores_them(trained: tuple[Path, Any], floats: Path) -> None:
    engine, passages, prompts, answers = engine_of(floats), rows(7, 2, 4, 20), rows(8, 3, 2, 9), rows(9, 3, 1, 6)
    found = engine.score(engine.prefixes(passages), [0, 1, 1], prompts, answers)
    for owner, prompt, answer, chances in zip([0, 1, 1], prompts, answers, found, strict=True):
        start = len(passages[owner]) + len(prompt) - 1
        with torch.inference_mode():
            shares = trained[1](torch.tensor([passages[owner] + prompt + answer])).logits[0].softmax(-1)
        expected = [float(shares[start + at, token]) for at, token in enumerate(answer)]
        np.testing.assert_allclose(chances, expected, rtol=1e-3)


def test_the_likelihood_of_a_question_is_what_torch_makes_of_both_prompts(
    trained: tuple[Path, Any], floats: Path
) -> None:
    """A sum over the wrong tokens, or the wrong passage left out, would still look like a likelihood."""
    model, text, question = LanguageModel(floats), TEXTS[0], QUESTIONS[0]
    prompts = model.prompts
    asks, said = prompts.writing(text, 0, 3), prompts.said(question)

    def log_p(passage: list[int]) -> float:
        before = passage + asks
        with torch.inference_mode():
            shares = trained[1](torch.tensor([before + said])).logits[0].log_softmax(-1)
        return sum(float(shares[len(before) - 1 + at, token]) for at, token in enumerate(said))

    expected = log_p(prompts.prefix(text, "Title")) - log_p(prompts.prefix(""))
    ((found, again),) = model.question_likelihood([text], [[Span(0, 3)] * 2], [[question] * 2], titles=["Title"])
    assert found == again == pytest.approx(expected, abs=1e-3) and abs(found) > 0.01


@pytest.mark.usefixtures("exact_int8")
def test_the_integer_graph_is_close_to_torch(trained: tuple[Path, Any], integers: Path) -> None:
    """Rows of different size share a batch: using their scales wrongly would move log-probabilities by whole units."""
    engine, passages, prompts, answers = (
        engine_of(integers),
        rows(10, 6, 2, 60),
        rows(11, 24, 2, 12),
        rows(12, 24, 1, 8),
    )
    owners = [at // 4 for at in range(24)]
    found = engine.score(engine.prefixes(passages), owners, prompts, answers)
    expected = []
    for owner, prompt, answer in zip(owners, prompts, answers, strict=True):
        start = len(passages[owner]) + len(prompt) - 1
        with torch.inference_mode():
            shares = trained[1](torch.tensor([passages[owner] + prompt + answer])).logits[0].log_softmax(-1)
        expected += [float(shares[start + at, token]) for at, token in enumerate(answer)]
    apart = np.abs(np.log([chance for chances in found for chance in chances]) - expected)
    assert apart.mean() < 0.1 * np.std(expected)
    assert apart.max() < np.std(expected)


def test_answers_do_not_depend_on_the_batch(integers: Path) -> None:
    """Bit by bit: alone, by three, all sixteen passages together, and in another order."""
    model = LanguageModel(integers, cache_bytes=0)
    rng = random.Random(0)
    texts = [" ".join(rng.choice(TEXTS[0].split()) for _ in range(rng.randrange(1, 60))) for _ in range(16)]
    asked = [[f"{question} {at}" for question in QUESTIONS[: 1 + at % 3]] for at in range(16)]
    spans = [[Span(0, 3), Span(1, min(4, len(text)))] for text in texts]

    def run(order: list[int], size: int) -> dict[int, Any]:
        found = {}
        for first in range(0, len(order), size):
            part = order[first : first + size]
            some, questions = [texts[at] for at in part], [asked[at] for at in part]
            results = (
                model.read_many(some, questions),
                model.write(some, [spans[at] for at in part]),
                model.write(some, [spans[at] for at in part], per_span=2, seed=7, top_p=0.8),
                model.score(some, questions, [["Ada"] * len(item) for item in questions]),
                model.question_likelihood(some, [spans[at][:1] * len(asked[at]) for at in part], questions),
            )
            found.update({at: [result[row] for result in results] for row, at in enumerate(part)})
        return found

    order = list(range(16))
    alone = run(order, 1)
    assert run(order, 3) == alone
    assert run(order, 16) == alone
    rng.shuffle(order)
    assert run(order, 16) == alone
    assert [readings[0] for readings in model.read_many(texts, asked)] == model.read([item[0] for item in asked], texts)


def test_kept_passages_change_nothing(ready: Path) -> None:
    model, fresh = LanguageModel(ready), LanguageModel(ready, cache_bytes=0)
    model.write(TEXTS, [[Span(0, 1)] if text else [] for text in TEXTS])
    asked = [QUESTIONS] * len(TEXTS)
    assert model.read_many(TEXTS, asked) == fresh.read_many(TEXTS, asked) == model.read_many(TEXTS, asked)


@pytest.mark.parametrize("text", ["", " ", "a\ud800b", "<|im_end|>", "word " * 2000, "x" * 3000, "😀" * 90, "\0"])
def test_no_text_is_too_odd(ready: Path, text: str) -> None:
    model = LanguageModel(ready)
    reading = model.read(["Who?"], [text], always=True)[0]
    assert reading.start == -1 or text[reading.start : reading.end] == reading.text
    model.read([text], ["Ada was a countess."])
    model.write([text], [[Span(0, 0), Span(0, len(text)), Span(len(text), len(text))]], titles=[text])
    model.read_pairs([text], [[(text, text)] * 12])
    assert len(model.score([text], [[text]], [[text]])[0]) == 1
    (likelihoods,) = model.question_likelihood([text], [[Span(0, len(text)), Span(0, 0)]], [[text, "Who?"]])
    assert np.isfinite(likelihoods).all()


def test_nothing_asked_is_nothing_answered(ready: Path) -> None:
    model = LanguageModel(ready)
    assert model.read([], []) == [] == model.read_pairs([], []) == model.write([], [])
    assert model.read_many(["a"], [[]]) == [[]] == model.write(["a"], [[]]) == model.score(["a"], [[]], [[]])


def test_forcing_an_answer_is_never_told_that_nothing_answers(ready: Path) -> None:
    model = LanguageModel(ready)
    nothing = model.prompts.markers["nothing"]
    decoding = Decoding(model.engine, end=0, steps=1, label=nothing)
    branch = Branch()
    prompt = model.prompts.reading("Who?")
    prefix = model.prompts.prefix(TEXTS[0])
    decoding.add(model.engine.prefixes([prefix]), [[prompt]], [branch])
    other = Branch()
    decoding = Decoding(model.engine, end=0, steps=1, label=nothing, avoid=branch.tokens[0])
    decoding.add(model.engine.prefixes([prefix]), [[prompt]], [other])
    assert other.tokens != branch.tokens
    assert 0 < other.probabilities[0] <= branch.probabilities[0]


@pytest.mark.parametrize("bits", [6, 7])
def test_fewer_bits_take_less_room_and_stay_near(
    trained: tuple[Path, Any], integers: Path, tmp_path: Path, bits: int
) -> None:
    export_language_model(trained[0], tmp_path, name="t", version="0", texts=SAID, options=ExportOptions(bits=bits))
    assert (tmp_path / "weights.bin").stat().st_size < (integers / "weights.bin").stat().st_size
    few, many = LanguageModel(tmp_path), LanguageModel(integers)
    asked, answers = [QUESTIONS] * 2, [["Ada", "1843", ""]] * 2
    first, second = few.score(TEXTS[:2], asked, answers), many.score(TEXTS[:2], asked, answers)
    assert np.abs(np.array(first) - np.array(second)).max() < 1.5


def test_a_folder_that_was_changed_is_refused(ready: Path, tmp_path: Path) -> None:
    for file in ready.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    listing = json.loads((tmp_path / "weights.json").read_text())
    listing["embed"]["bits"] = 5
    (tmp_path / "weights.json").write_text(json.dumps(listing))
    with pytest.raises(FormatError, match="sha256"):
        LanguageModel(tmp_path)
    with pytest.raises(FormatError, match="do not fit"):
        engine_of(tmp_path)


def test_other_decoders_are_refused_by_name(trained: tuple[Path, Any], tmp_path: Path) -> None:
    config = json.loads((trained[0] / "config.json").read_text())
    with pytest.raises(InputError, match="mistral"):
        shape_of({**config, "model_type": "mistral"})
    with pytest.raises(InputError, match="biases"):
        shape_of({**config, "attention_bias": True})
    (tmp_path / "config.json").write_text(json.dumps({**config, "intermediate_size": 112}))
    (tmp_path / "model.safetensors").write_bytes((trained[0] / "model.safetensors").read_bytes())
    with pytest.raises(FormatError, match="expected"):
        load_checkpoint(tmp_path)
    with pytest.raises(InputError, match="tokenizer"):
        export_language_model(tmp_path, tmp_path / "out", name="t", version="0")


def test_a_tokenizer_without_the_markers_is_refused(trained: tuple[Path, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="<nowhere>"):
        export_language_model(
            trained[0], tmp_path, name="t", version="0", options=ExportOptions(markers={"end": "<nowhere>"})
        )

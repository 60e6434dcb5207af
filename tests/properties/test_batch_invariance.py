"""Every model that ships says the same of a text alone and beside any others, to the bit, and what it says is right.

The second half compares each with its float twin: a model that rounds everything to nothing is independent of its
batch too.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quipu.models.encoder import Encoder
from quipu.models.extractor import Extractor
from quipu.models.folders import is_bundled, resolve
from quipu.models.reranker import Reranker
from quipu.models.spans import best_span, text_of

ENCODER, QUIP, RERANKER = "quipu-small/encoder", "quipu-small/quip", "quipu-small/reranker"
EXTRACTOR = "quipu-small/extractor"
extractor_ships = pytest.mark.skipif(not is_bundled(EXTRACTOR), reason="no extractor travels with this checkout")
SIZES = (3, 16, 64)
CANAL = (
    "The Suez Canal joins the Mediterranean Sea to the Red Sea. It was opened in November 1869, after ten years of "
    "work led by Ferdinand de Lesseps. The canal is 193 kilometres long, and about fifty ships pass through it a day."
)
ASKED = {
    "When was the Suez Canal opened?": "November 1869",
    "Who led the work on the canal?": "Ferdinand de Lesseps",
    "How long is the canal?": "193 kilometres",
}


def texts() -> list[str]:
    """Sixty: questions of a few words, sentences, and passages of up to 120 words."""
    sources = sorted((Path(__file__).parents[2] / "examples").glob("*.[mt][dx]*"))
    sentences = [
        sentence
        for source in sources
        for sentence in re.split(r"(?<=[.?!])\s+", source.read_text(encoding="utf-8").replace("\n", " "))
        if len(sentence.split()) > 3
    ]
    questions = [f"what is {' '.join(sentence.split()[1:4])}?" for sentence in sentences[:20]]
    passages = [" ".join(sentences[at : at + 6])[:700] for at in range(20, 40)]
    found = [*questions, *sentences[:20], *passages]
    assert len(found) == 60 and len({len(text) for text in found}) > 20
    return found


def pairs() -> tuple[list[str], list[list[tuple[str, str]]], list[list[float]]]:
    """Questions, candidates of several lengths for each, and retrieval scores; some lists are read in two stages."""
    given = texts()
    questions, stored = given[:20], given[20:40]
    choose = random.Random(3)
    candidates = [[(choose.choice(stored), choose.choice(stored)[:20]) for _ in range(2 + row)] for row in range(20)]
    return questions, candidates, [[0.8 - 0.01 * at for at in range(len(some))] for some in candidates]


def in_batches(count: int, size: int, say: Callable[[list[int]], Sequence[Any]]) -> list[Any]:
    """What ``say`` says of each of ``count`` rows, asked in shuffled batches."""
    order = list(range(count))
    random.Random(size).shuffle(order)
    found: list[Any] = [None] * count
    for at in range(0, count, size):
        batch = order[at : at + size]
        for row, value in zip(batch, say(batch), strict=True):
            found[row] = value
    return found


def same(left: Sequence[Any], right: Sequence[Any]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(left, right, strict=True))


@pytest.mark.parametrize("name", [ENCODER, QUIP])
def test_keys_and_tokens_ignore_their_neighbours(name: str) -> None:
    model, given = Encoder.from_pretrained(name), texts()

    def say(batch: list[int]) -> list[Any]:
        some = [given[row] for row in batch]
        whole = model.passages(some)
        if not model.has_heads:
            return list(zip(model.encode(some), (item.vectors for item in whole), strict=True))
        return list(zip(*model.queries(some), (item.vectors for item in whole), strict=True))

    alone = in_batches(len(given), 1, say)
    for size in SIZES:
        assert all(same(one, other) for one, other in zip(alone, in_batches(len(given), size, say), strict=True)), size


@extractor_ships
def test_candidates_ignore_their_neighbours() -> None:
    """A candidate more or less, and a passage is asked about something else."""
    model, given = Extractor.from_pretrained(EXTRACTOR), texts()

    def say(batch: list[int]) -> list[Any]:
        return list(model.span_scores([given[row] for row in batch]))

    alone = in_batches(len(given), 1, say)
    assert all(same(alone, in_batches(len(given), size, say)) for size in SIZES)


def test_logits_of_candidates_ignore_other_questions() -> None:
    """Alone, a question's candidates are spread over two cores; beside others they are not."""
    model, (questions, candidates, scores) = Reranker.from_pretrained(RERANKER), pairs()

    def say(batch: list[int]) -> list[Any]:
        return list(model.rerank(*([some[row] for row in batch] for some in (questions, candidates, scores))))

    alone = in_batches(len(questions), 1, say)
    assert all(same(alone, in_batches(len(questions), size, say)) for size in SIZES)


def test_a_candidates_logit_ignores_the_candidates_beside_it() -> None:
    """The first four are read at full depth whatever stands among them, so each has the logit that it has alone."""
    model, given = Reranker.from_pretrained(RERANKER), texts()
    candidates = [(given[20], "a"), (given[41], "b"), (given[1], "a longer answer"), (given[30], "c")]
    together = model.rerank([given[0]], [candidates], [[0.7, 0.6, 0.5, 0.4]])[0]
    alone = [model.rerank([given[0]], [[one]], [[0.7 - 0.1 * at]])[0][0] for at, one in enumerate(candidates)]
    assert np.array_equal(together, alone)


def twin_of(name: str, kind: str, out: Path) -> Path:
    """The float twin of a model that ships."""
    pytest.importorskip("onnx")
    from tests.float_twin import float_twin

    return float_twin(resolve(name, kind).path, out / "twin")


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.asarray((left * right).sum(-1) / np.linalg.norm(left, axis=-1) / np.linalg.norm(right, axis=-1))


def test_the_encoder_says_what_its_float_twin_says(tmp_path: Path) -> None:
    """Nearest texts too: keys that all turn the same way have high cosines and find nothing."""
    model, twin, given = Encoder(ENCODER), Encoder(twin_of(ENCODER, "encoder", tmp_path)), texts()
    keys, exact = model.encode(given), twin.encode(given)
    alike = cosines(keys, exact)
    assert alike.mean() > 0.995 and alike.min() > 0.98
    found, wanted = ((side[:20] @ side[20:40].T).argmax(1) for side in (keys, exact))
    assert (found == wanted).mean() >= 0.9 and (found == np.arange(20)).mean() >= 0.6


def test_the_quip_encoder_says_what_its_float_twin_says_and_finds_the_answer(tmp_path: Path) -> None:
    model, twin, given = Encoder(QUIP), Encoder(twin_of(QUIP, "encoder", tmp_path)), texts()
    for found, wanted in zip(model.queries(given[:20]), twin.queries(given[:20]), strict=True):
        assert cosines(found, wanted).mean() > 0.99
    tokens, exact = (np.concatenate([item.vectors for item in side.passages(given[40:])]) for side in (model, twin))
    assert cosines(tokens, exact).mean() > 0.99
    passage = model.passages([CANAL])[0]
    starts, ends = model.questions(list(ASKED))
    for start, end, answer in zip(starts, ends, ASKED.values(), strict=True):
        span = best_span(passage.vectors @ start, passage.vectors @ end, no_answer=False)
        assert answer.split()[-1] in text_of(CANAL, passage.offsets, span)


def test_the_reranker_says_what_its_float_twin_says_and_prefers_the_right_pair(tmp_path: Path) -> None:
    model, twin = Reranker(RERANKER), Reranker(twin_of(RERANKER, "reranker", tmp_path))
    questions, candidates, scores = pairs()
    first = [some[:4] for some in candidates], [some[:4] for some in scores]  # all at full depth
    found, wanted = (np.concatenate(side.rerank(questions, *first)) for side in (model, twin))
    assert np.corrcoef(found, wanted)[0, 1] > 0.99 and np.abs(found - wanted).mean() < 0.2
    stored = [
        ("What year was the Suez Canal opened in?", "November 1869"),
        ("Who led the work?", "Ferdinand de Lesseps"),
    ]
    logits = model.rerank(["When did the Suez Canal open?"], [stored], [[0.6, 0.6]])[0]
    assert logits[0] > logits[1] + 2.0


@extractor_ships
def test_the_extractor_says_what_its_float_twin_says_and_finds_the_answers(tmp_path: Path) -> None:
    model, twin = Extractor(EXTRACTOR), Extractor(twin_of(EXTRACTOR, "extractor", tmp_path))
    given = texts()[40:]
    found, wanted = ([{item.text for item in some} for some in side.extract(given, limit=8)] for side in (model, twin))
    assert np.mean([len(some & others) / len(others) for some, others in zip(found, wanted, strict=True)]) > 0.85
    candidates = {item.text for item in model.extract([CANAL])[0]}
    assert sum(any(answer in text for text in candidates) for answer in ASKED.values()) >= 2

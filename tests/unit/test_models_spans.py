"""Which span, which piece, which batch: the choices around the models, against plain loops. No model is needed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from quipu.models import reader as reader_module
from quipu.models.encoder import length_batches
from quipu.models.reader import Reader, best_spans
from quipu.models.writer import _copied_states, _cuts, _nucleus, _stutters, _tokens
from quipu.records import Span


@pytest.mark.parametrize("seed", range(6))
def test_the_best_span_is_that_of_a_plain_search(seed: int) -> None:
    """One off at either end is a wrong answer with a high probability."""
    rng = np.random.default_rng(seed)
    length, longest = int(rng.integers(3, 14)), int(rng.integers(1, 6))
    start, end = rng.normal(0, 4, (2, 3, length)).astype(np.float32)
    allowed = rng.random((3, length)) < 0.7
    allowed[:, 0], allowed[:, -1] = False, True  # [CLS] stands for "no answer"
    found = best_spans(start, end, allowed, longest)
    for row, (first, last, score, probability) in enumerate(zip(*found, strict=True)):
        sums = {
            (i, j): float(start[row, i] + end[row, j])
            for i in range(length)
            for j in range(i, min(i + longest, length))
            if allowed[row, i] and allowed[row, j]
        }
        none = float(start[row, 0] + end[row, 0])
        assert (first, last) == max(sums, key=lambda span: sums[span])
        assert score == pytest.approx(max(sums.values()) - none, abs=1e-3)
        total = np.exp(none) + sum(np.exp(value) for value in sums.values())
        assert probability == pytest.approx(np.exp(max(sums.values())) / total, rel=1e-3)


def test_where_no_token_is_allowed_there_is_no_answer() -> None:
    """An empty passage must not be "answered" by the words of the question."""
    logits = np.array([[0.0, 9.0, 9.0]], dtype=np.float32)
    _, _, score, probability = best_spans(logits, logits, np.zeros((1, 3), dtype=bool), 2)
    assert score[0] < -1000 and probability[0] == 0.0


def test_padding_never_wins_a_span() -> None:
    """Without the mask short passages answer from their padding, and scores depend on the batch they are in."""
    start = np.array([[0.0, 2.0, 1.0, 50.0]], dtype=np.float32)
    allowed = np.array([[False, True, True, False]])
    wide = best_spans(start, start, allowed, 3)
    narrow = best_spans(start[:, :3], start[:, :3], allowed[:, :3], 3)
    for left, right in zip(wide, narrow, strict=True):
        assert left[0] == pytest.approx(right[0], abs=1e-5)
    assert (wide[0][0], wide[1][0]) == (1, 1)


class Marks:
    """Stands in for a session: token ``wanted`` is the best start and end; "no answer" has 1."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.shapes = wanted, list[tuple[int, ...]]()

    def run(self, _: None, feeds: dict[str, NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        ids = feeds["input_ids"]
        self.shapes.append(ids.shape)
        logits = np.where(ids == self.wanted, 5.0, 0.0).astype(np.float32)
        logits[:, 0] = 1.0
        return [logits, logits]


def made_reader(folder: Path, monkeypatch: pytest.MonkeyPatch, max_length: int = 320, stride: int = 96) -> Reader:
    words = ["[UNK]", "[CLS]", "[SEP]", "when", "opened", "the", "canal", "was", "in", "1869", "?", "."]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "model.onnx").write_bytes(b"stands in")
    files = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    listing = {"kind": "reader", "name": "marks", "version": "1", "files": files}
    (folder / "model.json").write_text(json.dumps({**listing, "max_length": max_length, "stride": stride}))
    monkeypatch.setattr(reader_module, "session", lambda _: Marks(words.index("1869")))
    return Reader(folder)


def test_answers_are_found_in_every_window_of_a_long_passage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets of a later window that were not those of the passage would quote other words."""
    reader = made_reader(tmp_path / "m", monkeypatch, max_length=24, stride=6)
    for before in (0, 7, 15, 40, 133):
        passage = "the canal " * before + "was opened in 1869 . " + "the canal " * 30
        reading = reader.read(["when was the canal opened ?"], [passage])[0]
        assert reading.text == "1869" == passage[reading.start : reading.end] and reading.score == pytest.approx(8.0)


def test_readings_come_in_the_order_of_the_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are sorted by length: readings that stay sorted would confirm and refuse other people's pairs."""
    reader = made_reader(tmp_path / "m", monkeypatch)
    passages = [f"{'the canal ' * count}in 1869 ." if count % 3 else "the canal " * count for count in range(1, 120)]
    readings = reader.read(["when ?"] * len(passages), passages)
    for passage, reading in zip(passages, readings, strict=True):
        assert (reading.score > 0) == ("1869" in passage)
        assert passage[reading.start : reading.end] == reading.text
    assert reader.read([], []) == []
    rows = sum(shape[0] for shape in reader._session.shapes)
    assert rows == len(passages) and max(a * b for a, b in reader._session.shapes) <= reader_module.TOKENS_PER_BATCH


def test_a_question_of_any_length_leaves_room_for_the_passage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One imported line of dots, or of Chinese without a space, would stop a build of hours."""
    reader = made_reader(tmp_path / "m", monkeypatch)
    for question in ("?" * 900, "when " * 900, "运" * 900, "", "when was the canal opened ?" + " " * 900):
        assert reader.read([question], ["the canal was opened in 1869 ."])[0].text == "1869"
    assert reader.read(["1869 ?"], [""])[0].score < 0


def test_sampling_draws_the_fewest_pieces_that_hold_the_share() -> None:
    """A nucleus that is one too wide asks nonsense, one too narrow asks the same question again and again."""
    p = np.array([0.5, 0.3, 0.15, 0.05])
    log_p = np.log(np.tile(p, (4000, 1))).astype(np.float32)
    for top_p, count in ((0.1, 1), (0.5, 1), (0.51, 2), (0.8, 2), (0.81, 3), (1.0, 4)):
        picks = np.bincount(_nucleus(log_p, top_p - 1e-4, np.random.default_rng(1)), minlength=4)
        expected = np.where(np.arange(4) < count, p, 0.0)
        assert np.allclose(picks / 4000, expected / expected.sum(), atol=0.03), top_p


def test_sampling_never_draws_what_was_left_out() -> None:
    """A piece that stutters has no probability; drawing it by rounding would bring the stutter back."""
    log_p = np.log(np.array([[0.6, 0.2, 0.2]], dtype=np.float32))
    log_p[0, 0] = -np.inf
    picks = {int(_nucleus(log_p, 1.0, np.random.default_rng(seed))[0]) for seed in range(60)}
    assert picks == {1, 2}


def test_a_pair_of_pieces_is_said_once() -> None:
    """Greedy questions fall into loops, and the reader answers them all the same."""
    said = np.array([[[4, 5, 6, 4]], [[4, 4, 5, 5]]])
    piece = np.array([[[5, 6, 4]], [[5, 4, 6]]])
    # after 4: "4 5" was said, "4 4" repeats the last; after 5 (second row): "5 5" repeats and was said
    assert _stutters(piece, said).tolist() == [[[True, False, True]], [[True, False, False]]]
    assert not _stutters(piece, said[..., :0]).any()


@pytest.mark.parametrize(
    ("text", "answer", "cut"),
    [
        ("about 7,000,000 people", "7,000,000", False),
        ("about 7,000,000 people", "7,000", True),
        ("about 7,000,000 people", "000", True),
        ("3.5 km", "5 km", True),
        ("3.5 km", "3.5 km", False),
        ("a well-known man", "known man", True),
        ("the 1914-18 war", "1914", True),
        ("in 1914, 18 men", "1914", False),
        ("in 1914, 18 men", "18 men", False),
        ("the end of 1869.", "1869", False),
        ("O'Brien came", "Brien", True),
        ("the dog's bone", "dog", False),
        ("the dog’s bone", "dog’s", False),
        ("the (half) moon", "half", False),
        ("the (half) moon", "(half) moon", False),
        ("the (half) moon", "half) moon", True),
        ('he said "yes" twice', '"yes', True),
        ('he said "yes" twice', '"yes" twice', False),
        ("1869", "1869", False),
    ],
)
def test_spans_are_whole_numbers_words_and_brackets(text: str, answer: str, cut: bool) -> None:
    """ "7,000" out of "7,000,000" is a wrong answer that looks right."""
    at = text.index(answer)
    assert _cuts(text, at, at + len(answer)) is cut


def test_the_tokens_of_a_span_are_those_that_share_a_character() -> None:
    """An answer that ends inside a token must still be told to the writer; one of white space has none."""
    offsets = [(0, 0), (0, 3), (4, 9), (9, 10), (11, 15), (0, 0)]  # [CLS] the canal . 1869 [SEP]
    assert _tokens(offsets, Span(4, 9)) == (2, 2)
    assert _tokens(offsets, Span(5, 12)) == (2, 4)
    assert _tokens(offsets, Span(3, 4)) is None and _tokens(offsets, Span(20, 25)) is None
    assert _tokens(offsets, Span(0, 0)) is None


def test_what_is_copied_is_read_at_the_place_nearest_to_the_answer() -> None:
    """Of two places of a word the other one goes on with another sentence."""
    ids = np.array([[1, 7, 8, 9, 7, 2]])
    states = np.arange(6, dtype=np.float32).reshape(1, 6, 1)
    previous, start, end = np.array([[7, 7, 5]]), np.array([[3, 2, 2]]), np.array([[3, 2, 3]])
    found: Any = _copied_states(previous, ids, start, end, states)
    assert found[..., 0].tolist() == [[4.0, 1.0, 0.0]]


def test_batches_hold_texts_of_one_length_and_every_text_once() -> None:
    """A text that is left out has a key of zeros, and is found by every question or by none."""
    rng = np.random.default_rng(0)
    lengths = [int(item) for item in rng.integers(1, 40, 300)] + [5000]
    batches = length_batches(lengths, 128)
    assert sorted(at for batch in batches for at in batch) == list(range(301))
    for batch in batches:
        assert len({lengths[at] for at in batch}) == 1
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= 128
    assert length_batches([], 128) == []

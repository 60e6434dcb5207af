"""Which span, which piece, which batch: the choices around the models, against plain loops. No model is needed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from quipu.models import loaded
from quipu.models import reader as reader_module
from quipu.models.loaded import length_batches
from quipu.models.reader import Reader, best_spans


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
    monkeypatch.setattr(loaded, "session", lambda _: Marks(words.index("1869")))
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

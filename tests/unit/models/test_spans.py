"""Spans from vectors: windows tile, the best span is the best, codes score as what they stand for, places survive."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quipu.errors import FormatError
from quipu.models.codebook import Codebook, _groups, _water_filled
from quipu.models.spans import best_span, stitched, text_of, windows
from quipu.storage.passage_vectors import _packed, _unpacked


def test_windows_of_the_paper() -> None:
    """456 wide, 328 apart: overlaps of 128 are cut in the middle, at 392 and 720."""
    assert windows(456) == [(0, 456, 0, 456)]
    assert windows(900) == [(0, 456, 0, 392), (328, 784, 392, 720), (656, 900, 720, 900)]


@given(st.integers(1, 400), st.integers(4, 40), st.integers(1, 40))
def test_windows_tile_any_text(length: int, window: int, stride: int) -> None:
    stride = min(stride, window)
    parts = windows(length, window, stride)
    assert parts[0][2] == 0 and parts[-1][3] == length
    assert all(left[3] == right[2] for left, right in itertools.pairwise(parts))
    assert all(first <= kept < until <= last <= length for first, last, kept, until in parts)
    assert all(last - first <= window for first, last, _, _ in parts)


def test_stitching_keeps_every_token_once_and_in_order() -> None:
    """An encoder that gives each token its own number must give the numbers back."""
    rows = [list(range(30)), [7], list(range(100, 113))]

    def run(parts: list[list[int]]) -> list[np.ndarray]:
        return [np.array(part, dtype=np.float32)[None, :, None] for part in parts]

    found = stitched(rows, run, window=8, stride=5)
    assert [item[0, :, 0].astype(int).tolist() for item in found] == rows


@given(st.integers(2, 12), st.integers(1, 5), st.booleans(), st.integers(0, 10_000))
def test_best_span_is_found_by_trying_all(length: int, longest: int, no_answer: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    start, end = rng.normal(size=(2, length)).astype(np.float32)
    p_start, p_end = (np.exp(side) / np.exp(side).sum() for side in (start, end))
    spans = {
        (i, j): p_start[i] * p_end[j] for i in range(1, length) for j in range(i, min(length, i + longest))
    }  # fmt: skip
    if no_answer:
        spans[0, 0] = p_start[0] * p_end[0]
    found = best_span(start, end, longest=longest, no_answer=no_answer)
    assert found.probability == pytest.approx(max(spans.values()), rel=1e-4)
    assert spans[found.first, found.last] == pytest.approx(found.probability, rel=1e-4)


def test_span_worked_by_hand() -> None:
    """Start is surest at "1869", end at "canal" before it: the ends must not cross."""
    offsets = np.array([[0, 0], [0, 3], [4, 9], [10, 14], [0, 0]], dtype=np.int32)
    start, end = np.array([0, 0, 0, 5, 0], dtype=np.float32), np.array([0, 0, 5, 4, 0], dtype=np.float32)
    kept = offsets[:, 0] < offsets[:, 1]
    span = best_span(start, end, kept=kept)
    assert (span.first, span.last) == (3, 3) and text_of("the canal 1869", offsets, span) == "1869"
    empty = best_span(np.array([9, 0, 0], dtype=np.float32), np.array([9, 0, 0], dtype=np.float32))
    assert text_of("the", offsets, empty) == ""


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 255)), max_size=40))
def test_places_survive_two_bytes_a_token(steps: list[tuple[int, int]]) -> None:
    at, offsets = 0, []
    for gap, length in steps:
        offsets.append((at + gap, at + gap + length) if length else (0, 0))
        at += gap + length if length else 0
    given_offsets = np.array(offsets, dtype=np.int32).reshape(-1, 2)
    assert _unpacked(_packed(given_offsets)).tolist() == given_offsets.tolist()


def test_a_gap_of_more_than_255_characters_moves_one_token_and_no_other() -> None:
    offsets = np.array([[0, 3], [600, 604], [605, 609], [610, 615]], dtype=np.int32)
    assert _unpacked(_packed(offsets))[3].tolist() == [610, 615] or _unpacked(_packed(offsets))[2:].max() <= 615


def test_codes_score_as_the_vectors_that_they_stand_for() -> None:
    rng = np.random.default_rng(0)
    vectors = 3 + rng.normal(size=(2000, 12)).astype(np.float32)
    questions = rng.normal(size=(300, 12)).astype(np.float32)
    book = Codebook.learn(vectors, questions, parts=6)
    codes = book.encode(vectors[:50])
    assert codes.shape == (50, 6) and codes.dtype == np.uint8
    scores = book.scores(book.tables(questions), codes)
    np.testing.assert_allclose(scores, questions @ book.decode(codes).T, rtol=1e-3, atol=1e-3)
    exact = questions @ vectors[:50].T
    assert (scores - exact).var() < 0.05 * exact.var()  # 256 centres for two numbers


def test_a_codebook_keeps_what_questions_look_at() -> None:
    """Eight numbers in one byte: the two that questions multiply survive, however much the six others vary."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(4000, 8)).astype(np.float32) * np.array([1, 1, 9, 9, 9, 9, 9, 9], dtype=np.float32)
    questions = rng.normal(size=(500, 8)).astype(np.float32) * np.array([1, 1, *[1e-3] * 6], dtype=np.float32)
    book = Codebook.learn(vectors, questions, parts=1)
    exact = questions @ vectors[:200].T
    assert (book.scores(book.tables(questions), book.encode(vectors[:200])) - exact).var() < 0.03 * exact.var()


def test_bits_go_where_the_variance_is() -> None:
    # Level 1/4: log2 of the standard deviations 4, 2, 1, 1/8 over the level's 1/2 are 3, 2, 1 and below zero.
    np.testing.assert_allclose(_water_filled(np.array([1.0, 16.0, 1 / 64, 4.0]), 6), [1, 3, 0, 2])
    assert _groups(np.array([1.0, 3.0, 0.0, 2.0]), 2) == [[1], [3, 0]]


def test_a_codebook_survives_its_file_and_refuses_others(tmp_path) -> None:  # type: ignore[no-untyped-def]
    book = Codebook.learn(*np.random.default_rng(1).normal(size=(2, 600, 8)).astype(np.float32), parts=4)
    book.save(tmp_path / "codebook.npz")
    loaded = Codebook.load(tmp_path / "codebook.npz")
    some = np.random.default_rng(2).normal(size=(20, 8)).astype(np.float32)
    np.testing.assert_array_equal(loaded.decode(loaded.encode(some)), book.decode(book.encode(some)))
    np.savez(tmp_path / "other.npz", centres=np.zeros((3, 3)))
    with pytest.raises(FormatError, match="holds no codebook"):
        Codebook.load(tmp_path / "other.npz")
    with pytest.raises(FormatError, match="256 vectors at least"):
        Codebook.learn(*np.zeros((2, 100, 8), dtype=np.float32), parts=4)

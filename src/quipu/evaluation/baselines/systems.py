"""Whole systems out of a search and, where they read, a reader: the rows that stand beside quipu's lookup."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from quipu.evaluation.task import Prediction
from quipu.models.protocols import Reading, SupportsRead


class Searches(Protocol):
    """BM25 and Dense alike."""

    def search(self, questions: Sequence[str], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Rows (Q, k) and scores (Q, k), best first."""
        ...


class PassageReader:
    """Find the best passages, read each with the question, answer with the span of the highest score or probability."""

    def __init__(
        self,
        name: str,
        search: Searches,
        passages: Sequence[str],
        reader: SupportsRead,
        best: int = 5,
        by: Literal["score", "probability"] = "score",
    ) -> None:
        self.name = name
        self._search, self._passages, self._reader, self._best, self._by = search, passages, reader, best, by

    def predict(self, questions: Sequence[str]) -> list[Prediction]:
        """Reads ``best`` passages a question; ``ranked`` holds the spans read, by their score."""
        predictions: list[Prediction] = []
        rows, _ = self._search.search(questions, self._best)
        for start in range(0, len(questions), 64):
            batch = questions[start : start + 64]
            found = rows[start : start + 64]
            texts = [[self._passages[row] for row in of_one] for of_one in found]
            flat = self._reader.read(
                [question for question, of_one in zip(batch, texts, strict=True) for _ in of_one],
                [text for of_one in texts for text in of_one],
            )
            at = 0
            for question, of_one in zip(batch, texts, strict=True):
                readings = sorted(flat[at : at + len(of_one)], key=self._order)
                at += len(of_one)
                ranked = tuple(reading.text for reading in readings)
                predictions.append(Prediction(question, ranked[0] if ranked else None, ranked, tuple(of_one)))
        return predictions

    def _order(self, reading: Reading) -> tuple[bool, float]:
        """Best first; a reader may say that nothing in a passage answers: an empty text, which comes last."""
        return not reading.text, -(reading.score if self._by == "score" else reading.probability)


class QuestionLookup:
    """Find the stored question that is most alike and answer with its answer."""

    def __init__(self, name: str, search: Searches, answers: Sequence[str], k: int = 50) -> None:
        self.name = name
        self._search, self._answers, self._k = search, answers, k

    def predict(self, questions: Sequence[str]) -> list[Prediction]:
        """The best stored pair's answer, and the answers of the best ``k`` for recall."""
        rows, _ = self._search.search(questions, self._k)
        return [
            Prediction(question, self._answers[of_one[0]], tuple(self._answers[row] for row in of_one))
            for question, of_one in zip(questions, rows.tolist(), strict=True)
        ]

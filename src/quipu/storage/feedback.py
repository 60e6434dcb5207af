"""The part of a record that holds what people said of answers: right or wrong, of which question, and when.

A mark outlives an update of the document that it is about. It goes with the pair or the file that somebody removes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from quipu.errors import InputError
from quipu.records import Answer, content_id
from quipu.storage.store import Store
from quipu.text import normalize_answer

_FORMAT = 7  # from which on a record has marks
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Feedback:
    """What somebody said of an answer. ``pair``: the stored pair that gave it, ``source``: its document's, "" of none.

    ``marked``: when, in UTC. ``stored``: the pair's answer, which may be said in more words.
    """

    question: str
    answer: str
    right: bool
    pair: str | None = None
    source: str = ""
    marked: str = ""
    stored: str | None = None

    @classmethod
    def of(cls, answer: Answer, right: bool) -> Feedback:
        """What is kept of a mark of this answer; InputError where it is none."""
        if answer.text is None:
            raise InputError("there is no answer to mark as right or wrong: the memory gave none")
        first = answer.evidence[0] if answer.evidence else None
        pair = None if first is None or first.pair is None else first.pair
        if pair is not None and normalize_answer(pair.answer) not in normalize_answer(answer.text):
            pair = None  # it was read from this pair, which says something else
        source = first.document if first is not None and first.document is not None else ""
        return cls(answer.question, answer.text, right, pair.id if pair else None, source)

    @classmethod
    def of_words(cls, store: Store, question: str, answer: str, right: bool) -> Feedback:
        """The same of the words of an answer, which need not be what the memory answers now."""
        if not answer.strip():
            raise InputError("an answer that is marked must not be empty")
        pair = store.question_answer_exists(question, answer)
        document = None if pair is None else store.pair(pair).document_id
        return cls(question, answer.strip(), right, pair, store.source(document) if document else "")

    @property
    def answers(self) -> set[str]:
        """The answer as it was said and as it is stored, normalised."""
        return {normalize_answer(text) or text for text in (self.answer, self.stored) if text}


def feedback_id(question: str, answer: str) -> str:
    """Of a mark: one question and answer have one, the last."""
    return content_id(normalize_answer(question) or question, normalize_answer(answer) or answer)


def keep_feedback(store: Store, mark: Feedback, key: NDArray[np.float32]) -> None:
    """Note a mark, now, in place of an earlier one; ``key``: of the question by the memory's encoder, (width,)."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with store.transaction():
        store.connection.execute(
            "INSERT OR REPLACE INTO feedback (id, question, answer, is_right, pair, source, marked, vector)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (feedback_id(mark.question, mark.answer), mark.question, mark.answer, int(mark.right), mark.pair,
             mark.source, now, np.asarray(key, dtype=np.float16).tobytes()),
        )  # fmt: skip


def feedback_in(store: Store) -> Iterator[Feedback]:
    """Every mark, streamed, in an order that stays."""
    for mark, _ in _marked(store, "1"):
        yield mark


def wrong_feedback(store: Store) -> tuple[list[Feedback], NDArray[np.float32]]:
    """The answers that are wrong, with the keys of their questions (n, width)."""
    found = [marked for member in store.members for marked in _marked(member, "is_right = 0")]
    keys = np.frombuffer(b"".join(key for _, key in found), dtype=np.float16).reshape(len(found), -1 if found else 0)
    return [mark for mark, _ in found], keys.astype(np.float32)


def count_feedback(store: Store) -> dict[str, int]:
    """How many answers were marked right, and how many wrong."""
    if store.format < _FORMAT:
        return {"right": 0, "wrong": 0}
    right, every = store.connection.execute("SELECT coalesce(sum(is_right), 0), count(*) FROM feedback").fetchone()
    return {"right": int(right), "wrong": int(every - right)}


def forget_feedback(store: Store, sources: Iterable[str]) -> None:
    """Forget what was said of answers from documents that somebody removes, and which of their pairs were rejected."""
    with store.transaction():
        for source in sources:
            store.connection.execute("DELETE FROM feedback WHERE source = ?", (source,))
            store.connection.execute("DELETE FROM rejected WHERE source = ?", (source,))


def _marked(store: Store, condition: str) -> Iterator[tuple[Feedback, bytes]]:
    last = ""
    while store.format >= _FORMAT and (
        found := store.connection.execute(
            "SELECT id, question, answer, is_right, pair, source, marked, vector,"
            " (SELECT answer FROM pairs WHERE pairs.id = pair) FROM feedback"
            f" WHERE id > ? AND {condition} ORDER BY id LIMIT ?",
            (last, _BATCH),
        ).fetchall()
    ):
        last = found[-1][0]
        for _, question, answer, right, pair, source, marked, key, stored in found:
            yield Feedback(question, answer, bool(right), pair, source, marked, stored), key

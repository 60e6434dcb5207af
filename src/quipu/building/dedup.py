"""One pair for one thing: exact duplicates, then questions that say the same about the same or an overlapping span."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from quipu.language.english import FUNCTION_WORDS
from quipu.records import QAPair, Verdict
from quipu.text import normalize_answer, token_f1

ALIKE = 0.93  # cosine of two questions' keys above which they are paraphrases
NEAR = 1000  # characters, about a passage and a half
_ASKS = frozenset(["who", "whom", "whose", "what", "which", "when", "where", "why", "how", "many", "much"])


def deduplicate(
    pairs: Sequence[QAPair],
    questions: NDArray[np.float32],
    is_known: Callable[[str, str], str | None],
    is_answered: Callable[[str], str | None] = lambda question: None,
) -> list[Verdict]:
    """A verdict a pair, in order. ``questions`` (n, D): unit vectors of the questions.

    The pair with the best filter score stays; equal ones go by generator score, then by order. Pairs whose spans do
    not overlap are never paraphrases of one another here: that the same is said in two places is for the reader to see.
    But the same question, word for word but for small words, has one answer in a document's neighbourhood; and where
    a document answers a question itself (``is_answered``), that answer stays alone.
    """
    rank = sorted(
        range(len(pairs)),
        key=lambda at: (-(pairs[at].filter_score or 0.0), -(pairs[at].generator_score or 0.0), at),
    )
    asked = [_asked(pair.question) for pair in pairs]
    exact: dict[tuple[str, str], int] = {}
    by_document: dict[str | None, list[int]] = {}
    verdicts: dict[int, Verdict] = {}
    for at in rank:
        pair = pairs[at]
        words = (normalize_answer(pair.question), normalize_answer(pair.answer))
        reason, because = "kept", None
        known = is_known(pair.question, pair.answer)
        if words in exact:
            reason, because = "same question and answer", pairs[exact[words]].id
        elif known is not None and known != pair.id:
            reason, because = "same question and answer", known
        elif (answered := is_answered(pair.question)) is not None:
            reason, because = "the document answers the question itself", answered
        else:
            for other in by_document.get(pair.document_id, ()):
                if _paraphrases(pair, pairs[other], float(questions[at] @ questions[other]), words[0]):
                    reason, because = "same question about the same span", pairs[other].id
                    break
                if _ambiguous(pair, pairs[other], asked[at], asked[other]):
                    reason, because = "same question with another answer", pairs[other].id
                    break
        if reason == "kept":
            exact[words] = at
            by_document.setdefault(pair.document_id, []).append(at)
        verdicts[at] = Verdict(pair.id, "dedup", reason == "kept", None, reason, because)
    return [verdicts[at] for at in range(len(pairs))]


def _asked(question: str) -> frozenset[str]:
    """The words that a question is made of, without small ones; what it asks for is kept."""
    words = set(normalize_answer(question).split())
    return frozenset((words - FUNCTION_WORDS) | (words & _ASKS))


def _ambiguous(pair: QAPair, other: QAPair, words: frozenset[str], others: frozenset[str]) -> bool:
    """The same question, close by, with an answer that says something else."""
    if pair.span is None or other.span is None or words != others:
        return False
    near = abs(pair.span.start - other.span.start) < NEAR
    return near and token_f1(pair.answer, other.answer) < 0.5


def _paraphrases(pair: QAPair, other: QAPair, cosine: float, words: str) -> bool:
    if pair.span is None or other.span is None or not pair.span.overlaps(other.span):
        return False
    return cosine >= ALIKE or words == normalize_answer(other.question)

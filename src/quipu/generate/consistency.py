"""Two filters on written questions: is it a question at all, and does its own passage answer it so?"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from quipu.models.protocols import SupportsRead
from quipu.records import QAPair, Verdict
from quipu.text import normalize_answer, token_f1

_ASKS = frozenset(["who", "whom", "whose", "what", "which", "when", "where", "why", "how"])
_AUXILIARY = frozenset(
    [
        "is",
        "are",
        "was",
        "were",
        "do",
        "does",
        "did",
        "can",
        "could",
        "will",
        "would",
        "has",
        "have",
        "had",
        "should",
        "may",
    ]
)


def well_formed(pair: QAPair) -> Verdict:
    """At least three words with a question word, no stutter, and not the answer itself in it."""
    words = re.findall(r"\w+(?:[-.,:'’/]\w+)*", pair.question.lower())  # "7,000,000" is one
    reason = "kept"
    if len(words) < 3:
        reason = "shorter than three words"
    elif not any(re.split("['’-]", word)[0] in _ASKS for word in words) and words[0] not in _AUXILIARY:
        reason = "no question word"
    elif any(left == right for left, right in itertools.pairwise(words)) or _repeats(words):
        reason = "repeats itself"
    elif _holds_answer(pair):
        reason = "holds its own answer"
    return Verdict(pair.id, "well_formed", reason == "kept", None, reason)


def local_filter(
    pairs: Sequence[QAPair], passages: Sequence[str], reader: SupportsRead, *, threshold: float
) -> list[tuple[Verdict, float]]:
    """The reader answers each question from its own passage (PAQ's local filter; QAMAT section 4.1).

    Kept when it finds an answer at all (score > 0) and token F1 of its answer and the pair's is at least ``threshold``.
    The second value is the reader's probability, the pair's filter score.
    """
    # several spans of a passage may have got the same question: it is read once
    asked = list(dict.fromkeys(zip((pair.question for pair in pairs), passages, strict=True)))
    readings = dict(zip(asked, reader.read(*_columns(asked)), strict=True))
    found = []
    for pair, passage in zip(pairs, passages, strict=True):
        reading = readings[pair.question, passage]
        overlap = token_f1(reading.text, pair.answer)
        if reading.score <= 0:
            reason = "reader found no answer"
        elif overlap < threshold:
            reason = "reader answered otherwise"
        else:
            reason = "kept"
        verdict = Verdict(pair.id, "local", reason == "kept", reading.probability, reason, reading.text[:200])
        found.append((verdict, reading.probability))
    return found


def _columns(rows: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [question for question, _ in rows], [passage for _, passage in rows]


def _repeats(words: Sequence[str]) -> bool:
    """A run of three words that comes twice, or a pair of words twice in a row."""
    runs = [tuple(words[at : at + 3]) for at in range(len(words) - 2)]
    doubled = any(words[at : at + 2] == words[at + 2 : at + 4] for at in range(len(words) - 3))
    return doubled or len(runs) != len(set(runs))


def _holds_answer(pair: QAPair) -> bool:
    """Whether the answer's words stand in the question in a row; one short common word does not count."""
    answer, question = normalize_answer(pair.answer), normalize_answer(pair.question)
    return len(answer) > 2 and f" {answer} " in f" {question} "

"""The text that a stored pair's key vector is made of. The encoder is trained on it, so it lives beside the encoder."""

from __future__ import annotations

import re
from typing import Literal

from quipu.language.english import MONTH
from quipu.text import normalize_answer

KeyKind = Literal["both", "cloze", "question"]

_WHEN = re.compile(
    rf"\b(?:1[0-9]{{3}}|20[0-9]{{2}})s?\b|\b{MONTH}\b|\bcentur(?:y|ies)\b|\b\d{{1,2}}(?:st|nd|rd|th)\b", re.I
)
_COUNT = re.compile(
    r"^(?:about |around |nearly |over |more than |less than |at least |approximately |some )?[$£€]?[\d.,]+\b|"
    r"^(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundreds?|thousands?|"
    r"millions?|billions?|dozens?|half)\b",
    re.I,
)
_WHERE_BEFORE = re.compile(r"\b(?:in|at|near|from|to|into|through|across|outside)\s+(?:the\s+)?$", re.I)
_NAME = re.compile(r"^(?:[A-Z][\w.'’-]*)(?:\s+(?:[A-Z][\w.'’-]*|of|the|de|von|van|and))*$")
_PERSON_AFTER = re.compile(
    r"^\s*(?:,|who|wrote|said|was born|invented|discovered|founded|led|ruled|married|died|argued)\b"
)


def key_text(question: str, answer: str, sentence: str, title: str = "", kind: KeyKind = "both") -> str:
    """What is encoded for a pair: its question, the cloze of its sentence, or both; the title where it adds a word.

    A question as people ask it can lose the words of its sentence; the cloze keeps them. Without a sentence (an
    imported pair) the key is the question.
    """
    if not sentence or kind == "question":
        body = question
    elif kind == "cloze":
        body = cloze(sentence, answer)
    else:
        body = f"{question} {cloze(sentence, answer)}"
    known = set(normalize_answer(body).split())
    if title and sentence and not set(normalize_answer(title).split()) <= known:
        return f"{title}: {body}"
    return body


def cloze(sentence: str, answer: str) -> str:
    """The sentence with the answer replaced by a question word that fits it."""
    escaped = re.escape(answer)
    found = None
    for pattern in (rf"(?<!\w){escaped}(?!\w)", escaped):  # as words of its own first: "one" stands in "someone" too
        found = found or re.search(pattern, sentence) or re.search(pattern, sentence, re.I)
    if not answer or found is None:
        return sentence
    before, after = sentence[: found.start()], sentence[found.end() :]
    return f"{before}{question_word(answer, before, after)}{after}"


def question_word(answer: str, before: str = "", after: str = "") -> str:
    """who, when, where, how many or what, by the form of the answer and the words around it."""
    if _WHEN.search(answer) and len(answer.split()) <= 5:
        return "when"
    if _COUNT.search(answer):
        return "how many" if not answer.startswith(("$", "£", "€")) else "how much"
    if _NAME.match(answer):
        if _PERSON_AFTER.match(after) or before.rstrip().lower().endswith(" by"):
            return "who"
        if _WHERE_BEFORE.search(before):
            return "where"
    return "what"

"""Passages to candidate answers: what the learned scorer marks, joined with what rules find.

The learned candidates come first in their order; the rules fill the rest by their priors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from quipu.models.protocols import SupportsExtract
from quipu.records import Candidate, Span
from quipu.text import FUNCTION_WORDS, normalize_answer

LIMIT = 25
LEARNED = 21  # of LIMIT, where both have enough to say
# How often a rule's span is an answer that a person asked for, roughly, on QAMR and the marked SQuAD sentences.
PRIORS = {"date": 0.5, "number": 0.45, "name": 0.4, "quoted": 0.35, "acronym": 0.3, "phrase": 0.15}

_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_UNIT = (
    r"(?:%|percent|per cent|million|billion|trillion|thousand|hundred|dozen|years?|months?|weeks?|days?|"
    r"hours?|minutes?|seconds?|metres?|meters?|kilometres?|kilometers?|km|miles?|feet|foot|inches|acres|hectares|"
    r"square \w+|cubic \w+|"
    r"kilograms?|kg|tons?|tonnes?|pounds|dollars|euros|degrees?|people|times)"
)
_COUNTED = (
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundreds|thousands|"
    r"millions)"
)
_DAY = rf"(?:{_MONTH} \d{{1,2}}(?:, \d{{4}})?|\d{{1,2}} {_MONTH}(?: \d{{4}})?|{_MONTH} \d{{4}})"
_AGE = r"(?:\d{1,2}(?:st|nd|rd|th)|early|late|mid-)(?: \d{1,2}(?:st|nd|rd|th))? centur(?:y|ies)"
_LINK = r"(?: [A-Z]\.)*,? (?:(?:of|the|de|la|von|van|and|for) )?"  # "John J. Pershing" is one name
_ABBREVIATION = re.compile(r"(?:[A-Z]\.)+[A-Z]\Z")
_BREAK = r"of|in|by|with|for|to|from|as|on|is|are|was|were|and"
_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("date", re.compile(rf"\b{_DAY}\b", re.I)),
    ("date", re.compile(r"\b(?:1\d{3}|20\d{2})(?:s|[-–](?:1\d{3}|20\d{2}|\d{2}))?\b")),
    ("date", re.compile(rf"\b{_AGE}\b", re.I)),
    ("number", re.compile(rf"[$£€]?\b\d[\d,]*(?:\.\d+)?%?(?:[ -]{_UNIT})*(?!\w)", re.I)),
    ("number", re.compile(rf"\b{_COUNTED}(?:-{_COUNTED})?(?:[ -]{_UNIT})*\b(?!-\w)", re.I)),
    ("name", re.compile(rf"\b[A-Z][\w'’.-]*\w(?:{_LINK}[A-Z][\w'’-]*\w)*")),
    ("quoted", re.compile(r"[\"“](?!\s)([^\"“”]{2,80})(?<!\s)[\"”]")),
    ("acronym", re.compile(r"\b[A-Z]{2,6}\b")),
    ("phrase", re.compile(
        rf"\b(?:the|an?|its|his|her|their|this|some|many|several|{_BREAK}) ((?:[a-z][\w-]+ ){{0,3}}[a-z][\w-]+)"
        rf"(?=[,.;:)]| (?:{_BREAK}|or|that|which|who|at)\b|$)"
    )),
)  # fmt: skip


def candidates(texts: Sequence[str], extractor: SupportsExtract | None, *, limit: int = LIMIT) -> list[list[Candidate]]:
    """At most ``limit`` spans a text, best first; offsets into the text; no two with one normalised text."""
    learned = extractor.extract(texts, limit=limit) if extractor else [[] for _ in texts]
    return [join(spans, by_rule(text), limit) for text, spans in zip(texts, learned, strict=True)]


def join(learned: Sequence[Candidate], ruled: Sequence[Candidate], limit: int) -> list[Candidate]:
    """The best learned spans, then spans of the rules that say something else, then the rest of the learned ones."""
    room = max(1, round(limit * LEARNED / LIMIT))
    queue = [*learned[:room], *sorted(ruled, key=lambda item: (-item.score, item.span)), *learned[room:]]
    kept: list[Candidate] = []
    seen: set[str] = set()
    for item in queue:
        normal = normalize_answer(item.text)
        if normal and normal not in seen and len(kept) < limit:
            seen.add(normal)
            kept.append(item)
    return kept


def by_rule(text: str) -> list[Candidate]:
    """Every span that a rule finds, in the order of the rules."""
    found = []
    for name, pattern in _RULES:
        for match in pattern.finditer(text):
            start, end = match.span(1 if pattern.groups and match.group(1) is not None else 0)
            if name == "name":
                start, end = _without_opener(text, start, end)
            while end > start and text[end - 1] in " ,.;:":
                end -= 1
            if text[end : end + 1] == "." and _ABBREVIATION.search(text[start:end]):
                end += 1  # "U.S." keeps its last point
            if end > start:
                found.append(Candidate(Span(start, end), text[start:end], PRIORS[name], name))
    return found


def _without_opener(text: str, start: int, end: int) -> tuple[int, int]:
    """Function words that are capital only because a sentence begins there are no part of a name."""
    while start < end:
        word = re.match(r"[\w'’.-]+", text[start:end])
        if word is None or word.group().lower() not in FUNCTION_WORDS:
            break
        start += word.end()
        while start < end and text[start] in " ,":
            start += 1
    return start, end

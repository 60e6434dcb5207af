"""Passages to candidate answers: what the extractor marks, filled up with what rules find, thinned out and spread."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from quipu.corpus.passages import statements_of
from quipu.language.english import FUNCTION_WORDS, MONTH
from quipu.models.protocols import SupportsExtract
from quipu.records import Candidate, Passage, Span
from quipu.text import normalize_answer, token_f1

LIMIT = 14
POOL = 3  # times as many learned spans are looked at as are wanted
ALIKE = 0.7  # token F1 from which overlapping spans are one
CROWDED = 2  # places in the queue for each span that a sentence already has
AGAIN = 12  # places in the queue for each earlier place of the same words
SAME_SENTENCE = 0.8  # token F1 of two sentences that say the same
# How often a rule's span is an answer that a person asked for, roughly, on QAMR and the marked SQuAD sentences.
PRIORS = {"date": 0.5, "number": 0.45, "name": 0.4, "quoted": 0.35, "acronym": 0.3, "phrase": 0.15}

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
_DAY = rf"(?:{MONTH} \d{{1,2}}(?:, \d{{4}})?|\d{{1,2}} {MONTH}(?: \d{{4}})?|{MONTH} \d{{4}})"
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


def candidates(
    passages: Sequence[Passage], extractor: SupportsExtract | None, *, limit: int = LIMIT
) -> list[list[Candidate]]:
    """At most ``limit`` spans a passage, best first; offsets into its text; none crosses the end of a sentence.

    A span that stands several times is a candidate at each place whose sentence says something else.
    """
    texts = [passage.text for passage in passages]
    learned = extractor.extract(texts, limit=POOL * limit) if extractor else [[] for _ in texts]
    return [
        choose(passage.text, statements_of(passage), spans, by_rule(passage.text), limit)
        for passage, spans in zip(passages, learned, strict=True)
    ]


def choose(
    text: str, bounds: Sequence[Span], learned: Sequence[Candidate], ruled: Sequence[Candidate], limit: int = LIMIT
) -> list[Candidate]:
    """The best ``limit`` of what was found in the sentences ``bounds``, thinned out and spread over them.

    A place in the queue is what a candidate costs: learned spans in their order, then those of rules by their priors;
    ``CROWDED`` places more for each span that its sentence already has, ``AGAIN`` more for each earlier place where the
    same words stand. Of spans that overlap and share ``ALIKE`` of their words, or are two names or two dates ("1869" in
    "17 November 1869"), the first stays: they would get the same question, and its reader sets the answer's extent.
    """
    queue = _places(text, [*learned, *sorted(ruled, key=lambda item: (-item.score, item.span))], bounds)
    kept: list[tuple[Candidate, int]] = []
    crowd = [0] * len(bounds)
    while queue and len(kept) < limit:
        best = min(queue, key=lambda item: (item[0] + CROWDED * crowd[item[2]], item[0]))
        queue.remove(best)
        _, found, sentence = best
        if not any(_same(found, sentence, other, where) for other, where in kept):
            kept.append((found, sentence))
            crowd[sentence] += 1
    return [found for found, _ in kept]


def _places(text: str, found: Sequence[Candidate], bounds: Sequence[Span]) -> list[tuple[int, Candidate, int]]:
    """(place in the queue, candidate, its sentence) for all places of the candidates' words, each span once."""
    queue: list[tuple[int, Candidate, int]] = []
    known: set[Span] = set()
    for order, item in enumerate(found):
        if not normalize_answer(item.text):
            continue
        said: list[str] = []
        for span in [item.span, *_elsewhere(text, item.text, item.span)]:
            sentence = next((at for at, bound in enumerate(bounds) if bound.start <= span.start < bound.end), None)
            if span in known or sentence is None or span.end > bounds[sentence].end:
                continue
            words = text[bounds[sentence].start : bounds[sentence].end]
            if any(token_f1(words, other) > SAME_SENTENCE for other in said):
                continue
            known.add(span)
            queue.append((order + AGAIN * len(said), replace(item, span=span), sentence))
            said.append(words)
    return queue


def _elsewhere(text: str, words: str, known: Span) -> list[Span]:
    """Other places where the same words stand as whole words."""
    pattern = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
    return [span for match in pattern.finditer(text) if (span := Span(*match.span())) != known]


def _same(one: Candidate, sentence: int, other: Candidate, where: int) -> bool:
    """Whether two candidates of a passage would be asked about with one question."""
    if not one.span.overlaps(other.span):
        return sentence == where and normalize_answer(one.text) == normalize_answer(other.text)
    return token_f1(one.text, other.text) >= ALIKE or _kind(one.text) == _kind(other.text) != ""


def _kind(text: str) -> str:
    """ "number" (dates too) or "name" where a span is nothing else, "" for other phrases."""
    if any(letter.isdigit() for letter in text):
        return "number"
    words = [word for word in text.split() if word.lower() not in FUNCTION_WORDS and word not in ("de", "von", "van")]
    return "name" if words and all(word[0].isupper() for word in words) else ""


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

"""Whether two questions ask the same, two answers differ, and a sentence says of the same thing something else.

Words decide here, not scores: a cosine cannot tell a question from its near-twin. What names an edition of a document
(a year, "version 2") is no difference between questions: the editions are what disagrees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from quipu.answering.features import ASKED, NAME, content_words, negated, numbers
from quipu.language.english import NUMBER_WORDS
from quipu.language.opposites import opposed
from quipu.records import Span
from quipu.text import token_f1

LEAST = 2
"""Content words that a question has, or a sentence beside its answer, by which it is known again."""
_EDITION = re.compile(
    r"(?<![\w.])(?:(?:19|20)\d\d(?:[-_]\d\d){0,2}|(?:v|ver|version|rev|revision|edition|draft)[. _-]?\d[\d.]*)"
    r"(?![\w])|\b(?:jan(?:uary)?|feb(?:ruary)?|march|april|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\b",
    re.I,
)
_UNSPECIFIC = content_words(
    "new old current currently latest updated update revised former previous original final copy version revision "
    "edition draft now today may since valid effective until regarding according per exactly please tell"
)
_TOKEN = re.compile(r"\w+(?:[.,'’:/-]\w+)*|[$£€%°]")
_PARTED = re.compile(r"[,;:.!?]\s")
_WHAT_TIME = re.compile(r"\b(?:what|which)\s+(?:year|date|day|time)\b", re.I)
_ARTICLES = frozenset({"a", "an", "the"})
_LONG = 12  # words from which on two answers are texts: they are compared by what they share
_SHARED = 0.5  # token F1 from which on two texts may say the same in other words
_MORE = 3  # words by which another answer in the same sentence may be longer
_IN_WORDS = NUMBER_WORDS[:13]  # to twelve
_NUMBERS = {word: str(value) for value, word in enumerate(_IN_WORDS)}
_WORDS_OF_NUMBERS = re.compile(rf"\b(?:{'|'.join(_IN_WORDS[2:])})\b")


def differs(one: str, other: str) -> bool:
    """Whether two answers contradict each other: neither is a part of the other.

    Of long ones, which may only be worded otherwise, the numbers must differ, or most of the words.
    """
    left, right = _folded(one), _folded(other)
    if not left or not right:
        return False
    if f" {' '.join(left)} " in f" {' '.join(right)} " or f" {' '.join(right)} " in f" {' '.join(left)} ":
        return False
    counted = [{word for word in words if word[0].isdigit()} for words in (left, right)]
    if all(counted):
        return not (counted[0] <= counted[1] or counted[1] <= counted[0])
    here, there = set(left), set(right)
    if here <= there or there <= here:
        return False
    if min(len(left), len(right)) < _LONG:
        return True
    return opposed(one, other) or token_f1(one, other) < _SHARED


def editions(text: str) -> set[str]:
    """The years, months and numbers of versions that a title or a question names."""
    return {match[0].lower() for match in _EDITION.finditer(text)}


def without_editions(text: str) -> str:
    """A title or a question without what names an edition."""
    return _EDITION.sub(" ", text)


def subject(text: str) -> set[str]:
    """The content words of a title or a question, without what names an edition."""
    return content_words(without_editions(text)) - _UNSPECIFIC


def asks_the_same(asked: str, known: str, other: str, *, about: Sequence[str] = ("", "")) -> bool:
    """Whether ``other``, a stored question, asks what somebody asked and the stored question ``known`` answers.

    about: what stands over the two stored questions' answers (title, headings); words of both are left out, and the
    editions that they name.
    """
    if not same_form(asked, other) or not same_form(known, other):
        return False
    if editions(known) - editions(about[0]) != editions(other) - editions(about[1]):
        return False
    framing = subject(about[0]) & subject(about[1])
    wanted, first, second = (subject(text) - framing for text in (asked, known, other))
    if len(second) < LEAST:
        return False
    return second == first or (len(wanted) >= LEAST and wanted <= second <= wanted | first)


def same_form(one: str, other: str) -> bool:
    """Whether two questions may ask the same by their form: question word, negation, opposites, names."""
    if _question_word(one) != _question_word(other) or negated(one) != negated(other) or opposed(one, other):
        return False
    if _counted(one) != _counted(other):
        return False
    names = [[name.lower() for name in NAME.findall(text)] for text in (one, other)]
    common = set(names[0]) & set(names[1])
    first, second = ([name for name in dict.fromkeys(row) if name in common] for row in names)
    return first == second  # from Rome to Paris is not from Paris to Rome


def stated_otherwise(sentence: str, answer: Span, others: Sequence[str]) -> tuple[int, Span] | None:
    """Which of ``others`` is the sentence with something else in the place of its answer, and where that stands there.

    A date or the words "now" and "from ... on" may come on top; nothing else may differ. None where none is so.
    """
    before, after = _words(sentence[: answer.start]), _words(sentence[answer.end :])
    said = [word for word, _ in _words(sentence[answer.start : answer.end])]
    left, right = [word for word, _ in before], [word for word, _ in after]
    fixed = subject(" ".join((*left, *right)))
    if len(fixed) < LEAST or not said:
        return None
    text = sentence[answer.start : answer.end]
    for number, other in enumerate(others):
        span = _filled(other, left, right, len(said))
        if span is not None and _alike(text, other[span.start : span.end]):
            return number, span
    return None


def _question_word(text: str) -> str:
    """What a question asks with: "which" and "how much" are "what", "in what year" is "when"."""
    if _WHAT_TIME.search(text):
        return "when"
    found = ASKED.search(text)
    word = " ".join(found[0].lower().split()) if found else ""
    return "what" if word in ("which", "how much") else word


def _counted(text: str) -> set[str]:
    """The numbers that a question names in words; "one" is mostly none."""
    return set(_WORDS_OF_NUMBERS.findall(text.lower()))


def _filled(other: str, left: Sequence[str], right: Sequence[str], length: int) -> Span | None:
    """What stands between the words ``left`` and ``right`` in a sentence that has little else."""
    words = _words(other)
    known = [word for word, _ in words]
    for start in range(len(known)):
        if known[start : start + len(left)] != left:
            continue
        first = start + len(left)
        for end in _ends(known, first, right, length):
            rest = [*known[:start], *known[end + len(right) :]]
            if not subject(" ".join(rest)) - {word for word in rest if word.isdigit()}:
                while first < end - 1 and not subject(known[first]):  # "is now 130"
                    first += 1
                return Span(words[first][1].start, words[end - 1][1].end)
        if not left:
            break  # what stands before the first word of a sentence is not known
    return None


def _ends(known: Sequence[str], first: int, right: Sequence[str], length: int) -> list[int]:
    """Where the words between may end: before ``right``, or where as many or all that are left are taken."""
    most = min(len(known), first + length + _MORE)
    if right:
        return [end for end in range(first + 1, most + 1) if known[end : end + len(right)] == right]
    ends = [min(first + length, len(known)), len(known)]
    return [end for end in dict.fromkeys(ends) if first < end <= most]


def _alike(one: str, other: str) -> bool:
    """Whether two texts may answer the same: both hold a number or neither does, both are names or neither is."""
    tests: tuple[Callable[[str], bool], ...] = (
        lambda text: bool(numbers(text)), lambda text: text[:1].isupper(), lambda text: text[:1] in "$£€",
        lambda text: _PARTED.search(text) is not None,
    )  # fmt: skip
    return all(test(one) == test(other) for test in tests)


def _words(text: str) -> list[tuple[str, Span]]:
    """Lower-case words without articles, each with its place."""
    return [
        (match[0].lower(), Span(*match.span()))
        for match in _TOKEN.finditer(text) if match[0].lower() not in _ARTICLES
    ]  # fmt: skip


def _folded(text: str) -> list[str]:
    """The words of an answer as they are compared: without thousands' commas, numbers to twelve as digits."""
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", text.lower())
    found = re.findall(r"\d+(?:[.:]\d+)*|[^\W\d_]+", plain)
    return [_NUMBERS.get(word, word) for word in found if word not in _ARTICLES]

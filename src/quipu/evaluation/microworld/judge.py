"""Exact labels for generated pairs: right, wrong or undecided, by the table and not by a model.

The rule, for a pair with its span in a document of the world:

1. The span meets a value that the document marks as wrong, and the answer is that value: wrong, unless the
   question itself asks about the error ("Which year does the earlier chronicle give?"): undecided.
2. The span meets the value of a stated fact and the answer equals it (:func:`same_value`): right if the
   question is about that fact (:func:`misfit` finds nothing), else wrong.
3. The span meets a value but the answer is a part of it, or more than it: undecided ("part of a value").
4. The span is the subject's name: right if the question names the value of a fact of the document and asks
   with that relation's words ("Which town was founded by Mira Tessick?"), else undecided ("subject").
5. Everything else is about text that states no fact of the table: undecided ("no fact").

Precision is right / (right + wrong); undecided pairs are counted beside it, never inside.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from quipu.evaluation.microworld.facts import BY_KIND, KINDS, RELATIONS
from quipu.evaluation.microworld.templates import DOUBT, Relation, matcher
from quipu.evaluation.microworld.world import KnownFact, World
from quipu.records import QAPair
from quipu.text import normalize_answer

State = Literal["right", "wrong", "undecided"]
_POSSESSIVE = re.compile(r"\s?['\u2019]\s?s\b")
# Words around a value that do not change it: "in 1412", "the year 1412", "the town of Velmara", "8 metres long".
_BEFORE = frozenset(
    ["in", "on", "at", "by", "of", "from", "near", "under", "about", "some", "year", "town", "since", "with", "to"]
)
_AFTER = frozenset(["long", "high", "deep", "tall", "inhabitants", "people", "river"])
_PRONOUNS = frozenset(["it", "its", "he", "his", "him", "she", "her"])


@dataclass(frozen=True, slots=True)
class Judged:
    """What the table says of one pair, and why; ``fact`` is the fact that the pair is about, if any."""

    state: State
    reason: str
    fact: str | None = None
    named: bool = True


def words_of(text: str) -> list[str]:
    """Normalised words, a possessive 's taken off."""
    return normalize_answer(_POSSESSIVE.sub("", text)).split()


def names_in(world: World, question: str) -> tuple[set[str], str]:
    """The full names of the world that the question holds (longest first), and the question without them."""
    words = words_of(question)
    found: set[str] = set()
    rest: list[str] = []
    at = 0
    while at < len(words):
        for length in range(min(6, len(words) - at), 0, -1):
            name = world.names.get(tuple(words[at : at + length]))
            if name is not None:
                found.add(name)
                rest.append("~")
                at += length
                break
        else:
            rest.append(words[at])
            at += 1
    return found, " ".join(rest)


def same_value(answer: str, value: str, question: str = "") -> bool:
    """Equality after normalisation, with a small tolerance.

    Leading words such as "in", "the year", "the town of" and trailing ones such as "long" or "inhabitants" are
    free. "Thralen" stands for "Thralen River". A number may leave its unit out where the question names it.
    """
    given, gold = normalize_answer(answer).split(), normalize_answer(value).split()
    while given and given != gold and given[0] in _BEFORE:
        given = given[1:]
    while given and given != gold and given[-1] in _AFTER:
        given = given[:-1]
    if given == gold or (gold[-1] == "river" and given == gold[:-1]):
        return bool(given)
    unit = gold[1:]
    return len(unit) == 1 and gold[0].isdigit() and given == gold[:1] and unit[0] in words_of(question)


def _first_key(relation: Relation, rest: str) -> int | None:
    """Where the first of the relation's words stands in the question, if its type is asked for at all."""
    if matcher(relation.type.asks).search(rest) is None:
        return None
    found = matcher(rf"\b({relation.keys})").search(rest)
    return found.start() if found else None


def _fits(relation: Relation, rest: str) -> str | None:
    """None if the question's words ask for this relation rather than for another of the same kind; else why not."""
    if matcher(relation.type.asks).search(rest) is None:
        return f"does not ask for a {relation.type.name}"
    own = _first_key(relation, rest)
    if own is None:
        return "no word of the relation"
    for other in BY_KIND[relation.kind]:
        first = _first_key(other, rest)
        if other.id != relation.id and other.type.name == relation.type.name and first is not None and first < own:
            return f"asks for {other.name}"
    return None


def misfit(world: World, question: str, fact: KnownFact) -> tuple[str | None, bool]:
    """Why the question is not about ``fact`` (None if it is), and whether it names the subject.

    The subject must be named by its full name or its own part of it. A question that names nobody is taken to
    be about the document's subject ("When was it founded?") and so is one that says "the town" or "it" beside
    another name; ``named`` is False then. A question that names only others is about them. It must not hold
    its own answer, must open as the type of the value demands, and must hold one of the relation's words,
    before any word of another relation with the same type.
    """
    found, rest = names_in(world, question)
    words = words_of(question)
    subject = world.subjects[fact.document]
    gold = words_of(fact.value)
    # a value that stands in the subject's own name ("East Veyonen River" flows into the Veyonen) cannot be avoided
    if not _within(gold, words_of(fact.subject)) and _within(gold, words):
        return "holds its own answer", True
    stem = words_of(subject["stem"])
    by_stem = any(words[i : i + len(stem)] == stem for i in range(len(words) - len(stem) + 1))
    twin_named = any(name != fact.subject and set(stem) <= set(words_of(name)) for name in found)
    named = fact.subject in found or (by_stem and not twin_named)
    rest = " ".join("~" if word in stem else word for word in rest.split())
    if not named and found and not ({KINDS[fact.kind].noun} | _PRONOUNS) & set(words):
        return "names another subject", False
    return _fits(RELATIONS[fact.relation], rest), named


def _within(part: list[str], words: list[str]) -> bool:
    """Whether the words of ``part`` stand in ``words`` in a row."""
    return any(words[at : at + len(part)] == part for at in range(len(words) - len(part) + 1))


def judge(world: World, pair: QAPair) -> Judged:
    """Right, wrong or undecided: the module's docstring has the rule."""
    document = world.document_of(pair.document_id)
    if document is None or pair.span is None:
        return Judged("undecided", "no place in the world")
    start, end = pair.span.start, pair.span.end
    facts = world.by_document[document]
    for fact in facts:
        for left, right, value in fact.false:
            if start < right and left < end and same_value(pair.answer, value, pair.question):
                if DOUBT.search(pair.question):
                    return Judged("undecided", "asks about the contradiction", fact.id)
                return Judged("wrong", "a value marked as wrong", fact.id)
    met = [fact for fact in facts if any(start < right and left < end for left, right in fact.spans)]
    for fact in met:
        if same_value(pair.answer, fact.value, pair.question):
            why, named = misfit(world, pair.question, fact)
            return Judged("wrong", why, fact.id, named) if why else Judged("right", "states a fact", fact.id, named)
    if met:
        return Judged("undecided", "part of a value", met[0].id)
    return _about_subject(world, pair, document)


def _about_subject(world: World, pair: QAPair, document: str) -> Judged:
    subject = world.subjects[document]
    if words_of(pair.answer) not in (words_of(subject["name"]), words_of(subject["stem"])):
        return Judged("undecided", "no fact")
    asked = " ".join(words_of(pair.question))
    for fact in world.by_document[document]:
        value = " ".join(words_of(fact.value))
        own_words = matcher(rf"\b({RELATIONS[fact.relation].keys})").search(asked.replace(value, "~"))
        if re.search(rf"\b{re.escape(value)}\b", asked) and own_words and subject["stem"].lower() not in asked:
            return Judged("right", "asks for the subject", fact.id)
    return Judged("undecided", "subject")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Facts that a kept pair holds: by place and answer alone, and by a pair that is also judged right."""

    facts: int
    covered: int
    covered_right: int
    missed_by_relation: Mapping[str, int]

    @property
    def share(self) -> float:
        """Covered facts among all."""
        return self.covered / self.facts if self.facts else 0.0


def coverage(world: World, pairs: Iterable[QAPair]) -> Coverage:
    """Facts with a pair whose span meets a gold span and whose normalised answer equals the value."""
    covered: set[str] = set()
    right: set[str] = set()
    for pair in pairs:
        document = world.document_of(pair.document_id)
        if document is None or pair.span is None:
            continue
        for fact in world.by_document[document]:
            meets = any(pair.span.start < end and start < pair.span.end for start, end in fact.spans)
            if meets and normalize_answer(pair.answer) == normalize_answer(fact.value):
                covered.add(fact.id)
                if judge(world, pair).state == "right":
                    right.add(fact.id)
    missed = Counter(fact.relation for fact in world.facts if fact.id not in covered)
    return Coverage(len(world.facts), len(covered), len(right), dict(missed.most_common()))


@dataclass(frozen=True, slots=True)
class Precision:
    """Kept pairs by verdict. ``nameless``: right, but the question does not say whom it is about."""

    right: int
    wrong: int
    undecided: int
    nameless: int
    reasons: Mapping[str, int]

    @property
    def value(self) -> float:
        """Right among decided."""
        return self.right / max(1, self.right + self.wrong)

    @property
    def named(self) -> float:
        """The same with nameless questions counted as wrong: the strict figure."""
        return (self.right - self.nameless) / max(1, self.right + self.wrong)


def pair_precision(world: World, pairs: Iterable[QAPair]) -> Precision:
    """How many of ``pairs`` the table calls right."""
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    nameless = 0
    for pair in pairs:
        judged = judge(world, pair)
        states[judged.state] += 1
        reasons[f"{judged.state}: {judged.reason}"] += 1
        nameless += judged.state == "right" and not judged.named
    return Precision(states["right"], states["wrong"], states["undecided"], nameless, dict(reasons.most_common()))


@dataclass(frozen=True, slots=True)
class FilterQuality:
    """What a filter did: how many wrong pairs it cut, how many right ones it lost."""

    wrong_before: int
    wrong_cut: int
    right_before: int
    right_lost: int

    @property
    def wrong_cut_share(self) -> float:
        """Wrong pairs cut among wrong pairs made; higher is better."""
        return self.wrong_cut / max(1, self.wrong_before)

    @property
    def right_lost_share(self) -> float:
        """Right pairs lost among right pairs made; lower is better."""
        return self.right_lost / max(1, self.right_before)


def filter_quality(world: World, before: Iterable[QAPair], kept: Collection[str]) -> FilterQuality:
    """Judge all pairs that went into a filter, by whether their id is among ``kept``. Undecided pairs do not count."""
    wrong = cut = right = lost = 0
    for pair in before:
        state = judge(world, pair).state
        if state == "wrong":
            wrong += 1
            cut += pair.id not in kept
        elif state == "right":
            right += 1
            lost += pair.id not in kept
    return FilterQuality(wrong, cut, right, lost)


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Pairs that add nothing to an earlier one.

    ``exact``: the same normalised question and answer, anywhere. ``paraphrases``: another question with the same
    answer at an overlapping span of the same document.
    """

    pairs: int
    exact: int
    paraphrases: int

    @property
    def share(self) -> float:
        """Duplicates of both sorts among all pairs."""
        return (self.exact + self.paraphrases) / max(1, self.pairs)


def duplicates(pairs: Iterable[QAPair]) -> Duplicates:
    """Count the pairs that add nothing to an earlier one."""
    seen: set[tuple[str, str]] = set()
    places: dict[tuple[str | None, str], list[tuple[int, int]]] = {}
    total = exact = paraphrases = 0
    for pair in pairs:
        total += 1
        answer = normalize_answer(pair.answer)
        key = (normalize_answer(pair.question), answer)
        if key in seen:
            exact += 1
            continue
        seen.add(key)
        if pair.span is not None:
            spans = places.setdefault((pair.document_id, answer), [])
            paraphrases += any(start < pair.span.end and pair.span.start < end for start, end in spans)
            spans.append((pair.span.start, pair.span.end))
    return Duplicates(total, exact, paraphrases)


def span_truth(texts: Mapping[str, str], pairs: Iterable[QAPair]) -> float:
    """Share of pairs with a span whose characters in the document's text equal the answer, exactly."""
    good = total = 0
    for pair in pairs:
        if pair.document_id is not None and pair.span is not None:
            total += 1
            good += texts[pair.document_id][pair.span.start : pair.span.end] == pair.answer
    return good / max(1, total)

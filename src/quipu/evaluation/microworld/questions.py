"""Questions about the world: phrasings for training and for testing, two hops, near-twins, and no answer at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from quipu.evaluation.microworld.facts import BY_KIND, RELATIONS, Entity, Fact, stranger
from quipu.evaluation.microworld.names import Chooser, NameMaker
from quipu.evaluation.microworld.templates import Relation

Row = dict[str, Any]


def ask(template: str, mention: str) -> str:
    """The question of ``template`` about ``mention`` (a name with its article, or a noun phrase)."""
    question = template.replace("{S}", mention).replace("{P}", f"{mention}'s")
    return question[0].upper() + question[1:]


def _row(number: int, prefix: str, question: str, fact: Fact, split: str, **more: Any) -> Row:
    start, end = fact.spans[0]
    return {
        "id": f"{prefix}{number:06d}",
        "question": question,
        "answer": [fact.value],
        "split": split,
        "relation": fact.relation.id,
        "subject": fact.subject.name,
        "document": fact.subject.document,
        "span": [start, end],
        "pair": {"question": question, "answer": fact.value},
        "chain": [fact.id],
        **more,
    }


def single(facts: Iterable[Fact], split: str) -> Iterator[Row]:
    """Every phrasing of ``split`` ("train" or "test") of every stated fact, at most two a fact for training."""
    number = 0
    for fact in facts:
        if not fact.stated:
            continue
        templates = fact.relation.train if split == "train" else fact.relation.test
        for template in templates:
            yield _row(number, split, ask(template, fact.subject.mention), fact, split)
            number += 1


def two_hop(chooser: Chooser, facts: list[Fact], count: int) -> Iterator[Row]:
    """Questions that need two facts: the value of the first is the subject of the second, and is not named.

    Half are asked in the train phrasings of the second relation, half in the test phrasings.
    """
    stated: dict[str, list[Fact]] = {}
    for fact in facts:
        if fact.stated:
            stated.setdefault(fact.subject.id, []).append(fact)
    firsts = [fact for fact in facts if fact.stated and fact.relation.noun and fact.value_entity is not None]
    number = 0
    for first in chooser.shuffled(firsts):
        if number == count:
            return
        assert first.value_entity is not None and first.relation.noun is not None
        onward = [fact for fact in stated.get(first.value_entity.id, []) if fact.value != first.subject.name]
        if not onward:
            continue
        second = chooser.pick(onward)
        split = chooser.pick(("train", "test"))
        phrase = first.relation.noun.replace("{S}", first.subject.mention)
        phrasings = second.relation.train if split == "train" else second.relation.test
        # A possessive after a whole clause ("the town where Mira was born's mayor") is no English.
        template = chooser.pick([template for template in phrasings if "{S}" in template])
        hops = [
            {"fact": fact.id, "document": fact.subject.document, "span": list(fact.spans[0]), "answer": fact.value}
            for fact in (first, second)
        ]
        yield _row(number, "hop", ask(template, phrase), second, split, chain=[first.id, second.id], hops=hops)
        number += 1


def twins(facts: list[Fact]) -> Iterator[Row]:
    """Two questions alike in words with different answers, one row each, ``twin`` pointing to the other.

    Kind "name": the same relation of two entities with alike names. Kind "relation": two relations of one
    entity that share the type of their answers.
    """
    number = 0
    by_subject: dict[str, dict[str, Fact]] = {}
    for fact in facts:
        if fact.stated:
            by_subject.setdefault(fact.subject.id, {})[fact.relation.id] = fact
    for fact in facts:
        if not fact.stated:
            continue
        sibling = by_subject.get(fact.subject.twin or "", {}).get(fact.relation.id)
        if sibling is not None and sibling.value != fact.value:
            yield from _twin_rows(number, "name", fact, sibling)
            number += 2
    for own in by_subject.values():
        known = list(own.values())
        for i, left in enumerate(known):
            right = next((other for other in known[i + 1 :] if other.relation.type is left.relation.type), None)
            if right is not None:
                yield from _twin_rows(number, "relation", left, right)
                number += 2
                break


def _twin_rows(number: int, kind: str, left: Fact, right: Fact) -> Iterator[Row]:
    for step, (fact, other) in enumerate(((left, right), (right, left))):
        question = ask(fact.relation.test[0], fact.subject.mention)
        row = _row(number + step, "twin", question, fact, "test", kind=kind)
        yield {**row, "twin": f"twin{number + 1 - step:06d}", "twin_answer": other.value}


def unanswerable(chooser: Chooser, names: NameMaker, facts: list[Fact], count: int) -> Iterator[Row]:
    """Half about entities that the world does not hold, half about what a document does not say of its subject."""
    silent = chooser.shuffled([fact for fact in facts if not fact.stated])
    kinds = list(BY_KIND)
    for number in range(count):
        if number % 2 and silent:
            fact = silent.pop()
            relation, who, reason = fact.relation, fact.subject, "not stated"
        else:
            relation = chooser.pick(BY_KIND[chooser.pick(kinds)])
            who, reason = stranger(chooser, names, relation.kind), "not in this world"
        yield _unanswerable(number, chooser, relation, who, reason)


def _unanswerable(number: int, chooser: Chooser, relation: Relation, who: Entity, reason: str) -> Row:
    split = chooser.pick(("train", "test"))
    templates = relation.train if split == "train" else relation.test
    return {
        "id": f"none{number:06d}",
        "question": ask(chooser.pick(templates), who.mention),
        "answer": [],
        "split": split,
        "relation": RELATIONS[relation.id].id,
        "subject": who.name,
        "document": who.document if reason == "not stated" else None,
        "span": None,
        "pair": None,
        "chain": [],
        "reason": reason,
    }

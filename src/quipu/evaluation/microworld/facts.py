"""The hidden table: entities with invented names, and what is true of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from quipu.evaluation.microworld import nature, people
from quipu.evaluation.microworld.names import Chooser, NameMaker
from quipu.evaluation.microworld.templates import VALUES, Kind, Relation
from quipu.language.english import MONTHS

KINDS: dict[str, Kind] = {kind.name: kind for kind in (*people.KINDS, *nature.KINDS)}
RELATIONS: dict[str, Relation] = {relation.id: relation for relation in (*people.RELATIONS, *nature.RELATIONS)}
BY_KIND: dict[str, tuple[Relation, ...]] = {
    name: tuple(relation for relation in RELATIONS.values() if relation.kind == name) for name in KINDS
}

STATED = 0.90  # share of a kind's relations that a document states; the rest are questions without an answer
TWINS = 0.08  # share of entities whose name differs from another's by one letter or one word

_SUFFIXES = {
    "company": ("Works", "Foundry", "Mills", "Trading Company", "Brothers"),
    "species": ("heron", "beetle", "newt", "finch", "moth", "vole", "crab", "lizard"),
    "battle": ("Ridge", "Ford", "Moor", "Bridge", "Heights"),
}
_BOOKS = ("Songs of", "Letters from", "A Winter in", "The Gardens of", "Nights in", "The Keys of", "Farewell to")
_OPPOSITES = (("Upper", "Lower"), ("East", "West"), ("Old", "New"))


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody or something with a document of its own. ``stem`` is the part of the name that nobody else has."""

    id: str
    kind: str
    name: str
    stem: str
    gender: str
    document: str
    twin: str | None = None

    @property
    def mention(self) -> str:
        """The name inside a sentence, with its article."""
        return f"the {self.name}" if KINDS[self.kind].article else self.name


@dataclass(slots=True)
class Fact:
    """One cell of the table. Spans are characters of the document; several where the fact is told twice.

    ``false`` holds values that the document itself marks as wrong, with their spans.
    """

    id: str
    subject: Entity
    relation: Relation
    value: str
    value_entity: Entity | None
    stated: bool
    spans: list[tuple[int, int]] = field(default_factory=list)
    sentences: list[tuple[int, int]] = field(default_factory=list)
    false: list[tuple[int, int, str]] = field(default_factory=list)


def entities(chooser: Chooser, count: int, names: NameMaker) -> list[Entity]:
    """``count`` entities in the kinds' shares, at least one of each kind; some are near-twins of the one before."""
    made: list[Entity] = []
    kinds = list(KINDS.values())
    sizes = [max(1, int(kind.share * count)) for kind in kinds]
    sizes[0] = max(1, sizes[0] + count - sum(sizes))
    for kind, size in zip(kinds, sizes, strict=True):
        before: Entity | None = None
        while size > 0:
            if before is not None and chooser.chance(TWINS):
                made.append(_twin(chooser, names, before, len(made)))
                before = None
            else:
                before = _entity(chooser, names, kind.name, len(made))
                made.append(before)
            size -= 1
    return made


def stranger(chooser: Chooser, names: NameMaker, kind: str) -> Entity:
    """An entity that no document knows, with a name in the same sound."""
    return _entity(chooser, names, kind, -1)


def _make(number: int, kind: str, name: str, stem: str, gender: str, twin: str | None = None) -> Entity:
    return Entity(f"e{number:05d}", kind, name, stem, gender, f"documents/{kind}/{name}.txt", twin)


def _entity(chooser: Chooser, names: NameMaker, kind: str, number: int) -> Entity:
    gender = ""
    if kind == "person":
        gender = chooser.pick(("she", "he"))
        stem = names.word("family")
        name = f"{names.word(gender)} {stem}"
    elif kind == "instrument":
        stem = name = names.word("instrument").lower()
    else:
        stem = names.word(kind)
        name = _dress(chooser, kind, stem)
    return _make(number, kind, name, stem, gender)


def _dress(chooser: Chooser, kind: str, stem: str) -> str:
    """The whole name around an invented word: "Kornara" the town, "Kornara River", "Battle of Kornara Ford"."""
    if kind == "river":
        return f"{stem} River"
    if kind == "mountain":
        return f"Mount {stem}"
    if kind == "book":
        return f"{chooser.pick(_BOOKS)} {stem}"
    if kind == "battle":
        return f"Battle of {stem} {chooser.pick(_SUFFIXES[kind])}"
    if kind in _SUFFIXES:
        return f"{stem} {chooser.pick(_SUFFIXES[kind])}"
    return stem


def _twin(chooser: Chooser, names: NameMaker, of: Entity, number: int) -> Entity:
    """Someone alike in name only: another given name of one vowel's difference, "Upper" for nothing, one letter."""
    if of.kind == "person":
        given = of.name.split()[0]
        return _make(number, of.kind, f"{names.twin(given)} {of.stem}", of.stem, of.gender, of.id)
    if of.kind in ("town", "river") and chooser.chance(0.5):
        name = f"{chooser.pick(chooser.pick(_OPPOSITES))} {of.name}"
        return _make(number, of.kind, name, name, "", of.id)
    stem = names.twin(of.stem)
    return _make(number, of.kind, of.name.replace(of.stem, stem), stem, "", of.id)


def facts(chooser: Chooser, everyone: list[Entity], names: NameMaker) -> list[Fact]:
    """What is true of each entity. Values within one document are all different, so that a value has one meaning.

    A relation for which a small world has no unused value is left out.
    """
    by_kind: dict[str, list[Entity]] = {kind: [] for kind in KINDS}
    for entity in everyone:
        by_kind[entity.kind].append(entity)
    languages = [names.word("language") for _ in range(40)]
    table: list[Fact] = []
    for entity in everyone:
        used = {entity.name, entity.stem}
        year = chooser.between(1480, 1890)
        for relation in BY_KIND[entity.kind]:
            found = _value(chooser, relation, by_kind, languages, used, year)
            if found is None:
                continue
            value, target = found
            used.add(value)
            stated = chooser.chance(STATED)
            table.append(Fact(f"f{len(table):06d}", entity, relation, value, target, stated))
    return table


def another_value(chooser: Chooser, fact: Fact, everyone: dict[str, list[Entity]], used: set[str]) -> str | None:
    """A wrong value of the right type, for a contradiction; None in a world too small to have one."""
    found = _value(chooser, fact.relation, everyone, ["Ostrelic", "Varnish"], used, chooser.between(1480, 1890))
    return None if found is None else found[0]


def _value(
    chooser: Chooser,
    relation: Relation,
    by_kind: dict[str, list[Entity]],
    languages: list[str],
    used: set[str],
    year: int,
) -> tuple[str, Entity | None] | None:
    """A value that is not ``used``, with the entity that it names; None where a small world has no other."""
    for _ in range(200):
        target: Entity | None = None
        if relation.values in by_kind:
            target = chooser.pick(by_kind[relation.values])
            value = target.name
        elif relation.values == "date":
            value = f"{chooser.between(1, 28)} {chooser.pick(MONTHS)} {year}"
        elif relation.values == "year":
            value = str(year + chooser.between(31, 84))
        elif relation.values == "language":
            value = chooser.pick(languages)
        elif relation.values in VALUES:
            value = chooser.pick(VALUES[relation.values])
        else:
            form, low, high, *unit = relation.values.split(":")
            number = chooser.between(int(low), int(high))
            value = " ".join([f"{number // 10 * 10:,}" if form == "thousand" else str(number), *unit])
        if value not in used:
            return value, target
    return None

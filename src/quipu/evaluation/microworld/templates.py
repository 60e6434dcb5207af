"""What can be said of an entity: the types of the tables, the values, and the rules for the words of a question.

Slots of a statement: ``{S}`` the subject, ``{P}`` the subject's possessive, ``{M}`` the subject as an object,
``{O}`` the value. A predicate begins with its verb, so that predicates join into sentences with several facts.
A question has ``{S}`` or ``{P}``. Train and test phrasings are apart: an encoder that saw the first has not
seen the second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class AnswerType:
    """What a value is: which openings of a question ask for it, and which entities fill it (None: not an entity)."""

    name: str
    asks: str
    kind: str | None = None


_WHAT = r"\b(what|which)\b"
_OTHER = r"(?!.{0,12}\b(year|date|day|town|city|person|man|woman)\b)"
_THING = rf"{_WHAT}{_OTHER}(?!.{{0,8}}\b(number|age|time)\b)"
_HOW = r"\bhow\b(?! (many|much|long|far|old|tall|high|deep|big|large|wide)\b)"
YEAR = AnswerType("year", rf"\bwhen\b|{_WHAT}.{{0,12}}\b(year|date|time|age)\b|\bhow (old|long ago)\b")
DATE = AnswerType("date", rf"\bwhen\b|{_WHAT}.{{0,24}}\b(date|day|time|year|birthday)\b")
NUMBER = AnswerType("number", rf"\bhow\b|{_WHAT}{_OTHER}")
THING = AnswerType("thing", rf"{_THING}|{_HOW}")
HABITAT = AnswerType("habitat", rf"{_THING}|\bwhere\b")
PERSON = AnswerType(
    "person",
    rf"\b(who|whom|whose)\b|{_WHAT}.{{0,25}}\b(person|man|woman|name|author|writer|teacher|inventor|founder|captain|"
    r"commander|general|climber|mayor|husband|wife|partner|spouse|explorer|naturalist|director|head)\b",
    "person",
)
TOWN = AnswerType(
    "town",
    rf"\bwhere\b|{_WHAT}.{{0,25}}\b(town|(?<!take )(?<!took )place|city|port|settlement|location|birthplace|setting|"
    r"headquarters|harbour|seat)\b",
    "town",
)
RIVER = AnswerType("river", rf"{_THING}|\bwhere\b", "river")
MOUNTAIN = AnswerType("mountain", rf"{_THING}|\bwhere\b", "mountain")
COMPANY = AnswerType("company", rf"{_THING}|\bwho\b|\bwhom\b", "company")


@dataclass(frozen=True, slots=True)
class Relation:
    """One column of the hidden table, and all the ways to say it and to ask for it.

    ``keys`` is a regular expression of word beginnings; a question about this relation holds at least one.
    ``noun`` names the value without saying it ("the town where {S} was born"), for questions over two hops.
    """

    kind: str
    name: str
    type: AnswerType
    values: str
    keys: str
    predicates: tuple[str, ...]
    sentences: tuple[str, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    noun: str | None = None

    @property
    def id(self) -> str:
        """kind.name, unique."""
        return f"{self.kind}.{self.name}"

    @property
    def statements(self) -> int:
        """In how many ways the fact can be stated."""
        return len(self.predicates) + len(self.sentences)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of entity: its noun, whether names take "the", its share of documents, sentences that state nothing.

    ``pronouns``: nominative, possessive, objective; None where they depend on the person.
    """

    name: str
    noun: str
    article: bool
    share: float
    asides: tuple[str, ...]
    pronouns: tuple[str, str, str] | None = ("it", "its", "it")


# Sentences that state no askable fact: no name, no number, no date.
ASIDES = (
    "Opinions about {M} have always been divided.",
    "Much of what people repeat about {M} is hearsay.",
    "The older accounts are short and dry.",
    "Few of the early papers have survived.",
    "Those who know the subject well tend to disagree politely.",
    "{S} is mentioned in letters more often than in books.",
    "None of this was thought remarkable at the time.",
    "Later generations have looked on {M} with kinder eyes.",
    "The surviving pictures are not very good.",
    "It would be easy to make too much of this.",
    "Visitors usually ask about other things.",
    "Beyond that, the sources fall silent.",
)

# Contradictions, always marked as such; {O} is the wrong value.
CONTRADICTIONS = (
    "An earlier chronicle gives {O}, but this is wrong.",
    "Older guidebooks say {O}, which is a mistake.",
    "Some sources wrongly state {O}.",
    "The often repeated claim that it was {O} is false.",
)
# Words by which a question shows that it asks about the contradiction itself.
DOUBT = re.compile(r"\b(chronicle|guidebook|wrong|mistake|false|claim|source|older|incorrect|error)", re.IGNORECASE)


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split(", "))


VALUES: dict[str, tuple[str, ...]] = {
    "occupation": _list(
        "glassblower, cartographer, lighthouse keeper, clockmaker, beekeeper, bookbinder, surveyor, stonemason, "
        "ferryman, botanist, printer, weaver, goldsmith, shipwright, translator, locksmith, bell-founder, "
        "puppeteer, geologist, falconer, saddler, midwife, cellist, river pilot"
    ),
    "goods": _list(
        "blue glass, salted herring, copper kettles, woollen blankets, plum brandy, roof slates, church bells, "
        "silk ribbons, walking sticks, goat cheese, writing paper, clay pipes, felt hats, beeswax candles, "
        "fishing nets, leather gloves, pocket knives, smoked eel, linen sails, honey cakes, porcelain dolls, tin "
        "whistles, rye bread, oak barrels, cast-iron stoves, brass buttons, glass marbles, juniper soap"
    ),
    "wares": _list(
        "weighing scales, sewing machines, steam pumps, bicycle bells, reading lamps, railway signals, garden "
        "tools, typewriter ribbons, ice skates, water meters, umbrella frames, printing presses, pencil "
        "sharpeners, spectacle lenses, lift cables, baby carriages, mouse traps, piano wire, camping stoves, fire "
        "hoses, chess clocks, egg boxes, milk churns, door hinges"
    ),
    "rock": _list(
        "granite, basalt, limestone, gneiss, sandstone, dolomite, slate, quartzite, marble, rhyolite, schist, gabbro"
    ),
    "material": _list(
        "pear wood, walnut, boxwood, bamboo, brass, goat horn, maple, olive wood, silver, rosewood, baked clay, "
        "cherry wood, whalebone, cane"
    ),
    "habitat": _list(
        "salt marshes, beech forests, limestone caves, mountain meadows, peat bogs, mangrove swamps, coral reefs, "
        "dry grassland, reed beds, sand dunes, pine plantations, old orchards, alpine scree, tidal pools, river "
        "gravel, bamboo thickets"
    ),
    "food": _list(
        "water snails, wild figs, pond weed, beetle larvae, thistle seeds, freshwater shrimp, tree bark, fallen "
        "acorns, mayflies, lichen, small crabs, earthworms, rowan berries, fish eggs, pollen, termites"
    ),
    "colour": _list(
        "dark green, pale yellow, rust red, slate grey, bright orange, chestnut brown, sky blue, jet black, cream "
        "white, dull violet"
    ),
}


@lru_cache(maxsize=4096)
def matcher(pattern: str) -> re.Pattern[str]:
    """``pattern`` as a case-blind regular expression."""
    return re.compile(pattern, re.IGNORECASE)

"""From facts to prose, with the exact characters of every value kept on the way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from quipu.evaluation.microworld.facts import KINDS, Entity, Fact, another_value
from quipu.evaluation.microworld.names import Chooser
from quipu.evaluation.microworld.templates import ASIDES, CONTRADICTIONS

CONTRADICTED = 0.12  # share of facts told alone that are followed by a wrong value, marked as wrong
RETOLD = 0.06  # share of facts told a second time in other words
_PERSON = {"she": ("she", "her", "her"), "he": ("he", "his", "him")}
_SLOT = re.compile(r"\{([SPMON])\}")
_INTROS = (
    "{S} is a {noun} of which little has been written.",
    "{S} is a {noun} that most atlases and registers leave out.",
    "This page is about {S}, a {noun}.",
)
_PERSON_INTROS = (
    "{S} left few papers and many stories.",
    "This page is about {S}, whose life is known only in outline.",
    "{S} is remembered in a handful of archives.",
)


@dataclass(slots=True)
class Page:
    """A document under construction: text, and the spans of the subject's full name."""

    text: str = ""
    subject_spans: list[tuple[int, int]] = field(default_factory=list)

    def put(self, piece: str) -> tuple[int, int]:
        """Append; the span of what was appended."""
        start = len(self.text)
        self.text += piece
        return start, len(self.text)


def write(chooser: Chooser, entity: Entity, facts: list[Fact], by_kind: dict[str, list[Entity]]) -> Page:
    """The document of ``entity``; fills the spans of ``facts`` (all stated, in any order)."""
    page = Page()
    used = {fact.value for fact in facts} | {entity.name}
    order = chooser.shuffled(facts)
    sentence_count = 0
    if chooser.chance(0.5):
        intro = chooser.pick(_PERSON_INTROS if entity.kind == "person" else _INTROS)
        _sentence(page, chooser, entity, intro.replace("{noun}", KINDS[entity.kind].noun), [], first=True)
        sentence_count = 1
    asides = chooser.shuffled((*KINDS[entity.kind].asides, *ASIDES))
    while order:
        size = min(len(order), chooser.pick((1, 1, 1, 1, 1, 2, 2, 2, 3)))
        group, order = order[:size], order[size:]
        _gap(page, chooser, sentence_count)
        _tell(page, chooser, entity, group, first=sentence_count == 0)
        sentence_count += 1
        if size == 1 and chooser.chance(CONTRADICTED):
            wrong = another_value(chooser, group[0], by_kind, used)
            if wrong is not None:
                used.add(wrong)
                _contradict(page, chooser, group[0], wrong)
        if chooser.chance(0.3) and asides:
            page.put(" ")
            _sentence(page, chooser, entity, asides.pop(), [], first=False)
    for fact in facts:
        if chooser.chance(RETOLD):
            _gap(page, chooser, sentence_count)
            _tell(page, chooser, entity, [fact], first=False)
    page.put("\n")
    return page


def _gap(page: Page, chooser: Chooser, count: int) -> None:
    if page.text:
        page.put("\n\n" if count and count % 3 == 0 and chooser.chance(0.4) else " ")


def _tell(page: Page, chooser: Chooser, entity: Entity, group: list[Fact], *, first: bool) -> None:
    """One sentence with one to three facts."""
    if len(group) == 1:
        relation = group[0].relation
        at = chooser.below(relation.statements)
        if at < len(relation.predicates):
            template = f"{{S}} {relation.predicates[at]}."
        else:
            template = relation.sentences[at - len(relation.predicates)]
    else:
        parts = [chooser.pick(fact.relation.predicates) for fact in group]
        template = "{S} " + ", ".join(parts[:-1]) + f" and {parts[-1]}."
    _sentence(page, chooser, entity, template, group, first=first)


def _contradict(page: Page, chooser: Chooser, fact: Fact, wrong: str) -> None:
    before, after = chooser.pick(CONTRADICTIONS).split("{O}")
    page.put(" " + before)
    start, end = page.put(wrong)
    page.put(after)
    fact.false.append((start, end, wrong))


def _sentence(page: Page, chooser: Chooser, entity: Entity, template: str, group: list[Fact], *, first: bool) -> None:
    """Append ``template`` with its slots filled; note where values and the subject's full name stand."""
    start = len(page.text)
    values = iter(group)
    spans: list[tuple[Fact, tuple[int, int]]] = []
    named = not first  # the first mention is always the full name
    for i, piece in enumerate(_SLOT.split(template)):
        if i % 2 == 0:
            page.put(piece)
            continue
        if piece == "O":
            fact = next(values)
            value = fact.value
            if fact.value_entity is not None and KINDS[fact.value_entity.kind].article:
                page.put("the ")
            spans.append((fact, page.put(value)))
        elif piece == "N":
            page.subject_spans.append(page.put(entity.name))
        else:
            _subject(page, chooser, entity, piece, opening=len(page.text) == start, full=not named)
            named = True
    end = len(page.text)
    for fact, span in spans:
        fact.spans.append(span)
        fact.sentences.append((start, end))


def _subject(page: Page, chooser: Chooser, entity: Entity, slot: str, *, opening: bool, full: bool) -> None:
    """The subject by name, by pronoun, or by its noun."""
    kind = KINDS[entity.kind]
    nominative, possessive, objective = kind.pronouns or _PERSON[entity.gender]
    form = {"S": nominative, "P": possessive, "M": objective}[slot]
    by_name = full or chooser.chance(0.25)
    # "Some 900 people live in it" is poor English: away from the opening, a thing goes by its noun.
    by_noun = not by_name and (chooser.chance(0.15) or (slot == "S" and not opening and entity.kind != "person"))
    if by_name:
        article = "" if not kind.article else ("The " if opening else "the ")
        page.put(article)
        page.subject_spans.append(page.put(entity.name))
    elif by_noun:
        noun = entity.stem if entity.kind == "person" else f"the {kind.noun}"
        page.put(noun[0].upper() + noun[1:] if opening else noun)
    else:
        page.put(form.capitalize() if opening else form)
        return
    if slot == "P":
        page.put("'s")

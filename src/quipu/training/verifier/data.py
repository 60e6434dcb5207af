"""Claims that are right, and claims that look right and are not, from people's questions about passages and trivia.

The wrong ones are of the kinds that a memory meets: the question of another span of the same sentence or passage, a
question about a neighbouring passage with what stands in its place here, a question turned by rule (another name,
number or date of the same passage, an opposite, roles exchanged, a negation), another answer of the same kind in the
same sentence or in the one that says most like the question, and of ready pairs the neighbours that a retriever finds.
Spans that stand in for an answer are those that the extractor would ask about, as a reader would give them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from quipu.datasets.contexts import Asked, Context, title_of
from quipu.evaluation.twins.rules import any_twin, names_of, paraphrase, twin
from quipu.language.english import FUNCTION_WORDS
from quipu.language.sentences import sentence_at, sentences
from quipu.models.claims import Claim, evidence_at
from quipu.models.encoder import Encoder
from quipu.records import Span
from quipu.text import normalize_answer, token_f1
from quipu.training.reranker.data import Group, nearest

NEAR = 4  # contexts before and after that count as neighbours
LONGEST_ANSWER = 12  # words
ALIKE = 0.3  # token F1 of two questions
_SAME_PASSAGE = ("entity", "number", "date", "place")  # twins that are wrong only if what they bring in is elsewhere


@dataclass(frozen=True, slots=True)
class Example:
    """A claim, whether it is right, and how it was made."""

    claim: Claim
    right: bool
    kind: str


@dataclass(frozen=True, slots=True)
class _Place:
    """A question's answer in its passage, and the evidence there."""

    asked: Asked
    answer: str
    sentence: str
    evidence: str


@dataclass(frozen=True, slots=True)
class _Page:
    """A context and what in it could be an answer."""

    context: Context
    spans: Sequence[Span]

    def like(self, answer: str, sentence: str, question: str, rng: random.Random) -> str | None:
        """A span of the sentence that is neither the answer nor asked about, of the answer's kind if there is one."""
        start = self.context.text.index(sentence)
        here = [self.context.text[span.start : span.end] for span in self.spans
                if start <= span.start and span.end <= start + len(sentence)]  # fmt: skip
        here = [text for text in here if _apart(text, answer) and text.lower() not in question.lower()]
        alike = [text for text in here if _kind(text) == _kind(answer)]
        return rng.choice(alike or here) if here else None

    def claim(self, place: _Place, rng: random.Random) -> Claim | None:
        """A question over the sentence without its answer that shares most words with it, and a span of that."""
        text, question = self.context.text, place.asked.question
        asked = _content(question)
        shared = {span: len(asked & _content(text[span.start : span.end])) for span in sentences(text)
                  if place.answer.lower() not in text[span.start : span.end].lower()}  # fmt: skip
        if not shared or not max(shared.values()):
            return None
        best = max(shared, key=lambda span: (shared[span], -span.start))
        sentence, evidence = _evidence(text, sentences(text), title_of(self.context), best.start)
        answer = self.like(place.answer, sentence, question, rng)
        return Claim(question, answer, "", evidence) if answer is not None else None


def passage_examples(
    contexts: Sequence[Context], spans: Sequence[Sequence[Span]], rng: random.Random, of_each: int = 4
) -> Iterator[Example]:
    """Right and wrong claims about passages; contexts of one article stand together, in order.

    ``spans``: in each context what could be the answer of some question.
    """
    known = cache(lambda at: _places(contexts[at]))
    for at, context in enumerate(contexts):
        places = known(at)
        names = names_of(context.text)
        near = _neighbours(contexts, at, known)
        for place in rng.sample(places, min(of_each, len(places))):
            others = [other for other in places if _apart(place.answer, other.answer)]
            same = [other for other in places if other is not place and _same_span(place, other)]
            question = place.asked.question
            spoken = rng.choice(same).asked.question if same and rng.random() < 0.5 else question
            asked = paraphrase(spoken, rng) if rng.random() < 0.4 else spoken
            stored = _stored(question, asked, rng)
            yield Example(Claim(asked, place.answer, stored, place.evidence), True, "right")
            if rng.random() < 0.4:
                yield Example(Claim(question, place.answer, "", place.evidence), True, "right")
            yield from _wrong(place, others, names, near, _Page(context, spans[at]), rng)


def _wrong(
    place: _Place, others: Sequence[_Place], names: Sequence[str], near: Sequence[_Place], page: _Page,
    rng: random.Random,
) -> Iterator[Example]:  # fmt: skip
    """One or two wrong claims with the evidence of ``place`` or its question: its twin, and one of the others."""
    question = place.asked.question
    made: list[Example] = []
    turned = _turned(place, names, rng)
    if turned is not None:
        kind, text = turned
        stored = question if rng.random() < 0.5 else ""
        yield Example(Claim(text, place.answer, stored, place.evidence), False, f"twin: {kind}")
    if others:
        here = [other for other in others if other.sentence == place.sentence]
        other = rng.choice(here if here and rng.random() < 0.6 else list(others))
        stored = question if rng.random() < 0.5 else ""
        made.append(Example(Claim(other.asked.question, place.answer, stored, place.evidence), False, "sibling"))
    false = page.like(place.answer, place.sentence, question, rng)
    if false is not None:
        made.append(Example(Claim(question, false, "", place.evidence), False, "other span"))
    for kind, asked in (("other sentence", [place]), ("next door", near)):
        claim = page.claim(rng.choice(asked), rng) if asked else None
        if claim is not None:
            made.append(Example(claim, False, kind))
    yield from rng.sample(made, min(1 if turned is not None else 2, len(made)))


def _places(context: Context) -> list[_Place]:
    """The marked questions of a context with short answers."""
    bounds = sentences(context.text)
    about = title_of(context)
    found = []
    for asked in context.asked:
        answer = context.text[asked.start : asked.end] if asked.start >= 0 else ""
        if answer.strip() and len(answer.split()) <= LONGEST_ANSWER:
            sentence, evidence = _evidence(context.text, bounds, about, asked.start)
            found.append(_Place(asked, answer, sentence, evidence))
    return found


def _evidence(text: str, bounds: Sequence[Span], about: str, start: int) -> tuple[str, str]:
    """The sentence at ``start``, and the evidence with it."""
    return sentence_at(text, bounds, start), evidence_at(about, text, bounds, start, start + 1)


def _neighbours(contexts: Sequence[Context], at: int, known: Callable[[int], list[_Place]]) -> list[_Place]:
    """Questions about the contexts around ``at`` in the same article whose answers do not stand in it."""
    own = contexts[at]
    found = []
    for row in range(max(0, at - NEAR), min(len(contexts), at + NEAR + 1)):
        other = contexts[row]
        if row != at and other.group == own.group and other.text not in own.text and own.text not in other.text:
            found += [place for place in known(row) if place.answer.lower() not in own.text.lower()]
    return found


def _content(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower())) - FUNCTION_WORDS


def _kind(text: str) -> str:
    return "number" if re.search(r"\d", text) else "name" if text[:1].isupper() else "words"


def _turned(place: _Place, names: Sequence[str], rng: random.Random) -> tuple[str, str] | None:
    """The question as a twin: its kind and text; names come from elsewhere in the passage."""
    away = [name for name in dict.fromkeys(names) if name not in place.evidence]
    question = place.asked.question
    if rng.random() < 0.4:
        kind = rng.choice(_SAME_PASSAGE)
        made = twin(question, kind, rng, away)
        found = None if made is None else (kind, made)
    else:
        found = any_twin(question, rng, away)
    if found is None:
        return None
    brought = set(re.findall(r"\w+", found[1].lower())) - set(re.findall(r"\w+", question.lower()))
    known = brought & set(re.findall(r"\w+", place.evidence.lower()))
    return None if known and found[0] in _SAME_PASSAGE else found


def _stored(question: str, asked: str, rng: random.Random) -> str:
    """The stored question of a right claim: none, or one in other words than what was asked."""
    if rng.random() < 0.45:
        return ""
    return question if asked != question else paraphrase(question, rng, 1)


def _apart(one: str, other: str) -> bool:
    """Whether two answers differ: neither is a part of the other, and they share few words."""
    left, right = normalize_answer(one), normalize_answer(other)
    return bool(left and right) and left not in right and right not in left and token_f1(one, other) < 0.3


def _same_span(one: _Place, other: _Place) -> bool:
    """Whether two questions ask for one span, in words that show it."""
    return (
        (one.asked.start, one.asked.end) == (other.asked.start, other.asked.end)
        and token_f1(one.asked.question, other.asked.question) > ALIKE
    )  # fmt: skip


def pair_examples(groups: Sequence[Group], rng: random.Random, wrong: int = 2) -> Iterator[Example]:
    """Ready pairs as a retriever finds them: the right ones, and the nearest of the wrong ones."""
    for group in groups:
        # the same answer alone does not make two questions one: 1982 answers many
        right = [item for item in group.candidates if item.right and token_f1(item.question, group.asked) > ALIKE]
        others = [item for item in group.candidates if not item.right][:4]
        for item in right[:1]:
            yield Example(Claim(group.asked, item.answer, item.question), True, "right pair")
        for item in rng.sample(others, min(wrong, len(others))):
            yield Example(Claim(group.asked, item.answer, item.question), False, "neighbouring pair")


def reworded_examples(pairs: Sequence[tuple[str, str]], encoder: Encoder, rng: random.Random) -> Iterator[Example]:
    """Ready pairs asked in other words, as their twins, and for their nearest neighbours' questions."""
    keys = encoder.encode([question for question, _ in pairs])
    names = [name for question, _ in pairs for name in names_of(question)]
    for at, rows, _ in nearest([question for question, _ in pairs], keys, encoder, 6):
        question, answer = pairs[at]
        yield Example(Claim(paraphrase(question, rng), answer, question), True, "reworded")
        turned = any_twin(question, rng, rng.sample(names, min(20, len(names))))
        if turned is not None:
            yield Example(Claim(turned[1], answer, question), False, f"twin: {turned[0]}")
        close = [row for row in rows if row != at and _apart(pairs[row][1], answer)]
        if close:
            yield Example(Claim(pairs[rng.choice(close)][0], answer, question), False, "neighbouring pair")

"""What is said of an answer that was found: whether its place speaks against it, which words it needs to be true."""

from __future__ import annotations

from dataclasses import dataclass, replace

from quipu.answering.contradiction import contradiction
from quipu.answering.full_names import full_name
from quipu.answering.lists import counterpart, is_paired
from quipu.answering.qualifiers import qualified
from quipu.answering.quoted import others_words
from quipu.answering.siblings import sibling
from quipu.corpus.passages import sentences_of
from quipu.records import Answer, Elsewhere, Evidence, Passage, Span
from quipu.text import normalize_answer

OBJECTED = 0.1
"""No answer is more probable than this where its own place speaks against it.

Set by hand: in 23,461 questions on Wikipedia with the right spans (squad_train_parts, squadshifts) 0.3 % of the right
spans are objected to, so what is objected to is seldom right where every tenth answer is wrong.
"""


def objection(question: str, text: str, evidence: tuple[Evidence, ...]) -> str:
    """Why the place of an answer speaks against it, "" where it does not or where the answer is no span of one."""
    place = _place(text, evidence)
    if place is None:
        return ""
    passage, start, end = place
    against = others_words(question, passage, start, end)
    if against:
        return against
    sentence = _sentence(passage, start, end)
    inside = passage.text[sentence.start : sentence.end]
    if is_paired(inside):  # its two lists stand side by side; the right item is chosen when it is said
        return ""
    span = start - sentence.start, end - sentence.start
    return qualified(question, inside, *span).against or contradiction(question, inside, *span)


def complete(answer: Answer) -> Answer:
    """The answer, and what other sources say instead, in the words that they need to be true.

    Of paired lists and of several amounts that is the one asked for; whole names, units, bounds, exceptions. The first
    place of the evidence becomes that of all these words. A whole name that stands elsewhere in the passage is a place
    more. What is put together of two places is marked as generated.
    """
    text = answer.text or answer.held or ""
    said = _completed(answer.question, text, answer.evidence)
    others = tuple(_other(answer.question, item) for item in answer.elsewhere)
    if said is None:
        return answer if others == answer.elsewhere else replace(answer, elsewhere=others)
    return replace(
        answer, text=None if answer.text is None else said.text, held=said.text if answer.text is None else answer.held,
        evidence=said.evidence, generated=answer.generated or said.generated, elsewhere=others,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    evidence: tuple[Evidence, ...]
    generated: bool


def _other(question: str, item: Elsewhere) -> Elsewhere:
    said = _completed(question, item.text, (item.evidence,))
    return item if said is None else replace(item, text=said.text, evidence=said.evidence[0])


def _completed(question: str, text: str, evidence: tuple[Evidence, ...]) -> _Said | None:
    """The text with the words that it needs and its places; None where it needs none, or is no span of a place."""
    place = _place(text, evidence)
    if place is None:
        return None
    passage, start, end = place
    sentence = _sentence(passage, start, end)
    inside, base = passage.text[sentence.start : sentence.end], sentence.start
    more: tuple[Evidence, ...] = ()
    item = counterpart(question, inside, start - base, end - base)
    if item is not None:
        said, start, end = item.text, base + item.start, base + item.end
    else:
        other = sibling(question, inside, start - base, end - base)
        start, end = (base + other[0], base + other[1]) if other else (start, end)
        span = qualified(question, inside, start - base, end - base)
        if not span.against:
            start, end = base + span.start, base + span.end
        name = full_name(question, passage.text, start, end)
        if name is not None and name[0] <= start < name[1]:
            start, end = name
        elif name is not None:
            more = (_moved(evidence[0], passage, *name, pair=False),)
        said = passage.text[slice(*name)] if name else passage.text[start:end]
    if normalize_answer(said) == normalize_answer(text):
        return None
    moved = _moved(evidence[0], passage, start, end)
    return _Said(said, (moved, *evidence[1:], *more), item is not None and said != passage.text[start:end])


def _place(text: str, evidence: tuple[Evidence, ...]) -> tuple[Passage, int, int] | None:
    """The passage of the first place, and where in it the answer stands; None where it is not what stands there."""
    first = evidence[0] if evidence else None
    if first is None or first.passage is None or first.span is None:
        return None
    start, end = first.span.start - first.passage.span.start, first.span.end - first.passage.span.start
    if start < 0 or end > len(first.passage.text):
        return None
    there = first.passage.text[start:end]
    return (first.passage, start, end) if normalize_answer(there) == normalize_answer(text) else None


def _sentence(passage: Passage, start: int, end: int) -> Span:
    """The sentence in which characters of a passage stand; the characters alone where they stand in several."""
    found = next((span for span in sentences_of(passage) if span.start <= start and end <= span.end), None)
    return found or Span(start, end)


def _moved(evidence: Evidence, passage: Passage, start: int, end: int, *, pair: bool = True) -> Evidence:
    """The same evidence for other characters of its passage."""
    span = Span(passage.span.start + start, passage.span.start + end)
    return replace(evidence, span=span, quote=passage.text[start:end], pair=evidence.pair if pair else None)

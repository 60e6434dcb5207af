"""Filters on written questions: is it a question at all, does its own passage answer it so, is the pair a good one?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quipu.building.readback import Settled, settle
from quipu.building.scoring import FLOOR, MIDDLING, Evidence, chance
from quipu.building.wording import ANCHOR, anchored, fault, wording, written_fault
from quipu.language.sentences import sentence_at
from quipu.models.protocols import Reading, SupportsRead, SupportsReadMany
from quipu.records import QAPair, Span, Verdict
from quipu.text import token_f1


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was written about a span of a passage. ``score``: mean log-probability of its tokens."""

    passage: str
    title: str  # what is told of the passage beside its text
    about: str  # the document's title and the headings over the span
    subject: str  # the nearest of these that names something
    sentences: Sequence[Span]  # of the passage
    span: Span  # in the passage
    text: str
    score: float | None  # None: somebody asked it
    expected: float | None = None  # log-probability that somebody asks about the span, where that is known


@dataclass(frozen=True, slots=True)
class Judged:
    """What the reader and the fitted score say of a question: the answer that it gets, or why it is dropped."""

    question: str  # maybe with the passage's title in front
    settled: Settled | None
    reason: str  # "kept", or why not
    chance: float
    read: str  # what the reader answered

    @property
    def kept(self) -> bool:
        """Whether the pair stays."""
        return self.reason == "kept"


def well_formed(pair: QAPair) -> Verdict:
    """At least three words with a question word, no stutter, and not the answer itself in it."""
    reason = fault(pair.question, pair.answer) or "kept"
    return Verdict(pair.id, "well_formed", reason == "kept", None, reason)


def local_filter(
    pairs: Sequence[QAPair], passages: Sequence[str], reader: SupportsRead, *, threshold: float
) -> list[tuple[Verdict, float]]:
    """The reader answers each question from its own passage (PAQ's local filter; QAMAT section 4.1).

    Kept when it finds an answer at all (score > 0) and token F1 of its answer and the pair's is at least ``threshold``.
    The second value is the reader's probability, the pair's filter score.
    """
    # several spans of a passage may have got the same question: it is read once
    asked = list(dict.fromkeys(zip((pair.question for pair in pairs), passages, strict=True)))
    readings = dict(zip(asked, reader.read(*_columns(asked)), strict=True))
    found = []
    for pair, passage in zip(pairs, passages, strict=True):
        reading = readings[pair.question, passage]
        overlap = token_f1(reading.text, pair.answer)
        if reading.score <= 0:
            reason = reading.failed or "reader found no answer"
        elif overlap < threshold:
            reason = "reader answered otherwise"
        else:
            reason = "kept"
        verdict = Verdict(pair.id, "local", reason == "kept", reading.probability, reason, reading.text[:200])
        found.append((verdict, reading.probability))
    return found


def read_back(
    questions: Sequence[Question], reader: SupportsReadMany, *, agreement: float, threshold: float
) -> list[Judged]:
    """The language model answers each question from its own passage; what it says and how sure it is are weighed.

    Kept when the answers agree (``agreement``, token F1 or one held by the other), nothing is wrong with the question's
    form, and the fitted probability that the pair is good is at least ``threshold``. A question that somebody asked
    needs the agreement only.
    """
    rows: dict[tuple[str, str], dict[str, None]] = {}
    for item in questions:
        rows.setdefault((item.passage, item.title), {})[item.text] = None
    read = reader.read_many(
        [passage for passage, _ in rows],
        [list(row) for row in rows.values()],
        titles=[title or None for _, title in rows],
    )
    readings = {
        (*place, text): reading
        for (place, row), found in zip(rows.items(), read, strict=True)
        for text, reading in zip(row, found, strict=True)
    }
    return [_judged(item, readings[item.passage, item.title, item.text], agreement, threshold) for item in questions]


def _judged(item: Question, reading: Reading, agreement: float, threshold: float) -> Judged:
    if not reading.text:
        return Judged(item.text, None, "reader found no answer", 0.0, "")
    settled = settle(item.passage, item.span, reading)
    if settled.agreement < agreement:
        return Judged(item.text, None, "reader answered otherwise", 0.0, reading.text)
    if item.score is None:
        return Judged(item.text, settled, "kept", reading.probability, reading.text)
    plain = item.text[:1].upper() + item.text[1:]
    sentence = sentence_at(item.passage, item.sentences, settled.span.start)
    wrong = fault(plain, settled.answer) or written_fault(plain, settled.answer, item.passage, sentence, item.about)
    if wrong:
        return Judged(plain, None, wrong, 0.0, reading.text)
    text = anchored(plain, item.subject, item.passage)
    if fault(text, settled.answer):  # the title is the answer
        text = plain
    said = wording(text, settled.answer, item.passage, item.about)
    evidence = Evidence(
        question=item.score,
        answer=math.log(max(reading.probability, FLOOR)),
        nothing=reading.nothing,
        expected=MIDDLING if item.expected is None else item.expected,
        generated=settled.generated,
        anchored=text.startswith(ANCHOR),
        wording=said,
    )
    good = chance(evidence)
    unclear = "needs its passage to be understood" if said.pronoun or said.vague else "not sure enough"
    return Judged(text, settled, "kept" if good >= threshold else unclear, good, reading.text)


def _columns(rows: Sequence[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [question for question, _ in rows], [passage for _, passage in rows]

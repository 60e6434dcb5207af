"""What a verifier judges: what quipu is about to say, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quipu.records import Span

ROOM = 320  # characters up to which a sentence is shown with the one before it


class Claim(NamedTuple):
    """That ``evidence`` answers ``question`` with ``answer``.

    ``stored``: the stored question whose answer it is, "" where it was read from a passage; ``evidence``: the text
    behind it, "" of a pair without one.
    """

    question: str
    answer: str
    stored: str = ""
    evidence: str = ""


def evidence_at(about: str, text: str, bounds: Sequence[Span], start: int, end: int) -> str:
    """``evidence_of`` the sentence, of ``bounds``, that holds characters ``start`` to ``end`` of a text.

    Where they stand in several sentences, or nowhere (a negative start), the whole text.
    """
    at = next((at for at, span in enumerate(bounds) if span.start <= start and end <= span.end), None)
    if at is None:
        return evidence_of(about, "", text)
    before = text[bounds[at - 1].start : bounds[at - 1].end] if at else ""
    return evidence_of(about, before, text[bounds[at].start : bounds[at].end])


def evidence_of(about: str, before: str, sentence: str) -> str:
    """What stands behind an answer, as a claim shows it: title and headings, the sentence, and the one before it."""
    said = f"{before} {sentence}" if before and len(before) + len(sentence) <= ROOM else sentence
    return " ".join((f"{about}: {said}" if about else said).split())

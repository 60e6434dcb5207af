"""What a verifier judges: what quipu is about to say, and why."""

from __future__ import annotations

from typing import NamedTuple

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


def evidence_of(about: str, before: str, sentence: str) -> str:
    """What stands behind an answer, as a claim shows it: title and headings, the sentence, and the one before it."""
    said = f"{before} {sentence}" if before and len(before) + len(sentence) <= ROOM else sentence
    return " ".join((f"{about}: {said}" if about else said).split())

"""The neighbours suite: documents of many kinds, and for each ten questions that it answers and ten next door.

A *next-door* question speaks of what the document speaks of, in its words, and asks for something that it does not
say. Everything was written for this suite; nothing is fitted on it, and nothing is shared with the manuals that the
probabilities are fitted on (``recipes/small/manuals``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quipu.datasets.io import read_jsonl
from quipu.text import exact_match, normalize_answer

ANSWERABLE = "answerable"
KINDS = {
    "entity": "another thing, number, date or place",
    "opposite": "the opposite, or a denial",
    "roles": "roles exchanged",
    "subject": "a wider or narrower subject",
    "qualifier": "a qualifier added, left out or turned round",
    "section": "what is said of one thing, asked of another",
    "presupposition": "a false presupposition",
}
"""How a next-door question differs from what the document says."""
_EXTRA = 3
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A question about a document. ``answers``: accepted ones; none: the document does not answer it.

    ``kind``: one of ``KINDS``, or ``ANSWERABLE``.
    """

    question: str
    answers: tuple[str, ...]
    kind: str
    document: str

    def right(self, answer: str) -> bool:
        """Whether an answer is accepted: one of ``answers``, or a phrase around one, up to three words longer.

        A document says "no later than 30 April" where "30 April" is accepted, and neither is wrong.
        """
        if exact_match(answer, self.answers):
            return True
        given = normalize_answer(answer).split()
        return any(
            len(given) <= len(words) + _EXTRA and f" {' '.join(words)} " in f" {' '.join(given)} "
            for words in (normalize_answer(item).split() for item in self.answers) if words
        )  # fmt: skip


def documents(count: int | None = None) -> list[Path]:
    """The files, by name; the first ``count`` of them."""
    return sorted((_FOLDER / "documents").iterdir())[:count]


def suite(count: int | None = None) -> list[Neighbour]:
    """The questions about the first ``count`` documents, those that are answered first for each."""
    rows = read_jsonl(_FOLDER / "questions.jsonl")
    found = [Neighbour(row["question"], tuple(row["answers"]), row["kind"], row["document"]) for row in rows]
    names = [path.name for path in documents(count)]
    return [item for name in names for item in found if item.document == name]

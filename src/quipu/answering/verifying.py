"""Does what was found answer the question? What the verifier says of it, and what of the question it does not speak of.

Every step describes what it proposes with these features. A stored pair is held against the question by its own
question and by the sentence behind it, an answer of a passage by its sentence, with title and headings.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from quipu.answering.accounted import Similar, unaccounted
from quipu.answering.proposal import Proposal, place_of
from quipu.corpus.passages import sentences_of
from quipu.models.bundle import Models
from quipu.models.claims import Claim, evidence_at
from quipu.records import Hit, Passage
from quipu.storage.store import Store

# The verifier's log-odds that the answer is right (0 where there is none); how many of the question's words of content
# neither the pair nor its sentence, headings and title account for, and how many not even the passage does.
FEATURES = ("verified", "unaccounted", "unspoken")
NOTHING = (0.0, 0.0, 0.0)
_CLIP = 8.0
_MOST = 4  # words


class Shown(NamedTuple):
    """What is claimed, and the text around it that may speak of the question too."""

    claim: Claim
    around: str = ""


class Verification:
    """Describes proposals; the verifier is loaded when it is first asked."""

    def __init__(self, store: Store, models: Models, similar: Similar) -> None:
        """``similar``: which words mean the same."""
        self._store, self._models, self._similar = store, models, similar

    def proposals(
        self, questions: Sequence[str], rows: Sequence[Sequence[Proposal]], known: MutableMapping[Claim, float]
    ) -> list[list[Proposal]]:
        """What a step proposes for each question, with ``FEATURES`` after the features that they have.

        ``known``: the verifier's log-odds of claims that were verified before; new ones are added.
        """
        found = [
            [self._found(question, item) for item in row if item.text]
            for question, row in zip(questions, rows, strict=True)
        ]
        values = iter(self.features([item for row in found for item in row], known))
        return [
            [replace(item, features=(*item.features, *(next(values) if item.text else NOTHING))) for item in row]
            for row in rows
        ]  # fmt: skip

    def pair(self, question: str, hit: Hit) -> Shown:
        """A stored pair as the answer to a question."""
        place = place_of(hit, self._store)
        if place.passage is None or place.span is None:
            return Shown(Claim(question, hit.pair.answer, hit.pair.question))
        start = place.span.start - place.passage.span.start
        shown = shown_at(place.passage, start, start + place.span.end - place.span.start)
        return Shown(Claim(question, hit.pair.answer, hit.pair.question, shown), place.passage.text)

    def features(self, found: Sequence[Shown], known: MutableMapping[Claim, float]) -> list[tuple[float, float, float]]:
        """What ``FEATURES`` names, of each; ``known`` as for ``proposals``."""
        new = [claim for claim in dict.fromkeys(item.claim for item in found) if claim not in known]
        verifier = self._models.verifier() if new else None
        if verifier is not None:
            known.update(zip(new, verifier.verify(new).tolist(), strict=True))
        return [described(item, known.get(item.claim, 0.0), self._similar) for item in found]

    def _found(self, question: str, item: Proposal) -> Shown:
        """The answer of a proposal with the first of its places."""
        source = item.sources[0]
        if isinstance(source, Hit):
            found = self.pair(question, source)
            return found._replace(claim=found.claim._replace(answer=item.text))
        passage = self._store.passage(source.passage_id)
        shown = shown_at(passage, source.start, source.end)
        return Shown(Claim(question, item.text, "", shown), passage.text)


def described(item: Shown, odds: float, similar: Similar) -> tuple[float, float, float]:
    """What ``FEATURES`` names; ``odds``: the verifier's log-odds; ``similar``: which words mean the same."""
    question, *texts = item.claim
    missing = unaccounted(question, texts, similar)
    unspoken = unaccounted(question, [*texts, item.around], similar) if missing and item.around else missing
    if _bare(question) == _bare(item.claim.stored):
        odds = _CLIP  # the stored question itself
    return max(-_CLIP, min(_CLIP, odds)), float(min(_MOST, len(missing))), float(min(_MOST, len(unspoken)))


def _bare(question: str) -> str:
    """Without case, white space and closing marks; other marks tell C from C++."""
    return " ".join(question.lower().split()).rstrip("?!. ")


def shown_at(passage: Passage, start: int, end: int) -> str:
    """What stands behind characters of a passage: title and headings, their sentence, and the one before it."""
    return evidence_at(passage.about(), passage.text, sentences_of(passage), start, end)

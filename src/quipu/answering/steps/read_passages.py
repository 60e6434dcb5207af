"""Reading the best passages: the language model reads each of them apart, and the surest answer counts.

Where no pair is sure enough, the passage that holds the answer is nearly always among the best few. Each is read with
its title; what is said of one passage is weighed by how sure the model is, how likely it holds that nothing answers,
how well the passage fits the question, and how far other passages and the pairs found say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quipu.answering.proposal import Context, PassageSpan, Proposal
from quipu.answering.scoring import unfitted
from quipu.answering.settings import AnswerSettings
from quipu.answering.steps.reading import Agreement, log_odds, log_probability, read_passages, says_the_same
from quipu.answering.verifying import FEATURES as VERIFIED
from quipu.answering.verifying import Verification
from quipu.answering.where import Place, Where
from quipu.models.bundle import Models
from quipu.models.protocols import Reading, SupportsQuestionLikelihood
from quipu.records import Hit, Passage, Route, Span
from quipu.storage.store import Store

_LEAST, _MOST = -30.0, 60.0  # a likelihood beyond these says no more

# Of what one passage says: its log-probability; log-odds that something answers; the same less those of the question's
# surest passage; the passage's score by ``where``, and less that of the first; whether it is the first; the share of
# the other passages that say the same; what ``Agreement`` names; whether the words stand in the passage; shares of the
# question's words, names and numbers in the passage; length of the answer in words over 10; how much likelier the
# passage makes the question, as one about this answer; what ``quipu.answering.verifying`` says of it.
FEATURES = (
    "log_p", "odds", "behind", "where", "where_behind", "leads", "agree", "stored", "pair_first", "pair_share",
    "similarity", "own_similarity", "asked", "located", "covered", "names", "numbers", "length", "likelihood",
    *VERIFIED,
)  # fmt: skip


class ReadPassages:
    """What the reader finds in the best passages."""

    NAME: Route = "passage"
    FEATURES = FEATURES
    UNFITTED = unfitted(**dict.fromkeys(FEATURES, 0.0) | {"log_p": 1.0, "odds": 0.2, "where": 0.5, "agree": 0.5})

    def __init__(
        self, store: Store, models: Models, settings: AnswerSettings, where: Where, verification: Verification
    ) -> None:
        self._store, self._models, self._settings = store, models, settings
        self._where, self._verification = where, verification

    def ready(self) -> str:
        """Needs passages and a reader."""
        missing = self._where.ready()
        if not missing:
            self._models.passage_reader()
        return missing

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """What each of the best passages says to each question; each question is read for once in a context."""
        new = [text for text in dict.fromkeys(questions) if text not in context.read]
        if new:
            context.read.update(zip(new, self._read(new, context), strict=True))
        return [context.read[text] for text in questions]

    def _read(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        places = [row[: self._settings.read_passages] for row in self._where.find(questions, context)]
        hits = context.nearest(questions, self._settings.read_pairs)
        asked = [(at, place) for at, row in enumerate(places) for place in row]
        passages = [place.passage for _, place in asked]
        readings = read_passages(
            self._models.passage_reader(), [questions[at] for at, _ in asked],
            [passage.text for passage in passages], [passage.about() for passage in passages],
        )  # fmt: skip
        likely = self._likelihood([questions[at] for at, _ in asked], passages, readings)
        found: list[list[Read]] = [[] for _ in questions]
        for (at, place), reading, value in zip(asked, readings, likely, strict=True):
            if reading.text:
                found[at].append(Read(place, reading, value))
        proposed = [
            [_proposal(question, item, row, pairs) for item in row]
            for question, row, pairs in zip(questions, found, hits, strict=True)
        ]
        return self._verification.proposals(questions, proposed, context.verified)

    def _likelihood(
        self, questions: Sequence[str], passages: Sequence[Passage], readings: Sequence[Reading]
    ) -> list[float]:
        """How much likelier each passage makes its question, as one about what was read; 0 where nobody can say."""
        reader = self._models.passage_reader()
        found = [0.0] * len(questions)
        stand = [at for at, reading in enumerate(readings) if reading.start >= 0]
        if not stand or not isinstance(reader, SupportsQuestionLikelihood):
            return found
        values = reader.question_likelihood(
            [passages[at].text for at in stand], [[Span(readings[at].start, readings[at].end)] for at in stand],
            [[questions[at]] for at in stand], titles=[passages[at].about() for at in stand],
        )  # fmt: skip
        for at, (value,) in zip(stand, values, strict=True):
            found[at] = max(_LEAST, min(_MOST, value)) / 10.0
        return found


class Read(NamedTuple):
    """What was read in a passage, and how much likelier the passage makes the question (tens of log-odds)."""

    place: Place
    reading: Reading
    likelihood: float


def _proposal(question: str, own: Read, row: Sequence[Read], hits: Sequence[Hit]) -> Proposal:
    place, reading, _ = own
    return Proposal(
        "passage", reading.text, features(question, own, row, hits),
        (PassageSpan(place.passage.id, reading.start, reading.end),), generated=reading.start < 0,
    )  # fmt: skip


def features(question: str, own: Read, row: Sequence[Read], hits: Sequence[Hit]) -> tuple[float, ...]:
    """What ``FEATURES`` names but for the verification, of what one of the passages ``row`` says."""
    place, reading, likelihood = own
    others = [item.reading for item in row if item is not own]
    first = max(item.place.score for item in row)
    log_p = log_probability(reading.probability)
    pairs = Agreement.of(question, reading.text, hits)
    same = sum(says_the_same(reading.text, other.text) for other in others)
    return (
        log_p, log_odds(reading.nothing),
        log_p - max(log_probability(item.reading.probability) for item in row), place.score, place.score - first,
        float(place.score == first), same / max(1, len(others)), pairs.stored, pairs.first, pairs.share,
        pairs.similarity, pairs.own_similarity, pairs.asked, float(reading.start >= 0), place.feature("covered"),
        place.feature("names"), place.feature("numbers"), min(2.0, len(reading.text.split()) / 10.0), likelihood,
    )  # fmt: skip

"""Two readings for one question: the first finds a bridge, the second reads the first passage with the bridge's own.

"What is the capital of the country where tea was found?" is answered by no passage alone. What the best passages say to
the question, and what the pairs found answer, may be the bridge: the question is asked again with the bridge in it, the
best passage that this finds is read together with the first, and the question itself is put to both. Questions that
compare two things take a reading for each: "Which was built first, A or B?" asks when A was built and when B was.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quipu.answering.features import content_words, names
from quipu.answering.proposal import Context, PassageSpan, Proposal
from quipu.answering.scoring import unfitted
from quipu.answering.settings import AnswerSettings
from quipu.answering.steps.chain import rewritten
from quipu.answering.steps.compare import Compare, Comparison, bare, date_of, judged, parse
from quipu.answering.steps.read_passages import ReadPassages
from quipu.answering.steps.reading import log_odds, log_probability, read_passages
from quipu.answering.verifying import FEATURES as VERIFIED
from quipu.answering.verifying import Verification
from quipu.answering.where import Place, Where
from quipu.models.bundle import Models
from quipu.models.protocols import Reading
from quipu.records import Hit, Route
from quipu.storage.store import Store
from quipu.text import normalize_answer

# Of an answer over two passages: its log-probability, log-odds that something answers, the same of the bridge in the
# first passage, log-probability less that of the best single passage's answer, scores of both passages by ``where``,
# the share of the question's words in the second passage and in either, whether the second names the bridge, whether
# the answer stands in the second, whether the question names it, whether it is the bridge, how many pairs of passages
# say the same; what ``quipu.answering.verifying`` says of it.
FEATURES = (
    "log_p", "odds", "bridge_log_p", "gain", "first_where", "second_where", "in_second", "covered", "bridged",
    "in_second_passage", "asked", "is_bridge", "agree", *VERIFIED,
)  # fmt: skip
COMPARED_FEATURES = ("log_p", "odds", "pairs")  # of the less sure of the two readings; whether pairs say it
SURE = -0.25  # log-probability of a reading from which no second passage is sought, where a stored pair agrees
_GAP = "\n\n"  # between passages that are read together, as in training


@dataclass(frozen=True, slots=True)
class Hop:
    """Two passages that are read together, and the bridge between them with its log-probability in the first."""

    first: Place
    second: Place
    bridge: str
    sure: float


class Hops:
    """An answer that takes two readings."""

    NAME: Route = "hops"
    FEATURES = FEATURES
    UNFITTED = unfitted(**dict.fromkeys(FEATURES, 0.0) | {"log_p": 1.0, "odds": 0.2, "covered": 1.0, "asked": -2.0})
    COMPARED_UNFITTED = unfitted(log_p=1.0, odds=0.2, pairs=0.0)

    def __init__(
        self, store: Store, models: Models, settings: AnswerSettings, where: Where, passages: ReadPassages,
        compare: Compare, verification: Verification,
    ) -> None:  # fmt: skip
        self._store, self._models, self._settings = store, models, settings
        self._where, self._passages, self._compare = where, passages, compare
        self._verification = verification

    def ready(self) -> str:
        """Needs what reading passages needs."""
        return self._passages.ready()

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """Comparisons from pairs or by two readings; of other questions what two passages say together."""
        found = self._compare.propose(questions, context)
        alone: list[int] = []  # questions that compare nothing
        for at in [at for at, row in enumerate(found) if not row]:
            parsed = parse(questions[at])
            if parsed is None:
                alone.append(at)
            else:
                found[at] = self._compared(questions[at], parsed, context)
        single = self._passages.propose([questions[at] for at in alone], context)
        others = [at for at, row in zip(alone, single, strict=True) if not _settled(row)]
        for at, row in zip(others, self._bridged([questions[at] for at in others], context), strict=True):
            found[at] = row
        return found

    def _compared(self, question: str, item: Comparison, context: Context) -> list[Proposal]:
        """What two readings say of the two things that a question compares."""
        asked = list(map(bare, item.names))
        roles: list[Proposal] = []
        if item.role:
            roles = self._surest(question, [f"Who is the {item.role} of {name}?" for name in asked], context)
            asked = [role.text for role in roles]
        values = self._surest(question, [item.asks.format(name) for name in asked], context) if len(asked) == 2 else []
        if len(values) != 2:
            return []
        dates = [date_of(value.text) for value in values]
        text = judged(item, [value.text for value in values], dates)
        if text is None:
            return []
        used = [*roles, *values]
        least = [min(row) for row in zip(*(value.features[:2] for value in used), strict=True)]
        return [
            Proposal("compare_read", text, (*least, 0.0), tuple(source for value in used for source in value.sources))
        ]

    def _surest(self, question: str, parts: Sequence[str], context: Context) -> list[Proposal]:
        """The surest reading of each part of a question; fewer than parts where a passage is missing."""
        context.nearest.inherit(parts, [question] * len(parts))
        scorer = context.scorer("passage")
        rows = self._passages.propose(parts, context)
        return [max(row, key=lambda item: scorer.score(item.features)) for row in rows if row]

    def _bridged(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """What pairs of passages say to each question."""
        if not questions:
            return []
        single = self._passages.propose(questions, context)
        places = self._where.find(questions, context)
        hits = context.nearest(questions, self._settings.read_pairs)
        bridges = [self._bridges(*row) for row in zip(questions, single, places, hits, strict=True)]
        asked = [rewritten(question, name) for question, row in zip(questions, bridges, strict=True) for name in row]
        context.nearest.inherit(
            asked, [question for question, row in zip(questions, bridges, strict=True) for _ in row]
        )
        second = iter(self._where.find(asked, context))
        hops: list[tuple[int, Hop]] = []
        for at, row in enumerate(bridges):
            made = [hop for name, (first, sure) in row.items() if (hop := _hop(first, next(second), name, sure))]
            hops += [(at, hop) for hop in _distinct(made)[: self._settings.hop_passages]]
        readings = read_passages(
            self._models.passage_reader(), [questions[at] for at, _ in hops],
            [_before_second(hop) + hop.second.passage.text for _, hop in hops],
            [hop.first.passage.about() for _, hop in hops],
        )  # fmt: skip
        found: list[list[tuple[Hop, Reading]]] = [[] for _ in questions]
        for (at, hop), reading in zip(hops, readings, strict=True):
            if reading.text:
                found[at].append((hop, reading))
        proposed = [
            [_proposal(question, hop, reading, row, alone) for hop, reading in row]
            for question, row, alone in zip(questions, found, single, strict=True)
        ]
        return self._verification.proposals(questions, proposed, context.verified)

    def _bridges(
        self, question: str, single: Sequence[Proposal], places: Sequence[Place], hits: Sequence[Hit]
    ) -> dict[str, tuple[Place, float]]:
        """Names that may lead on, surest first, with the passage where each stands and its log-probability there."""
        known = {place.passage.id: place for place in places}
        found: dict[str, tuple[Place, float]] = {}
        for item in sorted(single, key=lambda item: -item.features[0]):
            source = item.sources[0]
            if isinstance(source, PassageSpan) and source.passage_id in known:
                found.setdefault(item.text, (known[source.passage_id], item.features[0]))
        for hit in hits:
            passage = None
            if hit.pair.document_id is not None and hit.pair.span is not None:
                passage = self._store.passage_at(hit.pair.document_id, hit.pair.span)
            if passage is not None and passage.id in known:
                found.setdefault(hit.pair.answer, (known[passage.id], math.log(max(hit.score, 1e-3))))
        kept: dict[str, tuple[Place, float]] = {}
        for name, value in found.items():
            if normalize_answer(name) and not names(question, name) and len(kept) < self._settings.hop_bridges:
                kept[name] = value
        return kept


def _settled(single: Sequence[Proposal]) -> bool:
    """Whether one passage is sure of an answer that a stored pair has, too."""
    log_p, stored = ReadPassages.FEATURES.index("log_p"), ReadPassages.FEATURES.index("stored")
    return any(item.features[log_p] > SURE and item.features[stored] for item in single)


def _hop(first: Place, places: Sequence[Place], bridge: str, sure: float) -> Hop | None:
    """The best passage beside the first; rather one that names the bridge."""
    others = [place for place in places if place.passage.id != first.passage.id]
    naming = [place for place in others if _names(place, bridge)]
    chosen = (naming or others)[:1]
    return Hop(first, chosen[0], bridge, sure) if chosen else None


def _before_second(hop: Hop) -> str:
    """What is read before the second passage's text: the first one, whose title goes apart, and the second's title, as
    the model was trained to read several."""
    title = hop.second.passage.about()
    return f"{hop.first.passage.text}{_GAP}{title}\n" if title else f"{hop.first.passage.text}{_GAP}"


def _names(place: Place, bridge: str) -> bool:
    words = f" {normalize_answer(f'{place.passage.about()} {place.passage.text}')} "
    return f" {normalize_answer(bridge)} " in words


def _distinct(hops: Sequence[Hop]) -> list[Hop]:
    """One hop for each two passages, whichever comes first."""
    found: dict[frozenset[str], Hop] = {}
    for hop in hops:
        found.setdefault(frozenset((hop.first.passage.id, hop.second.passage.id)), hop)
    return list(found.values())


def _proposal(
    question: str, hop: Hop, reading: Reading, row: Sequence[tuple[Hop, Reading]], alone: Sequence[Proposal]
) -> Proposal:
    cut = len(_before_second(hop))
    first, second = hop.first.passage, hop.second.passage
    in_second = reading.start >= cut
    sources = (PassageSpan(first.id, -1, -1), PassageSpan(second.id, -1, -1))
    if in_second:
        sources = (PassageSpan(second.id, reading.start - cut, reading.end - cut), sources[0])
    elif reading.start >= 0 and reading.end <= len(first.text):
        sources = (PassageSpan(first.id, reading.start, reading.end), sources[1])
    asked = content_words(question)
    own, other = (content_words(f"{passage.about()} {passage.text}") for passage in (second, first))
    log_p = log_probability(reading.probability)
    normal = normalize_answer(reading.text)
    same = sum(normalize_answer(item.text) == normal for _, item in row) - 1
    features = (
        log_p, log_odds(reading.nothing), hop.sure, log_p - max((item.features[0] for item in alone), default=log_p),
        hop.first.score, hop.second.score, len(asked & own) / max(1, len(asked)),
        len(asked & (own | other)) / max(1, len(asked)), float(_names(hop.second, hop.bridge)), float(in_second),
        float(names(question, reading.text)), float(normalize_answer(hop.bridge) == normal),
        same / max(1, len(row) - 1),
    )  # fmt: skip
    return Proposal("hops", reading.text, features, sources, generated=sources[0].start < 0)

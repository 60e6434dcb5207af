"""What an external model will cost before documents are built with it: calls, tokens and money, as a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quipu.building.settings import GenerateSettings
from quipu.corpus.passages import sentences_of
from quipu.errors import InputError
from quipu.evaluation.estimate import MARGIN, sampled
from quipu.models.remote.prompts import Call, canonical, to_judge, to_read, to_write
from quipu.models.remote.settings import LlmSettings
from quipu.records import Passage

PROBED = 20  # passages that are asked about
CHARACTERS = 4  # of a token, unless it was counted
PAIRS = (2, 10)  # that a passage may yield
OUT = {"writer": 40, "reader": 20, "judge": 40}  # tokens of a reply: of a pair, of an answer, of an opinion
_QUESTION, _ANSWER = "How many prisoners dug the harbour of Aldwick?", "300 prisoners"


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Least and most; the cost is None where no prices were named. ``counted``: how tokens are known."""

    documents: int
    passages: int
    calls_least: int
    calls_most: int
    tokens_in_least: int
    tokens_in_most: int
    tokens_out_least: int
    tokens_out_most: int
    cost_least: float | None
    cost_most: float | None
    counted: str

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Use:
    """Of a passage."""

    calls: float
    tokens_in: float
    tokens_out: float


def of_model(paths: Sequence[str | Path], settings: LlmSettings, *, probe: bool = False) -> ModelCost:
    """For all passages of these documents, which are read and cut.

    ``probe``: passages drawn evenly from all are really asked about, which is paid and keeps nothing.
    InputError where there is nothing to read.
    """
    if probe and "writer" not in settings.roles:
        raise InputError("--probe counts what the model writes: it needs the role writer")
    documents, passages, sample = sampled(paths, PROBED)
    if not sample:
        raise InputError("nothing to estimate: no document can be read")
    if probe:
        use = _measured(sample, settings)
        least, most, counted = _times(use, 1 / MARGIN), _times(use, MARGIN), f"counted by {len(sample)} passages"
    else:
        least, most = (_counted(sample, settings, pairs) for pairs in PAIRS)
        counted = f"guessed: {CHARACTERS} characters each, {PAIRS[0]} to {PAIRS[1]} pairs a passage (--probe counts)"
    low, high = _times(least, passages), _times(most, passages)
    return ModelCost(
        documents, passages, round(low.calls), round(high.calls), round(low.tokens_in), round(high.tokens_in),
        round(low.tokens_out), round(high.tokens_out), settings.cost(round(low.tokens_in), round(low.tokens_out)),
        settings.cost(round(high.tokens_in), round(high.tokens_out)), counted,
    )  # fmt: skip


def _counted(sample: Sequence[Passage], settings: LlmSettings, pairs: int) -> _Use:
    """By the characters of the requests."""
    calls = sent = received = 0.0
    for passage in sample:
        for role in settings.roles:
            many = 1 if role == "writer" else pairs
            calls += many
            call = _call(role, passage)
            sent += many * len(canonical([*call.messages, call.schema]).decode()) / CHARACTERS
            received += OUT[role] * pairs
    return _times(_Use(calls, sent, received), 1 / len(sample))


def _call(role: str, passage: Passage) -> Call:
    bounds, place = sentences_of(passage), (None, None)
    if role == "writer":
        most = GenerateSettings().candidates_per_passage
        return to_write(passage.text, passage.about(), bounds, most, place)
    if role == "reader":
        return to_read(_QUESTION, passage.text, bounds, place)
    return to_judge(_QUESTION, _ANSWER, passage.text, passage.about(), bounds, place)


def _measured(sample: Sequence[Passage], settings: LlmSettings) -> _Use:
    """By asking, for each role what a build would ask; a question is not filtered before it is read and judged."""
    from quipu.building.external import Passing
    from quipu.building.proposing import opinions, proposed
    from quipu.models.remote.client import Client
    from quipu.models.remote.judge import LlmJudge
    from quipu.models.remote.reader import LlmReader
    from quipu.models.remote.writer import LlmWriter
    from quipu.records import QAPair

    ledger = Passing()
    with Client(settings, ledger) as client:
        made, _ = proposed(sample, LlmWriter(client), GenerateSettings().candidates_per_passage)
        if "reader" in settings.roles:
            LlmReader(client).read([question for *_, question in made], [passage.text for passage, *_ in made])
        if "judge" in settings.roles:
            answers = [passage.text[span.start : span.end] for passage, span, _ in made]
            pairs = [
                (QAPair.make(question, answer), passage)
                for (passage, _, question), answer in zip(made, answers, strict=True)
            ]
            opinions(pairs, LlmJudge(client))
    calls = list(ledger.calls.values())
    if not any(call.status in ("ok", "estimated") for call in calls):
        raise InputError(f"{settings.endpoint}: no call succeeded ({calls[-1].response if calls else 'none was made'})")
    use = _Use(len(calls), sum(call.tokens_in for call in calls), sum(call.tokens_out for call in calls))
    return _times(use, 1 / len(sample))


def _times(use: _Use, factor: float) -> _Use:
    return _Use(use.calls * factor, use.tokens_in * factor, use.tokens_out * factor)

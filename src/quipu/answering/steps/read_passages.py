"""Reading the best passages: where no pair is sure enough, the reader looks at what a QuIP encoder found.

The spans of ``quipu.answering.extract`` say which passages may hold the answer; the reader, question and passage
together, says where it stands in the best of them, and whether it does. No way is dearer a passage, so few are read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from quipu.answering.proposal import Context, PassageSpan, Proposal
from quipu.answering.scoring import unfitted
from quipu.answering.settings import AnswerSettings
from quipu.answering.steps.spans import Spans
from quipu.memory.store import Store
from quipu.models.loaded import Models
from quipu.records import Hit, Route

# Of what is read in a passage: the score of the span found there, the reader's log-odds against "no answer",
# log-probability, and log-odds less those of the question's best passage; whether both spans overlap.
FEATURES = ("passage", "reader", "sure", "reach", "agrees")


class ReadPassages:
    """What the reader finds in the best passages."""

    NAME: Route = "passage"
    FEATURES = FEATURES
    UNFITTED = unfitted(passage=1.0, reader=0.0, sure=0.5, reach=0.2, agrees=0.0)

    def __init__(self, store: Store, models: Models, settings: AnswerSettings, spans: Spans) -> None:
        self._store, self._models, self._settings, self._spans = store, models, settings, spans

    def ready(self) -> str:
        """Needs what spans need, and a reader."""
        missing = self._spans.ready()
        if not missing:
            self._models.reader()
        return missing

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """A span of each passage read; after look-up only where most pairs found were made of passages."""
        asked = list(range(len(questions)))
        if context.after_lookup:
            hits = context.nearest(questions, self._settings.passages_by)
            asked = [at for at in asked if _in_passages(hits[at])]
        found: list[list[Proposal]] = [[] for _ in questions]
        if asked:
            for at, row in zip(asked, self._read([questions[at] for at in asked], context), strict=True):
                found[at] = row
        return found

    def _read(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        weights = context.scorer("span")
        chosen: list[tuple[int, float, PassageSpan]] = []
        for at, row in enumerate(self._spans.propose(questions, context)):
            scored = sorted(((weights.score(item.features), item) for item in row), key=lambda pair: -pair[0])
            for score, item in scored[: self._settings.read_passages]:
                place = item.sources[0]
                assert isinstance(place, PassageSpan)
                chosen.append((at, score, place))
        texts = [self._store.passage(place.passage_id).text for *_, place in chosen]
        readings = self._models.reader().read([questions[at] for at, *_ in chosen], texts)
        most = [-math.inf] * len(questions)
        for (at, *_), reading in zip(chosen, readings, strict=True):
            most[at] = max(most[at], reading.score)
        found: list[list[Proposal]] = [[] for _ in questions]
        for (at, score, place), reading in zip(chosen, readings, strict=True):
            if not reading.text:
                continue
            agrees = reading.start < place.end and place.start < reading.end
            features = (
                score, reading.score, math.log(reading.probability + 1e-9), reading.score - most[at], float(agrees)
            )  # fmt: skip
            source = PassageSpan(place.passage_id, reading.start, reading.end)
            found[at].append(Proposal("passage", reading.text, features, (source,)))
        return found


def _in_passages(hits: Sequence[Hit]) -> bool:
    """Whether most of these pairs were made of passages, so that passages may answer what the pairs do not."""
    return 2 * sum(hit.pair.document_id is not None for hit in hits) >= len(hits)

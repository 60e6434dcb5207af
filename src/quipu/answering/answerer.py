"""Questions to answers: the search is made once, the steps propose, ``quipu.answering.decision`` decides."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

from quipu.answering.cascade import cascade
from quipu.answering.decision import COMBINED_FEATURES, Bar, decide
from quipu.answering.features import FEATURES as LOOKUP_FEATURES
from quipu.answering.proposal import Context, Nearest, Proposal, Search, Step
from quipu.answering.scoring import Blend, Calibration, LinearScorer
from quipu.answering.settings import AnswerSettings
from quipu.answering.steps.chain import Chain
from quipu.answering.steps.lookup import Found, Lookup, scorer_name
from quipu.answering.steps.read_pairs import ReadPairs
from quipu.answering.steps.read_passages import ReadPassages
from quipu.answering.steps.spans import Spans
from quipu.errors import InputError
from quipu.memory.store import Store
from quipu.models.loaded import Models
from quipu.records import Answer, QAPair, Route
from quipu.text import normalize_answer

Method = Literal["cascade", "lookup", "read", "chain", "span", "passage"]
METHODS: tuple[Method, ...] = ("cascade", "lookup", "read", "chain", "span", "passage")
# The models whose scores a scorer weighs; weights that were fitted for others do not serve.
_USES: Mapping[str, tuple[str, ...]] = {
    "lookup": ("encoder",), "lookup_reranked": ("encoder", "reranker", "judge"), "read": ("encoder", "memory_reader"),
    "chain": ("encoder",), "compare": ("encoder",), "span": ("encoder", "span_encoder"),
    "passage": ("encoder", "span_encoder", "reader"), "cascade": ("encoder", "memory_reader", "reader"),
}  # fmt: skip


class Answerer:
    """What answers a memory's questions. ``search`` finds the stored pairs nearest to texts."""

    def __init__(
        self,
        store: Store,
        models: Models,
        search: Search,
        calibrations: Sequence[Calibration] = (),
        settings: AnswerSettings | None = None,
    ) -> None:
        """``calibrations``: of each scorer the first that was fitted for these models serves; the memory's own first.

        The floor is the first one's.
        """
        self.settings = settings or AnswerSettings()
        self.calibrations = tuple(calibrations)
        self._store, self._models, self._search = store, models, search
        self.lookup = Lookup(store, models, self.settings)
        chain, spans = Chain(store, self.settings), Spans(store, models, self.settings)
        self._steps: dict[Route, Step] = {
            step.NAME: step
            for step in (
                self.lookup, ReadPairs(store, models, self.settings), chain, spans,
                ReadPassages(store, models, self.settings, spans),
            )
        }  # fmt: skip
        self._features = {step.NAME: step.FEATURES for step in self._steps.values()}
        self._features |= {name: LOOKUP_FEATURES for name in ("lookup", "lookup_reranked")}
        self._features |= {"compare": chain.compare.FEATURES, "cascade": COMBINED_FEATURES}
        self._unfitted = {str(step.NAME): step.UNFITTED for step in self._steps.values()}
        self._unfitted |= {"lookup_reranked": self.lookup.UNFITTED, "compare": chain.compare.UNFITTED}

    def ask_many(
        self,
        questions: Sequence[str],
        *,
        k: int | None = None,
        method: Method = "cascade",
        rerank: bool = True,
        min_probability: float | None = None,
        budget_ms: float | None = None,
    ) -> list[Answer]:
        """An answer for each question, in order; see ``quipu.Memory.ask``.

        A question's milliseconds are an equal share of the time of each step that it went through, without the
        loading of models.
        """
        if method not in METHODS:
            raise InputError(f"the method must be one of {', '.join(METHODS)}, not {method!r}")
        if min_probability is not None and not 0 <= min_probability <= 1:
            raise InputError(f"a probability lies between 0 and 1, not {min_probability}")
        if budget_ms is not None and (budget_ms <= 0 or method != "cascade"):
            raise InputError("a budget is more than 0 milliseconds, and for the method cascade only")
        if rerank and method in ("cascade", "lookup"):
            self._models.load()
        context = self._context(questions, k, rerank)
        bar = Bar(min_probability, self.calibrations[0].floor if self.calibrations else 0.0)
        if method != "cascade":
            return self._answers(method, context, bar, questions)
        own = Bar(None, bar.floor)
        after = replace(context, after_lookup=True)
        steps = (
            (name, partial(self._answers, name, context if name == "lookup" else after, own))
            for name in self.steps(rerank)
        )
        return cascade(questions, steps, bar, budget_ms, lambda: self.fitted("cascade"))

    def steps(self, rerank: bool = True) -> Iterator[Route]:
        """The steps of a cascade that this memory can take: each needs its models and a fitted scorer."""
        yield "lookup"
        if self.fitted(scorer_name(rerank)) is None:  # nothing says when to go on
            return
        for name in ("read", "chain"):
            if self._can(name):
                yield name
        last: Route = "passage" if self._can("passage") else "span"
        if self._can(last):
            yield last

    def propose(
        self, name: Route, questions: Sequence[str], *, k: int | None = None, rerank: bool = True,
        after_lookup: bool = False,
    ) -> list[list[Proposal]]:  # fmt: skip
        """What a step proposes for each question, before anything is decided: what scorers are fitted on."""
        step = self._ready(name)
        context = replace(self._context(questions, k, rerank), after_lookup=after_lookup)
        return step.propose(questions, context)

    def find(
        self, questions: Sequence[str], *, k: int | None = None, rerank: bool = True,
        without: Sequence[QAPair | None] = (),
    ) -> list[Found | None]:  # fmt: skip
        """All pairs that look-up considers, with the features of the best.

        ``without``: a pair for each question that is left out with everything of its document (to ask what the memory
        would say if it had never read it).
        """
        context = self._context(questions, k, rerank)
        hits = context.nearest(questions, context.k + 50 if without else context.k)
        if without:
            hits = [
                [hit for hit in row if pair is None or _apart(hit.pair, pair)][: context.k]
                for row, pair in zip(hits, without, strict=True)
            ]
        return self.lookup.find(questions, hits, rerank=rerank, blend=context.blend())

    def later(self) -> dict[Route, tuple[str, ...]]:
        """The steps after look-up in the order in which they are fitted, with the names of their scorers."""
        return {"span": ("span",), "read": ("read",), "chain": ("chain", "compare"), "passage": ("passage",)}

    def missing(self, name: Route) -> str:
        """Why a step cannot be asked and what to do; "" where it can."""
        return self._steps[name].ready()

    def features(self, name: str) -> tuple[str, ...]:
        """The names of the features that the scorer of this name weighs."""
        return self._features[name]

    def fitted(self, name: str) -> LinearScorer | None:
        """The scorer of this name that was fitted for the models in use."""
        if any(name in calibration.scorers for calibration in self.calibrations):
            models = self._models.hashes(_USES[name])
            for calibration in self.calibrations:
                found = calibration.scorer(name, self._features[name], models)
                if found is not None:
                    return found
        return None

    def scorer(self, name: str) -> LinearScorer:
        """``fitted``, else the step's own weights, which know no probability."""
        return self.fitted(name) or self._unfitted[name]

    def uses(self, name: str) -> dict[str, str]:
        """Name and sha256 of the models whose scores the scorer of this name weighs."""
        return self._models.hashes(_USES[name])

    def names(self) -> tuple[str, ...]:
        """The names of all scorers."""
        return tuple(self._features)

    def blend(self, rerank: bool) -> Blend:
        """How far to trust the reranker beside the retriever."""
        name = scorer_name(rerank)
        for calibration in self.calibrations if rerank else ():
            if calibration.scorer(name, self._features[name], self.uses(name)) is not None:
                return calibration.blend
        return Blend()

    def _context(self, questions: Sequence[str], k: int | None, rerank: bool) -> Context:
        if any(not question.strip() for question in questions):
            raise InputError("a question is empty")
        k = self.settings.k if k is None else k
        nearest = Nearest(self._search, questions, max(k, self.settings.first_hop))
        return Context(nearest, k, self.scorer, rerank, partial(self.blend, rerank))

    def _can(self, name: Route) -> bool:
        return self.fitted(name) is not None and not self.missing(name)

    def _ready(self, name: Route) -> Step:
        missing = self.missing(name)
        if missing:
            raise InputError(missing)
        return self._steps[name]

    def _answers(self, name: Route, context: Context, bar: Bar, questions: Sequence[str]) -> list[Answer]:
        step = self._ready(name)
        began = time.perf_counter()
        answers = []
        for question, row in zip(questions, step.propose(questions, context), strict=True):
            scorer = self.scorer(row[0].scorer if row else name)
            answers.append(decide(name, question, row, scorer, self._store, bar, after_lookup=context.after_lookup))
        each = 1000 * (time.perf_counter() - began) / max(1, len(questions))
        return [replace(answer, milliseconds=each) for answer in answers]


def _apart(pair: QAPair, other: QAPair) -> bool:
    """Whether a pair is another one, asks something else, and stands in another document."""
    return (
        pair.id != other.id
        and normalize_answer(pair.question) != normalize_answer(other.question)
        and (other.document_id is None or pair.document_id != other.document_id)
    )

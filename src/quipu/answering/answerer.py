"""Questions to answers: the search is made once, the steps propose, ``quipu.answering.decision`` decides."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from quipu.answering.cascade import STEP_MS, Budget, cascade
from quipu.answering.conflicts import PREFERENCES, Conflicts, Prefer
from quipu.answering.decision import COMBINED_FEATURES, Bar, decide
from quipu.answering.marked import Marked, Wrong
from quipu.answering.nearest import nearest_sentence
from quipu.answering.precision import Promise, promised
from quipu.answering.proposal import Context, Nearest, PassageSpan, Proposal, Search, Step, evidence_of
from quipu.answering.saying import complete
from quipu.answering.scoring import Calibration, LinearScorer, unfitted
from quipu.answering.settings import CASCADE, AnswerSettings
from quipu.answering.steps.chain import Chain
from quipu.answering.steps.compare import Compare
from quipu.answering.steps.external import answer_externally
from quipu.answering.steps.hops import COMPARED_FEATURES, Hops
from quipu.answering.steps.lookup import RERANK_FEATURES, Found, Lookup, scorer_name
from quipu.answering.steps.read_pairs import ReadPairs
from quipu.answering.steps.read_passages import ReadPassages
from quipu.answering.steps.spans import Spans
from quipu.answering.verifying import Verification
from quipu.answering.where import Where
from quipu.errors import InputError
from quipu.models.bundle import Models
from quipu.models.protocols import Keys, SupportsAnswer, SupportsAsk
from quipu.models.word_table import WordSimilarity
from quipu.records import Answer, Hit, NearestSentence, QAPair, Route, Span
from quipu.storage.store import Store

Method = Literal["cascade", "lookup", "passage", "read", "hops", "chain", "span"]
METHODS: tuple[Method, ...] = ("cascade", "lookup", "passage", "read", "hops", "chain", "span")


@dataclass(frozen=True, slots=True)
class ScorerKind:
    """A scorer that can be fitted: its features, its weights until then, and the models whose scores it weighs."""

    features: tuple[str, ...]
    unfitted: LinearScorer
    models: tuple[str, ...]


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
        given = store, models, self.settings
        self._conflicts, self._marked = Conflicts(store), Marked(store, models.encoder)
        self._similar = WordSimilarity()
        verification = Verification(store, models, self._similar)
        self.lookup, self.where = Lookup(*given, verification), Where(*given)
        passages, compare = ReadPassages(*given, self.where, verification), Compare(store, self.settings)
        steps: tuple[Step, ...] = (
            self.lookup, passages, ReadPairs(*given, verification),
            Hops(*given, self.where, passages, compare, verification),
            Chain(self.settings, compare), Spans(*given, self.where.vectors),
        )  # fmt: skip
        self._step_ms = dict(STEP_MS)
        self._steps: dict[Route, Step] = {step.NAME: step for step in steps}
        self._ordered: Mapping[str, Callable[[Sequence[str], Context], list[list[Proposal]]]] = {
            "where": self.where.propose, "rerank": self.lookup.propose_reranked,
        }  # fmt: skip

    def ask_many(
        self,
        questions: Sequence[str],
        *,
        k: int | None = None,
        method: Method = "cascade",
        rerank: bool = False,
        min_probability: float | None = None,
        precision: float | None = None,
        budget_ms: float | None = None,
        prefer: Prefer | None = None,
    ) -> list[Answer]:
        """An answer for each question, in order; see ``quipu.Memory.ask``.

        A question's milliseconds are an equal share of the time of each step that it went through, without the
        loading of models.
        """
        if k is not None and k < 1:
            raise InputError(f"k must be 1 or more, not {k}")
        if method not in METHODS:
            raise InputError(f"the method must be one of {', '.join(METHODS)}, not {method!r}")
        if precision is not None:
            if min_probability is not None:
                raise InputError("give a precision or a least probability, not both")
            min_probability = self.promised(precision, method, rerank=rerank).probability
        if min_probability is not None and not 0 <= min_probability <= 1:
            raise InputError(f"a probability lies between 0 and 1, not {min_probability}")
        if budget_ms is not None and (budget_ms <= 0 or method != "cascade"):
            raise InputError("a budget is more than 0 milliseconds, and for the method cascade only")
        if prefer is not None and prefer not in PREFERENCES:
            raise InputError(f"of sources that disagree {', '.join(PREFERENCES)} can be preferred, not {prefer!r}")
        if rerank and method in ("cascade", "lookup"):
            self._models.reranker()
        context = self.context(questions, k=k, rerank=rerank, wrong=self._marked.wrong(questions))
        budget = Budget(budget_ms, self._step_ms)
        bar = Bar(min_probability, self.calibrations[0].floor if self.calibrations else 0.0)
        if method != "cascade":
            answers = self._answers(method, context, bar, questions, after_lookup=False)
        else:
            own = Bar(None, bar.floor)
            steps = (
                (name, partial(self._answers, name, context, own, after_lookup=name != "lookup"))
                for name in self.steps(rerank, budget)
            )
            answers = cascade(questions, steps, bar, budget, lambda: self.fitted("cascade"))
        answers = [complete(self._with_elsewhere(answer, context, prefer)) for answer in answers]
        if all(answer.text is not None for answer in answers) or not budget.affords("where") or self.where.ready():
            return answers
        return [answer if answer.text is not None else self._with_nearest(answer, context) for answer in answers]

    def ask_externally(self, questions: Sequence[str], model: SupportsAnswer) -> list[Answer]:
        """What an external model answers from the passages that are found for each question."""
        context = self.context(questions, wrong=self._marked.wrong(questions))
        return answer_externally(questions, context, self.where, model, self._store)

    def steps(self, rerank: bool = False, budget: Budget | None = None) -> Iterator[Route]:
        """The steps of a cascade that this memory can take: each needs its models and a fitted scorer.

        Chains of pairs are followed where no passages can be read. No models are loaded for a step that the budget
        does not afford.
        """
        yield "lookup"
        if self.fitted(scorer_name(rerank)) is None:  # nothing says when to go on
            return
        taken: set[Route] = set()
        for name in CASCADE[1:]:
            needless = name not in self.settings.steps or (name == "chain" and "hops" in taken)
            needless = needless or (budget is not None and not budget.affords(name))
            if not needless and not self.missing(name) and self.fitted(name) is not None:
                taken.add(name)
                yield name

    def propose(
        self, name: str, questions: Sequence[str], context: Context | None = None, *, rerank: bool = False,
        without: Sequence[QAPair | None] = (),
    ) -> list[list[Proposal]]:  # fmt: skip
        """What a step proposes for each question, before anything is decided: what its scorer is fitted on.

        "where" and "rerank" give the passages and pairs that are put in order. ``without``: see ``Nearest``. Steps
        that are given the same ``context`` share what was found and read.
        """
        if context is None:
            context = self.context(questions, rerank=rerank or name == "rerank", without=without)
        if name in self._ordered:
            return self._ordered[name](questions, context)
        return self._ready(name).propose(questions, context)

    def find(self, questions: Sequence[str], *, k: int | None = None, rerank: bool = False) -> list[Found | None]:
        """All pairs that lookup considers, with the features of the best."""
        return self.lookup.find(questions, self.context(questions, k=k, rerank=rerank))

    def holding(self, pair: QAPair, key: Keys) -> Answerer:
        """What would answer if the memory held one more pair; ``key``: the pair's (width,)."""
        encoder = self._models.encoder()

        def search(texts: Sequence[str], k: int) -> list[list[Hit]]:
            asked = encoder.ask(texts) if isinstance(encoder, SupportsAsk) else encoder.encode(texts)
            rows = [
                sorted([*row, Hit(pair, float(vector @ key), 0, "vector")], key=lambda hit: -hit.score)[:k]
                for row, vector in zip(self._search(texts, k), asked, strict=True)
            ]
            return [[replace(hit, rank=rank) for rank, hit in enumerate(row, start=1)] for row in rows]

        return Answerer(self._store, self._models, search, self.calibrations, self.settings)

    def missing(self, name: str) -> str:
        """Why a step cannot be asked and what to do; "" where it can."""
        if name == "where":
            return self.where.ready()
        if name == "rerank":
            return "" if self._models.reranker() is not None else "there is no reranker for this encoder"
        return self._steps[name].ready()  # type: ignore[index]

    def fitted(self, name: str) -> LinearScorer | None:
        """The scorer of this name that was fitted for the models in use."""
        if any(name in calibration.scorers for calibration in self.calibrations):
            models = self.uses(name)
            for calibration in self.calibrations:
                found = calibration.scorer(name, SCORERS[name].features, models)
                if found is not None:
                    return found
        return None

    def promised(self, precision: float, method: Method = "cascade", *, rerank: bool = False) -> Promise:
        """The least threshold by which a share ``precision`` of the answers of a method is right.

        A cascade whose steps nobody weighs together has no other step that is sure than lookup.
        """
        if method not in METHODS:
            raise InputError(f"the method must be one of {', '.join(METHODS)}, not {method!r}")
        alone = method == "lookup" or (method == "cascade" and self.fitted(method) is None)
        name = scorer_name(rerank) if alone else method

        def fitted(calibration: Calibration, name: str) -> LinearScorer | None:
            return calibration.scorer(name, SCORERS[name].features, self.uses(name))

        return promised(precision, name, self.calibrations, fitted, str(self._store.path))

    def scorer(self, name: str) -> LinearScorer:
        """``fitted``, else the step's own weights, which know no probability."""
        return self.fitted(name) or SCORERS[name].unfitted

    def uses(self, name: str) -> dict[str, str]:
        """Name and sha256 of the models whose scores the scorer of this name weighs."""
        return self._models.hashes(SCORERS[name].models)

    def context(
        self, questions: Sequence[str], *, k: int | None = None, rerank: bool = False,
        without: Sequence[QAPair | None] = (), wrong: Mapping[str, Wrong] | None = None,
    ) -> Context:  # fmt: skip
        """What the steps share for these questions; InputError where one is empty."""
        if any(not question.strip() for question in questions):
            raise InputError("a question is empty")
        k = self.settings.k if k is None else k
        nearest = Nearest(self._search, questions, max(k, self.settings.first_hop), without, wrong)
        return Context(nearest, k, self.scorer, rerank, wrong or {})

    def _ready(self, name: str) -> Step:
        missing = self.missing(name)
        if missing:
            raise InputError(missing)
        return self._steps[name]  # type: ignore[index]

    def _answers(
        self, name: Route, context: Context, bar: Bar, questions: Sequence[str], *, after_lookup: bool
    ) -> list[Answer]:
        step = self._ready(name)
        began = time.perf_counter()
        proposed = [
            self._not_wrong(name, question, row, context.wrong.get(question))
            for question, row in zip(questions, step.propose(questions, context), strict=True)
        ]
        answers = [
            decide(
                name, question, row, self.scorer(row[0].scorer if row else name), self._store, bar,
                after_lookup=after_lookup, similar=self._similar,
            )
            for question, row in zip(questions, proposed, strict=True)
        ]  # fmt: skip
        each = 1000 * (time.perf_counter() - began) / max(1, len(questions))
        self._step_ms[name] = (self._step_ms.get(name, each) + each) / 2
        return [replace(answer, milliseconds=each) for answer in answers]

    def _not_wrong(
        self, name: Route, question: str, row: Sequence[Proposal], wrong: Wrong | None
    ) -> Sequence[Proposal]:
        """The proposals that are not marked as wrong, in the words in which they were found or would be said."""
        if wrong is None:
            return row

        def said(item: Proposal) -> str:
            evidence = evidence_of(item, self._store)
            return complete(Answer(question, item.text, 0.0, None, evidence, name, "", 0.0)).text or ""

        return [item for item in row if not item.text or not (wrong.text(item.text) or wrong.text(said(item)))]

    def _with_elsewhere(self, answer: Answer, context: Context, prefer: Prefer | None) -> Answer:
        """An answer with what other sources say instead, or theirs, as ``prefer`` says."""
        if answer.text is None:
            return answer
        began = time.perf_counter()
        (hits,) = context.nearest([answer.question], context.k)
        passages = [place.passage for place in context.places.get(answer.question, ())]
        noted = self._conflicts.noted(answer, hits, passages, prefer, context.wrong.get(answer.question))
        return replace(noted, milliseconds=answer.milliseconds + 1000 * (time.perf_counter() - began))

    def _with_nearest(self, answer: Answer, context: Context) -> Answer:
        """An answer that was held back, with the sentence where it probably stands."""
        began = time.perf_counter()
        found = self._nearest(answer.question, context)
        spent = 1000 * (time.perf_counter() - began)
        return replace(answer, nearest=found, milliseconds=answer.milliseconds + spent)

    def _nearest(self, question: str, context: Context) -> NearestSentence | None:
        """The sentence that the surest reading points at; where no passage was read, one of the passage put first."""
        scorer = self.scorer("passage")
        for item in sorted(context.read.get(question, ()), key=lambda item: -scorer.score(item.features)):
            place = item.sources[0]
            if isinstance(place, PassageSpan) and place.start >= 0:
                passage = self._store.passage(place.passage_id)
                return nearest_sentence(question, passage, self._store, Span(place.start, place.end))
        (places,) = self.where.find([question], context)
        return nearest_sentence(question, places[0].passage, self._store) if places else None


_ENCODER, _READS = ("encoder",), ("encoder", "passage_reader", "verifier")
SCORERS: Mapping[str, ScorerKind] = {
    "lookup": ScorerKind(Lookup.FEATURES, Lookup.UNFITTED, ("encoder", "verifier")),
    "rerank": ScorerKind(RERANK_FEATURES, unfitted(similar=0.0, reranked=1.0), ("encoder", "reranker")),
    "lookup_reranked": ScorerKind(Lookup.FEATURES, Lookup.UNFITTED, ("encoder", "reranker", "verifier")),
    "where": ScorerKind(Where.FEATURES, Where.UNFITTED, ("encoder", "span_encoder")),
    "passage": ScorerKind(ReadPassages.FEATURES, ReadPassages.UNFITTED, _READS),
    "read": ScorerKind(ReadPairs.FEATURES, ReadPairs.UNFITTED, ("encoder", "pairs_reader", "verifier")),
    "hops": ScorerKind(Hops.FEATURES, Hops.UNFITTED, _READS),
    "compare_read": ScorerKind(COMPARED_FEATURES, Hops.COMPARED_UNFITTED, _READS),
    "chain": ScorerKind(Chain.FEATURES, Chain.UNFITTED, _ENCODER),
    "compare": ScorerKind(Compare.FEATURES, Compare.UNFITTED, _ENCODER),
    "span": ScorerKind(Spans.FEATURES, Spans.UNFITTED, ("encoder", "span_encoder")),
    "cascade": ScorerKind(COMBINED_FEATURES, unfitted(**dict.fromkeys(COMBINED_FEATURES, 0.0)), ("encoder",)),
}
"""Every scorer by its name, in the order in which they are fitted: later ones see what earlier ones put first."""

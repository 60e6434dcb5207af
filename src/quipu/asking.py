"""Asking: what ``Memory`` answers with. Five ways, each with what it finds and what it makes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from quipu.answering.cascade import FEATURES as HELD
from quipu.answering.cascade import Ask, cascade
from quipu.answering.chain import FEATURES as LINKS
from quipu.answering.chain import FIRST, ChainFound, Search, chain, find_chains
from quipu.answering.comparison import FEATURES as COMPARED
from quipu.answering.comparison import Compared, compare, compared
from quipu.answering.extract import EACH, UNFITTED, Passages, SpanFound, extract, find_spans
from quipu.answering.extract import FEATURES as SPANS
from quipu.answering.linear import Line
from quipu.answering.lookup import Found, find, lookup
from quipu.answering.passage import FEATURES as PASSAGE
from quipu.answering.passage import find_passages
from quipu.answering.probability import PLAIN, Calibration
from quipu.answering.read import FEATURES as READ
from quipu.answering.read import ReadFound, find_read, read
from quipu.answering.retrieve import Method
from quipu.errors import InputError
from quipu.memory import tokens
from quipu.memory.store import Store
from quipu.models.loaded import Models
from quipu.models.protocols import SupportsReadMemory
from quipu.records import Answer, Hit, QAPair, Route
from quipu.text import normalize_answer

Way = Literal["cascade", "lookup", "read", "chain", "span", "passage"]
Step = Literal["lookup", "read", "chain", "span", "passage"]
WAYS: tuple[Way, ...] = ("cascade", "lookup", "read", "chain", "span", "passage")
_READER_STEPS: tuple[Step, ...] = ("read", "chain")
_FITTED = {"read": READ, "chain": LINKS, "compare": COMPARED, "cascade": HELD, "span": SPANS, "passage": PASSAGE}
SEARCH: Method = "vector"  # how look-up retrieves; BENCHMARKS.md has the figures of all three


class Asking:
    """A memory's answers; ``quipu.Memory`` adds how it is made, searched and changed."""

    _store: Store
    _models: Models
    _passages: Passages | None

    @property
    def path(self) -> Path:
        """The memory's folder."""
        raise NotImplementedError

    def calibration(self, *, rerank: bool = True) -> Calibration | None:
        """How look-up's probabilities are made."""
        raise NotImplementedError

    def search_many(self, questions: Sequence[str], k: int = 10, *, method: Method = SEARCH) -> list[list[Hit]]:
        """The best pairs of each question."""
        raise NotImplementedError

    def _wake(self) -> Any:
        raise NotImplementedError

    def ask(
        self,
        question: str,
        *,
        k: int = 50,
        method: Way = "cascade",
        rerank: bool = True,
        min_probability: float | None = None,
        budget_ms: float | None = None,
    ) -> Answer:
        """The answer with its source and probability, or none, with the reason.

        method: "lookup" gives the answer of the best stored pair; "read" reads the best pairs together; "chain"
        goes from pair to pair; "span" finds where the stored tokens of the best passages answer; "passage" reads the
        best of these passages anew; "cascade" does these in this order until one is sure enough, and reads passages
        only where most of the pairs found were made of some.

        ``k`` pairs are looked at. ``rerank=False`` leaves the retriever's order (and is faster). An answer is held back
        below ``min_probability``; None: below the threshold of the memory's calibration, 0: never. ``budget_ms``: a
        cascade takes no further step when it has used so many milliseconds.
        """
        options: dict[str, Any] = {"method": method, "min_probability": min_probability, "budget_ms": budget_ms}
        return self.ask_many([question], k=k, rerank=rerank, **options)[0]

    def ask_many(
        self,
        questions: Sequence[str],
        *,
        k: int = 50,
        method: Way = "cascade",
        rerank: bool = True,
        min_probability: float | None = None,
        budget_ms: float | None = None,
    ) -> list[Answer]:
        """An answer for each question, in order; the time of each is an equal share of the batch's."""
        if method not in WAYS:
            raise InputError(f"the method must be one of {', '.join(WAYS)}, not {method!r}")
        if min_probability is not None and not 0 <= min_probability <= 1:
            raise InputError(f"a probability lies between 0 and 1, not {min_probability}")
        if budget_ms is not None and (budget_ms <= 0 or method != "cascade"):
            raise InputError("a budget is more than 0 milliseconds, and for the method cascade only")
        self._wake()
        if method != "cascade":
            return self._timed(method, questions, k, rerank, min_probability, self._near)
        near = self._near_once(questions, max(k, FIRST))

        def step(way: Step) -> tuple[Route, Ask]:
            return way, lambda some: self._timed(way, some, k, rerank, None, near, after_lookup=way != "lookup")

        steps = map(step, self.steps(rerank))
        return cascade(questions, steps, min_probability, budget_ms, lambda: self._line("cascade", rerank))

    def steps(self, rerank: bool = True) -> Iterator[Step]:
        """The steps of a cascade that this memory can take: each but the first needs its model and a calibration."""
        yield "lookup"
        if self.calibration(rerank=rerank) is None:  # nothing says when to go on
            return
        fitted = getattr(self._models.memory_reader(), "fitted", {})
        yield from (step for step in _READER_STEPS if step in fitted)
        encoder = self._models.span_encoder()
        if encoder is not None and tokens.made_by(self._store, encoder):
            if "passage" in fitted:
                yield "passage"
            elif "span" in getattr(encoder, "fitted", {}):
                yield "span"

    def _timed(
        self, way: Step, questions: Sequence[str], k: int, rerank: bool, min_probability: float | None, near: Search,
        *, after_lookup: bool = False,
    ) -> list[Answer]:  # fmt: skip
        """Answers of one way, each with its share of the time; what is loaded is loaded before."""
        if way == "lookup" and rerank:
            self._models.load()
        elif way in ("read", "chain"):
            self._reader()
        elif way in ("span", "passage"):
            self._models.span_encoder()
            if way == "passage":
                self._models.reader()
        began = time.perf_counter()
        if way == "lookup":
            pairs = self.find_many(questions, k=k, rerank=rerank, near=near)
            calibration = self.calibration(rerank=rerank)
            answers = [lookup(q, item, calibration, min_probability) for q, item in zip(questions, pairs, strict=True)]
        elif way == "read":
            odds = self._line("read", rerank, after_lookup)
            readings = self.find_read_many(questions, k=k, near=near)
            answers = [
                read(item, q, self._store, odds, min_probability) for q, item in zip(questions, readings, strict=True)
            ]
        elif way == "chain":
            links, odds = self._line("chain", rerank), self._line("compare", rerank)
            if links is None:
                raise InputError(f"{self._reader().name} knows no chains; fit them with recipes/mini/qamat/5-odds.toml")
            things = self.find_compared_many(questions, near=near)
            others = [q for q, both in zip(questions, things, strict=True) if both is None]
            chains = iter(self.find_chains_many(others, near=near) if others else [])
            answers = [
                chain(q, next(chains), self._store, links, min_probability)
                if both is None
                else compared(q, both, self._store, odds, min_probability)
                for q, both in zip(questions, things, strict=True)
            ]
        elif way == "span":
            weights = self._line("span", rerank) or UNFITTED
            answers = [
                extract(q, item, self._store, weights, min_probability)
                for q, item in zip(questions, self.find_spans_many(questions, k=k, near=near), strict=True)
            ]
        else:
            passages = self._line("passage", rerank, after_lookup)
            if passages is None:
                raise InputError(f"{self._reader().name} reads no passages; fit it with recipes/mini/qamat/5-odds.toml")
            asked = questions
            if after_lookup:
                hits = near(questions, EACH)
                asked = [q for q, row in zip(questions, hits, strict=True) if _in_passages(row)]
            spans = dict(zip(asked, self.find_passages_many(asked, k=k, near=near), strict=True)) if asked else {}
            answers = [
                extract(q, spans.get(q, ()), self._store, passages, min_probability, "passage") for q in questions
            ]
        each = 1000 * (time.perf_counter() - began) / max(1, len(questions))
        return [replace(answer, milliseconds=each) for answer in answers]

    def memory_reader(self) -> SupportsReadMemory | None:
        """What reads pairs for ``method="read"``; None where there is none."""
        return self._models.memory_reader()

    def _reader(self) -> SupportsReadMemory:
        reader = self._models.memory_reader()
        if reader is None:
            raise InputError("there is no reader of memories; train one with recipes/mini/qamat and name its folder")
        return reader

    def _line(self, name: str, rerank: bool = True, after_lookup: bool = False) -> Line | None:
        """The weights that were fitted for the model of a step; None where there are none.

        A memory that was calibrated for so much precision asks it of every step. ``after_lookup``: with the odds of
        questions that look-up leaves open, where they were fitted.
        """
        model = self._models.span_encoder() if name == "span" else self._models.memory_reader()
        fitted = getattr(model, "fitted", {}).get(name)
        if fitted is None:
            return None
        if after_lookup:
            fitted = {**fitted, **fitted.get("after_lookup", {})}
        line = Line.of(fitted, _FITTED[name], f"the step {name}")
        own = self.calibration(rerank=rerank) if "calibration" in self._store.manifest else None
        return line if own is None else replace(line, threshold=max(line.threshold, own.threshold))

    def _near(self, texts: Sequence[str], k: int) -> list[list[Hit]]:
        return self.search_many(texts, k, method=SEARCH)

    def _near_once(self, questions: Sequence[str], depth: int) -> Search:
        """``_near`` that searches for each of the questions once, for all steps of a cascade."""
        asked, known = set(questions), dict[str, list[Hit]]()

        def near(texts: Sequence[str], k: int) -> list[list[Hit]]:
            if k > depth or not asked.issuperset(texts):
                return self._near(texts, k)
            new = [text for text in dict.fromkeys(texts) if text not in known]
            if new:
                known.update(zip(new, self._near(new, depth), strict=True))
            return [known[text][:k] for text in texts]

        return near

    def find_chains_many(self, questions: Sequence[str], *, near: Search | None = None) -> list[list[ChainFound]]:
        """What ``ask_many(method="chain")`` judges: chains of two pairs, and single pairs."""
        _not_empty(questions)
        return find_chains(questions, near or self._near)

    def find_compared_many(self, questions: Sequence[str], *, near: Search | None = None) -> list[Compared | None]:
        """What is known of the two things that a question compares; None for other questions."""
        _not_empty(questions)

        def told(hit: Hit) -> str:
            title = self._store.title(hit.pair.document_id) if hit.pair.document_id else ""
            return f"{title} {self._store.key_text(hit.pair.id)}"

        return compare(questions, near or self._near, told)

    def find_read_many(
        self, questions: Sequence[str], *, k: int = 50, near: Search | None = None
    ) -> list[ReadFound | None]:
        """What ``ask_many(method="read")`` judges: an answer read from the best pairs, as many as the reader takes."""
        _not_empty(questions)
        reader = self._reader()
        hits = (near or self._near)(questions, min(k, reader.k))
        return find_read(questions, hits, reader, self._store)

    def find_spans_many(
        self, questions: Sequence[str], *, k: int = 50, near: Search | None = None
    ) -> list[list[SpanFound]]:
        """What ``ask_many(method="span")`` judges: a span of each passage that may hold the answer."""
        encoder = self._models.span_encoder()
        if encoder is None:
            name = self._models.encoder().name
            raise InputError(f"the encoder {name} reads no spans; use one that was trained with QuIP")
        if not tokens.made_by(self._store, encoder):
            raise InputError(f"{self.path} holds no token vectors by {encoder.name}; run: quipu rekey {self.path}")
        _not_empty(questions)
        hits = (near or self._near)(questions, min(k, EACH))
        if self._passages is None:
            self._passages = Passages(self._store)
        queries = encoder.queries(questions)
        return find_spans(questions, hits, queries, self._store, self._passages, encoder.codebook)

    def find_passages_many(
        self, questions: Sequence[str], *, k: int = 50, near: Search | None = None
    ) -> list[list[SpanFound]]:
        """What ``ask_many(method="passage")`` judges: what the reader finds in the best passages."""
        spans = self.find_spans_many(questions, k=k, near=near)
        weights = self._line("span") or UNFITTED
        return find_passages(questions, spans, weights, self._models.reader(), self._store)

    def find_many(
        self,
        questions: Sequence[str],
        *,
        k: int = 50,
        rerank: bool = True,
        without: Sequence[QAPair | None] = (),
        near: Search | None = None,
    ) -> list[Found | None]:
        """What ``ask_many`` judges: the best pairs, reranked, with the features behind each probability.

        ``without``: a pair for each question that is left out with everything of its document (to ask what the memory
        would say if it had never read it). ``near`` stands in for the search.
        """
        _not_empty(questions)
        hits = (near or self._near)(questions, k + 50 if without else k)
        if without:
            hits = [_apart(row, pair)[:k] for row, pair in zip(hits, without, strict=True)]
        if not rerank:
            return find(questions, hits, self._store, None)
        calibration = self.calibration()
        blend = PLAIN if calibration is None else calibration.blend
        return find(questions, hits, self._store, self._models.reranker(), self._models.judge(), blend)


def _in_passages(hits: Sequence[Hit]) -> bool:
    """Whether most of these pairs were made of passages, so that passages may answer what the pairs do not."""
    return 2 * sum(hit.pair.document_id is not None for hit in hits) >= len(hits)


def _not_empty(questions: Sequence[str]) -> None:
    if any(not question.strip() for question in questions):
        raise InputError("a question is empty")


def _apart(hits: Sequence[Hit], pair: QAPair | None) -> list[Hit]:
    """The hits without a pair, its document's, and other pairs that ask the same."""
    if pair is None:
        return list(hits)
    asked = normalize_answer(pair.question)
    return [
        hit
        for hit in hits
        if hit.pair.id != pair.id
        and normalize_answer(hit.pair.question) != asked
        and (pair.document_id is None or hit.pair.document_id != pair.document_id)
    ]

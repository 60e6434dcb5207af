"""One table of all ways to answer from a memory, on the same questions: quipu's own, and baselines of equal size.

EM and F1 of the first answer, nothing held back; recall@50 of an accepted answer among the pairs (or the passages
read); questions/s of all together, milliseconds of one by one; stored words that a transformer reads for a question;
private memory of the process after the last question. Controls: the reader without a memory (closed book), with pairs
drawn by chance, as a random encoder would find them, and with the answers of the pairs that it reads shuffled.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from quipu.answering.proposal import PassageSpan
from quipu.answering.retrieve import SEARCH
from quipu.errors import InputError
from quipu.evaluation.baselines.bm25 import BM25
from quipu.evaluation.baselines.dense import Dense
from quipu.evaluation.baselines.systems import PassageReader
from quipu.evaluation.metrics import latencies
from quipu.evaluation.report import Report
from quipu.evaluation.scale import private_and_mapped
from quipu.evaluation.task import Prediction, System, run
from quipu.evaluation.tasks.open_domain import LATENCY_SAMPLE, Lookup, OpenDomain, spread, timing
from quipu.memory import Memory
from quipu.models.encoder import Encoder
from quipu.models.lm.model import LanguageModel
from quipu.models.memory_input import value_text
from quipu.models.memory_reader import MemoryReader
from quipu.records import Example, Score
from quipu.storage.reading import given

READ = 3  # passages that the baselines read
FUSED = (20, 100)  # passages that FiD reads


class Controlled:
    """The memory reader with other pairs than were found: none, some by chance, or those found, answers shuffled."""

    def __init__(self, memory: Memory, name: str, pairs: Literal["none", "chance", "shuffled"]) -> None:
        reader = memory.models.memory_reader()
        if reader is None:
            raise InputError(f"{memory.path}: {name} needs a reader of memories")
        self.name, self._memory, self._reader, self._pairs = name, memory, reader, pairs
        self._rows = memory.store.rows() if pairs == "chance" else None

    def predict(self, questions: Sequence[str]) -> list[Prediction]:
        """What the reader makes of them."""
        pairs: list[list[tuple[str, str]]] = [[] for _ in questions]
        if self._rows is not None:
            rng = np.random.default_rng(0)
            drawn = [rng.choice(self._rows, min(self._reader.k, len(self._rows)), replace=False) for _ in questions]
            store = self._memory.store
            known = [[pair for pair in store.pairs_by_rows(rows.tolist()) if pair is not None] for rows in drawn]
            pairs = given(store, known, self._reader.sentence)
        elif self._pairs == "shuffled":
            pairs = self.given(questions)
            answers = [answer for row in pairs for _, answer in row]
            random.Random(0).shuffle(answers)
            turned = iter(answers)
            pairs = [[(text, next(turned)) for text, _ in row] for row in pairs]
        said = self._reader.read(questions, pairs)
        return [
            Prediction(question, item.text, tuple(answer for _, answer in row))
            for question, item, row in zip(questions, said, pairs, strict=True)
        ]

    def given(self, questions: Sequence[str]) -> list[list[tuple[str, str]]]:
        """Key text (or question) and answer of the pairs that the reader reads for each question."""
        hits = self._memory.search_many(questions, self._reader.k, method=SEARCH)
        return given(self._memory.store, [[hit.pair for hit in row] for row in hits], self._reader.sentence)


class Fused:
    """A reader of passages by ``training.experiments.fid``: the best by BM25, as many as ``best``; 0: closed book."""

    def __init__(self, name: str, memory: Memory, folder: Path, best: int) -> None:
        self.name, self._best = name, best
        self._reader = MemoryReader(folder)
        self._texts = _texts(memory) if best else []
        self._search = BM25(self._texts) if best else None

    def predict(self, questions: Sequence[str]) -> list[Prediction]:
        """``passages`` is what was read."""
        rows: list[list[int]] = [[] for _ in questions]
        if self._search is not None:
            rows = self._search.search(questions, self._best)[0].tolist()
        said = self._reader.read(questions, [[(self._texts[at], "") for at in row] for row in rows])
        return [
            Prediction(question, item.text, (), tuple(self._texts[at] for at in row))
            for question, item, row in zip(questions, said, rows, strict=True)
        ]


def systems(memory: Memory, fid: Path | None = None, writer: Path | None = None) -> dict[str, Callable[[], System]]:
    """Every row of the table by its name; each is made when it is asked for. ``fid``, ``writer``: trained baselines."""
    passages = partial(_texts, memory)

    def reads(name: str, search: BM25 | Dense) -> System:
        return PassageReader(name, search, passages(), LanguageModel(), READ, "probability")

    baselines: dict[str, Callable[[], System]] = {}
    if fid is not None:
        baselines = {f"fid-{best}": partial(Fused, f"fid-{best}", memory, fid, best) for best in FUSED}
    if writer is not None:
        baselines["closed-book-writer"] = partial(Fused, "closed-book-writer", memory, writer, 0)
    return baselines | {
        "lookup": lambda: Lookup(memory, name="lookup"),
        "lookup-reranked": lambda: Lookup(memory, name="lookup-reranked", rerank=True),
        "read": lambda: Lookup(memory, name="read", method="read"),
        "chain": lambda: Lookup(memory, name="chain", method="chain"),
        "hops": lambda: Lookup(memory, name="hops", method="hops"),
        "span": lambda: Lookup(memory, name="span", method="span"),
        "passage": lambda: Lookup(memory, name="passage", method="passage"),
        "cascade": lambda: Lookup(memory, name="cascade", method="cascade"),
        "bm25-reader": lambda: reads("bm25-reader", BM25(passages())),
        "dense-reader": lambda: reads("dense-reader", Dense(Encoder(), passages())),
        "closed-book": lambda: Controlled(memory, "closed-book", "none"),
        "read-shuffled": lambda: Controlled(memory, "read-shuffled", "shuffled"),
        "read-random": lambda: Controlled(memory, "read-random", "chance"),
    }


def compare(
    memory: Memory,
    examples: Sequence[Example],
    methods: Sequence[str] = (),
    fid: Path | None = None,
    writer: Path | None = None,
) -> list[Report]:
    """A report for each method, in order; all of them where none is named. InputError where one is unknown."""
    known = systems(memory, fid, writer)
    unknown = [name for name in methods if name not in known]
    if unknown:
        raise InputError(f"the method {unknown[0]!r} is unknown; choose from: {', '.join(known)}")
    questions = [example.question for example in examples]
    reports = []
    for name in methods or known:
        system = known[name]()
        system.predict(questions[:4])  # loads what it needs
        start = time.perf_counter()
        report = run(OpenDomain(examples), system)
        rate = len(questions) / (time.perf_counter() - start)
        times = latencies(partial(_one, system), spread(questions, LATENCY_SAMPLE), time.perf_counter)
        figures = (
            Score("questions/s", rate, len(questions)),
            *timing(times),
            Score("words read", _words_read(memory, name, spread(questions, 50)), min(50, len(questions))),
            Score("MB", private_and_mapped()[0] / 1e6, 1, None, False),
        )
        reports.append(Report(report.task, name, (*report.scores, *figures), report.settings))
    return reports


def _one(system: System, question: str) -> object:
    return system.predict([question])


def _texts(memory: Memory) -> list[str]:
    return [passage.text for passage in memory.store.passages()]


def _words_read(memory: Memory, name: str, questions: Sequence[str]) -> float:
    """Words that a transformer reads of what is stored, a question; a cascade's if it takes every step."""
    words = 0
    if name in ("read", "read-shuffled", "read-random", "cascade"):
        rows = Controlled(memory, name, "shuffled").given(questions)
        words += sum(len(value_text(answer, text).split()) for row in rows for text, answer in row)
    if name == "passage" or (name == "cascade" and "passage" in memory.answerer.steps()):
        found = memory.answerer.propose("passage", questions)
        places = [place for row in found for item in row for place in item.sources if isinstance(place, PassageSpan)]
        words += sum(len(memory.store.passage(place.passage_id).text.split()) for place in places)
    if words:
        return words / len(questions)
    read = int(name.removeprefix("fid-")) if name.startswith("fid-") else READ * name.endswith("-reader")
    if read:
        texts = _texts(memory)
        return min(read, len(texts)) * sum(len(text.split()) for text in texts) / max(1, len(texts))
    return 0.0

"""Whom an integration asks, and what comes back in plain values, before a framework's own classes are made of it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from quipu.answering.proposal import place_of
from quipu.api import open as open_memory
from quipu.client import TOKEN, Service
from quipu.client import ask as ask_server
from quipu.errors import InputError
from quipu.memory import Memory
from quipu.records import Answer, Evidence, Hit, Place
from quipu.storage.provenance import states_of
from quipu.storage.store import Store

What = Literal["pairs", "passages", "answer"]
Keep = Callable[[Mapping[str, str]], bool]
"""Of a pair's ``document`` (its source, "" of none), ``origin`` and ``state``, whether it is wanted."""


@dataclass(frozen=True, slots=True)
class Found:
    """A text that a question found, with all that is known of its place; every framework makes its document of one.

    ``id``: the pair's or the passage's, "" of an answer that rests on no pair. ``metadata`` has the same keys for all:
    kind, question, answer, origin, document, title, page, line, headings, start, end, quote, probability. What is not
    known is None: ``start`` and ``end`` (characters of the document's text, end exclusive) of a ready pair, the
    probability of all but an answer, title and quote of a pair that a server found.
    """

    id: str
    text: str
    score: float
    metadata: dict[str, Any]


class Source:
    """A memory in a folder, one that is open, or one that a server answers for. Usable from several threads."""

    def __init__(
        self, memory: Memory | str | os.PathLike[str] | None = None, url: str | None = None, token_env: str = TOKEN
    ) -> None:
        """One of ``memory`` and ``url``; a folder is opened, for reading, by the first question.

        ``token_env``: the variable of the environment that holds the server's token, read at each question.
        InputError for both or none, and for a URL that cannot be one.
        """
        if (memory is None) == (url is None):
            raise InputError("say whom to ask: memory= (a folder or an open memory) or url= (a server), one of the two")
        if url is not None:
            Service(url, token="").close()  # says what is wrong with it
        self.url, self._token_env = url, token_env
        self._memory = memory if isinstance(memory, Memory) else None
        self.path = None if memory is None else memory.path if isinstance(memory, Memory) else Path(memory)
        self._lock = threading.Lock()
        self._owned = False

    def check(self, what: str, k: int) -> None:
        """InputError where this cannot be found here: see ``find``."""
        if what not in get_args(What):
            raise InputError(f"what must be one of {', '.join(get_args(What))}, not {what!r}")
        if k < 1:
            raise InputError(f"the number of results must be 1 or more, not {k}")
        if what == "passages" and self.url is not None:
            raise InputError(f"{self.url}: a server gives pairs and answers; for passages name the memory's folder")

    @property
    def memory(self) -> Memory:
        """The memory, opened; InputError where a server has it."""
        if self.path is None:
            raise InputError(f"{self.url}: a server has this memory; for this name its folder")
        with self._lock:
            if self._memory is None:
                self._memory, self._owned = open_memory(self.path, read_only=True), True
            return self._memory

    def close(self) -> None:
        """Let a folder go that was opened here; the next question opens it again."""
        with self._lock:
            if self._memory is not None and self._owned:
                self._memory.close()
                self._memory, self._owned = None, False

    def find(self, what: What, question: str, k: int, **options: Any) -> list[Found]:
        """The best ``k`` pairs or passages, or the answer alone (none where it is refused); ``options``: of ``ask``."""
        self.check(what, k)
        if what == "pairs":
            return self.pairs(question, k)
        if what == "passages":
            return self.passages(question, k)
        answer = self.answer(question, **options)
        return [] if answer.text is None else [of_answer(answer)]

    def answer(self, question: str, **options: Any) -> Answer:
        """``Memory.ask``, here or by the server."""
        if self.url is not None:
            return ask_server(self.url, question, token=self._token(), **options)
        return self.memory.ask(question, **options)

    def pairs(self, question: str, k: int, keep: Keep | None = None) -> list[Found]:
        """The ``k`` stored pairs nearest to the question, best first; only those that ``keep`` wants.

        InputError for ``keep`` where a server has the memory: it does not say enough of its pairs.
        """
        if self.url is not None and keep is None:
            with Service(self.url, token=self._token()) as service:
                return [_of_row(row) for row in service.search(question, k)]
        memory, store, wanted = self.memory, self.memory.store, k
        while True:  # deeper, until enough are wanted or none are left
            hits = memory.search(question, wanted)
            kept = hits if keep is None else _kept(hits, store, keep)
            if len(kept) >= k or len(hits) < wanted:
                return [of_place(place_of(hit, store), hit.score) for hit in kept[:k]]
            wanted *= 4

    def passages(self, question: str, k: int) -> list[Found]:
        """The ``k`` passages that most probably hold the answer, best first, as answering reads them.

        At most as many as answering looks at. InputError where there are only pairs, or where a server has the memory.
        """
        answerer, store = self.memory.answerer, self.memory.store
        if missing := answerer.missing("where"):
            raise InputError(missing)
        (places,) = answerer.where.find([question], answerer.context([question]))
        return [
            of_place(
                Evidence(None, place.passage, place.passage.span, place.score, store.source(place.passage.document_id)),
                place.score,
            )
            for place in places[:k]
        ]

    def _token(self) -> str:
        return os.environ.get(self._token_env, "")


def of_answer(answer: Answer) -> Found:
    """An answer that was given; its score is its probability, where there is one."""
    first = answer.evidence[0] if answer.evidence else Evidence(None, None, None, answer.score)
    score = answer.score if answer.probability is None else answer.probability
    told = of_place(first, score)
    more = {"kind": "answer", "question": answer.question, "answer": answer.text, "probability": answer.probability}
    return Found(told.id if first.pair else "", answer.text or "", score, {**told.metadata, **more})


def of_place(evidence: Evidence, score: float) -> Found:
    """A pair where it stands, or a passage (evidence without a pair)."""
    pair, passage, span = evidence.pair, evidence.passage, evidence.span
    metadata = {
        "kind": "passage" if pair is None else "pair",
        "question": pair.question if pair else None,
        "answer": pair.answer if pair else None,
        "origin": pair.origin if pair else None,
        "document": evidence.document,
        "title": passage.title if passage else None,
        **_plain(evidence.place),
        "start": span.start if span else None,
        "end": span.end if span else None,
        "quote": evidence.quote,
        "probability": None,
    }
    if pair is not None:
        return Found(pair.id, f"{pair.question}\n{pair.answer}", score, metadata)
    return Found(passage.id if passage else "", passage.text if passage else "", score, metadata)


def _of_row(row: Mapping[str, Any]) -> Found:
    """A hit as a server gives it."""
    pair, span = row["pair"], row["pair"]["span"] or {"start": None, "end": None}
    metadata = {
        "kind": "pair", "question": pair["question"], "answer": pair["answer"], "origin": pair["origin"],
        "document": row["document"], "title": None, "page": row["page"], "line": row["line"],
        "headings": list(row["headings"]), "start": span["start"], "end": span["end"], "quote": None,
        "probability": None,
    }  # fmt: skip
    return Found(pair["id"], f"{pair['question']}\n{pair['answer']}", row["score"], metadata)


def _plain(place: Place) -> dict[str, Any]:
    return {**asdict(place), "headings": list(place.headings)}


def _kept(hits: list[Hit], store: Store, keep: Keep) -> list[Hit]:
    states = states_of(store, [hit.pair.id for hit in hits])
    sources = {item: store.source(item) for item in {hit.pair.document_id for hit in hits} if item is not None}
    return [
        hit
        for hit in hits
        if keep(
            {
                "document": sources.get(hit.pair.document_id or "", ""),
                "origin": hit.pair.origin,
                "state": states[hit.pair.id],
            }
        )
    ]

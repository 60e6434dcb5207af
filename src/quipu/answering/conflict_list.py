"""Every question that the sources of a memory answer differently: each stored pair against those nearest to its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from quipu.answering.conflicts import Conflicts, Told
from quipu.answering.proposal import place_of
from quipu.answering.sameness import without_editions
from quipu.records import Dated, Evidence, Hit, content_id
from quipu.storage.dates import compared
from quipu.storage.index import Index
from quipu.storage.store import Store
from quipu.text import normalize_answer

Progress = Callable[[dict[str, int | float | str]], None]
_BATCH = 256  # keys that are searched for together
_NEAREST = 16  # pairs nearest to each


@dataclass(frozen=True, slots=True)
class Side:
    """What one source says; ``question``: that of its pair, None where only a sentence says it."""

    question: str | None
    text: str
    evidence: Evidence
    date: Dated | None

    def to_json(self) -> dict[str, object]:
        """A plain dictionary."""
        span, pair = self.evidence.span, self.evidence.pair
        return {
            "answer": self.text, "question": self.question, "pair": None if pair is None else pair.id,
            "document": self.evidence.document, **asdict(self.evidence.place),
            "start": span.start if span else None, "end": span.end if span else None,
            "date": None if self.date is None else asdict(self.date),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conflict:
    """A question that two sources answer differently. ``ordered``: the first side is known to be the newer one."""

    question: str
    sides: tuple[Side, Side]
    ordered: bool

    def to_json(self) -> dict[str, object]:
        """A plain dictionary."""
        sides = [side.to_json() for side in self.sides]
        return {"question": self.question, "newer_first": self.ordered, "answers": sides}


def conflicts_in(store: Store, index: Index, progress: Progress | None = None) -> Iterator[Conflict]:
    """Each two answers of two sources once, in the order of the pairs, as they are found."""
    conflicts = Conflicts(store)
    seen: set[str] = set()
    done, total = 0, store.count()
    for rows, keys in store.vectors(batch=_BATCH):
        found, scores = index.search(keys, _NEAREST)
        pairs = iter(store.pairs_by_rows([*rows.tolist(), *found.reshape(-1).tolist()]))
        own = [next(pairs) for _ in rows]
        for at, pair in enumerate(own):
            near = [  # without itself
                Hit(other, float(score), rank, "vector")
                for rank, (score, other) in enumerate(zip(scores[at], [next(pairs) for _ in found[at]], strict=True), 1)
                if other is not None and other != pair
            ]
            if pair is None:
                continue
            evidence = place_of(Hit(pair, 1.0, 1, "vector"), store)
            for other in conflicts.others(without_editions(pair.question), pair.answer, evidence, near):
                told = conflicts.told(pair.answer, evidence)
                key = "".join(sorted(_key(item) for item in (told, other)))
                if key not in seen:
                    seen.add(key)
                    yield _conflict(pair.question, told, other)
        done += len(rows)
        if progress is not None:
            progress({"stage": "conflicts", "done": done, "total": total, "found": len(seen)})


def _conflict(question: str, one: Told, other: Told) -> Conflict:
    order = compared(one.dates, other.dates)
    sides = (one, other) if order >= 0 else (other, one)
    first, second = (
        Side(item.evidence.pair.question if item.evidence.pair else None, item.text, item.evidence, item.dates.shown())
        for item in sides
    )
    return Conflict(question, (first, second), order != 0)


def _key(told: Told) -> str:
    """The answer and its source."""
    passage, pair = told.evidence.passage, told.evidence.pair
    document = passage.document_id if passage is not None else pair.document_id if pair is not None else None
    return content_id(document, normalize_answer(told.text))

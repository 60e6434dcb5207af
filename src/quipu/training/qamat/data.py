"""Examples of QAMAT: passages with a masked answer and the pairs that hold it, mined from a built memory; questions.

A file of examples is JSONL: {"x", "answers", "positives", "negatives", "first"}. ``x`` holds [MASK] where the memory
is asked; the last three are rows of the memory's pairs: ``first`` should be found by the first hop.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.errors import FormatError
from quipu.records import Passage, QAPair
from quipu.storage.store import Store
from quipu.text import normalize_answer
from quipu.training.lines import Lines
from quipu.training.qamat.backbones import Backbone

MASK = "[MASK]"
NEGATIVES = 7  # mined by BM25 for each positive (section 5.1)
X_LENGTH = 200  # word pieces of a passage with its mask


@dataclass(frozen=True, slots=True)
class MemoryExample:
    """Something to be read with the memory's help."""

    x: str
    answers: tuple[str, ...]
    positives: tuple[int, ...] = ()
    negatives: tuple[int, ...] = ()
    first: tuple[int, ...] = ()

    @property
    def question(self) -> str:
        """``x`` without its mask."""
        return self.x.replace(MASK, "").strip()

    def to_json(self) -> dict[str, Any]:
        """A line of the file."""
        return {
            "x": self.x, "answers": self.answers, "positives": self.positives, "negatives": self.negatives,
            "first": self.first,
        }  # fmt: skip


def asked(question: str, answers: Sequence[str], first: Sequence[int] = ()) -> MemoryExample:
    """A question as fine-tuning asks it: with [MASK] in front (section 4.2)."""
    return MemoryExample(f"{MASK} {question}", tuple(answers), first=tuple(first))


def mine(
    store: Store, *, negatives: int = NEGATIVES, share: float = 1.0, spans: int = 1, seed: int = 13
) -> Iterator[MemoryExample]:
    """One example a pair that stands in a passage, streamed: the passage with the answer masked.

    ``spans``: so many answers of the passage are masked, and all are asked for. Hard negatives are the best pairs by
    BM25 for the positive's question that have another answer. ``share``: of the pairs.
    """
    rng = random.Random(seed)
    for passage in store.passages():
        pairs = _pairs_in(store, passage)
        for at, (row, pair) in enumerate(pairs):
            if rng.random() >= share:
                continue
            chosen = [(row, pair)]
            for other_row, other in rng.sample(pairs[:at] + pairs[at + 1 :], len(pairs) - 1):
                if len(chosen) < spans and not any(_overlap(other, known) for _, known in chosen):
                    chosen.append((other_row, other))
            chosen.sort(key=lambda item: _start(item[1]))
            hard: dict[int, None] = {}
            for _, known in chosen:
                hard |= dict.fromkeys(hard_negatives(store, known, negatives))
            yield MemoryExample(
                masked(passage, [known for _, known in chosen]),
                ("; ".join(known.answer for _, known in chosen),),
                tuple(number for number, _ in chosen),
                tuple(hard),
            )


def hard_negatives(store: Store, pair: QAPair, count: int) -> list[int]:
    """Rows of the best pairs by BM25 for the pair's question whose answer is another."""
    own = normalize_answer(pair.answer)
    rows = [int(row) for row in store.search_words(pair.question, 3 * count + 1)[0] if row >= 0]
    found = zip(rows, store.pairs_by_rows(rows), strict=True)
    return [row for row, other in found if other is not None and normalize_answer(other.answer) != own][:count]


def masked(passage: Passage, pairs: Sequence[QAPair]) -> str:
    """The passage's text with the answers of ``pairs`` (in the order of their places) behind masks."""
    text, at = "", 0
    for pair in pairs:
        assert pair.span is not None
        start, end = pair.span.start - passage.span.start, pair.span.end - passage.span.start
        text += passage.text[at:start] + MASK
        at = end
    return text + passage.text[at:]


def write_examples(
    path: Path, examples: Iterable[MemoryExample], report: Callable[[dict[str, Any]], None] = lambda line: None
) -> int:
    """Write the file whole or not at all; returns the number of examples."""
    count = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".tmp")
    with scratch.open("w", encoding="utf-8") as file:
        for example in examples:
            file.write(json.dumps(example.to_json(), ensure_ascii=False) + "\n")
            count += 1
            if count % 2000 == 0:
                report({"doing": "examples", "done": count})
    scratch.replace(path)
    return count


class ExampleFiles(Sequence[MemoryExample]):
    """Files of examples by number, read when asked for; ``limit`` as in ``Lines``."""

    def __init__(self, paths: Sequence[Path], *, limit: int | None = None, seed: int = 13) -> None:
        self._lines = Lines(paths, limit=limit, seed=seed, before='"answers"')
        self.lengths = self._lines.lengths

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[at] for at in range(*row.indices(len(self)))]
        content = self._lines[row]
        try:
            rows = (tuple(map(int, content.get(name, ()))) for name in ("positives", "negatives", "first"))
            return MemoryExample(str(content["x"]), tuple(map(str, content["answers"])), *rows)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(
                f"{self._lines.place(row)}: not an example of QAMAT ({error!r}); mine it again"
            ) from error


def x_pieces(backbone: Backbone, xs: Sequence[str], longest: int = X_LENGTH) -> list[list[int]]:
    """X as word pieces with its masks; a longer one is cut to a window around the first mask."""
    rows = []
    for x in xs:
        parts = x.split(MASK)
        pieces = backbone.pieces(parts, 10**9)
        row = list(pieces[0])
        for part in pieces[1:]:
            row += [backbone.mask_id, *part]
        if len(parts) == 1:
            row = [backbone.mask_id, *row]
        at = row.index(backbone.mask_id)
        first = min(max(0, at - longest // 2), max(0, len(row) - longest))
        rows.append(row[first : first + longest])
    return rows


def _pairs_in(store: Store, passage: Passage) -> list[tuple[int, QAPair]]:
    rows = store.connection.execute(
        'SELECT row FROM pairs WHERE document = ? AND start >= ? AND "end" <= ? ORDER BY start',
        (passage.document_id, passage.span.start, passage.span.end),
    ).fetchall()
    numbers = [int(row) for (row,) in rows]
    found = zip(numbers, store.pairs_by_rows(numbers), strict=True)
    return [(row, pair) for row, pair in found if pair is not None]


def _start(pair: QAPair) -> int:
    return -1 if pair.span is None else pair.span.start


def _overlap(left: QAPair, right: QAPair) -> bool:
    assert left.span is not None and right.span is not None
    return left.span.start < right.span.end and right.span.start < left.span.end

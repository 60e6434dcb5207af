"""Hugging Face datasets: a memory as a ``Dataset``, and a data set's rows as pairs for ``quipu.build``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from quipu.building.cited import Cited
from quipu.errors import InputError, MissingExtra
from quipu.memory import Memory
from quipu.records import QAPair
from quipu.storage.store import Store

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH = 4096


def to_dataset(memory: Memory) -> Dataset:
    """Every stored pair as a row, in SQuAD's columns (id, title, context, question, answers) and quipu's own.

    ``context`` is the passage and ``answers`` {"text": [...], "answer_start": [...]} its characters; of a pair that
    stands in no passage the context is "", and where the answer does not stand in these words its start is -1.
    ``document``, ``start``, ``end``: where the evidence stands in the document's text; ``origin``, ``generator``,
    ``filter_score``: how the pair came. Held in RAM as Arrow.
    """
    try:
        import pyarrow
        from datasets import Dataset
    except ImportError as error:
        raise MissingExtra("a Dataset needs the package datasets: pip install 'quipu-qa[datasets]'") from error
    text, number, real = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    answers = pyarrow.struct([("text", pyarrow.list_(text)), ("answer_start", pyarrow.list_(number))])
    schema = pyarrow.schema(
        [
            ("id", text), ("title", text), ("context", text), ("question", text), ("answers", answers),
            ("document", text), ("start", number), ("end", number), ("origin", text), ("generator", text),
            ("filter_score", real),
        ]
    )  # fmt: skip
    batches, rows = [], []
    for _, pair in memory.store.pairs():
        rows.append(_row(pair, memory.store))
        if len(rows) == _BATCH:
            batches.append(pyarrow.RecordBatch.from_pylist(rows, schema=schema))
            rows = []
    batches.append(pyarrow.RecordBatch.from_pylist(rows, schema=schema))
    return Dataset(pyarrow.Table.from_batches(batches, schema=schema))


def pairs_from(
    dataset: Iterable[Mapping[str, Any]],
    *,
    question: str = "question",
    answer: str = "answers",
    context: str | None = "context",
    start: str | None = None,
    title: str | None = "title",
    source: str | None = None,
) -> Iterator[QAPair | Cited]:
    """The rows of a data set as pairs for ``quipu.build([], PATH, pairs=...)``, streamed; by default SQuAD's columns.

    ``answer``: a column of texts, of lists of them (the first counts), or of SQuAD's {"text", "answer_start"}.
    ``start``: the column with the answer's first character in the ``context``, where ``answer`` has none. A pair whose
    answer stands there, or else once in the context, keeps the context as its evidence; any other is a pair alone, as
    all are with ``context=None``. Rows without an answer (SQuAD 2.0 has some) are left out. ``title`` may be missing.
    ``source``: by what name the evidence is shown, without it the data set's own.

    InputError names the row that lacks a column, or whose values are none of these.
    """
    source = source or getattr(getattr(dataset, "info", None), "dataset_name", None) or "dataset"
    wanted = [name for name in (question, answer, context, start) if name is not None]
    for number, row in enumerate(dataset):
        missing = [name for name in wanted if name not in row]
        if missing:
            raise InputError(f"row {number}: no column {missing[0]!r}; there are {', '.join(map(str, row))}")
        asked, (text, at) = row[question], _answer(row[answer])
        if text is None:
            continue
        if not isinstance(asked, str) or not isinstance(text, str):
            raise InputError(f"row {number}: a question and an answer are texts, not {asked!r} and {row[answer]!r}")
        whole = row[context] if context is not None else None
        place = _place(whole, text, row[start] if start is not None else at) if isinstance(whole, str) else None
        if place is None or not text.strip():
            yield QAPair.make(asked, text, origin="imported")  # says what is wrong with an empty one
        else:
            named = row.get(title) if title is not None else None
            yield Cited(asked, text, str(whole), place, source, named if isinstance(named, str) else "")


def _answer(value: Any) -> tuple[Any, Any]:
    """The first answer and where it starts, None where nobody says so; None, None where there is no answer."""
    at = None
    if isinstance(value, Mapping):
        starts = value.get("answer_start")
        at = starts[0] if isinstance(starts, list) and starts else starts if isinstance(starts, int) else None
        value = value.get("text")
    if isinstance(value, list):
        value = value[0] if value else None
    return value, at


def _place(context: str, answer: str, start: Any) -> int | None:
    """Where the answer stands in the context: at ``start``, else where it stands once."""
    if isinstance(start, int) and start >= 0 and context.startswith(answer, start):
        return start
    return context.index(answer) if answer and context.count(answer) == 1 else None


def _row(pair: QAPair, store: Store) -> dict[str, Any]:
    passage = None if pair.document_id is None or pair.span is None else store.passage_at(pair.document_id, pair.span)
    start = -1 if passage is None or pair.span is None else pair.span.start - passage.span.start
    if passage is not None and not passage.text.startswith(pair.answer, start):
        start = -1  # a letter in the other case, or a word left out
    return {
        "id": pair.id, "title": passage.title if passage else "", "context": passage.text if passage else "",
        "question": pair.question, "answers": {"text": [pair.answer], "answer_start": [start]},
        "document": None if pair.document_id is None else store.source(pair.document_id),
        "start": pair.span.start if pair.span else None, "end": pair.span.end if pair.span else None,
        "origin": pair.origin, "generator": pair.generator, "filter_score": pair.filter_score,
    }  # fmt: skip

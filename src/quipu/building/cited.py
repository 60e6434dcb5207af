"""Ready pairs with the texts in which their answers stand: rows of a data set, which is no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from quipu.building.builder import Builder
from quipu.building.documents import code_passages
from quipu.building.pairs import add_pairs, batched
from quipu.corpus.passages import split, structured
from quipu.records import Document, QAPair, Span
from quipu.storage.files import KnownFile, alike, file_at, keep_file, with_free_id

_PREFIX = "dataset:"  # of what is known as a file: no real path, so that no folder that is synced holds it


@dataclass(frozen=True, slots=True)
class Cited:
    """A ready pair whose answer stands in ``context`` from character ``start`` on, in these words.

    ``source``: of the data set, by which it is shown and removed; ``title``: of the context's document.
    """

    question: str
    answer: str
    context: str
    start: int
    source: str = "dataset"
    title: str = ""


def add_ready(builder: Builder, pairs: Iterable[QAPair | Cited]) -> int:
    """``add_pairs``, and of cited pairs the contexts as documents; how many pairs were new.

    Nothing is generated from such a context; a context that is there already stays one document.
    """
    new = add_pairs(builder, _placed(builder, pairs))
    code_passages(builder)
    return new


def _placed(builder: Builder, pairs: Iterable[QAPair | Cited]) -> Iterator[QAPair]:
    for some in batched(pairs):
        known = _documents(builder, [item for item in some if isinstance(item, Cited)])
        for item in some:
            if isinstance(item, QAPair):
                yield item
                continue
            span = Span(item.start, item.start + len(item.answer))
            document_id = known[item.source, item.title, item.context]
            yield QAPair.make(item.question, item.answer, document_id=document_id, span=span, origin="imported")


def _documents(builder: Builder, cited: Sequence[Cited]) -> dict[tuple[str, str, str], str]:
    """Ids of the documents of all contexts; new ones are stored, in one transaction."""
    store = builder.store
    found: dict[tuple[str, str, str], str] = {}
    if not cited:
        return found
    with store.transaction():
        for item in cited:
            place = item.source, item.title, item.context
            if place in found:
                continue
            name = _PREFIX + item.source
            document = structured(Document.make(name, item.title, item.context, {"file": name}))
            stored = alike(store, document)
            if stored is None:
                stored = with_free_id(store, document)
                passages = split(stored)
                store.add_documents([stored], passages)
                for passage in passages:  # what is asked of it stands in the data set
                    store.journal_mark(f"passage:{passage.id}", document=stored.id)
                builder.report.documents += 1
            found[place] = stored.id
            if file_at(store, name) is None:
                keep_file(store, KnownFile(name, name))
    return found

"""Any order of adding, removing, rebuilding, compacting and reopening a memory equals a plain dictionary."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from quipu.records import Document, Passage, QAPair, Span, Verdict
from quipu.storage.index import Index
from quipu.storage.maintenance import compact
from quipu.storage.store import Store
from quipu.storage.verify import verify

WIDTH = 8
NUMBERS = st.integers(0, 40)
NAMES = st.sampled_from(["a.txt", "b.txt", "c.txt"])
VECTORS = np.random.default_rng(1).standard_normal((41, WIDTH)).astype(np.float32)
VECTORS[30:] = VECTORS[0]  # equal keys, so that ties occur
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
STORED = VECTORS.astype(np.float16).astype(np.float64)


@dataclass
class Known:
    """What the model knows of a pair; ``order`` grows as row numbers do."""

    number: int
    document: str | None
    order: int


def pair_of(number: int, document: Document | None) -> QAPair:
    return QAPair.make(f"Question word{number}?", str(number), document_id=document.id if document else None)


class Machine(RuleBasedStateMachine):
    """A writer with its index, and a reader with its own, beside a dictionary."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "m"
        self.store = Store.create(self.path, width=WIDTH, models={})
        self.reader = Store.open(self.path, read_only=True)
        self.index, self.others = Index.load(self.store), Index.load(self.reader)
        self.model: dict[str, Known] = {}
        self.documents: set[str] = set()
        self.count = 0

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=6, unique=True), name=st.none() | NAMES, fails=st.booleans())
    def add(self, numbers: list[int], name: str | None, fails: bool) -> None:
        document = Document.make(name, name, f"text of {name}", {"file": name}) if name else None
        pairs = [pair_of(number, document) for number in numbers]
        verdicts = [Verdict(pair.id, "local", True, 1.0, "kept") for pair in pairs]
        places = [document.id if document else None] * len(pairs)
        try:
            with self.store.transaction():
                if document:
                    self.store.add_documents([document], [Passage.make(document, Span(0, 4))])
                added = self.store.add(pairs, VECTORS[numbers], [pair.question for pair in pairs], verdicts, places)
                assert added == [pair.id for pair in pairs if pair.id not in self.model]
                if fails:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            return
        if name:
            self.documents.add(name)
        for pair, number in zip(pairs, numbers, strict=True):
            if pair.id not in self.model:
                self.count += 1
                self.model[pair.id] = Known(number, name, self.count)

    @rule(data=st.data())
    def remove_pair(self, data: st.DataObject) -> None:
        if self.model:
            pair_id = data.draw(st.sampled_from(sorted(self.model)))
            assert self.store.remove(pair=pair_id) == 1
            del self.model[pair_id]

    @rule(name=NAMES)
    def remove_document(self, name: str) -> None:
        if name in self.documents:
            gone = [pair_id for pair_id, known in self.model.items() if known.document == name]
            assert self.store.remove(document=name) == len(gone)
            self.documents.remove(name)
            for pair_id in gone:
                del self.model[pair_id]

    @rule()
    def rebuild(self) -> None:
        self.index = Index.rebuild(self.store)

    @rule()
    def compact(self) -> None:
        compact(self.store)

    @rule()
    def reopen(self) -> None:
        self.reader.close()
        self.store.close()
        self.store, self.reader = Store.open(self.path), Store.open(self.path, read_only=True)
        self.index, self.others = Index.load(self.store), Index.load(self.reader)

    @rule(number=NUMBERS, k=st.integers(1, 50))
    def search(self, number: int, k: int) -> None:
        query = VECTORS[number]
        best = sorted(self.model.items(), key=lambda item: (-(STORED[item[1].number] @ query), item[1].order))
        for store, index in ((self.store, self.index), (self.reader, self.others)):
            index.refresh()
            pairs = store.pairs_by_rows(index.search(query[None], k)[0][0].tolist())
            assert [pair.id if pair else None for pair in pairs] == [
                best[at][0] if at < len(best) else None for at in range(k)
            ]

    @rule(number=NUMBERS)
    def search_words(self, number: int) -> None:
        rows, _ = self.reader.search_words(f"what of word{number}", 50)
        found = {pair.id for pair in self.reader.pairs_by_rows(rows.tolist()) if pair}
        assert found == {pair_id for pair_id, known in self.model.items() if known.number == number}

    @rule()
    def check(self) -> None:
        assert verify(self.path).problems == []

    @invariant()
    def agrees(self) -> None:
        """Both sides hold exactly the model's pairs, in order, and what belongs to them."""
        for store in (self.store, self.reader):
            assert [pair.id for _, pair in store.pairs()] == list(self.model)
        counts = self.store.counts()
        assert (counts["documents"], counts["passages"]) == (len(self.documents), len(self.documents))
        assert counts["pairs"] == counts["verdicts"] == len(self.model)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.reader.close()
            self.store.close()
            self.folder.cleanup()


TestMemory = Machine.TestCase
TestMemory.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)

"""The operations that ``interrupt.py`` kills, what they begin with, and what a memory holds before, amid and after."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import common  # noqa: F401 (lets what is shared with tests be imported)
import quipu
from quipu.memory import Memory
from quipu.models.bundle import Models
from quipu.models.protocols import Keys
from quipu.storage.interchange import import_memory
from quipu.storage.store import Store
from quipu.storage.verify import verify

# isort: split
from tests.full_memory import calibration
from tests.handmade import WordEncoder, models
from tests.old_memories import as_format

SLOW = 0.002  # seconds that a made-up model takes, so that a kill hits work
FLOORS = [n / 100 for n in range(1, 40)]
_ROWS = {
    "documents": "SELECT id, source, file, title, text, sha256, metadata FROM documents",
    "passages": "SELECT id FROM passages",
    "marks": 'SELECT document, start, "end", kind, level, page, line FROM marks',
    "pairs": "SELECT id, question, answer, origin, generator, generator_score, filter_score, key_text, ambiguous, line"
    " FROM pairs",
    "vectors": "SELECT p.id, v.vector FROM pairs p JOIN vectors v ON v.row = p.row",
    "verdicts": "SELECT pair, stage, kept, score, reason, because_of, document, passage FROM verdicts",
    "support": 'SELECT p.id, s.document, s.start, s."end" FROM support s JOIN pairs p ON p.row = s.pair',
    "files": "SELECT path, name, kind, size, sha256, note FROM files",
    "journal": "SELECT key, note FROM journal",
}


@dataclass(frozen=True, slots=True)
class State:
    """What can be read amid an operation, in every format: texts of files, passages of documents, and pairs."""

    texts: dict[str, frozenset[str]] = field(default_factory=dict)
    passages: dict[str, frozenset[str]] = field(default_factory=dict)
    pairs: frozenset[tuple[str, str, str]] = frozenset()
    answering: str = ""
    """The manifest's settings and calibration."""

    def half(self, before: State, after: State, in_one_step: bool) -> Iterator[str]:
        """What is neither as before nor as after."""
        if in_one_step and self not in (before, after):
            yield "neither the old memory nor the new"
        whole = before.passages | after.passages
        for document, passages in self.passages.items():
            if passages != whole.get(document):
                yield f"document {document} has {len(passages)} passages"
        for name in self.texts.keys() | (before.texts.keys() & after.texts.keys()):
            if self.texts.get(name) not in (before.texts.get(name), after.texts.get(name)):
                yield f"{name}: neither the old text nor the new"


def state_of(memory: Path) -> State | None:
    """What is there now; None where there is no memory."""
    if not (memory / "manifest.json").exists():
        return None
    store = Store.open(memory, read_only=True)
    with store, store.snapshot():
        texts: dict[str, set[str]] = {}
        passages: dict[str, set[str]] = {}
        for document in store.documents():
            texts.setdefault(str(document.metadata["file"]), set()).add(document.text)
            passages[document.id] = {passage.id for passage in store.passages(document.id)}
        pairs = frozenset((pair.id, pair.question, pair.answer) for _, pair in store.pairs())
        answering = repr([store.manifest.get(name) for name in ("models", "answering", "calibration")])
    return State(_frozen(texts), _frozen(passages), pairs, answering)


def _frozen(found: dict[str, set[str]]) -> dict[str, frozenset[str]]:
    return {name: frozenset(texts) for name, texts in found.items()}


def complete(memory: Path) -> dict[str, object]:
    """Every row but for numbers and dates, the manifest, and the names of files in and beside the memory."""
    names = sorted(name for name in os.listdir(memory) if not name.endswith(("-wal", "-shm")))  # SQLite's own
    made: dict[str, object] = {"names": names, "beside": sorted(os.listdir(memory.parent))}
    with Store.open(memory, read_only=True) as store:
        for table, query in _ROWS.items():
            made[table] = sorted(map(repr, store.connection.execute(query)))
        made["waiting"] = store.count_to_ask()
        made["manifest"] = store.manifest
    return made


def prepare(work: Path) -> None:
    """Files, a memory of them, the same with more of everything, and an export."""
    docs = work / "docs"
    (work / "more").mkdir(parents=True)
    docs.mkdir()
    for number in range(8):
        _write(docs / f"{number}.md", number, number)
        _write(work / "more" / f"{number}.md", number + 20, number)
    _ready(work / "ready.csv", 300, 0)
    _ready(work / "changing.csv", 40, 0)
    with _build(work, work / "base") as memory:
        memory.export(work / "all.jsonl")
        document = next(iter(memory.store.documents()))
        memory.remove(pair=next(pair.id for _, pair in memory.store.pairs() if pair.document_id == document.id))
    with _open(work / "base") as memory:
        memory.keep_settings(memory.settings)
    shutil.copytree(work / "base", work / "old")
    as_format(work / "old", 3)


def _write(file: Path, number: int, year: int) -> None:
    lines = [f"Ship {number} of line {n} held {year}{n}{number}1 tons, and {n}{year}7 men sailed it." for n in range(6)]
    file.write_text(f"# Ship {number}\n\n" + "\n\n".join(lines) + "\n")


def _ready(file: Path, count: int, year: int) -> None:
    rows = "".join(f"What of house {n} in {file.stem}?,{n + year * (n % 2)} rooms\n" for n in range(count))
    file.write_text("question,answer\n" + rows)


def _build(work: Path, path: Path) -> Memory:
    return quipu.build([work / "docs"], path, pairs=work / "changing.csv", **models(SLOW))


def _open(path: Path, encoder: WordEncoder | None = None) -> Memory:
    memory = quipu.open(path, encoder=encoder or WordEncoder())
    memory._models = Models(**{**models(SLOW), "encoder": encoder or WordEncoder()})
    return memory


class OtherEncoder(WordEncoder):
    """Keys that do not compare with those of the first."""

    def __init__(self) -> None:
        super().__init__("other words")

    def encode(self, texts: list[str], *, batch_size: int = 64) -> Keys:  # type: ignore[override]
        """The former ones, turned round."""
        return np.ascontiguousarray(super().encode(texts)[:, ::-1])


@dataclass(frozen=True, slots=True)
class Operation:
    """What is done to the memory, which is then a copy of ``source`` in the work folder; ``in_one_step``: for users."""

    act: Callable[[Path, Path], None]
    source: str | None = "base"
    in_one_step: bool = False
    arrange: Callable[[Path], None] = lambda work: None

    def begin(self, work: Path, memory: Path) -> None:
        """The memory as it is before the operation, nothing beside it."""
        for path in (memory, memory.with_name("m.importing")):
            shutil.rmtree(path, ignore_errors=True)
        if self.source is not None:
            shutil.copytree(work / self.source, memory)
        self.arrange(work)


def _built(work: Path, memory: Path) -> None:
    if not (memory / "manifest.json").exists() or not _is_finished(memory):
        _build(work, memory).close()


def _is_finished(memory: Path) -> bool:
    with Store.open(memory, read_only=True) as store:
        return store.journal_has("finished")


def _added(work: Path, memory: Path) -> None:
    with _open(memory) as opened:
        opened.add_documents([work / "more"])


def _added_pairs(work: Path, memory: Path) -> None:
    with _open(memory) as opened:
        opened.add_pairs_file(work / "ready.csv")


def _changed(work: Path) -> None:
    """A file with another text, a renamed one, one that is gone, a new one, and other ready pairs."""
    docs = work / "docs"
    if not (docs / "1.md").exists():
        return
    _write(docs / "0.md", 0, 50)
    (docs / "1.md").rename(docs / "renamed.md")
    (docs / "2.md").unlink()
    _write(docs / "new.md", 9, 9)
    _ready(work / "changing.csv", 60, 3)


def _synced(work: Path, memory: Path) -> None:
    with _open(memory) as opened:
        opened.sync([work / "docs", work / "changing.csv"], delete=True, max_delete="100%")


def _imported(work: Path, memory: Path) -> None:
    import_memory(work / "all.jsonl", memory)


def _migrated(_: Path, memory: Path) -> None:
    Store.open(memory).close()


def _reencoded(_: Path, memory: Path) -> None:
    with _open(memory, OtherEncoder()) as opened:
        opened.reencode()


def _calibrated(_: Path, memory: Path) -> None:
    with _open(memory) as opened:
        for floor in FLOORS:
            opened.keep_calibration(calibration(floor))


def _removed(work: Path, memory: Path) -> None:
    with _open(memory) as opened:
        opened.remove(document=str(work / "docs" / "3.md"))


def _repaired(_: Path, memory: Path) -> None:
    verify(memory, repair=True)


OPERATIONS = {
    "build": Operation(_built, None),
    "add": Operation(_added),
    "add --pairs": Operation(_added_pairs),
    "sync": Operation(_synced, arrange=_changed),
    "import": Operation(_imported, None, True),
    "migration": Operation(_migrated, "old", True),
    "reencode": Operation(_reencoded),
    "calibrate": Operation(_calibrated),
    "remove": Operation(_removed, in_one_step=True),
    "verify --repair": Operation(_repaired, in_one_step=True),
}

"""Files that change at random and fail at random, and what a memory must hold of them after a sync."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import quipu
from quipu.corpus import FileRead, FoundFile, Skipped, reading
from quipu.corpus.readers import Bad, Block, Extract, Reader, reader_for
from quipu.memory import Memory
from quipu.records import Document
from quipu.storage.provenance import support_of
from quipu.storage.verify import verify
from tests.handmade import models

CHECKED = 10  # steps between two comparisons with a fresh build
NAMES = [
    f"docs/{folder}{name}" for folder in ("", "a/", "a/b/") for name in ("one.txt", "two.txt", "three.md", "rows.jsonl")
]
LETTERS = "bcdfghklmnprst"


class Files:
    """A folder whose files change at random, and what of it a memory must hold after a sync."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.broken: set[str] = set()
        self.synced: dict[str, str] = {}
        Path("docs").mkdir()
        for name in NAMES[:3]:
            self.write(name)

    def there(self, broken: bool = False) -> list[str]:
        return [name for name in NAMES if Path(name).is_file() and (broken or name not in self.broken)]

    def sentence(self) -> str:
        noun = "".join(
            self.random.choice(LETTERS) + self.random.choice("aeiou") for _ in range(self.random.choice((1, 3)))
        )
        return f"The {noun} holds {self.random.randrange(1, 400) * 10 + self.random.randrange(1, 10)} tons."

    def text(self, name: str) -> str:
        others = [Path(other).read_text() for other in self.there() if Path(other).suffix == Path(name).suffix]
        if others and self.random.random() < 0.2:
            return self.random.choice(others)  # a copy
        sentences = [self.sentence() for _ in range(self.random.randrange(1, 6))]
        if name.endswith(".jsonl"):
            return "".join(json.dumps({"id": f"r{n}", "text": text}) + "\n" for n, text in enumerate(sentences))
        heading = f"# {sentences[0].split()[1].title()}\n\n" if name.endswith(".md") else ""
        return heading + "\n\n".join(sentences) + "\n"

    def write(self, name: str) -> None:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(self.text(name))

    def step(self) -> None:
        """One thing that may happen to files."""
        name = self.random.choice(NAMES)
        other = self.random.choice([other for other in NAMES if (other[-1] == "l") == (name[-1] == "l")])
        happened: Callable[[str, str], object] = self.random.choice(
            (self.write_or_mend, self.change, self.touch, self.move, self.swap, self.delete, self.spoil)
        )
        happened(name, other)

    def write_or_mend(self, name: str, _: str) -> None:
        self.broken.discard(name)
        self.write(name)

    def change(self, name: str, _: str) -> None:
        if name in self.there():
            with Path(name).open("a") as file:
                file.write(
                    json.dumps({"id": "last", "text": self.sentence()}) if name.endswith("l") else self.sentence()
                )

    def touch(self, name: str, _: str) -> None:
        if name in self.there():
            os.utime(name)

    def move(self, name: str, other: str) -> None:
        if name in self.there() and other not in self.broken:
            Path(other).parent.mkdir(parents=True, exist_ok=True)
            os.replace(name, other)

    def swap(self, name: str, other: str) -> None:
        if name != other and {name, other} <= set(self.there()):
            os.replace(name, "docs/.between")
            os.replace(other, name)
            os.replace("docs/.between", other)

    def delete(self, name: str, _: str) -> None:
        if name in self.there(broken=True) and len(self.there(broken=True)) > 1:
            Path(name).unlink()
            self.broken.discard(name)

    def spoil(self, name: str, _: str) -> None:
        """From now on the file's reader fails half-way."""
        if name in self.synced and name in self.there():
            Path(name).write_text(f"spoilt {self.random.random()}")
            self.broken.add(name)

    def sync(self, memory: Memory) -> None:
        memory.sync(["docs"], delete=True, max_delete="100%")
        names = set(self.there(broken=True))
        now = {name: Path(name).read_text() for name in self.there()}
        self.synced = {name: text for name, text in self.synced.items() if name in names} | now

    def read(self, files: Iterable[FoundFile], **_: object) -> Iterator[Document | Skipped | FileRead]:
        """As ``quipu.corpus.read_files``, in this process, with readers that fail."""
        for file in files:
            yield from reading.read_file(file)

    def reader(self, path: Path) -> Reader | None:
        return failing if path.as_posix() in self.broken else reader_for(path)


def failing(path: Path) -> Iterator[Extract | Bad]:
    yield Extract("new", (Block("The part that was read holds 3331 tons."),), "part-1")
    raise OSError(5, "Input/output error")


def content(memory: Memory) -> tuple[object, ...]:
    """All that a memory holds, without ids and in order."""
    store = memory.store
    name = {document.id: document.source for document in store.documents()}
    documents = sorted(
        (item.source, item.title, item.text, item.metadata["file"], item.marks) for item in store.documents()
    )
    passages = sorted((name[item.document_id], item.span) for item in store.passages())
    pairs: dict[tuple[str, str], set[tuple[str, object]]] = {}
    for _, pair in store.pairs():
        places = {
            (name[str(pair.document_id)], pair.span),
            *((name[at], span) for at, span in support_of(store, pair.id)),
        }
        pairs.setdefault((pair.question, pair.answer), set()).update(places)
    files = sorted(row["name"] for row in memory.documents())
    return documents, passages, pairs, files, store.count_to_ask()


def drifted(folder: Path, seed: int, steps: int) -> list[str]:
    """Let files change ``steps`` times and sync a memory; where it is not what a fresh build would be."""
    (folder / "here").mkdir(parents=True)
    found: list[str] = []
    with chdir(folder / "here"):
        files = Files(seed)
        with (
            patch("quipu.building.documents.read_files", files.read),
            patch.object(reading, "reader_for", files.reader),
            quipu.build(["docs"], folder / "m", **models()) as memory,  # type: ignore[arg-type]
        ):
            files.sync(memory)
            for step in range(steps):
                files.step()
                is_compared = step % CHECKED == CHECKED - 1
                if is_compared or files.random.random() < 0.7:
                    files.sync(memory)
                if is_compared:
                    fresh = folder / f"fresh{step}"
                    for expected, held in zip(_fresh(files, fresh), content(memory), strict=True):
                        if expected != held:
                            found.append(f"seed {seed}, step {step}: {held} instead of {expected}")
                    shutil.rmtree(fresh)
        found += [f"seed {seed}: verify: {problem}" for problem in verify(folder / "m").problems]
    return found


def _fresh(files: Files, folder: Path) -> tuple[object, ...]:
    """What a build of the files holds, as they were when they were last read to their end."""
    for name, text in files.synced.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    broken, files.broken = files.broken, set()
    try:
        with chdir(folder), quipu.build(["docs"], folder / "m", **models()) as memory:  # type: ignore[arg-type]
            return content(memory)
    finally:
        files.broken = broken

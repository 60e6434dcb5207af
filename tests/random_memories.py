"""Random small memories, and whether one comes back from its export."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import quipu
from quipu.records import QAPair
from quipu.storage.digests import TABLES
from quipu.storage.interchange import export_memory, import_memory
from quipu.storage.verify import verify
from tests.handmade import WordEncoder, models

WORDS = ["harbour", "Łódź", "pier", "ferry", "Zoë", "lamp", "🚢", "tide", "winter", "crane", "mayor", "bread"]


def made(folder: Path, chance: random.Random) -> list[str]:
    """A memory at ``folder / "m"`` of random files and pairs, some removed again; questions about it."""
    docs = folder / "docs"
    docs.mkdir()
    for number in range(chance.randrange(1, 4)):
        lines = []
        for _ in range(chance.randrange(1, 6)):
            kind = chance.choice(["# ", "", "", "- "])
            lines.append(f"{kind}{' '.join(chance.choices(WORDS, k=4))} {chance.randrange(3000)} metres.")
        (docs / f"{number}.{chance.choice(['md', 'txt'])}").write_text("\n\n".join(lines))
    with quipu.build([docs], folder / "m", **models()) as memory:
        own = [
            QAPair.make(f"What of {' '.join(chance.choices(WORDS, k=2))} {n}?", chance.choice(WORDS)) for n in range(4)
        ]
        memory.add(own)
        pairs = [pair for _, pair in memory.store.pairs()]
        for pair in chance.sample(pairs, len(pairs) // 4):
            memory.remove(pair=pair.id)
        if chance.random() < 0.3:
            memory.remove(document=str(docs / sorted(file.name for file in docs.iterdir())[0]))
        if chance.random() < 0.5:
            memory.keep_settings(memory.settings)
        return [pair.question for pair in pairs] + [f"What number follows {word}?" for word in WORDS[:3]]


def said(path: Path, questions: list[str]) -> tuple[object, ...]:
    """Every row, the manifest and the answers."""
    with quipu.open(path, read_only=True, encoder=WordEncoder()) as memory:
        store = memory.store
        answers = [replace(answer, milliseconds=0.0, tried=()) for answer in memory.ask_many(questions)]
        hits = memory.search_many(questions, 5)
        rows = {table: sorted(map(repr, store.connection.execute(f"SELECT * FROM {table}"))) for table in TABLES}
        manifest = {key: value for key, value in store.manifest.items() if key != "digest"}
        return rows, store.gone().tolist(), manifest, answers, hits


def lost_on_the_way(folder: Path, seed: int) -> list[str]:
    """Export a random memory, import it, export that; what is not the same."""
    folder.mkdir()
    questions = made(folder, random.Random(seed))
    _export(folder / "m", folder / "a.jsonl")
    import_memory(folder / "a.jsonl", folder / "n")
    _export(folder / "n", folder / "b.jsonl")
    names = ("rows", "gone rows", "manifest", "answers", "searches")
    pairs = zip(names, said(folder / "m", questions), said(folder / "n", questions), strict=True)
    found = [f"seed {seed}: {name}: {after} instead of {before}" for name, before, after in pairs if before != after]
    found += [f"seed {seed}: verify: {problem}" for problem in verify(folder / "n").problems]
    if (folder / "a.jsonl").read_bytes() != (folder / "b.jsonl").read_bytes():
        found.append(f"seed {seed}: the second export is another")
    return found


def _export(memory: Path, file: Path) -> None:
    with quipu.open(memory, read_only=True, encoder=WordEncoder()) as opened:
        export_memory(opened.store, file)

"""Writing a world to a folder, and reading it back.

    documents/<kind>/<name>.txt   one document an entity; offsets below are characters of this text
    entities.jsonl                id, kind, name, stem, document, spans of the name, twin
    facts.jsonl                   the hidden table: subject, relation, value, spans, sentences, false values
    questions-train.jsonl, questions-test.jsonl      all phrasings, templates apart
    two-hop.jsonl twins.jsonl unanswerable.jsonl

The question files have ``question`` and ``answer`` (a list), so that they read as NQ-open too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from quipu.datasets.io import read_jsonl
from quipu.errors import FormatError, InputError
from quipu.evaluation.microworld import questions
from quipu.evaluation.microworld.facts import KINDS, Entity, Fact, entities, facts
from quipu.evaluation.microworld.names import Chooser, NameMaker
from quipu.evaluation.microworld.render import Page, write
from quipu.records import Document
from quipu.text import normalize_answer

FILES = ("questions-train", "questions-test", "two-hop", "twins", "unanswerable")


@dataclass(frozen=True, slots=True)
class WorldSummary:
    """What :func:`make` wrote."""

    path: Path
    seed: int
    documents: int
    facts: int
    relations: int
    kinds: int
    questions_train: int
    questions_test: int
    two_hop: int
    twins: int
    unanswerable: int

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary; the path as text."""
        return {**asdict(self), "path": str(self.path)}


def make(out: Path, documents: int = 2000, seed: int = 0, *, two_hop: int | None = None) -> WorldSummary:
    """Write the world of ``seed`` into the folder ``out``: the same bytes every time. Refuses a folder with files.

    ``two_hop``: at most so many questions over two facts; half as many as documents where it is not given.
    """
    if documents < len(KINDS):
        raise InputError(f"a micro-world needs at least {len(KINDS)} documents, one a kind of entity, not {documents}")
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not an empty folder; name a new one")
    chooser = Chooser(seed)
    names = NameMaker(chooser)
    everyone = entities(chooser, documents, names)
    table = facts(chooser, everyone, names)
    pages = _pages(chooser, everyone, table)
    for entity in everyone:
        place = out / entity.document
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(pages[entity.id].text.encode())
    rows: dict[str, list[dict[str, Any]]] = {
        "questions-train": list(questions.single(table, "train")),
        "questions-test": list(questions.single(table, "test")),
        "two-hop": list(questions.two_hop(chooser, table, max(10, documents // 2) if two_hop is None else two_hop)),
        "twins": list(questions.twins(table)),
        "unanswerable": list(questions.unanswerable(chooser, names, table, max(10, documents // 2))),
    }
    stated = [fact for fact in table if fact.stated]
    _write_rows(out / "entities.jsonl", (_entity_row(entity, pages[entity.id]) for entity in everyone))
    _write_rows(out / "facts.jsonl", (_fact_row(fact) for fact in stated))
    for name in FILES:
        _write_rows(out / f"{name}.jsonl", rows[name])
    return WorldSummary(
        out, seed, len(everyone), len(stated), len({fact.relation.id for fact in stated}),
        len({entity.kind for entity in everyone}), *(len(rows[name]) for name in FILES),
    )  # fmt: skip


def _pages(chooser: Chooser, everyone: list[Entity], table: list[Fact]) -> dict[str, Page]:
    by_kind: dict[str, list[Entity]] = {kind: [] for kind in KINDS}
    told: dict[str, list[Fact]] = {}
    for entity in everyone:
        by_kind[entity.kind].append(entity)
    for fact in table:
        if fact.stated:
            told.setdefault(fact.subject.id, []).append(fact)
    return {entity.id: write(chooser, entity, told.get(entity.id, []), by_kind) for entity in everyone}


def _entity_row(entity: Entity, page: Page) -> dict[str, Any]:
    row = {name: getattr(entity, name) for name in ("id", "kind", "name", "stem", "document", "twin")}
    return {**row, "spans": page.subject_spans}


def _fact_row(fact: Fact) -> dict[str, Any]:
    return {
        "id": fact.id,
        "subject": fact.subject.name,
        "kind": fact.subject.kind,
        "relation": fact.relation.id,
        "type": fact.relation.type.name,
        "value": fact.value,
        "value_entity": fact.value_entity.id if fact.value_entity else None,
        "document": fact.subject.document,
        "spans": fact.spans,
        "sentences": fact.sentences,
        "false": fact.false,
    }


def _write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


@dataclass(frozen=True, slots=True)
class KnownFact:
    """One stated cell of the table, as read back. Spans are characters of the document's text."""

    id: str
    subject: str
    kind: str
    relation: str
    value: str
    document: str
    spans: tuple[tuple[int, int], ...]
    false: tuple[tuple[int, int, str], ...]


@dataclass(slots=True)
class World:
    """A world in memory. :meth:`bind` tells it which documents of a memory are which of its files."""

    path: Path
    facts: list[KnownFact]
    by_document: dict[str, list[KnownFact]]
    subjects: dict[str, dict[str, Any]]
    names: dict[tuple[str, ...], str]
    bound: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> World:
        """Read ``entities.jsonl`` and ``facts.jsonl`` of a folder that :func:`make` wrote."""
        path = Path(path)
        known = [
            KnownFact(
                row["id"], row["subject"], row["kind"], row["relation"], row["value"], row["document"],
                tuple(tuple(span) for span in row["spans"]), tuple(tuple(item) for item in row["false"]),
            )
            for row in read_rows(path / "facts.jsonl")
        ]  # fmt: skip
        subjects: dict[str, dict[str, Any]] = {}
        names: dict[tuple[str, ...], str] = {}
        for row in read_rows(path / "entities.jsonl"):
            subjects[row["document"]] = row
            names[tuple(normalize_answer(row["name"]).split())] = row["name"]
        by_document: dict[str, list[KnownFact]] = {document: [] for document in subjects}
        for fact in known:
            by_document[fact.document].append(fact)
        return cls(path, known, by_document, subjects, names)

    def bind(self, documents: Iterable[Document]) -> int:
        """Match a memory's documents to the world's files by the end of their source; the number matched."""
        for document in documents:
            parts = PurePosixPath(document.source.replace("\\", "/")).parts
            name = "/".join(("documents", *parts[-2:]))
            if name in self.by_document:
                self.bound[document.id] = name
        return len(self.bound)

    def document_of(self, document_id: str | None) -> str | None:
        """The world's file for a memory's document id (or for the file's name itself); None for a foreign one."""
        if document_id is None:
            return None
        name = self.bound.get(document_id, document_id)
        return name if name in self.by_document else None

    def questions(self, name: str) -> Iterator[dict[str, Any]]:
        """Rows of one of the question files: see ``FILES``."""
        if name not in FILES:
            raise InputError(f"a micro-world has the question files {', '.join(FILES)}, not {name!r}")
        return read_rows(self.path / f"{name}.jsonl")


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a .jsonl file, one a line."""
    if not path.is_file():
        raise FormatError(f"{path} is missing: is this the folder of a micro-world? Make one with quipu microworld OUT")
    yield from read_jsonl(path)

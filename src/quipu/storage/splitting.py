"""A memory cut into several by document, and several put together: rows travel as in an export, with new numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from quipu.errors import InputError
from quipu.storage.joined import KEPT_WHERE_EQUAL, check_format, shared_manifest
from quipu.storage.making import making
from quipu.storage.rows import TABLES, Fields, Importer, exported, last_rows, rows_of
from quipu.storage.store import Store

Numbers = Mapping[str, NDArray[np.int64]]
"""The new row number of each old one, of passages and of pairs; 0 of a row that did not come along."""

# What tells two rows of a kind from one another; of the other kinds the document decides, which comes from one memory.
_KEYS = {
    "file": ("name",), "pair": ("id",), "verdict": ("pair", "stage"), "journal": ("key",), "feedback": ("id",),
    "review": ("pair", "decision", "by", "at"), "rejected": ("normal", "source"), "call": ("key",),
}  # fmt: skip
_EVERYWHERE = ("rejected", "feedback")  # what people said holds in every part


def shard(store: Store, folder: Path, parts: int) -> list[tuple[Path, int]]:
    """Cut a memory into ``parts`` new ones in ``folder``, about equal in pairs; their places and numbers of pairs.

    A document stays whole, and together with those of its file and those that hold the same answers, so that
    ``merge`` gives back the same content. Which part has what depends on the content alone. InputError where so many
    parts cannot be made.
    """
    check_format(store)
    manifest = {key: value for key, value in store.manifest.items() if key != "digest"}
    paths = [folder / f"{store.path.stem}-{part + 1}-of-{parts}.quipu" for part in range(parts)]
    folder.mkdir(parents=True, exist_ok=True)
    with store.snapshot(), ExitStack() as stack:
        cut = _Cut(store, parts)
        numbers = numbers_of(store)
        made = [stack.enter_context(making(path, manifest, str(store.path))) for path in paths]
        targets = [_Target(item) for item in made]
        for kind, row in exported(store):
            for part in cut.parts_of(kind, row):
                targets[part].put(kind, row, numbers)
        counts = [item.count() for item in made]
    return list(zip(paths, counts, strict=True))


def merge(stores: Sequence[Store], into: Path, *, newest: bool = False) -> int:
    """Put memories together into a new one; how many pairs it has.

    A document that is in several comes, with all its pairs, from where it was read last. InputError where memories do
    not fit (see ``shared_manifest``), or hold different documents of one name, unless ``newest`` prefers what was read
    last. Calibration and settings of answering are kept where all have the same, those of building are the first's.
    """
    for store in stores:
        check_format(store)
    shared = shared_manifest(stores)
    manifest = {
        key: value for key, value in stores[0].manifest.items()
        if key != "digest" and (key == "settings" or key not in KEPT_WHERE_EQUAL or key in shared)
    }  # fmt: skip
    with ExitStack() as stack:
        for store in stores:
            stack.enter_context(store.snapshot())
        owned = _owned(stores, newest)
        numbers = [numbers_of(store) for store in stores]
        marks = _latest_marks(stores)
        made = stack.enter_context(making(into, manifest, " and ".join(str(store.path) for store in stores)))
        target = _Target(made)
        for kind in TABLES:
            for at, store in enumerate(stores):
                for row in rows_of(store, kind):
                    if kind == "feedback" and marks[row["id"]] != at:
                        continue
                    if kind == "journal" and row["key"] == "finished" and not _all_finished(stores):
                        continue
                    if _comes(kind, row, owned[at], numbers[at]) and not _is_there(made, kind, row):
                        target.put(kind, row, numbers[at])
        return made.count()


class _Target:
    """An empty store that takes rows of others in."""

    def __init__(self, store: Store) -> None:
        self._importer = Importer(store)
        self._last = Counter[str]()

    def put(self, kind: str, row: Fields, numbers: Numbers) -> None:
        """Add a row; its number, and those that it names, become those of this store. ``numbers`` learns them."""
        row = dict(row)
        if kind == "tokens":
            row["row"] = int(numbers["passage"][row["row"]])
        elif kind == "support":
            row["pair"] = int(numbers["pair"][row["pair"]])
        elif "row" in row:
            self._last[kind] += 1
            if kind in numbers:
                numbers[kind][row["row"]] = self._last[kind]
            row["row"] = self._last[kind]
        self._importer.add(kind, row)


class _Cut:
    """Which part of a memory each of its rows belongs to."""

    def __init__(self, store: Store, parts: int) -> None:
        """InputError where there are fewer groups of documents than parts."""
        self._parts = parts
        groups = _Groups()
        files: dict[str, str] = {}
        for name, file in store.connection.execute("SELECT id, file FROM documents ORDER BY id"):
            groups.join(name, files.setdefault(file, name) if file else name)
        linked = "SELECT coalesce(p.document, p.id), s.document FROM support s JOIN pairs p ON p.row = s.pair"
        for pair, document in store.connection.execute(linked):
            groups.join(pair, document)
        weights = Counter[str]()
        for name, count in store.connection.execute(
            "SELECT d.id, 1 + (SELECT count(*) FROM pairs p WHERE p.document = d.id) FROM documents d ORDER BY d.id"
        ):
            weights[groups.of(name)] += count
        if len(weights) < parts:
            raise InputError(
                f"{store.path} cannot be cut into {parts} parts: its documents are in {len(weights)} groups of those "
                "that share a file or answers"
            )
        loads, homes = [0] * parts, dict[str, int]()
        for group, weight in sorted(weights.items(), key=lambda item: (-item[1], item[0])):
            home = min(range(parts), key=lambda part: (loads[part], part))
            homes[group], loads[home] = home, loads[home] + weight
        self._homes = {name: homes[groups.of(name)] for name in groups.members() if groups.of(name) in homes}
        self._files = {file: self._homes[name] for file, name in files.items()}
        self._of: dict[str, NDArray[np.int64]] = {kind: np.zeros_like(row) for kind, row in numbers_of(store).items()}

    def parts_of(self, kind: str, row: Fields) -> Sequence[int]:
        """The parts that a row goes to."""
        if kind in _EVERYWHERE or (kind == "journal" and row["document"] is None):
            return range(self._parts)
        if kind == "tokens":
            return (int(self._of["passage"][row["row"]]),)
        if kind == "support":
            return (int(self._of["pair"][row["pair"]]),)
        if kind == "file":
            return (self._files.get(row["name"], 0),)
        name = row["id"] if kind == "document" else row["document"]
        if name is None:
            name = row["id"] if kind == "pair" else row["key"] if kind == "call" else row["pair"]
        part = self._homes.get(name)
        if part is None:  # a pair of no document
            part = int(name[:8], 16) % self._parts
        if kind in self._of:
            self._of[kind][row["row"]] = part
        return (part,)


class _Groups:
    """Names that belong together (a disjoint-set forest); a group is called by its first name."""

    def __init__(self) -> None:
        self._over: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The name of its group."""
        root = name
        while (over := self._over.setdefault(root, root)) != root:
            root = over
        while (over := self._over[name]) != root:
            self._over[name], name = root, over
        return root

    def join(self, one: str, other: str) -> None:
        """Both are of one group from now on."""
        first, second = sorted((self.of(one), self.of(other)))
        self._over[second] = first

    def members(self) -> Iterator[str]:
        """All names."""
        return iter(list(self._over))


def numbers_of(store: Store) -> dict[str, NDArray[np.int64]]:
    """Room for the new number of each row."""
    last = last_rows(store)
    return {kind: np.zeros(last[kind] + 1, dtype=np.int64) for kind in ("passage", "pair")}


def _owned(stores: Sequence[Store], newest: bool) -> list[set[str]]:
    """Of each memory the ids of the documents that come from it."""
    found: dict[str, dict[int, tuple[str, set[str]]]] = {}
    for at, store in enumerate(stores):
        for source, name, date in store.connection.execute(
            "SELECT d.source, d.id, coalesce((SELECT max(f.read) FROM files f WHERE f.name = d.file),"
            " (SELECT max(p.added) FROM pairs p WHERE p.document = d.id), '') FROM documents d"
        ):
            known, ids = found.setdefault(source, {}).get(at, ("", set()))
            found[source][at] = (max(known, date), ids | {name})
    owned: list[set[str]] = [set() for _ in stores]
    for source, places in found.items():
        last = max(places, key=lambda at: (places[at][0], -at))
        if not newest and any(ids != places[last][1] for _, ids in places.values()):
            names = " and ".join(str(stores[at].path) for at in places)
            raise InputError(
                f"{source} is in {names}, and not the same; rename one, or take the one that was read last: "
                "--prefer newest"
            )
        owned[last] |= places[last][1]
    return owned


def _comes(kind: str, row: Fields, owned: set[str], numbers: Numbers) -> bool:
    """Whether a row comes along, by its document or by the row that it belongs to."""
    if kind == "document":
        return row["id"] in owned
    if kind == "tokens":
        return bool(numbers["passage"][row["row"]])
    if kind == "support" and not numbers["pair"][row["pair"]]:
        return False
    document = row.get("document")
    return document is None or document in owned


def _is_there(made: Store, kind: str, row: Fields) -> bool:
    """Whether another memory has brought it already."""
    keys = _KEYS.get(kind)
    if keys is None:
        return False
    condition = " AND ".join(f'"{key}" = ?' for key in keys)
    query = f"SELECT 1 FROM {TABLES[kind]} WHERE {condition}"
    if kind == "file":
        query += " OR path = ?"
        return made.connection.execute(query, (row["name"], row["path"])).fetchone() is not None
    return made.connection.execute(query, [row[key] for key in keys]).fetchone() is not None


def _latest_marks(stores: Sequence[Store]) -> dict[str, int]:
    """Of every answer that was marked, the memory in which it was marked last."""
    found: dict[str, tuple[str, int]] = {}
    for at, store in enumerate(stores):
        for name, marked in store.connection.execute("SELECT id, marked FROM feedback"):
            found[name] = max(found.get(name, ("", at)), (marked, at), key=lambda item: (item[0], -item[1]))
    return {name: at for name, (_, at) in found.items()}


def _all_finished(stores: Sequence[Store]) -> bool:
    return all(store.journal_has("finished") for store in stores)

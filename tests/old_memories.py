"""Memories as older versions of quipu left them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from quipu.storage import digests, schema
from quipu.storage.manifest import replace_manifest


def as_format(path: Path, version: int) -> None:
    """Put a record of an older format, with the rows that it has room for, in the place of a memory's."""
    file = path / "records.sqlite"
    old = sqlite3.connect(path / "old.sqlite", isolation_level=None)
    digests.register(old)
    for steps in schema.MIGRATIONS[:version]:
        schema._take(old, steps)
    old.execute(f"PRAGMA user_version = {version}")
    old.execute("ATTACH ? AS new", (str(file),))
    for (table,) in old.execute(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'"
    ).fetchall():
        if not table.startswith(("words", "passage_words", "sqlite", "gone")):
            names = ", ".join(f'"{name}"' for name in digests.columns(old, table))
            old.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
    if version >= 2:
        old.execute("INSERT INTO main.gone (row) SELECT row FROM new.gone")
    if version >= 3:
        old.execute("INSERT INTO main.passage_words (rowid, text) SELECT row, 'of another rule' FROM main.passages")
    old.execute(
        "UPDATE main.sqlite_sequence AS s SET seq = (SELECT seq FROM new.sqlite_sequence n WHERE n.name = s.name)"
    )
    old.execute("DETACH new")
    old.execute("PRAGMA journal_mode = WAL")  # as every quipu left it
    old.close()
    for end in ("-wal", "-shm"):
        file.with_name(file.name + end).unlink(missing_ok=True)
    (path / "old.sqlite").replace(file)
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["digest"]
    if version >= 6:
        replace_manifest(path, {**manifest, "format": version})
    else:
        (path / "manifest.json").write_text(json.dumps({**manifest, "format": version}))

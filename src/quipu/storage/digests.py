"""A digest beside every row, so that a row that is not the one that was written is noticed.

The record keeps it in a column ``digest`` of each table. A writer's connection fills it by triggers of its own, which
are not in the file: whoever else writes to the record leaves rows without the right digest.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator

_OF_FORMAT_6 = (
    "documents", "passages", "pairs", "vectors", "verdicts", "journal", "support", "tokens", "marks", "files"
)  # fmt: skip
TABLES = (*_OF_FORMAT_6, "feedback", "reviews", "rejected", "calls")
Value = str | bytes | int | float | None


def digest(*values: Value) -> int:
    """64 bits of a BLAKE2b hash of the values of a row, each with its type and length."""
    found = hashlib.blake2b(digest_size=8)
    for value in values:
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        found.update(b"%s %d " % (type(value).__name__.encode(), len(data)))
        found.update(data)
    return int.from_bytes(found.digest(), "big", signed=True)


def register(connection: sqlite3.Connection) -> None:
    """Let the connection's SQL call ``digest``."""
    connection.create_function("digest", -1, digest, deterministic=True)


def columns(connection: sqlite3.Connection, table: str) -> dict[str, bool]:
    """The columns of a table, and whether they are of its primary key."""
    return {row[1]: bool(row[5]) for row in connection.execute(f"PRAGMA main.table_info({table})")}


def signed(connection: sqlite3.Connection) -> list[str]:
    """Those of ``TABLES`` that the record has: an older one lacks the last ones."""
    return [table for table in TABLES if columns(connection, table)]


def add_to_every_table(connection: sqlite3.Connection) -> None:
    """A step of a migration: the column, with the digests of the rows that are there."""
    for table in _OF_FORMAT_6:
        if "digest" not in columns(connection, table):
            connection.execute(f"ALTER TABLE {table} ADD COLUMN digest INTEGER")
        connection.execute(f"UPDATE {table} SET digest = {_call(connection, table)}")


def keep(connection: sqlite3.Connection) -> None:
    """From now on the connection writes the digest of each row that it writes."""
    for table in TABLES:
        known = columns(connection, table)
        same_row = " AND ".join(f'"{name}" = new."{name}"' for name, is_key in known.items() if is_key)
        update = f"UPDATE {table} SET digest = {_call(connection, table, 'new.')} WHERE {same_row}"
        others = ", ".join(f'"{name}"' for name in known if name != "digest")
        for event, name in (("INSERT", "added"), (f"UPDATE OF {others}", "changed")):
            connection.execute(
                f"CREATE TEMP TRIGGER digest_{table}_{name} AFTER {event} ON main.{table} BEGIN {update}; END"
            )


def damaged(connection: sqlite3.Connection, table: str, limit: int) -> Iterator[str]:
    """The keys of rows that are not as they were written."""
    keys = " || ' ' || ".join(f'"{name}"' for name, is_key in columns(connection, table).items() if is_key)
    query = f"SELECT {keys} FROM {table} WHERE digest IS NOT {_call(connection, table)} LIMIT ?"
    for (key,) in connection.execute(query, (limit,)):
        yield str(key)


def _call(connection: sqlite3.Connection, table: str, row: str = "") -> str:
    names = (f'{row}"{name}"' for name in columns(connection, table) if name != "digest")
    return f"digest({', '.join(names)})"

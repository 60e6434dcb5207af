"""The part of a record that holds the calls of external models: what was said and paid, each on the disk at once.

A call holds text of a document and goes with it. The reply is there before anybody has looked at it, so that a crash,
or a defect of what reads it, costs nothing twice.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from quipu.records import ModelCall
from quipu.storage.store import Store

_FORMAT = 8  # from which on a record has calls
_GOOD = ("ok", "estimated")


class Ledger:
    """The calls of one memory."""

    def __init__(self, store: Store) -> None:
        """``store``: one that may be written."""
        self._store = store

    def reply(self, key: str) -> str | None:
        """The body of the reply to a call that succeeded; a failure is never used again."""
        row = self._store.connection.execute(
            "SELECT response FROM calls WHERE key = ? AND status IN (?, ?)", (key, *_GOOD)
        ).fetchone()
        return None if row is None else str(row[0])

    def record(self, call: ModelCall) -> None:
        """Keep what became of a call, on the disk when this returns; what an earlier failure cost is added."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with self._store.transaction():
            self._store.connection.execute(
                "INSERT INTO calls (key, role, document, passage, model, request_sha256, response, tokens_in,"
                " tokens_out, cost, status, attempts, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET response = excluded.response, status = excluded.status,"
                " tokens_in = tokens_in + excluded.tokens_in, tokens_out = tokens_out + excluded.tokens_out,"
                " cost = coalesce(cost + excluded.cost, excluded.cost, cost), attempts = attempts + excluded.attempts,"
                " at = excluded.at",
                (*asdict(call).values(), now),
            )


@dataclass(slots=True)
class Used:
    """The calls of one role, in sums. ``cost``: of those whose price is known; None where none is."""

    calls: int = 0
    failed: int = 0
    refused: int = 0
    estimated: int = 0
    """Calls whose tokens were counted here, because the server did not."""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return asdict(self)


def used(store: Store) -> dict[str, Used]:
    """What each role was asked and what it cost, by role."""
    if store.format < _FORMAT:
        return {}
    rows = store.connection.execute(
        "SELECT role, count(*), sum(status = 'failed'), sum(status = 'refused'), sum(status = 'estimated'),"
        " sum(tokens_in), sum(tokens_out), sum(cost) FROM calls GROUP BY role ORDER BY role"
    )
    return {str(role): Used(*found) for role, *found in rows}


def forget_calls(store: Store) -> int:
    """Forget every call; how many there were. The same requests are paid again when they are made again."""
    with store.transaction():
        return int(store.connection.execute("DELETE FROM calls").rowcount)


def ask_again(store: Store, reason: str) -> None:
    """Take back the marks and the verdicts of passages that were passed over for this reason."""
    with store.transaction():
        store.connection.execute("DELETE FROM journal WHERE note = ? AND substr(key, 1, 8) = 'passage:'", (reason,))
        store.connection.execute("DELETE FROM verdicts WHERE reason = ?", (reason,))

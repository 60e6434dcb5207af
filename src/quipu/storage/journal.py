"""The part of a record that holds what was done: marks of finished work, and what each stage said of each pair."""

from __future__ import annotations

from collections.abc import Sequence

from quipu.records import Verdict
from quipu.storage.transactions import Transactions


class Journal(Transactions):
    """Marks and verdicts; ``Store`` is one."""

    def add_verdicts(
        self,
        verdicts: Sequence[Verdict],
        documents: Sequence[str | None] | None = None,
        passages: Sequence[str | None] | None = None,
    ) -> None:
        """What the stages said, of kept and of dropped pairs; ``documents`` ties them to what removal removes."""
        nowhere: list[str | None] = [None] * len(verdicts)
        with self.transaction():
            self.connection.executemany(
                "INSERT OR REPLACE INTO verdicts (pair, stage, kept, score, reason, because_of, document, passage)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (item.pair_id, item.stage, int(item.kept), item.score, item.reason, item.because_of, *place)
                    for item, *place in zip(verdicts, documents or nowhere, passages or nowhere, strict=True)
                ),
            )

    def verdicts(self, pair_id: str) -> list[Verdict]:
        """What each stage said of the pair."""
        rows = self.connection.execute(
            "SELECT pair, stage, kept, score, reason, because_of FROM verdicts WHERE pair = ?", (pair_id,)
        )
        return [Verdict(row[0], row[1], bool(row[2]), *row[3:]) for row in rows]

    def verdict_counts(self) -> dict[str, int]:
        """How many pairs each reason dropped, and "kept" for those that every stage kept."""
        rows = self.connection.execute(
            "SELECT reason, count(*) FROM verdicts WHERE kept = 0 GROUP BY reason ORDER BY 2 DESC"
        )
        return {reason: int(count) for reason, count in rows}

    def journal_has(self, key: str) -> bool:
        """Whether this piece of work was committed."""
        return self.connection.execute("SELECT 1 FROM journal WHERE key = ?", (key,)).fetchone() is not None

    def journal_mark(self, key: str, note: str = "", document: str | None = None) -> None:
        """Say that a piece of work is done; commits with the transaction that holds its results."""
        with self.transaction():
            self.connection.execute(
                "INSERT OR REPLACE INTO journal (key, note, document) VALUES (?, ?, ?)", (key, note, document)
            )

    def journal_forget(self, prefix: str) -> None:
        """Remove every mark that begins with ``prefix``."""
        with self.transaction():
            self.connection.execute("DELETE FROM journal WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))

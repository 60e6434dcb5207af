"""One hash for what a memory says, however it came to: an interrupted build must end like one that was not."""

from __future__ import annotations

import hashlib

from quipu.storage.store import Store

_ROWS = (
    'SELECT p.id, p.question, p.answer, p.document, p.start, p."end", p.origin, p.key_text, v.vector FROM pairs p'
    " JOIN vectors v ON v.row = p.row ORDER BY p.id",
    "SELECT pair, stage, kept, score, reason, because_of FROM verdicts ORDER BY pair, stage",
)


def content_hash(store: Store) -> str:
    """SHA-256 over all pairs in the order of their ids, with texts, spans and vectors, and over all verdicts."""
    found = hashlib.sha256()
    with store.snapshot():
        for query in _ROWS:
            for row in store.connection.execute(query):
                for value in row:
                    data = value if isinstance(value, bytes) else repr(value).encode("utf-8", "backslashreplace")
                    found.update(b"%d " % len(data) + data)
    return found.hexdigest()

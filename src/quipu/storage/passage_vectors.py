"""What the memory keeps of its passages for finding answers that no pair holds: words, vectors, codes of tokens.

A passage has one vector (its key, half precision) and, for each token, a code of the encoder's codebook and the
characters that the token stands for, as steps from the token before. All of it can be made again from the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError
from quipu.records import Passage
from quipu.storage.store import Store
from quipu.storage.words import quoted_words

Codes = NDArray[np.uint8]
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class PassageTokens:
    """codes (T, M) uint8 of T tokens; offsets (T, 2): characters of the passage that each stands for."""

    codes: Codes
    offsets: NDArray[np.int32]


def available(store: Store) -> bool:
    """Whether the record has these tables: one that an older quipu made and that is only read has not."""
    return store.format >= 3


def search_passages(store: Store, question: str, k: int) -> list[tuple[Passage, float]]:
    """The best ``k`` passages by BM25 over title and text, with their scores, best first."""
    return [(store.passage(passage_id), score) for passage_id, score in search_ids(store, question, k)]


def search_ids(store: Store, question: str, k: int) -> list[tuple[str, float]]:
    """``search_passages`` without reading their text."""
    words = quoted_words(question)
    return store.search_passage_words(words, k) if words else []


def id_at(store: Store, document_id: str, start: int) -> str | None:
    """The passage of a document in which a character stands."""
    row = (
        store.home(document_id)
        .connection.execute(
            "SELECT id FROM passages WHERE document = ? AND start <= ? ORDER BY start DESC LIMIT 1",
            (document_id, start),
        )
        .fetchone()
    )
    return None if row is None else str(row[0])


def waiting(store: Store, limit: int) -> list[Passage]:
    """The next passages, in order, without tokens."""
    return store.passages_where(
        "WHERE NOT EXISTS (SELECT 1 FROM tokens t WHERE t.row = p.row) ORDER BY p.row LIMIT ?", (limit,)
    )


def put(store: Store, passages: Sequence[Passage], vectors: NDArray[np.float32], made: Sequence[PassageTokens]) -> None:
    """Store vectors (n, width) and tokens of passages, in one transaction."""
    with store.transaction():
        for passage, vector, tokens in zip(passages, vectors.astype(np.float16), made, strict=True):
            store.connection.execute(
                "INSERT OR REPLACE INTO tokens (row, vector, codes, places, digest)"
                " SELECT row, ?, ?, ?, 0 FROM passages WHERE id = ?",  # the digest comes as every row's
                (vector.tobytes(), tokens.codes.tobytes(), _packed(tokens.offsets), passage.id),
            )


def made_by(store: Store, encoder: Any) -> bool:
    """Whether the tokens are, or will be, of this encoder (``name``, ``sha256``)."""
    return bool(store.manifest.get("spans") == _mark(encoder))


def forget(store: Store, encoder: Any) -> None:
    """Remove all of them: from now on they are of another encoder."""
    with store.transaction():
        store.connection.execute("DELETE FROM tokens")
    store.note("spans", _mark(encoder))


def _mark(encoder: Any) -> str:
    return f"{encoder.name} {getattr(encoder, 'sha256', '')}"


def get(store: Store, passage_ids: Sequence[str]) -> dict[str, PassageTokens]:
    """Tokens of passages by id; those without are left out."""
    marks = ",".join("?" * len(passage_ids))
    rows = [
        row
        for member in store.members
        for row in member.connection.execute(
            f"SELECT p.id, t.codes, t.places FROM tokens t JOIN passages p ON p.row = t.row WHERE p.id IN ({marks})",
            tuple(passage_ids),
        )
    ]
    found = {}
    for passage_id, codes, places in rows:
        offsets = _unpacked(places)
        if not len(offsets) or len(codes) % len(offsets):
            raise FormatError(
                f"{store.path}: tokens of passage {passage_id} are damaged; run: quipu reencode {store.path}"
            )
        found[passage_id] = PassageTokens(np.frombuffer(codes, dtype=np.uint8).reshape(len(offsets), -1), offsets)
    return found


def vectors(store: Store) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Ids and vectors (n, width) of passages in batches."""
    for member in store.members:
        last = 0
        while rows := member.connection.execute(
            "SELECT t.row, p.id, t.vector FROM tokens t JOIN passages p ON p.row = t.row WHERE t.row > ?"
            " ORDER BY t.row LIMIT ?",
            (last, _BATCH),
        ).fetchall():
            last = rows[-1][0]
            data = b"".join(row[2] for row in rows)
            if len(data) != 2 * store.width * len(rows):
                raise FormatError(
                    f"{member.path}: a passage's vector has the wrong length; run: quipu reencode {member.path}"
                )
            halves = np.frombuffer(data, dtype=np.float16).reshape(len(rows), -1)
            yield [row[1] for row in rows], halves.astype(np.float32)


def count(store: Store) -> tuple[int, int, int]:
    """Passages with tokens, tokens, bytes of all that is kept of them beside the passages' own vectors."""
    if not available(store):
        return 0, 0, 0
    passages, places, codes = store.connection.execute(
        "SELECT count(*), coalesce(sum(length(places)), 0), coalesce(sum(length(codes)), 0) FROM tokens"
    ).fetchone()
    return int(passages), int(places) // 2, int(places) + int(codes)


def _packed(offsets: NDArray[np.int32]) -> bytes:
    """Two bytes per token: steps from the end before to the start, and the length; 255 at most, a longer gap is cut.

    Special tokens stand for nothing: length 0.
    """
    packed = np.zeros((len(offsets), 2), dtype=np.uint8)
    at = 0
    for row, (start, end) in enumerate(offsets.tolist()):
        if end > start:
            # What is cut off a long gap comes back with the next token's gap, since ``at`` follows what was kept.
            step = min(255, max(0, start - at))
            packed[row] = step, min(255, end - start)
            at += step + int(packed[row, 1])
    return packed.tobytes()


def _unpacked(places: bytes) -> NDArray[np.int32]:
    steps = np.frombuffer(places, dtype=np.uint8).reshape(-1, 2).astype(np.int32)
    ends = np.cumsum(steps.sum(axis=1), dtype=np.int32)
    starts = ends - steps[:, 1]
    return np.where(steps[:, 1:] > 0, np.stack([starts, ends], axis=1), 0).astype(np.int32)

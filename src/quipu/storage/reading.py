"""What a reader of memories is given of stored pairs."""

from __future__ import annotations

from collections.abc import Sequence

from quipu.records import QAPair
from quipu.storage.store import Store


def given(store: Store, rows: Sequence[Sequence[QAPair]], sentence: bool) -> list[list[tuple[str, str]]]:
    """Text and answer of each pair of each row; the text is its question.

    ``sentence``: its key text instead, which for a generated pair holds the answer's sentence.
    """
    texts: dict[str, str] = {}
    if sentence:
        texts = store.key_texts(list(dict.fromkeys(pair.id for row in rows for pair in row)))
    return [[(texts.get(pair.id, pair.question), pair.answer) for pair in row] for row in rows]

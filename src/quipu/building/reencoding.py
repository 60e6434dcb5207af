"""Keys made anew, for a memory whose encoder is another now."""

from __future__ import annotations

from collections.abc import Sequence

from quipu.building.builder import Progress
from quipu.models.bundle import sha256_of
from quipu.models.protocols import Keys, SupportsEncode
from quipu.storage.index import Index
from quipu.storage.maintenance import replace_vectors
from quipu.storage.manifest import REENCODING
from quipu.storage.store import Store


def reencode(store: Store, encoder: SupportsEncode, progress: Progress | None) -> int:
    """Make every key, and the index, with this encoder; how many. 0 where the keys are its own already."""
    if sha256_of(encoder) in store.models.values() and REENCODING not in store.manifest:
        store.begin_writing()
        Index.bring_up_to_date(store)  # whoever stored them may have been killed before it made the index
        return 0
    done, total = 0, store.count()

    def make(texts: Sequence[str]) -> Keys:
        nonlocal done
        keys = encoder.encode(texts)
        done += len(texts)
        if progress is not None:
            progress({"stage": "reencode", "done": done, "total": total})
        return keys

    replace_vectors(store, make, encoder.name, sha256_of(encoder))
    Index.rebuild(store)
    return done

"""What a memory holds, in numbers."""

from __future__ import annotations

from typing import Any

from quipu.building.builder import is_finished
from quipu.storage import passage_vectors
from quipu.storage.feedback import count_feedback
from quipu.storage.store import Store


def facts(store: Store, calibration: dict[str, Any] | None) -> dict[str, Any]:
    """Path, counts, models, settings, what is said of the ``calibration``, and bytes on disk.

    InputError for several memories that are asked as one.
    """
    store.connection  # noqa: B018 - of several memories none: InputError
    files = {file.name: file.stat().st_size for file in sorted(store.path.iterdir()) if file.is_file()}
    return {
        "path": str(store.path),
        "counts": store.counts(),
        "coded": dict(zip(("passages", "tokens", "bytes"), passage_vectors.count(store), strict=True)),
        "dropped": store.verdict_counts(),
        "marked": count_feedback(store),
        "models": store.models,
        "settings": dict(store.manifest.get("settings", {})),
        "calibration": calibration,
        "bytes": {**files, "total": sum(files.values())},
        "finished": is_finished(store),
    }

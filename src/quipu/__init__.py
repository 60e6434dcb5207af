"""quipu: documents to a memory of question-answer pairs, and answers from it with their sources."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

_HOMES = {
    "build": "api", "open": "api", "Memory": "memory",
    "Passage": "records", "QAPair": "records", "Span": "records", "Hit": "records", "Evidence": "records",
    "Answer": "records",
    "Encoder": "models.encoder", "Extractor": "models.extractor", "Reader": "models.reader",
    "Reranker": "models.reranker", "calibrate": "calibration.memory", "QuipuError": "errors",
}  # fmt: skip
# `open` is left out: a star import would shadow the builtin.
__all__ = [name for name in _HOMES if name != "open"]

if TYPE_CHECKING:
    from quipu.api import build as build
    from quipu.api import open as open
    from quipu.calibration.memory import calibrate as calibrate
    from quipu.errors import QuipuError as QuipuError
    from quipu.memory import Memory as Memory
    from quipu.models.encoder import Encoder as Encoder
    from quipu.models.extractor import Extractor as Extractor
    from quipu.models.reader import Reader as Reader
    from quipu.models.reranker import Reranker as Reranker
    from quipu.records import Answer as Answer
    from quipu.records import Evidence as Evidence
    from quipu.records import Hit as Hit
    from quipu.records import Passage as Passage
    from quipu.records import QAPair as QAPair
    from quipu.records import Span as Span


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used, so that ``import quipu`` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'quipu' has no attribute {name!r}")
    return getattr(importlib.import_module(f"quipu.{_HOMES[name]}"), name)

"""Inference without torch: the encoder, the writer and the reader."""

from __future__ import annotations

from pathlib import Path

from quipu.models.protocols import SupportsReadMemory, SupportsWrite


def load_writer(name_or_path: str | Path) -> SupportsWrite:
    """The language model, or a BART or T5 converted to CTranslate2, by what the folder says it is."""
    from quipu.models.folders import kind_of

    if kind_of(name_or_path) == "language-model":
        from quipu.models.lm.model import LanguageModel

        return LanguageModel.from_pretrained(name_or_path)
    from quipu.models.ctranslate import CTranslateWriter

    return CTranslateWriter.from_pretrained(name_or_path)


def load_memory_reader(name_or_path: str | Path) -> SupportsReadMemory:
    """The copying reader of memories, or a BART or T5 converted to CTranslate2, by what the folder says it is."""
    from quipu.models.folders import kind_of

    if kind_of(name_or_path) == "ctranslate-memory-reader":
        from quipu.models.ctranslate_reader import CTranslateMemoryReader

        return CTranslateMemoryReader.from_pretrained(name_or_path)
    from quipu.models.memory_reader import MemoryReader

    return MemoryReader.from_pretrained(name_or_path)

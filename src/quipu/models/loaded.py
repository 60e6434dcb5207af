"""The models of a memory, each loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from quipu.models.hub import BUNDLED, parallel
from quipu.models.protocols import (
    SupportsEncode,
    SupportsExtract,
    SupportsJudge,
    SupportsRead,
    SupportsReadMemory,
    SupportsRerank,
    SupportsWrite,
)

SPANS = "quipu-mini/quip"
QAMAT = "quipu-mini/qamat"


class Models:
    """The models of a memory, each an object, a name or a path; loaded when first needed."""

    def __init__(
        self,
        encoder: SupportsEncode | str | Path | None = None,
        writer: SupportsWrite | str | Path | None = None,
        reader: SupportsRead | str | Path | None = None,
        reranker: SupportsRerank | str | Path | None = None,
        memory_reader: SupportsReadMemory | str | Path | None = None,
    ) -> None:
        """None stands for the model that ships; for the reranker only beside the encoder that ships."""
        self._given: dict[str, Any] = {
            "encoder": encoder or "quipu-mini/encoder",
            "writer": writer or "quipu-mini/writer",
            "reader": reader or "quipu-mini/reader",
        }
        self.names = {
            kind: str(given) if isinstance(given, str | Path) else str(getattr(given, "source", given.name))
            for kind, given in self._given.items()
        }
        self._given["reranker"] = reranker
        if memory_reader is not None:
            self._given["memory_reader"] = memory_reader
        """Names and paths as they were given, for the manifest; an object is named by its source or its name."""

    def encoder(self) -> SupportsEncode:
        """The key encoder."""
        if isinstance(self._given["encoder"], str | Path):
            from quipu.models.encoder import Encoder

            self._given["encoder"] = Encoder.from_pretrained(self._given["encoder"])
        return cast(SupportsEncode, self._given["encoder"])

    def span_encoder(self) -> Any:
        """What reads spans: the key encoder if it can; beside the one that ships, the QuIP encoder; else None."""
        encoder = self.encoder()
        if getattr(encoder, "codebook", None) is not None:
            return encoder
        if not str(getattr(encoder, "name", "")).startswith("quipu-mini/") or not (BUNDLED / SPANS).is_dir():
            return None
        if "spans" not in self._given:
            from quipu.models.encoder import Encoder

            self._given["spans"] = Encoder.from_pretrained(SPANS)
        return self._given["spans"]

    def writer(self) -> SupportsWrite:
        """The question writer."""
        if isinstance(self._given["writer"], str | Path):
            from quipu.models import load_writer

            self._given["writer"] = load_writer(self._given["writer"])
        return cast(SupportsWrite, self._given["writer"])

    def extractor(self) -> SupportsExtract:
        """The writer where it extracts answers too, else the one that ships."""
        writer = self.writer()
        if hasattr(writer, "extract"):
            return cast(SupportsExtract, writer)
        if "extractor" not in self._given:
            from quipu.models.writer import Writer

            self._given["extractor"] = Writer.from_pretrained("quipu-mini/writer")
        return cast(SupportsExtract, self._given["extractor"])

    def reranker(self) -> SupportsRerank | None:
        """The reranker; None beside another encoder than the one that ships, whose scores it does not know."""
        if self._reranks() and not hasattr(self._given["reranker"], "rerank"):
            from quipu.models.reranker import load_reranker

            self._given["reranker"] = load_reranker(self._given["reranker"] or "quipu-mini/reranker")
        return cast("SupportsRerank | None", self._given["reranker"])

    def _reranks(self) -> bool:
        if self._given["reranker"] is not None:
            return True
        shipped = str(getattr(self.encoder(), "name", "")).startswith("quipu-mini/")
        return shipped and (BUNDLED / "quipu-mini/reranker").is_dir()

    def memory_reader(self) -> SupportsReadMemory | None:
        """What reads pairs; without one given, the one that ships, where it does."""
        if "memory_reader" not in self._given:
            self._given["memory_reader"] = QAMAT if (BUNDLED / QAMAT).is_dir() else None
        if isinstance(self._given["memory_reader"], str | Path):
            from quipu.models import load_memory_reader

            self._given["memory_reader"] = load_memory_reader(self._given["memory_reader"])
        return cast("SupportsReadMemory | None", self._given["memory_reader"])

    def load(self) -> None:
        """Reranker and judge, one model a core, so that no question's time holds their loading."""
        if self._reranks():
            parallel(lambda model: model(), [self.reader, self.reranker])

    def hashes(self, kinds: Sequence[str]) -> dict[str, str]:
        """Name and sha256 of the models of these kinds ("encoder", "reranker", ...), as far as there are any."""
        found = (getattr(self, kind)() for kind in kinds)
        return {model.name: sha256_of(model) for model in found if model is not None}

    def judge(self) -> SupportsJudge | None:
        """The reader where it can judge given spans, beside a reranker."""
        if self.reranker() is None or not hasattr(self.reader(), "judge"):
            return None
        return cast(SupportsJudge, self.reader())

    def reader(self) -> SupportsRead:
        """The reader of the local filter."""
        if isinstance(self._given["reader"], str | Path):
            from quipu.models.reader import Reader

            self._given["reader"] = Reader.from_pretrained(self._given["reader"])
        return cast(SupportsRead, self._given["reader"])


def sha256_of(model: Any) -> str:
    """The hash over a model's files; its name where it was made without any."""
    return str(getattr(model, "sha256", model.name))

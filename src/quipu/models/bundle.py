"""The models of a memory, each loaded when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from quipu.models.folders import bundled_sha256, is_bundled, kind_of
from quipu.models.protocols import (
    SupportsEncode,
    SupportsExtract,
    SupportsRead,
    SupportsReadMany,
    SupportsReadMemory,
    SupportsReadPairs,
    SupportsRerank,
    SupportsVerify,
    SupportsWrite,
)

ENCODER = "quipu-small/encoder"
RERANKER = "quipu-small/reranker"
SPANS = "quipu-small/quip"
LANGUAGE_MODEL = "quipu-small/lm"
EXTRACTOR = "quipu-small/extractor"
VERIFIER = "quipu-small/verifier"


class Models:
    """The models of a memory, each an object, a name or a path; loaded when first needed."""

    def __init__(
        self,
        encoder: SupportsEncode | str | Path | None = None,
        writer: SupportsWrite | str | Path | None = None,
        reader: SupportsRead | str | Path | None = None,
        reranker: SupportsRerank | str | Path | None = None,
        memory_reader: SupportsReadMemory | str | Path | None = None,
        language_model: SupportsReadMany | str | Path | None = None,
        verifier: SupportsVerify | None = None,
    ) -> None:
        """None stands for the model that ships; for the reranker only beside the encoder that ships.

        Writer and reader are the language model unless others are given.
        """
        self._given: dict[str, Any] = {
            "encoder": encoder or ENCODER,
            "writer": _ships(writer) or language_model or LANGUAGE_MODEL,
            "reader": _ships(reader) or language_model or LANGUAGE_MODEL,
        }
        self.names = {
            kind: str(given) if isinstance(given, str | Path) else str(getattr(given, "source", given.name))
            for kind, given in self._given.items()
        }
        self._given["reranker"] = reranker
        if verifier is not None:
            self._given["verifier"] = verifier
        if memory_reader is not None:
            self._given["memory_reader"] = memory_reader
        if language_model is not None:
            self._given["language_model"] = language_model
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
        if not self._own_encoder() or not is_bundled(SPANS):
            return None
        if "spans" not in self._given:
            from quipu.models.encoder import Encoder

            self._given["spans"] = Encoder.from_pretrained(SPANS)
        return self._given["spans"]

    def writer(self) -> SupportsWrite:
        """The question writer."""
        if isinstance(self._given["writer"], str | Path):
            from quipu.models import load_writer

            speaking = self._speaking("writer")
            self._given["writer"] = load_writer(self._given["writer"]) if speaking is None else speaking
        return cast(SupportsWrite, self._given["writer"])

    def _speaking(self, kind: str) -> Any:
        """The language model of the name that stands for ``kind``, one for all that name it; None for other models."""
        name = self._given[kind]
        if kind_of(name) != "language-model":
            return None
        if "language_model" not in self._given and str(name) == LANGUAGE_MODEL:
            return self.language_model()
        for other in self._given.values():
            if getattr(other, "source", None) == str(name) and isinstance(other, SupportsReadMany):
                return other
        from quipu.models.lm.model import LanguageModel

        return LanguageModel.from_pretrained(name)

    def extractor(self) -> SupportsExtract:
        """The writer where it extracts answers too, else the one that ships."""
        writer = self.writer()
        if hasattr(writer, "extract"):
            return cast(SupportsExtract, writer)
        if "extractor" not in self._given:
            from quipu.models.extractor import Extractor

            self._given["extractor"] = Extractor.from_pretrained(EXTRACTOR)
        return cast(SupportsExtract, self._given["extractor"])

    def reranker(self) -> SupportsRerank | None:
        """The reranker; None beside another encoder than the one that ships, whose scores it does not know."""
        if self._reranks() and not hasattr(self._given["reranker"], "rerank"):
            from quipu.models.reranker import load_reranker

            self._given["reranker"] = load_reranker(self._given["reranker"] or RERANKER)
        return cast("SupportsRerank | None", self._given["reranker"])

    def verifier(self) -> SupportsVerify | None:
        """What verifies claims: the verifier that was given or ships; None where none does."""
        if "verifier" not in self._given:
            from quipu.models.verifier import Verifier

            self._given["verifier"] = Verifier.from_pretrained(VERIFIER) if is_bundled(VERIFIER) else None
        return cast("SupportsVerify | None", self._given["verifier"])

    def _reranks(self) -> bool:
        if self._given["reranker"] is not None:
            return True
        return self._own_encoder() and is_bundled(RERANKER)

    def _own_encoder(self) -> bool:
        """Whether the encoder is the one that ships: by its files, for a user's may have any name."""
        return sha256_of(self.encoder()) == bundled_sha256(ENCODER)

    def memory_reader(self) -> SupportsReadMemory | None:
        """The reader of memories that was given; None where the language model reads pairs."""
        given = self._given.get("memory_reader")
        if isinstance(given, str | Path):
            from quipu.models import load_memory_reader

            given = self._given["memory_reader"] = load_memory_reader(given)
        return cast("SupportsReadMemory | None", given)

    def language_model(self) -> SupportsReadMany | None:
        """What writes, reads and checks; without one given, the one that ships, where it does."""
        if "language_model" not in self._given:
            self._given["language_model"] = LANGUAGE_MODEL if is_bundled(LANGUAGE_MODEL) else None
        if isinstance(self._given["language_model"], str | Path):
            from quipu.models.lm.model import LanguageModel

            self._given["language_model"] = LanguageModel.from_pretrained(self._given["language_model"])
        return cast("SupportsReadMany | None", self._given["language_model"])

    def pairs_reader(self) -> SupportsReadMemory | SupportsReadPairs | None:
        """What reads pairs: a reader of memories that was given, else the language model."""
        given = self.memory_reader()
        if given is not None:
            return given
        model: Any = self.language_model()
        return model if isinstance(model, SupportsReadPairs) else None

    def passage_reader(self) -> SupportsReadMany | SupportsRead:
        """What reads passages for a question: the language model where there is one, else the reader."""
        return self.language_model() or self.reader()

    def hashes(self, kinds: Sequence[str]) -> dict[str, str]:
        """Name and sha256 of the models of these kinds ("encoder", "reranker", ...), as far as there are any."""
        found = (getattr(self, kind)() for kind in kinds)
        return {model.name: sha256_of(model) for model in found if model is not None}

    def reader(self) -> SupportsRead:
        """The reader of the local filter."""
        if isinstance(self._given["reader"], str | Path):
            from quipu.models.reader import Reader

            speaking = self._speaking("reader")
            self._given["reader"] = Reader.from_pretrained(self._given["reader"]) if speaking is None else speaking
        return cast(SupportsRead, self._given["reader"])


def _ships(given: Any) -> Any:
    """What was given, but for the name of a model that shipped once and does no more: what ships now does its work."""
    gone = given in ("quipu-mini/writer", "quipu-mini/reader", LANGUAGE_MODEL) and not is_bundled(given)
    return None if gone else given


def sha256_of(model: Any) -> str:
    """The hash over a model's files; its name where it was made without any."""
    return str(getattr(model, "sha256", model.name))

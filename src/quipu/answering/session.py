"""What an open memory has at hand to answer: index, encoder, answerer and settings, each made when first needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from quipu.answering.answerer import Answerer
from quipu.answering.retrieve import SEARCH, Method, retrieve
from quipu.answering.scoring import Calibration, bundled
from quipu.answering.settings import AnswerSettings
from quipu.errors import FormatError, InputError
from quipu.models.bundle import Models, sha256_of
from quipu.models.folders import bundled_file
from quipu.models.protocols import SupportsAsk, SupportsEncode
from quipu.records import Hit
from quipu.storage.index import Index
from quipu.storage.joined import JoinedIndex, load_index
from quipu.storage.manifest import REENCODING
from quipu.storage.store import Store
from quipu.storage.transactions import naming_damage

BUNDLED_CALIBRATION = bundled_file("steps.json")


class Session:
    """Of one open store. What it made is made anew where another process calibrates the memory or makes its keys."""

    def __init__(self, store: Store, models: Models) -> None:
        """Nothing is loaded yet."""
        self.store = store
        self._models = models
        self._index: Index | JoinedIndex | None = None
        self._encoder: SupportsEncode | None = None
        self._answerer: Answerer | None = None
        self._settings = self._settings_in(store.manifest)

    @property
    def has_searched(self) -> bool:
        """Whether the index is loaded."""
        return self._index is not None

    def forget(self) -> None:
        """Load everything anew when it is needed next."""
        self._index = self._encoder = self._answerer = None

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Lets the files go for a while, and opens them again whatever happens."""
        self.store.close()
        self.forget()
        try:
            yield
        finally:
            self.store = Store.open(self.store.path, read_only=self.store.read_only)

    @property
    def settings(self) -> AnswerSettings:
        """The memory's own, until others are assigned."""
        return self._settings

    @settings.setter
    def settings(self, settings: AnswerSettings) -> None:
        self._settings, self._answerer = settings, None

    def _settings_in(self, manifest: Mapping[str, Any]) -> AnswerSettings:
        return AnswerSettings.of(manifest.get("answering"), str(self.store.path / "manifest.json"))

    def calibration(self) -> Calibration | None:
        """The memory's own."""
        stored = self.store.manifest.get("calibration")
        return None if stored is None else Calibration.from_json(stored, str(self.store.path / "manifest.json"))

    def keep_calibration(self, calibration: Calibration) -> None:
        """Store it in the memory."""
        self.store.note("calibration", calibration.to_json())
        self._answerer = None

    def calibration_facts(self) -> dict[str, Any] | None:
        """The threshold of the memory's answers and what it was fitted on; None where none is for its encoder."""
        own = self.calibration()
        found = own or bundled(BUNDLED_CALIBRATION)
        lookup = None if found is None else found.scorers.get("lookup", found.scorers.get("lookup_reranked"))
        if found is None or lookup is None or not set(lookup.models.values()) & set(self.store.models.values()):
            return None
        return {
            "threshold": found.threshold, "target_precision": found.target_precision,
            "fitted_on": found.fitted_on, "own": own is not None,
        }  # fmt: skip

    @property
    def answerer(self) -> Answerer:
        """With the memory's own calibration and the one that ships."""
        if self._answerer is None:
            known = (self.calibration(), bundled(BUNDLED_CALIBRATION))
            calibrations = [item for item in known if item is not None]
            self._answerer = Answerer(self.store, self._models, self.search, calibrations, self._settings)
        return self._answerer

    def search(self, questions: Sequence[str], k: int, method: Method = SEARCH) -> list[list[Hit]]:
        """The best ``k`` stored pairs for each question."""
        if k < 1:
            raise InputError(f"k must be 1 or more, not {k}")
        with naming_damage(self.store.path):
            index, encoder = self.wake()
            index.refresh()
            k = min(k, max(1, index.size))
            vectors = None
            if method != "words":
                vectors = encoder.ask(questions) if isinstance(encoder, SupportsAsk) else encoder.encode(questions)
            return retrieve(questions, vectors, self.store, index, k, method)

    def wake(self) -> tuple[Index | JoinedIndex, SupportsEncode]:
        """Index and encoder, loaded by the first question."""
        former = self.store.manifest
        if self.store.reread_manifest():  # another process calibrated, or made the keys anew
            self.forget()
            if self._settings == self._settings_in(former):
                self._settings = self._settings_in(self.store.manifest)
        index, encoder = self._index, self._encoder  # another thread may set them meanwhile
        if encoder is None:
            encoder = self._models.encoder()
            check_encoder(self.store, encoder)
            self._encoder = encoder
        if index is None:
            index = self._index = load_index(self.store)
        return index, encoder


def check_encoder(store: Store, encoder: SupportsEncode) -> None:
    """InputError or FormatError where the keys of a memory are not this encoder's, or not all of them."""
    if REENCODING in store.manifest:
        raise InputError(f"{store.path}: making its keys anew was interrupted; run: quipu reencode {store.path}")
    if encoder.width != store.width:
        raise FormatError(
            f"{store.path} holds keys of width {store.width}, the encoder {encoder.name} makes {encoder.width}"
        )
    if sha256_of(encoder) not in store.models.values():
        names = ", ".join(store.models)
        raise InputError(
            f"{store.path} was built with the encoder {names}, this one is {encoder.name}: its keys do not compare. "
            f"Make them anew with: quipu reencode {store.path}, or open it with the encoder that made it"
        )

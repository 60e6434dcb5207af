"""The external model of an open memory: its roles in building, with the memory's ledger behind them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from quipu.models.protocols import SupportsAnswer, SupportsJudge, SupportsLedger, SupportsPropose
from quipu.models.remote.client import Client
from quipu.models.remote.judge import LlmJudge
from quipu.models.remote.prompts import Dialect
from quipu.models.remote.reader import LlmReader
from quipu.models.remote.settings import LlmSettings
from quipu.models.remote.writer import LlmWriter
from quipu.records import ModelCall
from quipu.storage.ledger import Ledger
from quipu.storage.store import Store

NOTED = "llm"
"""The manifest's key for the external model that was used last."""


class External:
    """An external model for one run. Its budget is the run's; its calls are the memory's, if that may be written."""

    def __init__(self, store: Store, settings: LlmSettings) -> None:
        """SettingsError where the key is missing, MissingExtra without httpx2; nothing is sent yet."""
        self.settings, self._store = settings, store
        known = store.manifest.get(NOTED)
        same = isinstance(known, dict) and all(known.get(name) == value for name, value in self._address().items())
        self.client = Client(
            settings, Passing() if store.read_only else Ledger(store),
            dialect=Dialect.of(known.get("dialect")) if same and known else None, note=self._note,
        )  # fmt: skip

    def close(self) -> None:
        """End its connections."""
        self.client.close()

    def writer(self) -> SupportsPropose | None:
        """What writes, where that is its role."""
        return LlmWriter(self.client) if "writer" in self.settings.roles else None

    def reader(self) -> LlmReader | None:
        """What reads questions back, where that is its role."""
        return LlmReader(self.client) if "reader" in self.settings.roles else None

    def judge(self) -> SupportsJudge | None:
        """What judges, where that is its role."""
        return LlmJudge(self.client) if "judge" in self.settings.roles else None

    def answering(self) -> SupportsAnswer:
        """What answers questions from passages, whatever its role in building."""
        return LlmReader(self.client)

    def _address(self) -> dict[str, Any]:
        return {"url": self.settings.url, "model": self.settings.model}

    def _note(self, dialect: Dialect) -> None:
        """Keep in the manifest with what this run is done, so that the next one sends the same."""
        said = {**self.settings.to_json(), "dialect": asdict(dialect)}
        if not self._store.read_only and self._store.manifest.get(NOTED) != said:
            self._store.note(NOTED, said)


class Passing(SupportsLedger):
    """A ledger for as long as it is there."""

    def __init__(self) -> None:
        """An empty one."""
        self.calls: dict[str, ModelCall] = {}

    def reply(self, key: str) -> str | None:
        """See ``SupportsLedger``."""
        found = self.calls.get(key)
        return found.response if found is not None and found.status in ("ok", "estimated") else None

    def record(self, call: ModelCall) -> None:
        """See ``SupportsLedger``."""
        self.calls[call.key] = call

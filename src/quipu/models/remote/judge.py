"""An external model as the judge of pairs that every other filter kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quipu.models.protocols import Opinion
from quipu.models.remote.client import Client
from quipu.models.remote.prompts import to_judge
from quipu.records import Span

_FAULTS = {
    "answerable": "judged not answerable",
    "correct": "judged wrong",
    "self_contained": "judged unclear without its passage",
}


class LlmJudge:
    """Keeps ``SupportsJudge``."""

    def __init__(self, client: Client) -> None:
        """``client``: of the model."""
        self._client = client

    def judge(
        self,
        pairs: Sequence[tuple[str, str]],
        texts: Sequence[str],
        sentences: Sequence[Sequence[Span]],
        titles: Sequence[str],
        places: Sequence[tuple[str, str]],
    ) -> list[Opinion]:
        """One call a pair; the first fault is the reason. No opinion is a reason too."""
        calls = [
            to_judge(*pair, text, title, spans, place)
            for pair, text, title, spans, place in zip(pairs, texts, titles, sentences, places, strict=True)
        ]
        replies = self._client.read(calls, _opinion)
        return [Opinion(said, "") if isinstance(said, str) else said for said in replies]


def _opinion(value: Mapping[str, Any]) -> Opinion:
    for name in _FAULTS:
        if not isinstance(value.get(name), bool):
            raise ValueError(f"{name} must be true or false")
    said = value.get("reason")
    fault = next((text for name, text in _FAULTS.items() if not value[name]), "")
    return Opinion(fault, said[:200] if isinstance(said, str) else "")

"""What an external model was asked, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A call of an external model, as a ledger keeps it. ``response``: the reply's body, or why there is none.

    ``status``: "ok", "estimated" (its tokens were counted here), "refused" or "failed". ``cost``: None where no price
    is known. ``document`` and ``passage``: whose text it holds. ``attempts``: how often it was sent.
    """

    key: str
    role: str
    document: str | None
    passage: str | None
    model: str
    request_sha256: str
    response: str
    tokens_in: int
    tokens_out: int
    cost: float | None
    status: str
    attempts: int

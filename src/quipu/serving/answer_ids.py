"""Ids of answers: what was answered, signed, so that feedback is taken only for what the server said.

An id holds everything itself; the server remembers no answer. The key is made of the digest of an admin token: it is
the same in every process of a server and after a restart, and there is no further secret to keep. Whoever has the token
may change the memory anyway. When the token is revoked, the ids that it signed are void. Without an admin token the
server writes nothing, and the key is a random one, which the processes of a server share.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass

from quipu.records import Answer
from quipu.serving.problems import Problem
from quipu.serving.tokens import Keyring
from quipu.storage.feedback import Feedback

KEY = "QUIPU_ANSWER_KEY"
"""The environment variable by which a process is given the key that it shares with others."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What an id says: the question, and the answer as ``Feedback.of`` names it, None where there was none."""

    question: str
    answer: str | None
    pair: str | None
    source: str


class AnswerIds:
    """Signs answers, and reads what was signed."""

    def __init__(self, keyring: Keyring) -> None:
        """``keyring``: the server's."""
        self._keyring = keyring
        self._own = os.environ.get(KEY, "").encode() or secrets.token_bytes(32)

    def sign(self, memory: str, answer: Answer) -> str:
        """The id of an answer of this memory: ``payload.signature``, each in base64url."""
        row: list[str | None] = [memory, answer.question, None, None, ""]
        if answer.text is not None:
            mark = Feedback.of(answer, True)
            row[2:] = [mark.answer, mark.pair, mark.source]
        said = json.dumps(row, separators=(",", ":")).encode()
        return f"{_encoded(said)}.{_encoded(_signature(self._keys(memory)[0], said))}"

    def read(self, memory: str, answer_id: str) -> Answered:
        """What was answered; Problem where this server did not sign it for this memory."""
        payload, _, signature = answer_id.partition(".")
        try:
            said, signed = _decoded(payload), _decoded(signature)
        except (binascii.Error, ValueError):
            said, signed = b"", b""
        known = [hmac.compare_digest(_signature(key, said), signed) for key in self._keys(memory)]
        if not any(known) or (row := json.loads(said))[0] != memory:
            raise Problem(
                "invalid", "body /answer_id: not the id of an answer that this server gave from this memory",
                pointer="/answer_id", location="body",
            )  # fmt: skip
        return Answered(*row[1:])

    def _keys(self, memory: str) -> list[bytes]:
        """Those that an id may be signed with; the first signs."""
        tokens = [token for token in self._keyring.tokens() if token.scope == "admin" and token.allows(memory)]
        return [bytes.fromhex(token.sha256) for token in tokens] or [self._own]


def _signature(key: bytes, said: bytes) -> bytes:
    return hmac.new(key, b"quipu answer id\n" + said, hashlib.sha256).digest()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)

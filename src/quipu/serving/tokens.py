"""Tokens: who may read and who may write which memories. The file holds SHA-256 digests, never a token.

A token is 256 random bits, so that its plain digest cannot be guessed back.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from quipu.errors import InputError
from quipu.text import from_json

Scope = Literal["read", "admin"]
ENVIRONMENT: Mapping[str, Scope] = {"QUIPU_TOKEN": "read", "QUIPU_ADMIN_TOKEN": "admin"}
_SHORTEST = 16  # characters of a token that somebody chose
_ID = 12


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token. ``memories``: names, None for all; ``id``: the beginning of its digest."""

    id: str
    sha256: str
    scope: Scope
    memories: tuple[str, ...] | None
    created: str

    def allows(self, memory: str) -> bool:
        """Whether it is for this memory."""
        return self.memories is None or memory in self.memories


def new_token(file: Path, scope: Scope, memories: Sequence[str] = ()) -> tuple[str, Token]:
    """Make a token and add its digest to the file: the token, which is nowhere else, and what is kept."""
    secret = f"quipu_{secrets.token_urlsafe(32)}"
    token = _known(secret, scope, tuple(memories) or None)
    with _changing(file):
        _write(file, [*read_tokens(file, new=True), token])
    return secret, token


def revoke_token(file: Path, token_id: str) -> Token:
    """Take a token out of the file, by its id or a beginning that only it has; InputError where there is none."""
    with _changing(file):
        known = read_tokens(file)
        found = [token for token in known if token_id and token.id.startswith(token_id)]
        if len(found) != 1:
            what = "no token's id begins" if not found else "more than one token's id begins"
            raise InputError(f"{file}: {what} with {token_id!r}; see: quipu token list {file}")
        _write(file, [token for token in known if token is not found[0]])
    return found[0]


def read_tokens(file: Path, *, new: bool = False) -> list[Token]:
    """The tokens of a file, one JSON object a line; with ``new`` it need not be there. InputError for another file."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        if new:
            return []
        raise InputError(f"{file}: no such file; make a token with: quipu token new --to {file}") from None
    except UnicodeDecodeError:
        raise InputError(f"{file} holds no tokens: it is not text") from None
    return [_token(line, f"{file}, line {number}") for number, line in enumerate(text.splitlines(), 1) if line.strip()]


class Keyring:
    """The tokens that a server takes: of the environment, and of a file, which is read again when it changes."""

    def __init__(self, file: Path | None, environment: Mapping[str, str]) -> None:
        """InputError where the file cannot be read, or a token of the environment is short enough to be guessed."""
        self._file = file
        self._fixed = []
        for name, scope in ENVIRONMENT.items():
            secret = environment.get(name, "")
            if secret and len(secret) < _SHORTEST:
                raise InputError(f"{name} has {len(secret)} characters, {_SHORTEST} at least; see: quipu token new")
            if secret:
                self._fixed.append(_known(secret, scope, None))
        self._closed = False
        self._stamp: tuple[int, int, int] | None = None
        self._read: list[Token] = []
        if file is not None:
            self._read, self._stamp = read_tokens(file), _stamp(file)

    def tokens(self) -> list[Token]:
        """All of them, as they are now; a file that is gone or broken holds none."""
        if self._file is not None and (stamp := _stamp(self._file)) != self._stamp:
            try:
                self._read = read_tokens(self._file)
            except (InputError, OSError):
                self._read = []
            self._stamp = stamp
        return [*self._fixed, *self._read]

    def reading_is_open(self, loopback: bool) -> bool:
        """Whether one may read without a token: on this machine alone, where none for reading was ever known.

        To revoke the last token must not open the door.
        """
        self._closed = self._closed or any(token.scope == "read" for token in self.tokens())
        return loopback and not self._closed

    def find(self, secret: str) -> Token | None:
        """The token with this secret. Every digest is compared, each in constant time."""
        digest = _digest(secret)
        found = None
        for token in self.tokens():
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found


def _known(secret: str, scope: Scope, memories: tuple[str, ...] | None) -> Token:
    digest = _digest(secret)
    return Token(digest[:_ID], digest, scope, memories, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _token(line: str, where: str) -> Token:
    try:
        row = from_json(line)
        token = Token(row["id"], row["sha256"], row["scope"], row["memories"], row["created"])
        memories = token.memories
        if memories is not None:
            token = Token(token.id, token.sha256, token.scope, tuple(map(str, memories)), token.created)
        right = token.scope in ("read", "admin") and len(bytes.fromhex(token.sha256)) == 32
        right = right and isinstance(token.id, str) and isinstance(token.created, str)
    except (ValueError, KeyError, TypeError):
        right = False
    if not right:
        raise InputError(f"{where}: not a token as `quipu token new` writes it; take the line out")
    return token


def _write(file: Path, tokens: Sequence[Token]) -> None:
    """Replace the file whole; nobody but its owner reads it."""
    temporary = file.with_name(file.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(asdict(token)) + "\n" for token in tokens)
        out.flush()
        os.fsync(out.fileno())
    os.replace(temporary, file)


@contextmanager
def _changing(file: Path) -> Iterator[None]:
    """Alone with the file: two processes that change it at once must not lose a token, nor bring one back."""
    descriptor = os.open(file.with_name(file.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size

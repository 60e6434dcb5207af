"""One request and what becomes of it: sent within bounds, tried again where that may help, never redirected."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from quipu.errors import MissingExtra, ServerError
from quipu.models.remote.pacing import Gate, Worst
from quipu.models.remote.prompts import Call, canonical
from quipu.models.remote.replies import reply_of
from quipu.models.remote.settings import LlmSettings

TRIES = 6
LONGEST_WAIT, LONGEST_ASKED = 60.0, 600.0
"""Seconds between two tries: of our own choice, and where the server names them."""
LARGEST = 1 << 20
"""Bytes of a reply."""
SHOWN = 300
"""Characters of a server's complaint that are kept."""
CHARACTERS = 4
"""Of a token, where the server does not count."""
_AGAIN = (408, 409, 429)
_FILTERED = ("content_filter", "content_policy", "content management policy")
Status = Literal["ok", "estimated", "refused", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call. ``response``: the reply's body, or why there is none.

    "estimated" is "ok" with tokens that were counted here; "rejected": the request itself was wrong for the server.
    """

    key: str
    call: Call
    request_sha256: str
    status: Status
    response: str
    tokens_in: int
    tokens_out: int
    cost: float | None
    attempts: int


@dataclass(frozen=True, slots=True)
class _Tried:
    """One try. ``wait``: what the server asked for; ``billed``: whether the server may have charged for it."""

    status: Status
    text: str
    tokens: tuple[int, int] = (0, 0)
    wait: float | None = None
    again: bool = False
    throttled: bool = False
    billed: bool = False


class Exchange:
    """Sends to one server. Lives in one event loop."""

    def __init__(self, settings: LlmSettings, key: str | None, gate: Gate) -> None:
        """``key``: None where the server gets none."""
        self._settings, self._key, self._gate = settings, key, gate
        self._client: Any = None

    def __repr__(self) -> str:
        return f"Exchange({self._settings.origin})"

    async def close(self) -> None:
        """Let the connections go."""
        if self._client is not None:
            await self._client.aclose()

    async def send(self, call: Call, body: Mapping[str, Any], key: str) -> Outcome:
        """The outcome of at most ``TRIES`` tries.

        ServerError where no other request would fare better: a wrong key, address or model, an account without money.
        BudgetReached and Stopping: see ``Gate``.
        """
        data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        worst = Worst.of(self._settings, data, call.max_tokens)
        tokens_in = tokens_out = attempt = 0
        for attempt in range(1, TRIES + 1):
            await self._gate.enter(worst)
            tried = _Tried("failed", "interrupted", billed=True)
            try:
                tried = await self._try(data, key, body)
            finally:
                used = (worst.tokens_in, worst.tokens_out) if tried.billed else tried.tokens
                tokens_in, tokens_out = tokens_in + used[0], tokens_out + used[1]
                await self._gate.leave(worst, self._settings.cost(*used) or 0.0, sum(used))
            if tried.throttled:
                self._gate.throttled()
            elif not tried.again:
                self._gate.good()
            if not tried.again or attempt == TRIES:
                break
            jittered = random.random() * min(LONGEST_WAIT, 2.0 ** (attempt - 1))
            await self._gate.pause(jittered if tried.wait is None else tried.wait)
        return Outcome(
            key, call, hashlib.sha256(canonical(body)).hexdigest(), tried.status, tried.text, tokens_in, tokens_out,
            self._settings.cost(tokens_in, tokens_out), attempt,
        )  # fmt: skip

    async def _try(self, data: bytes, key: str, body: Mapping[str, Any]) -> _Tried:
        """One try; what the server says is cleared of the key before anything else is done with it."""
        httpx = loaded()
        sent = False
        try:
            async with asyncio.timeout(self._settings.timeout):
                request = self._opened().build_request(
                    "POST", self._settings.endpoint, content=data, headers={"idempotency-key": key}
                )
                sent = True
                response = await self._client.send(request, stream=True)
                try:
                    text = self._clear(await _body(response))
                finally:
                    await response.aclose()
        except _TooLarge:
            return _Tried("failed", f"a reply of more than {LARGEST >> 20} MiB", billed=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return _Tried("failed", self._clear(f"cannot be reached ({error})"), again=True)
        except TimeoutError:
            why = f"no whole reply within {self._settings.timeout:g} seconds"
            return _Tried("failed", why, again=True, billed=sent)
        except (httpx.HTTPError, httpx.StreamError) as error:
            return _Tried("failed", self._clear(f"the reply broke off ({error})"), again=True, billed=True)
        return self._judged(response.status_code, response.headers, text, body)

    def _judged(self, status: int, headers: Mapping[str, str], text: str, body: Mapping[str, Any]) -> _Tried:
        complaint = f"{status}: {_complaint(text)}" if status != 200 else ""
        where = self._settings.endpoint
        if 300 <= status < 400:
            raise ServerError(f"{where} leads elsewhere ({status}); name the final address with --llm-url")
        if status in (401, 402, 403):
            raise ServerError(f"{where} refuses ({complaint}); see the key, --llm-key-env, and the account")
        if status == 404:
            raise ServerError(f"{where} does not know the address or the model {body['model']} ({complaint})")
        if status == 429 and "insufficient_quota" in text:
            raise ServerError(f"{where}: the account has no money left ({complaint})")
        if status in _AGAIN or status >= 500:
            wait = retry_after(headers.get("retry-after"), time.time())
            return _Tried("failed", complaint, wait=wait, again=True, throttled=status == 429)
        if status != 200:
            filtered = any(word in text.lower() for word in _FILTERED)
            return _Tried("refused" if filtered else "rejected", complaint)
        try:
            reply = reply_of(text)
        except ValueError as error:  # a proxy's page, or half a reply with a whole header
            return _Tried("failed", f"the reply is none of a chat ({error})", again=True, billed=True)
        counted = reply.tokens_in is not None and reply.tokens_out is not None
        tokens = (
            reply.tokens_in if reply.tokens_in is not None else -(-_characters(body) // CHARACTERS),
            reply.tokens_out if reply.tokens_out is not None else -(-len(reply.text) // CHARACTERS),
        )
        return _Tried("ok" if counted else "estimated", text, tokens)

    def _clear(self, text: str) -> str:
        """Without the key, which a server could send back."""
        if self._key is None:
            return text
        for form in (self._key, json.dumps(self._key)[1:-1]):
            text = text.replace(form, "[key]")
        return text

    def _opened(self) -> Any:
        if self._client is None:
            httpx = loaded()
            headers = {
                "content-type": "application/json", "accept": "application/json", "accept-encoding": "identity",
                "user-agent": "quipu",
            }  # fmt: skip
            if self._key is not None:
                headers["authorization"] = f"Bearer {self._key}"
            many, is_https = self._settings.concurrency, urlsplit(self._settings.url).scheme == "https"
            self._client = httpx.AsyncClient(
                headers=headers,
                follow_redirects=False,
                timeout=httpx.Timeout(self._settings.timeout, connect=min(10.0, self._settings.timeout)),
                limits=httpx.Limits(max_connections=many, max_keepalive_connections=many),
                verify=is_https,  # certificates take a fifth of a second to load
                trust_env=is_https,  # no proxy sees what is not encrypted
            )
        return self._client


class _TooLarge(Exception):
    pass


async def _body(response: Any) -> str:
    """The whole body, as it was sent; what is compressed although nobody asked for it is too large."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _TooLarge
    parts, size = [], 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > LARGEST:
            raise _TooLarge
        parts.append(part)
    return b"".join(parts).decode("utf-8", "replace")


def loaded() -> Any:
    """httpx2; MissingExtra where it is not installed."""
    try:
        import httpx2
    except ImportError as error:
        raise MissingExtra("an external language model needs httpx2: pip install 'quipu-qa[llm]'") from error
    return httpx2


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a server asks to wait for, as a number or as a date, ``LONGEST_ASKED`` at most; None: it does not.

    ``now``: of the clock that dates are of.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    if seconds != seconds:
        return None
    return min(LONGEST_ASKED, max(0.0, seconds))


def _complaint(text: str) -> str:
    """What a server says of an error: the message in its JSON, else the beginning of the text."""
    try:
        value = json.loads(text)
        error = value.get("error", value)
        said = error if isinstance(error, str) else str(error.get("message") or error.get("detail") or text)
    except (ValueError, AttributeError, RecursionError):
        said = text
    return " ".join(said.split())[:SHOWN]


def _characters(body: Mapping[str, Any]) -> int:
    return sum(len(message["content"]) for message in body["messages"])

"""Which external model is asked, for what, how fast and at what price, and with whose key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from quipu.errors import SettingsError
from quipu.settings import from_mapping, read_toml

Role = Literal["writer", "reader", "judge"]
OnError = Literal["skip", "stop"]
ROLES: tuple[Role, ...] = get_args(Role)
OPENAI, OPENAI_KEY = "api.openai.com", "OPENAI_API_KEY"


@dataclass(frozen=True, slots=True)
class LlmSettings:
    """An external model. Nothing secret is in here: the key stays in the environment, and its variable is named."""

    url: str
    """The root of the API, as "https://api.openai.com/v1"."""
    model: str
    roles: tuple[Role, ...] = ("writer",)
    key_env: str | None = None
    """The variable of the environment that holds the key."""
    max_cost: float | None = None
    """What a run may cost at most, in the currency of the prices."""
    price_in: float | None = None
    """Of a million tokens that are sent."""
    price_out: float | None = None
    """Of a million tokens that come back."""
    max_tokens: int | None = None
    """Tokens that a run may use at most, sent and received."""
    concurrency: int = 8
    """Requests under way at a time; fewer while the server says that they are too many."""
    rpm: int | None = None
    """Requests in a minute."""
    tpm: int | None = None
    """Tokens in a minute."""
    timeout: float = 120.0
    """Seconds from the start of a request to the last byte of its reply."""
    on_error: OnError = "skip"
    """What becomes of a passage that got no reply: the next build or addition asks again, or this one stops."""
    insecure: bool = False
    """Whether http may be spoken to another machine: whoever is on the way reads the passages and the key."""

    def __post_init__(self) -> None:
        _check_url(self.url, self.insecure)
        if not self.model.strip() or not self.model.isprintable():
            raise SettingsError("an external model needs a name: --llm-model ID")
        unknown = [role for role in self.roles if role not in ROLES]
        if unknown or not self.roles:
            raise SettingsError(f"the roles of an external model are {', '.join(ROLES)}, not {', '.join(unknown)!r}")
        if self.key_env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", self.key_env):
            raise SettingsError("--llm-key-env takes the name of a variable of the environment, not a key")
        if self.max_cost is not None and (self.price_in is None or self.price_out is None):
            raise SettingsError("--max-cost needs the prices of a million tokens: --price-in P --price-out P")
        for name in ("max_cost", "price_in", "price_out"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise SettingsError(f"{name} must be 0 or more, not {value}")
        for name in ("max_tokens", "concurrency", "rpm", "tpm"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingsError(f"{name} must be 1 or more, not {value}")
        if not 0 < self.timeout <= 3600:
            raise SettingsError(f"the timeout must be above 0 and at most 3600 seconds, not {self.timeout}")
        if self.on_error not in get_args(OnError):
            raise SettingsError(f"on an error of the external model: skip or stop, not {self.on_error!r}")

    @property
    def origin(self) -> str:
        """Scheme, host and port of the URL."""
        parts = urlsplit(self.url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        return f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}"

    @property
    def endpoint(self) -> str:
        """Where requests go."""
        return f"{self.url.rstrip('/')}/chat/completions"

    @property
    def identity(self) -> dict[str, Any]:
        """What decides which pairs come out: a build goes on only with the same."""
        return {"url": self.url, "model": self.model, "roles": list(self.roles)}

    def cost(self, tokens_in: int, tokens_out: int) -> float | None:
        """Of so many tokens; None where no price was named."""
        if self.price_in is None or self.price_out is None:
            return None
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, for the manifest."""
        return {**asdict(self), "roles": list(self.roles)}

    @classmethod
    def of(cls, values: Mapping[str, Any], config: Path | None = None) -> LlmSettings:
        """Of ``values``, and of a TOML file with the same names for what is not among them.

        SettingsError for a name that is none or a value that cannot be. A file never holds the key itself.
        """
        known = read_toml(config) if config is not None else {}
        where = str(config) if config is not None else "the external model"
        unknown = [name for name in known if name not in {item.name for item in fields(cls)}]
        if unknown:
            names = ", ".join(item.name for item in fields(cls))
            raise SettingsError(f"{config}: unknown setting {unknown[0]!r}; known are {names}")
        merged = {**known, **values}
        for name, option in (("url", "--llm-url URL"), ("model", "--llm-model ID")):
            if name not in merged:
                raise SettingsError(f"an external model needs its {name}: {option}")
        if isinstance(merged.get("roles"), str):
            merged["roles"] = [role.strip() for role in merged["roles"].split(",") if role.strip()]
        roles = merged.get("roles", ["writer"])
        if not isinstance(roles, list | tuple) or not all(role in ROLES for role in roles):
            raise SettingsError(f"the roles of an external model are {', '.join(ROLES)}, not {roles!r}")
        merged["roles"] = [role for role in ROLES if role in roles]
        return from_mapping(cls, {**merged, "roles": tuple(merged["roles"])}, where)


def key_of(settings: LlmSettings) -> str | None:
    """The key that goes to the server, from the environment; None where it gets none.

    OPENAI_API_KEY goes to OpenAI and to nobody else, whoever is named. SettingsError for a variable that is not there.
    """
    parts = urlsplit(settings.url)
    openai = parts.hostname == OPENAI and parts.scheme == "https"
    name = settings.key_env
    if name is None:
        name = OPENAI_KEY if openai and os.environ.get(OPENAI_KEY) else None
    elif name == OPENAI_KEY and not openai:
        raise SettingsError(
            f"{OPENAI_KEY} goes to https://{OPENAI} only; put the key for {settings.origin} into a variable of its own"
        )
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise SettingsError(f"the environment has no variable {name} with the key for {settings.origin}")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"the variable {name} holds characters that no key has")
    return key


def _check_url(url: str, insecure: bool) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise SettingsError("--llm-url is not a URL, such as https://api.openai.com/v1") from None
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise SettingsError("--llm-url takes no user, password, query or fragment: it is written into the manifest")
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise SettingsError(f"--llm-url {url}: not a URL, such as https://api.openai.com/v1")
    if parts.scheme == "http" and not insecure and not _is_loopback(host):
        raise SettingsError(
            f"{url} would send passages and key unencrypted over the network: use https, or say --llm-insecure"
        )


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

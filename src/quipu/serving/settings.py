"""What a server is told when it starts, and which names and addresses it answers to."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from quipu.errors import SettingsError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
ChatSources = Literal["append", "none"]
LONGEST_QUESTION = 2_000
"""Characters of a question that comes over the network."""


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Where to listen and what one client may cost. Sizes in bytes, ``queue_ms`` in milliseconds.

    ``queue``: questions that may wait. ``rate`` and ``burst``: requests a second of one token, and how many at once.
    ``watch``: files and folders that a memory is synced with, each "DOCS" or "NAME=DOCS".
    """

    host: str = "127.0.0.1"
    port: int = 8765
    uds: Path | None = None
    token_file: Path | None = None
    writable: bool = False
    public_url: str | None = None
    cors: tuple[str, ...] = ()
    max_body: int = 1 << 20
    max_upload: int = 32 << 20
    queue: int = 512
    queue_ms: float = 2_000.0
    batch: int = 32
    rate: float = 20.0
    burst: int = 40
    question_log: Path | None = None
    chat_sources: ChatSources = "append"
    ssl_keyfile: Path | None = None
    ssl_certfile: Path | None = None
    root_path: str = ""
    workers: int = 1
    watch: tuple[str, ...] = ()
    watch_delete: bool = False

    def __post_init__(self) -> None:
        if (self.ssl_keyfile is None) != (self.ssl_certfile is None):
            raise SettingsError("--ssl-keyfile and --ssl-certfile go together; give both or neither")
        for option, address in [("--public-url", self.public_url or "http://x"), *(("--cors", o) for o in self.cors)]:
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
                raise SettingsError(f"{option} {address}: an address such as https://answers.example.org is needed")
            if option == "--cors" and origin_of(address) != address:
                raise SettingsError(f"--cors {address}: an origin is meant, as {origin_of(address)}")

    @property
    def loopback(self) -> bool:
        """Whether nobody beyond this machine reaches the server: no other address, no proxy before it."""
        return self.public_url is None and (self.uds is not None or is_loopback(self.host))

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which the server may be asked for, in lower case, without ports."""
        names = {*LOOPBACK_NAMES, self.host.lower()}
        if self.public_url is not None:
            names.add(urlsplit(self.public_url).hostname or "")
        if self.any_address:
            names.add(socket.gethostname().lower())
        return frozenset(names)

    @property
    def any_address(self) -> bool:
        """Whether the server listens on every address of the machine, which clients then name by number."""
        return self.uds is None and self.host in ("0.0.0.0", "::", "")


def is_loopback(host: str) -> bool:
    """Whether a host to listen on is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def origin_of(address: str) -> str:
    """Scheme, host and port of a URL, as browsers write an origin."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()

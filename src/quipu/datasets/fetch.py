"""Get public sets from their homes: over https, resumed where a download broke off, checked by sha256.

Where no hash of a file is known beforehand, the one that it has is noted in ``fetched.json`` beside it, and every later
fetch compares with that: a file that has changed at its home is noticed.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from quipu.corpus.lines import unpacked
from quipu.datasets.io import find
from quipu.datasets.sources import Source
from quipu.errors import InputError

NOTED = "fetched.json"
SECONDS = 60.0  # of silence after which a server is given up
_BLOCK = 1 << 18
Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file with the sha256 of its content; of one that is published compressed, of what is inside.

    ``known_by``: what the hash was compared with: the one of the list, the one noted at an earlier fetch, or nothing.
    ``came``: whether it was downloaded now, or lay there.
    """

    path: Path
    sha256: str
    known_by: Literal["list", "note", "nothing"]
    came: bool


def fetch(name: str, source: Source, to: Path, progress: Progress = lambda event: None) -> Iterator[Fetched]:
    """Every file of a set, into the folder ``to``/``name``; one that lies there is only checked.

    InputError where a file cannot be had or is another one than expected; what came so far is kept and used next time.
    """
    if not source.files:
        raise InputError(
            f"{name} cannot be fetched: it was made for this project ({source.made}) of what {source.home} has"
        )
    folder = to / name
    for file, behind in source.files.items():
        path = find(folder, [file]) or folder / file
        there = path.is_file()
        if not there:
            path.parent.mkdir(parents=True, exist_ok=True)
            _download(source.base + behind, path, f"{name}/{file}", progress)
        yield _checked(path, folder / NOTED, file, source, there)


def _checked(path: Path, note: Path, file: str, source: Source, there: bool) -> Fetched:
    found, listed, noted = digest(path), source.sha256.get(file), _noted(note)
    expected = listed or noted.get(file)
    if expected is not None and found != expected:
        by = "that of quipu's list" if listed else f"that of an earlier fetch, in {note}"
        if not there:
            path.unlink()
        raise InputError(
            f"{path}: its sha256 is {found}, not {expected}, {by}; "
            + ("remove it to get it anew" if there else "its home has another file now, which was not kept")
        )
    if noted.get(file) != found:
        note.write_text(json.dumps({**noted, file: found}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return Fetched(path, found, "list" if listed else "note" if expected else "nothing", not there)


def _noted(note: Path) -> dict[str, str]:
    if not note.is_file():
        return {}
    try:
        return {str(name): str(digest) for name, digest in json.loads(note.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise InputError(f"{note}: not the note of a fetch ({error}); remove it") from error


def digest(path: Path) -> str:
    """Of the content: the same whether a file lies there compressed or not."""
    digest = hashlib.sha256()
    with unpacked(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _download(url: str, path: Path, name: str, progress: Progress) -> None:
    """Into ``path``, by way of a file ``.part`` beside it that a later call goes on with."""
    part, version = path.with_name(path.name + ".part"), path.with_name(path.name + ".part.version")
    headers = {"User-Agent": "quipu", "Accept-Encoding": "identity"}
    if part.is_file() and version.is_file():  # go on only with the very file that was begun
        headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": version.read_text(encoding="utf-8")}
    try:
        with _open(url, headers) as response:
            begun = part.stat().st_size if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
            length = int(response.headers.get("Content-Length", 0))
            mark = response.headers.get("ETag", "")
            if not mark or mark.startswith("W/"):
                mark = response.headers.get("Last-Modified", "")
            version.write_text(mark, encoding="utf-8") if mark else version.unlink(missing_ok=True)
            with part.open("ab" if begun else "wb") as file:
                done = _copy(response, file, begun, begun + length if length else 0, name, progress)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and "Range" in headers:
            part.unlink()  # it was whole already, or is of another file
            return _download(url, path, name, progress)
        raise InputError(f"{url}: the server says {error.code} {error.reason}; see the home of the set") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{url} cannot be reached ({reason}); check the network and run it again") from error
    if length and done != begun + length:
        raise InputError(f"{url}: broken off after {done:,} of {begun + length:,} bytes; run it again to go on")
    part.replace(path)
    version.unlink(missing_ok=True)


def _copy(response: Any, file: IO[bytes], done: int, total: int, name: str, progress: Progress) -> int:
    """Write what comes; the bytes that there are then."""
    while block := response.read(_BLOCK):
        file.write(block)
        done += len(block)
        progress({"stage": name, "done": done, "total": total, "unit": "bytes"})
    return done


class _KeepsSecure(urllib.request.HTTPRedirectHandler):
    """Follows a redirection, but from https to https only."""

    def redirect_request(self, req: urllib.request.Request, *others: Any) -> urllib.request.Request | None:
        """The next request; URLError where it would leave https."""
        new = others[-1]
        if req.type == "https" and urllib.parse.urlsplit(new).scheme != "https":
            raise urllib.error.URLError(f"it leads to {new}, which is not https")
        return super().redirect_request(req, *others)


def _open(url: str, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(url, headers=headers)
    return urllib.request.build_opener(_KeepsSecure()).open(request, timeout=SECONDS)

"""The page in a browser: its files, and under what rules a browser may run them."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter
from starlette.responses import Response

from quipu.serving.problems import Problem

CSP = "; ".join(
    [
        "default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "script-src 'self'",
        "style-src 'self'", "img-src 'self'", "connect-src 'self'", "require-trusted-types-for 'script'",
    ]
)  # fmt: skip
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
FILES = {
    file.name: file.read_bytes()
    for file in (resources.files("quipu.serving") / "page").iterdir()
    if file.name.rpartition(".")[2] in _TYPES
}
"""The bytes of every file of the page, by name."""
PATHS = frozenset({"/", *(f"/page/{name}" for name in FILES)})
"""What a browser must get before anybody can give it a token. Nothing of a memory is in it."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def index() -> Response:
    """The page itself."""
    return _sent("index.html")


@router.get("/page/{name}")
async def file(name: str) -> Response:
    """What the page loads."""
    if name not in FILES:
        raise Problem("not_found", "the page has no such file")
    return _sent(name)


def _sent(name: str) -> Response:
    """``no-cache``: a browser asks again, so that a newer server never runs with an older one's scripts."""
    return Response(
        FILES[name],
        headers={
            "content-type": f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8", "content-security-policy": CSP,
            "cache-control": "no-cache",
        },
    )  # fmt: skip

"""Where an answer stands, in words that a person can follow: file, page, line, headings."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 12  # characters of a pair's id: enough that no other begins so


def located(
    document: str | None,
    title: str = "",
    *,
    page: int | None = None,
    line: int | None = None,
    headings: Sequence[str] = (),
    start: int | None = None,
    end: int | None = None,
) -> str:
    """ "docs/manual.pdf, page 3, Pump > Safety > Valves"; characters of the text only where nothing else is known."""
    path = [" ".join(part.split()) for part in (title, *headings) if part.strip()]
    path = [part for at, part in enumerate(path) if part not in path[:at]]
    parts = [document or "no document"]
    parts += [f"page {page}"] if page is not None else []
    parts += [f"line {line}"] if line is not None else []
    if page is None and line is None and start is not None:
        parts.append(f"characters {start}-{end}")
    parts += [" > ".join(path)] if path else []
    return ", ".join(parts)

"""Where an answer stands, in words that a person can follow: file, page, line, headings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quipu.records import Dated, Evidence, NearestSentence

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


def located_evidence(evidence: Evidence) -> str:
    """``located`` for where evidence stands."""
    place, span = evidence.place, evidence.span
    return located(
        evidence.document, evidence.passage.title if evidence.passage else "", page=place.page, line=place.line,
        headings=place.headings, start=span.start if span else None, end=span.end if span else None,
    )  # fmt: skip


def located_sentence(found: NearestSentence) -> str:
    """``located`` for the sentence of a refusal."""
    return located(
        found.document, found.title, page=found.page, line=found.line, headings=found.headings, start=found.start,
        end=found.end,
    )  # fmt: skip


def located_row(row: Mapping[str, Any]) -> str:
    """``located`` for a place as ``Memory.why`` gives it."""
    fields = ("document", "title", "page", "line", "headings", "start", "end")
    return located(**{name: row[name] for name in fields})


def dated(date: Dated) -> str:
    """A source's date, and what is known by it."""
    return {"document": "of ", "file": "changed ", "added": "added "}[date.by] + date.text

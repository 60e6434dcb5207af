"""What a notebook shows of an answer, a hit, a memory and a build: the same words as HTML and as Markdown.

Everything that comes from documents is escaped, and nothing of it acts: no script, no style, no link. Loaded when a
notebook asks for it (``quipu.records.shown``).
"""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from typing import TYPE_CHECKING, Any

from quipu.building.outcome import BuildReport
from quipu.errors import InputError
from quipu.places import dated, located_evidence, located_sentence
from quipu.records import Answer, Dated, Evidence, Hit

if TYPE_CHECKING:
    from quipu.memory import Memory

_LISTED = 20  # files that could not be read, remarks and disagreeing sources that are shown
_AROUND = 200  # characters of a passage on both sides of the span
_SPACE = re.compile(r"\s+")
_MARKUP = re.compile(r"[\\`*_{}\[\]<>#|~$&!():]")  # of Markdown, HTML and mathematics; a reference is never any of it


def as_html(value: object) -> str:
    """One ``div`` of plain tags without attributes."""
    page = _Html()
    _describe(value, page)
    return f"<div>{''.join(page.blocks)}</div>"


def as_markdown(value: object) -> str:
    """CommonMark, with ``<mark>`` around the span."""
    page = _Markdown()
    _describe(value, page)
    return "\n\n".join(page.blocks) + "\n"


class _Page(ABC):
    """Blocks of a page; ``text`` makes any words harmless, and all else takes what it or its likes gave."""

    def __init__(self) -> None:
        self.blocks: list[str] = []

    @abstractmethod
    def text(self, words: object) -> str: ...

    @abstractmethod
    def strong(self, shown: str) -> str: ...

    @abstractmethod
    def line(self, *shown: str) -> None: ...

    @abstractmethod
    def quote(self, *shown: str) -> None: ...

    @abstractmethod
    def rows(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None: ...

    def mark(self, shown: str) -> str:
        return f"<mark>{shown}</mark>"


class _Html(_Page):
    def text(self, words: object) -> str:
        return f"<bdi>{html.escape(_plain(words))}</bdi>"  # bdi: what turns the direction of writing ends with it

    def strong(self, shown: str) -> str:
        return f"<strong>{shown}</strong>"

    def line(self, *shown: str) -> None:
        self.blocks.append(f"<p>{' '.join(filter(None, shown))}</p>")

    def quote(self, *shown: str) -> None:
        self.blocks.append(f"<blockquote>{''.join(shown)}</blockquote>")

    def rows(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        top = "".join(f"<th>{cell}</th>" for cell in head)
        body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
        self.blocks.append(f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>")


class _Markdown(_Page):
    def text(self, words: object) -> str:
        return _MARKUP.sub(lambda letter: f"&#{ord(letter[0])};", _plain(words))

    def strong(self, shown: str) -> str:
        return f"<strong>{shown}</strong>"  # two stars are no emphasis where punctuation follows them

    def line(self, *shown: str) -> None:
        self.blocks.append(" ".join(filter(None, shown)))

    def quote(self, *shown: str) -> None:
        self.blocks.append(f"> {''.join(shown)}")

    def rows(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        lines = [head, ["---"] * len(head), *rows]
        self.blocks.append("\n".join(f"| {' | '.join(line)} |" for line in lines))


@singledispatch
def _describe(value: object, page: _Page) -> None:
    from quipu.memory import Memory  # it needs the index, which an answer from a server does not

    assert isinstance(value, Memory), value
    _memory(value, page)


@_describe.register
def _answer(answer: Answer, page: _Page) -> None:
    trust = [f"score {answer.score:.3f}" if answer.probability is None else f"probability {answer.probability:.2f}"]
    trust += [f"{answer.milliseconds:.1f} ms"]
    if answer.text is None:
        page.line(page.strong("No answer"), page.text(f"({answer.reason}; {', '.join(trust)})"))
        if (near := answer.nearest) is not None:
            page.line(page.text("Perhaps:"))
            page.quote(page.text(near.sentence))
            page.line(page.text(located_sentence(near)))
        return
    page.line(page.strong(page.text(answer.text)), page.text(f"({', '.join([*trust, answer.route])})"))
    if answer.evidence:
        _evidence(answer.evidence[0], page, answer.date if answer.elsewhere else None)
    for item in answer.elsewhere[:_LISTED]:
        order = "" if item.newer is None else "newer, " if item.newer else "older, "
        place = located_evidence(item.evidence)
        page.line(
            page.text("Elsewhere:"), page.strong(page.text(item.text)),
            page.text(f"({order}{place}{_dated(item.date)})"),
        )  # fmt: skip


@_describe.register
def _hit(hit: Hit, page: _Page) -> None:
    said = f"({hit.rank}. by {hit.via}, score {hit.score:.3f}, {hit.pair.origin} pair {hit.pair.id[:12]})"
    page.line(page.text(hit.pair.question), page.strong(page.text(hit.pair.answer)), page.text(said))


@_describe.register
def _report(report: BuildReport, page: _Page) -> None:
    counts = {
        "documents": report.documents, "passages": report.passages, "pairs": report.pairs,
        "pairs made": report.asked, "kept": report.kept,
        **{f"dropped: {reason}": count for reason, count in report.dropped.most_common()},
        "files read": report.files, "unchanged": report.unchanged, "moved": len(report.moved),
        "removed": len(report.removed), "gone": len(report.gone), "seconds": f"{report.seconds:.1f}",
    }  # fmt: skip
    _table(page, "build", {name: value for name, value in counts.items() if value})
    if report.skipped:
        _table(page, "could not be read", {item.name: item.reason for item in report.skipped[:_LISTED]})
        if more := len(report.skipped) - _LISTED > 0 and len(report.skipped) - _LISTED:
            page.line(page.text(f"and {more:,} more"))
    for remark in report.remarks[:_LISTED]:
        page.line(page.text(remark))


def _memory(memory: Memory, page: _Page) -> None:
    page.line(page.strong(page.text(memory.path)))
    try:
        facts = memory.info()
    except InputError as error:  # it was closed
        page.line(page.text(error))
        return
    calibrated = facts["calibration"]
    _table(page, "memory", {
        **facts["counts"], **{f"marked {name}": count for name, count in facts["marked"].items() if count},
        "models": ", ".join(facts["models"]),
        "least probability": None if calibrated is None else calibrated["threshold"],
        "calibrated on": None if calibrated is None else calibrated["fitted_on"],
        "megabytes": f"{facts['bytes']['total'] / 1e6:.1f}", "finished": "yes" if facts["finished"] else "no",
    })  # fmt: skip


def _table(page: _Page, title: str, facts: Mapping[str, Any]) -> None:
    rows = [(page.text(name), page.text(_number(value))) for name, value in facts.items() if value is not None]
    page.rows((page.text(title), page.text("")), rows)


def _evidence(evidence: Evidence, page: _Page, date: Dated | None) -> None:
    """The words around the span, the span marked; then where they stand."""
    passage, span, pair = evidence.passage, evidence.span, evidence.pair
    if passage is not None and span is not None:
        start, end = span.start - passage.span.start, span.end - passage.span.start
        left, right = max(0, start - _AROUND), min(len(passage.text), end + _AROUND)
        page.quote(
            page.text(("…" if left else "") + passage.text[left:start]), page.mark(page.text(passage.text[start:end])),
            page.text(passage.text[end:right] + ("…" if right < len(passage.text) else "")),
        )  # fmt: skip
    asked = f", asked as “{pair.question}” [{pair.id[:12]}]" if pair is not None else ""
    page.line(page.text(f"{located_evidence(evidence)}{_dated(date)}{asked}"))


def _dated(date: Dated | None) -> str:
    return "" if date is None else f", {dated(date)}"


def _number(value: object) -> object:
    return f"{value:,}" if type(value) is int else value


def _plain(words: object) -> str:
    """On one line, spaces at its ends kept as one, without lone surrogates (of file names that are not Unicode)."""
    return _SPACE.sub(" ", str(words)).encode("utf-8", "backslashreplace").decode("utf-8")

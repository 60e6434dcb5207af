"""Of when a source is: the date that a document gives itself, else when its file was last changed, or came in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import PurePath
from typing import Any, Literal

from quipu.language.english import SHORT_MONTHS
from quipu.records import Dated
from quipu.storage.store import Store

_HEAD = 800  # characters of a document in which a line such as "Updated: 1 March 2024" is looked for
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)"
)
_YEAR = r"((?:19|20)\d\d)"
_FORMS = (  # of a date, each with the places of year, month and day among its groups
    (re.compile(rf"(?<!\d){_YEAR}[-_](0[1-9]|1[0-2])(?:[-_](0[1-9]|[12]\d|3[01]))?(?!\d)"), (0, 1, 2)),
    (re.compile(rf"(?<!\d)(\d{{1,2}})(?:st|nd|rd|th)?\s+{_MONTH}\.?,?\s+{_YEAR}(?!\d)", re.I), (2, 1, 0)),
    (re.compile(rf"\b{_MONTH}\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+{_YEAR}(?!\d)", re.I), (2, 0, 1)),
    (re.compile(rf"\b{_MONTH}\.?,?[\s_-]+{_YEAR}(?!\d)", re.I), (1, 0, None)),
    (re.compile(rf"(?<!\d)(\d{{1,2}})\.(\d{{1,2}})\.{_YEAR}(?!\d)"), (2, 1, 0)),
)
_ALONE = re.compile(rf"^\W*{_YEAR}(?!\d)|(?<!\d){_YEAR}\W*$|\({_YEAR}\)")  # a year in a title that dates what it heads
_FIELDS = frozenset(
    {
        "date", "updated", "last updated", "modified", "last modified", "revised", "last revised", "published",
        "issued", "effective", "effective date", "effective from", "valid from", "in force from", "as of", "created",
        "published at", "updated at", "created at",
    }
)  # fmt: skip
_LINE = re.compile(
    rf"^\W*(?:{'|'.join(sorted(map(re.escape, _FIELDS), key=len, reverse=True))})\b\W{{0,4}}([^\n]{{4,30}})",
    re.I | re.M,
)


@dataclass(frozen=True, slots=True)
class SourceDates:
    """``own``: the date that a document gives itself, "2024" to "2024-03-01", "" where it gives none.

    ``known``: when its file was last changed, or, by ``by``, when it came in; "" where nothing is known. In UTC.
    """

    own: str = ""
    known: str = ""
    by: Literal["file", "added"] = "added"

    def shown(self) -> Dated | None:
        """The date that a person is shown."""
        if self.own:
            return Dated(self.own, "document")
        return Dated(self.known[:10], self.by) if self.known else None


def compared(one: SourceDates, other: SourceDates) -> int:
    """1 where ``one`` is newer than ``other``, -1 where it is older, 0 where nobody can say.

    Where their dates are the same as far as both are exact, the times of their files count.
    """
    left, right = one.own or one.known, other.own or other.known
    shared = min(len(left), len(right))
    for first, second in ((left[:shared], right[:shared]), (one.known, other.known)):
        if first and second and first != second:
            return 1 if first > second else -1
    return 0


def dates_of(store: Store, document_id: str | None, pair_id: str | None = None) -> SourceDates:
    """The dates of a document; of a pair without one, when it was added."""
    store = store.home(document_id, pair_id)
    execute = store.connection.execute
    if document_id is None:
        row = execute("SELECT added FROM pairs WHERE id = ?", (pair_id,)).fetchone()
        return SourceDates(known=str(row[0]) if row else "")
    row = execute(
        f"SELECT title, file, metadata, piece(text, 0, {_HEAD}) FROM documents WHERE id = ?", (document_id,)
    ).fetchone()
    if row is None:
        return SourceDates()
    title, file, metadata, head = row
    own = _own(title, file, json.loads(metadata), head)
    known = (
        execute("SELECT modified, read FROM files WHERE name = ?", (file,)).fetchone() if store.format >= 5 else None
    )
    if known is None:
        return SourceDates(own)
    if known[0] > 0:
        return SourceDates(own, datetime.fromtimestamp(known[0] / 1e9, UTC).isoformat(), "file")
    return SourceDates(own, str(known[1]))


def date_in(text: str) -> str:
    """The latest date that a text names with its month, as ISO writes it; "" where there is none."""
    return max(_dates(text), default="")


def _own(title: str, file: str, metadata: Mapping[str, Any], head: str) -> str:
    """The first of: a field of the metadata, a line at the head of the text, the title, the file's name."""
    fields = (str(value) for name, value in metadata.items() if name.replace("_", " ").lower() in _FIELDS)
    lines = (match[1] for match in _LINE.finditer(head))
    for text in (*fields, *lines):
        if found := date_in(text) or _year(text):
            return found
    for text in (title, PurePath(file).stem):
        if found := date_in(text) or _year(text):
            return found
    return ""


def _year(text: str) -> str:
    match = _ALONE.search(text)
    return next(filter(None, match.groups()), "") if match else ""


def _dates(text: str) -> Iterator[str]:
    for form, (year, month, day) in _FORMS:
        for match in form.finditer(text):
            groups = match.groups()
            number = groups[month]
            parts = [groups[year], f"{_number(number):02d}"]
            if day is not None and groups[day]:
                parts.append(f"{int(groups[day]):02d}")
            try:
                date(int(parts[0]), int(parts[1]), int(parts[2]) if len(parts) > 2 else 1)
            except ValueError:
                continue
            yield "-".join(parts)


def _number(month: str) -> int:
    return int(month) if month.isdigit() else SHORT_MONTHS.index(month[:3].lower()) + 1

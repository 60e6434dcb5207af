"""Reviews in a table or JSON lines: to a spreadsheet and back, and from one copy of a memory to another."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from quipu.building.review import PairChanged, Reviewer, edited, queue, version_of
from quipu.errors import InputError
from quipu.storage.reviews import Decision, Review, pair_of, reviews_in
from quipu.storage.store import Store
from quipu.text import from_json, is_unicode

COLUMNS = ("pair", "version", "decision", "question", "answer", "note", "because", "document", "quote")
_NEEDED = ("pair", "decision")
_DECISIONS = ("", "accept", "reject", "edit")
_LONGEST = 1_000_000  # characters of a row
_ACTS = re.compile(r"'*[=+\-@\t\r]")  # what a spreadsheet takes for a formula, and what was such before


@dataclass(slots=True)
class Imported:
    """What became of the rows of a file. ``conflicts`` and ``bad``: those that were passed over, each with its line."""

    accepted: int = 0
    rejected: int = 0
    edited: int = 0
    undecided: int = 0
    known: int = 0
    conflicts: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return asdict(self)


def export_reviews(store: Store, path: Path) -> int:
    """Write every pair with what was decided about it, rejected ones first, then as they wait; how many rows.

    ``path``: .csv or .jsonl; InputError for another, or where it cannot be written.
    """
    _check(path)
    try:
        with path.open("w", encoding="utf-8-sig" if path.suffix == ".csv" else "utf-8", newline="") as file:
            table = csv.DictWriter(file, COLUMNS)
            if path.suffix == ".csv":
                table.writeheader()
            count = 0
            for row in _rows(store):
                if path.suffix == ".csv":
                    table.writerow({name: harmless(text) for name, text in row.items()})
                else:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error})") from error
    return count


def import_reviews(store: Store, reviewer: Reviewer, path: Path, *, dry_run: bool = False) -> Imported:
    """Decide as the rows of a file say; a row without a decision whose texts were changed is an edit.

    What was decided so before is known and left. A row whose pair was changed or decided about otherwise since is a
    conflict; one that cannot be used is bad; both are passed over. InputError where the file is no such table.
    """
    _check(path)
    done = _decided(store)
    found = Imported()
    for line, row in _read(path):
        if isinstance(row, str):
            found.bad.append(f"{path}, line {line}: {row}")
            continue
        try:
            _take(store, reviewer, row, done, found, dry_run)
        except PairChanged as error:
            found.conflicts.append(f"{path}, line {line}: {error}")
        except InputError as error:
            found.bad.append(f"{path}, line {line}: {error}")
    return found


def harmless(text: str) -> str:
    """The text for a cell of a spreadsheet: with a quotation mark before it where it would be taken for a formula."""
    return f"'{text}" if _ACTS.match(text) else text


def _meant(text: str) -> str:
    """The text that ``harmless`` was given."""
    return text[1:] if text.startswith("'") and _ACTS.match(text) else text


def _rows(store: Store) -> Iterator[dict[str, str]]:
    decided = _decided(store)
    made_by_edit = {review.pair: review for review in decided.values() if review.decision == "edit"}
    for review in decided.values():
        if review.decision == "reject" and review.former is not None:
            former = pair_of(review.former)
            yield _row(former.id, version_of(former), review, review.question, review.answer, "", review.document, "")
    for item in queue(store, -1, decided=True):
        pair = item.pair
        last = made_by_edit.get(pair.id) or decided.get(pair.id)
        before = pair if last is None or last.former is None else pair_of(last.former)
        quote = "" if pair.document_id is None or pair.span is None else store.quote(pair.document_id, pair.span)
        because = "" if item.reason == "decided" else item.why
        yield _row(before.id, version_of(before), last, pair.question, pair.answer, because, pair.document_id, quote)


def _row(
    pair: str, version: str, review: Review | None, question: str, answer: str, because: str, document: str | None,
    quote: str,
) -> dict[str, str]:  # fmt: skip
    decision, note = ("", "") if review is None else (review.decision, review.note)
    return dict(
        zip(COLUMNS, (pair, version, decision, question, answer, note, because, document or "", quote), strict=True)
    )


def _decided(store: Store) -> dict[str, Review]:
    """The last decision about each pair, by the id that it had before."""
    found: dict[str, Review] = {}
    for review in reviews_in(store):
        if review.decision != "sample":
            found[review.original] = review
    return found


def _take(
    store: Store, reviewer: Reviewer, row: Mapping[str, str], done: dict[str, Review], found: Imported, dry_run: bool
) -> None:
    pair_id, decision, version = row["pair"], row["decision"], row["version"]
    if decision not in _DECISIONS:
        raise InputError(f"the decision is accept, reject, edit or none, not {decision!r}")
    if (before := done.get(pair_id)) is not None:
        texts = (row["question"] or before.question, row["answer"] or before.answer)
        if decision == "" or (
            decision == before.decision and (decision != "edit" or texts == (before.question, before.answer))
        ):
            found.known += 1
            return
        raise PairChanged(f"the pair {pair_id} was decided about before ({before.decision})")
    pair = store.pair(pair_id)
    texts = (row["question"].strip() or pair.question, row["answer"].strip() or pair.answer)
    if decision == "" and texts == (pair.question, pair.answer):
        found.undecided += 1
        return
    version = version or version_of(pair)
    if version != version_of(pair):
        raise PairChanged(f"the pair {pair_id} was changed since the file was written")
    if decision in ("accept", "reject") and texts != (pair.question, pair.answer):
        raise InputError(f"{decision} leaves the texts as they are; the row has others")
    if decision not in ("accept", "reject"):
        decision = "edit"
        edited(store, pair, *texts)  # says what is wrong, without the encoder
    if dry_run:
        review = Review(pair_id, cast(Decision, decision), *texts)
    elif decision == "edit":
        review = reviewer.edit(pair_id, *texts, version, row["note"])
    else:
        review = (reviewer.accept if decision == "accept" else reviewer.reject)(pair_id, version, row["note"])
    done[pair_id] = review
    found.accepted += decision == "accept"
    found.rejected += decision == "reject"
    found.edited += decision == "edit"


def _read(path: Path) -> Iterator[tuple[int, dict[str, str] | str]]:
    """Each row with its line, counted from 1, or what is wrong with it."""
    try:
        with path.open(encoding="utf-8-sig", newline="" if path.suffix == ".csv" else None) as file:
            rows = _table(path, file) if path.suffix == ".csv" else _lines(file)
            for line, row in rows:
                yield line, row if isinstance(row, str) else _texts(row)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _table(path: Path, file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    table = csv.reader(file, strict=True)
    names: list[str] | None = None
    line = 1
    while True:
        try:
            cells = next(table)
        except StopIteration:
            break
        except csv.Error as error:
            yield line, f"no row of a table ({error})"
            break
        if names is None:
            names = [cell.strip().lower() for cell in cells]
            if missing := [name for name in _NEEDED if name not in names]:
                raise InputError(f"{path}: its first row names no column {' and no '.join(missing)}")
        elif cells and len(cells) != len(names):
            yield line, f"{len(cells)} cells, {len(names)} columns"
        elif cells:
            yield line, dict(zip(names, map(_meant, cells), strict=True))
        line = table.line_num + 1
    if names is None:
        raise InputError(f"{path}: it is empty; a table of reviews has the columns {', '.join(COLUMNS)}")


def _lines(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = from_json(line) if len(line) <= _LONGEST else None
        except ValueError as error:
            yield number, f"not JSON ({error})"
            continue
        if not isinstance(row, dict) or any(name not in row for name in _NEEDED):
            yield number, f"no object with {' and '.join(_NEEDED)}"
        else:
            yield number, row


def _texts(row: Mapping[str, Any]) -> dict[str, str] | str:
    """What a row says, by the names of ``COLUMNS``."""
    found = {}
    for name in COLUMNS[:6]:
        text = row.get(name, "")
        text = "" if text is None else text
        if not isinstance(text, str) or "\x00" in text or not is_unicode(text) or len(text) > _LONGEST:
            return f"its {name} is no text that can be stored"
        found[name] = text.strip() if name in ("pair", "version", "decision") else text
    return {**found, "decision": found["decision"].lower()}


def _check(path: Path) -> None:
    if path.suffix not in (".csv", ".jsonl"):
        raise InputError(f"{path}: reviews are written to and read from .csv or .jsonl")

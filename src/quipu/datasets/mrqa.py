"""MRQA JSONL: a header line, then contexts with ``qas``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quipu.datasets.contexts import Asked, Context
from quipu.datasets.io import numbered
from quipu.errors import InputError
from quipu.records import Example


def examples(path: Path) -> list[Example]:
    """Every question with its context; texts are stripped, as by the official script."""
    found: list[Example] = []
    for number, row in _rows(path):
        try:
            context = row["context"].strip()
            found += [
                Example(str(item["qid"]), item["question"].strip(), tuple(item["answers"]), (context,))
                for item in row["qas"]
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise _no_record(path, number, error) from error
    return found


def contexts(path: Path) -> list[Context]:
    """Every context; the first detected span of each question is its answer."""
    found: list[Context] = []
    for number, row in _rows(path):
        try:
            asked = tuple(Asked(item["question"].strip(), *_span(item)) for item in row["qas"])
            found.append(Context(f"{path.stem}:{len(found)}", row["context"], asked, path.stem))
        except (KeyError, TypeError, AttributeError) as error:
            raise _no_record(path, number, error) from error
    return found


def _span(item: dict[str, Any]) -> tuple[int, int]:
    spans = [span for answer in item.get("detected_answers", []) for span in answer["char_spans"]]
    start, last = spans[0] if spans else (-1, -2)
    return start, last + 1


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in numbered(path):
        if "header" not in row:
            yield number, row


def _no_record(path: Path, number: int, error: Exception) -> InputError:
    return InputError(f"{path}, line {number}: no MRQA record ({type(error).__name__}: {error})")

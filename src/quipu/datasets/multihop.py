"""HotpotQA, 2WikiMultihopQA and MuSiQue as their publishers write them: questions with their own paragraphs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.datasets.io import read_text
from quipu.errors import InputError


@dataclass(frozen=True, slots=True)
class MultiHop:
    """A question with its paragraphs (title, text) and the titles of those that it needs."""

    question: str
    answers: tuple[str, ...]
    kind: str
    paragraphs: tuple[tuple[str, str], ...]
    needed: frozenset[str]


def read(path: Path) -> list[MultiHop]:
    """The questions of a file (a JSON list, or JSONL; also .gz) that bring their paragraphs; of MuSiQue two hops only.

    InputError where a line is of none of the three layouts.
    """
    text = read_text(path)
    try:
        whole = text.lstrip().startswith("[")
        rows = json.loads(text) if whole else [json.loads(line) for line in text.split("\n") if line.strip()]
        return [made for row in rows if (made := _question(row)) is not None]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: neither HotpotQA, 2WikiMultihopQA nor MuSiQue ({error!r})") from error


def _question(row: dict[str, Any]) -> MultiHop | None:
    if "paragraphs" in row:
        if not row["id"].startswith("2hop"):
            return None
        parts = tuple((part["title"], part["paragraph_text"]) for part in row["paragraphs"])
        needed = frozenset(part["title"] for part in row["paragraphs"] if part["is_supporting"])
        answers = (row["answer"], *row.get("answer_aliases", ()))
        return MultiHop(row["question"], answers, "bridge", parts, needed)
    if "context" not in row:
        return None
    parts = tuple((title, " ".join(text.strip() for text in texts)) for title, texts in row["context"])
    needed = frozenset(title for title, _ in row["supporting_facts"])
    return MultiHop(row["question"], (row["answer"],), row["type"], parts, needed)


def write_documents(items: Sequence[MultiHop], path: Path) -> None:
    """All paragraphs, each once, as JSONL that ``quipu build`` reads."""
    texts = dict.fromkeys(part for item in items for part in item.paragraphs if part[1].strip())
    lines = [{"id": f"{at:05d}", "title": title, "text": text} for at, (title, text) in enumerate(texts)]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")

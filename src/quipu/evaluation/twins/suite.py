"""The twins suite: templates filled to items, each with paraphrases that a stored pair answers and a twin."""

from __future__ import annotations

import random
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Part = Literal["train", "test"]
FILLS = 14  # of each template


@dataclass(frozen=True, slots=True)
class TwinItem:
    """A stored pair, questions that it answers (``same``), and questions that only look like it (``twins``)."""

    kind: str
    template: str
    question: str
    answer: str
    same: tuple[str, ...]
    twins: tuple[str, ...]


def suite(part: Part = "test", *, fills: int = FILLS, seed: int = 0) -> list[TwinItem]:
    """Every template of ``part``, filled ``fills`` times with different values: 672 items of 12 kinds in "test"."""
    rng = random.Random(seed)
    items = []
    for kind, lines in _templates()[part].items():
        for line in lines.strip().splitlines():
            stored, answer, *same, twin = (cell.strip() for cell in line.split("|"))
            seen: set[str] = set()
            for _ in range(20 * fills):
                values = _values(line, part, rng)
                question = stored.format_map(values)
                key = question + twin.format_map(values)
                if key not in seen:
                    seen.add(key)
                    filled = [_capital(cell.format_map(values)) for cell in (*same, twin)]
                    answered = answer.format_map(values)
                    items.append(TwinItem(kind, stored, question, answered, tuple(filled[:-1]), (filled[-1],)))
                if len(seen) == fills:
                    break
    return items


@cache
def _templates() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "templates.toml").read_text(encoding="utf-8"))


def _values(line: str, part: Part, rng: random.Random) -> dict[str, str]:
    """A value for each slot of the line; {x} and {x2} differ."""
    values: dict[str, str] = {}
    for slot in sorted(set(re.findall(r"\{(\w+?)2?\}", line))):
        choices = _templates()["slots"][slot][part == "test"].split(";")
        values[slot], values[f"{slot}2"] = rng.sample(choices, 2)
    return values


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

"""The twins suite: templates filled to items, each with paraphrases that a stored pair answers and a twin."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Part = Literal["train", "test"]
FILLS = 10  # of each template
_SLOT = re.compile(r"\{(\w+?)2?\}")


@dataclass(frozen=True, slots=True)
class TwinItem:
    """A stored pair, questions that it answers (``same``), and questions that only look like it (``twins``)."""

    kind: str
    template: str
    question: str
    answer: str
    same: tuple[str, ...]
    twins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Templates:
    """The lines of each kind and the values of each slot; a value that has two halves, {x} and {x2}, is a pair."""

    kinds: Mapping[str, tuple[str, ...]]
    slots: Mapping[str, tuple[str | tuple[str, str], ...]]


def suite(part: Part = "test", *, fills: int = FILLS, seed: int = 0) -> list[TwinItem]:
    """Every template of ``part``, filled ``fills`` times with different values: 1,500 items of 16 kinds in "test".

    "train" shares no template and no value with "test": models may be trained on it.
    """
    rng = random.Random(seed)
    templates = read(part)
    items = []
    for kind, lines in templates.kinds.items():
        for line in lines:
            stored, answer, *same, twin = (cell.strip() for cell in line.split("|"))
            seen: set[str] = set()
            for _ in range(20 * fills):
                values = _values(line, templates, rng)
                question, answered, *asked = (cell.format_map(values) for cell in (stored, answer, *same, twin))
                if question not in seen:
                    seen.add(question)
                    asked = [_capital(text) for text in asked]
                    items.append(TwinItem(kind, stored, _capital(question), answered, tuple(asked[:-1]), (asked[-1],)))
                if len(seen) == fills:
                    break
    return items


@cache
def read(part: Part) -> Templates:
    """The templates and the values of a part."""
    text = Path(__file__).with_name(f"{part}.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    return Templates(
        {kind: tuple(lines.strip().splitlines()) for kind, lines in content["kinds"].items()},
        {slot: tuple(map(_halves, values.split(";"))) for slot, values in content["slots"].items()},
    )


def _halves(value: str) -> str | tuple[str, str]:
    left, slash, right = value.partition("/")
    return (left, right) if slash else value


def _values(line: str, templates: Templates, rng: random.Random) -> dict[str, str]:
    """A value for each slot of the line; {x} and {x2} differ."""
    values: dict[str, str] = {}
    for slot in sorted(set(_SLOT.findall(line))):
        one, other = rng.sample(templates.slots[slot], 2)
        if isinstance(one, tuple):
            one, other = one
        assert isinstance(one, str) and isinstance(other, str), slot
        values[slot], values[f"{slot}2"] = one, other
    return values


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

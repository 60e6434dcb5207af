"""What a measurement leaves: scores with their errors, as a table for people and as JSON, with the command."""

from __future__ import annotations

import json
import math
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quipu.models.folders import cores
from quipu.records import Score


@dataclass(frozen=True, slots=True)
class Report:
    """Scores of one system on one task. ``settings`` says what was measured, ``notes`` what the figures leave out."""

    task: str
    system: str
    scores: tuple[Score, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __getitem__(self, metric: str) -> Score:
        for score in self.scores:
            if score.metric == metric:
                return score
        raise KeyError(metric)

    def get(self, metric: str) -> Score | None:
        """The score of that name, or None."""
        return next((score for score in self.scores if score.metric == metric), None)

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary: scores by metric."""
        return {
            "task": self.task,
            "system": self.system,
            "scores": {score.metric: score.to_json() for score in self.scores},
            "settings": dict(self.settings),
            "notes": list(self.notes),
        }

    def text(self) -> str:
        """One line a score, for a terminal."""
        width = max((len(score.metric) for score in self.scores), default=0)
        return "\n".join(f"{score.metric:<{width}}  {show(score)}  (n = {score.n:,})" for score in self.scores)


def show(score: Score | None) -> str:
    """A figure with its standard error: "13.0 ± 0.6"; a dash where there is none."""
    if score is None:
        return "-"
    if score.stderr is None:
        return number(score.value)
    digits = 1 if abs(score.value) >= 1 or score.value == 0 else 3
    return f"{score.value:.{digits}f} ± {score.stderr:.{digits}f}"


def number(value: float) -> str:
    """Short and readable: whole numbers with separators, else three significant digits below 1, one decimal above."""
    if not math.isfinite(value):  # nothing came that could be measured
        return "∞"
    if value == int(value) and abs(value) >= 1:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 1 else f"{value:.3g}"


def table(reports: Sequence[Report], metrics: Sequence[str]) -> str:
    """A Markdown table: one row a report, one column a metric."""
    lines = [["system", *metrics], *([report.system, *(show(report.get(m)) for m in metrics)] for report in reports)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(metrics) + 1)]
    rows = []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        rows.append("| " + " | ".join(cells) + " |")
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([rows[0], rule, *rows[1:]])


def figures(title: str, values: Mapping[str, Any]) -> str:
    """A two-column Markdown table of single figures."""
    shown = {name: number(value) if isinstance(value, int | float) else str(value) for name, value in values.items()}
    left = max([len(title), *map(len, shown)])
    right = max([5, *map(len, shown.values())])
    lines = [f"| {title.ljust(left)} | {'value'.rjust(right)} |", f"|{'-' * (left + 2)}|{'-' * (right + 1)}:|"]
    return "\n".join(lines + [f"| {name.ljust(left)} | {value.rjust(right)} |" for name, value in shown.items()])


def command() -> str:
    """The command line that is running now, as one could type it again; the interpreter by its bare name."""
    return shlex.join(["python", *sys.argv])


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {"cores": cores(), "processor": platform.machine(), "python": platform.python_version()}


def save(path: Path, reports: Sequence[Report], values: Mapping[str, Any] | None = None) -> None:
    """Write everything as one JSON object: command, machine, single figures, and the reports."""
    content = {
        "command": command(),
        "machine": machine(),
        "figures": dict(values or {}),
        "reports": [report.to_json() for report in reports],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

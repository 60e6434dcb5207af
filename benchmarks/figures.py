"""What a benchmark leaves: a JSON file of figures, each with its n, its standard error and, if there is one, a goal.

``report.py`` makes BENCHMARKS.md and the README's tables from these files.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import importlib.util
import json
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import quipu
from quipu.errors import InputError
from quipu.evaluation import report
from quipu.evaluation.metrics import share_error
from quipu.records import Score

RESULTS = Path(__file__).parent / "results"
LIBRARIES = {
    "numpy": "numpy", "onnxruntime": "onnxruntime", "faiss": "faiss-cpu", "tokenizers": "tokenizers", "torch": "torch",
    "ctranslate2": "ctranslate2",
}  # fmt: skip
PACKAGES = ("quipu_small", "quipu_small_lm")  # the distributions that carry the models


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value: which system, which metric, and the goal that it was to reach (None: there was none)."""

    system: str
    score: Score
    goal: float | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the goal was reached; None without a goal."""
        if self.goal is None:
            return None
        return self.score.value >= self.goal if self.score.higher_is_better else self.score.value <= self.goal

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, the score's fields beside the others."""
        return {"system": self.system, **self.score.to_json(), "goal": self.goal}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Figure:
        """The inverse of ``to_json``."""
        fields = dict(row)
        system, goal = fields.pop("system"), fields.pop("goal", None)
        return cls(system, Score(**fields), goal)


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that one benchmark measured, and on what. ``details`` are lists or texts that the README shows.

    ``data``: the sha256 of the content of each file of a public set that was read.
    """

    name: str
    title: str
    command: str
    date: str
    machine: Mapping[str, Any]
    models: Mapping[str, str]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def now(
        cls,
        name: str,
        title: str,
        figures: Iterable[Figure],
        *,
        goals: Mapping[tuple[str, str], float] | None = None,
        notes: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
    ) -> Result:
        """What was measured today; ``goals`` by system and metric. ``run.py`` adds command, versions and data."""
        wanted = goals or {}
        made = tuple(replace(item, goal=wanted.get((item.system, item.score.metric), item.goal)) for item in figures)
        today = datetime.date.today().isoformat()
        return cls(name, title, "", today, machine(), models(), made, tuple(notes), dict(details or {}))

    def get(self, system: str, metric: str) -> Figure | None:
        """One figure, or None."""
        found = (item for item in self.figures if (item.system, item.score.metric) == (system, metric))
        return next(found, None)

    def write(self, path: Path) -> None:
        """As JSON, readable and stable under version control."""
        content = {
            "name": self.name, "title": self.title, "command": self.command, "date": self.date,
            "machine": dict(self.machine), "versions": dict(self.versions), "models": dict(self.models),
            "data": dict(self.data),
            "figures": [item.to_json() for item in self.figures],
            "notes": list(self.notes), "details": dict(self.details),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Result:
        """InputError where the file is none of ours."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            content["figures"] = tuple(Figure.from_json(row) for row in content["figures"])
            content["notes"] = tuple(content["notes"])
            return cls(**content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: no result of a benchmark ({type(error).__name__}: {error})") from error


def command(name: str, options: Sequence[str]) -> str:
    """The command line of a benchmark as one could type it again from the root, without what names this machine."""
    words = list(options)
    if "--results" in words:  # where the result goes is no part of what was measured
        at = words.index("--results")
        del words[at : at + 2]
    for option, stands_for in (("--data", "DATA"), ("--work", "WORK"), ("--venv", "VENV")):
        words = [stands_for if words[max(0, at - 1) : at] == [option] else word for at, word in enumerate(words)]
    words = [Path(word).name if word.startswith("/") else word for word in words]
    return shlex.join(["python", "benchmarks/run.py", name, *words])


def versions() -> dict[str, str]:
    """Of quipu, its revision in git ("+" behind it: with changes), and of the libraries that are loaded."""
    found = {"quipu": quipu.__version__, **_revision()}
    for module, package in LIBRARIES.items():
        if module in sys.modules:
            found[package] = importlib.metadata.version(package)
    return found


def _revision() -> dict[str, str]:
    git = ["git", "-C", str(RESULTS.parent)]
    try:
        revision = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        changes = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"revision": revision.stdout.strip() + ("+" if changes.stdout.strip() else "")}


def machine() -> dict[str, Any]:
    """Cores, processor and Python."""
    return report.machine() | {"processor": _processor()}


def models() -> dict[str, str]:
    """Name and version of every model that is installed with quipu, with the sha256 over its files' hashes."""
    roots: list[Path] = []
    for package in PACKAGES:
        found = importlib.util.find_spec(package)
        roots += [Path(place) for place in (found.submodule_search_locations or ())] if found else []
    made = {}
    for listing in sorted(path for root in roots for path in root.rglob("model.json")):
        settings = json.loads(listing.read_text(encoding="utf-8"))
        files = json.dumps(settings["files"], sort_keys=True).encode()
        made[f"{settings['name']}@{settings['version']}"] = hashlib.sha256(files).hexdigest()
    return made


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, str(report.machine()["processor"]))


def share(system: str, metric: str, part: int, whole: int, *, higher_is_better: bool = True) -> Figure:
    """A share in per cent with its binomial standard error."""
    value = part / whole if whole else 0.0
    return Figure(system, Score(metric, 100 * value, whole, 100 * share_error(value, whole), higher_is_better))


def shown(figure: Figure) -> str:
    """A value for people: "52.3 ± 0.9", and behind it whether a goal was reached."""
    text = report.show(figure.score)
    if figure.goal is None:
        return text
    return (
        f"{text} (goal {report.number(figure.goal)})"
        if figure.reached
        else f"{text} (goal {report.number(figure.goal)}, **missed**)"
    )


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table: a row a system and a column a metric; one system, or systems of unlike metrics, as a list."""
    systems = list(dict.fromkeys(item.system for item in figures))
    metrics = list(dict.fromkeys(item.score.metric for item in figures))
    cells = {(item.system, item.score.metric): shown(item) for item in figures}
    if len(systems) == 1:
        rows = [["figure", systems[0]], *([metric, cells[systems[0], metric]] for metric in metrics)]
    elif len(cells) > len(systems) * len(metrics) / 2:
        rows = [["", *metrics], *([name, *(cells.get((name, metric), "") for metric in metrics)] for name in systems)]
    else:
        of_one = {name: [m for m in metrics if (name, m) in cells] for name in systems}
        rows = [["", "figures"], *([n, "; ".join(f"{m} {cells[n, m]}" for m in of_one[n])] for n in systems)]
    return markdown(rows)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first row is its head."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])

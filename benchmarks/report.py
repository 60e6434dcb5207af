"""Make BENCHMARKS.md, docs/compare.svg and the README's demo, printed lines and table from benchmarks/results/*.json.

python benchmarks/report.py            # write them
python benchmarks/report.py --check    # exit code 1 if they are stale, or a page has a figure that nothing measured

What counts as a figure of a page, see ``figures_of``.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from chart import Point, chart
from figures import RESULTS, Result, markdown
from quipu.errors import InputError
from quipu.evaluation.report import number, show

ROOT = Path(__file__).parents[1]
# The order of BENCHMARKS.md; a result that is not named here comes last.
ORDER = (
    "demo", "cascade", "run-a", "fid", "reader", "pairs-run-a", "pairs-examples", "cases", "twins", "neighbours",
    "unanswerable", "fairytaleqa", "selqa", "microworld", "multihop", "invariance", "cold-start", "scale", "memory-50k",
    "serve", "interrupt", "flips", "round-trips", "sync-random", "llm-kills", "llm-writer", "text-kept",
    "fuzz-readers", "t5-speed", "quip", "claims",
)  # fmt: skip
WAYS = ("cascade", "run-a", "fid")  # these were asked the same questions
DEMO_HEAD = ("question", "answer", "probability", "source")
COMPARED = ("EM", "F1", "answered, %", "right among these, %", "p50 ms", "p95 ms")
HEAD = """# Benchmarks

Made by `python benchmarks/report.py` from `benchmarks/results/*.json`; do not edit. "±" is the standard error. The
commands stand at the end: `DATA` is a folder with the public data sets that [NOTICE](NOTICE) lists, `WORK` one for
memories. What was tried, and how it went, is in [docs/log.md](docs/log.md).
"""
PICTURE = "docs/compare.svg"
SIDE_BY_SIDE = ("cascade", "run-a")  # those of WAYS that the README shows: measured on one machine
DIARY = "docs/log.md"  # experiments as they went, most of them before there were result files
_NUMBER = re.compile(r"(?<![\w.@,-])\d[\d,]*(?:\.\d+)?(?![\w]|[.,]\d)")
_UNIT = re.compile(r"\s?(?:%|(?:ms|s|MB|GB)\b)")
MARK = "<!-- {0}: made by benchmarks/report.py -->\n{1}\n<!-- end of {0} -->"


def results(folder: Path = RESULTS) -> list[Result]:
    """Every result, in the order of the report."""
    found = [Result.read(path) for path in sorted(folder.glob("*.json"))]
    place = {name: at for at, name in enumerate(ORDER)}
    return sorted(found, key=lambda item: (place.get(item.name, len(ORDER)), item.name))


def benchmarks(found: Sequence[Result]) -> str:
    """The whole of BENCHMARKS.md: goals, ways to answer side by side, everything else, and the commands."""
    usual = Counter(made_on(item) for item in found).most_common(1)[0][0] if found else ""
    rest = [item for item in found if item.name not in WAYS]
    parts = [
        HEAD, f"Unless said otherwise: {usual}\n", "## Goals\n", goals(found),
        "\n## Ways to answer: questions of SQuAD over a memory of 1,216 paragraphs\n", ways(found),
        f"\n![EM of these ways over their time]({PICTURE})\n",
        "## The demo\n", demo_table(found),
        "\n## More figures\n", others(rest, found),
        "\n## Commands\n", commands(found, usual),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def made_on(item: Result) -> str:
    """Date, machine and models of a result."""
    machine = f"{item.machine.get('cores')} cores of {item.machine.get('processor')}"
    models = ", ".join(name.removeprefix("quipu-") for name in item.models)
    return f"{item.date}, {machine}, Python {item.machine.get('python')}; {models or 'no model of quipu'}."


def goals(found: Sequence[Result]) -> str:
    """A row a goal, missed ones in bold."""
    rows = [["benchmark", "system", "measure", "value", "goal", ""]]
    for item in found:
        for figure in item.figures:
            if figure.goal is not None:
                sign = "at least" if figure.score.higher_is_better else "at most"
                word = "reached" if figure.reached else "**missed**"
                value, goal = show(figure.score), f"{sign} {number(figure.goal)}"
                rows.append([item.name, figure.system, figure.score.metric, value, goal, word])
    missed = sum(row[-1] == "**missed**" for row in rows)
    return f"{len(rows) - 1 - missed} of {len(rows) - 1} reached.\n\n{markdown(rows)}"


def ways(found: Sequence[Result], metrics: Sequence[str] = COMPARED) -> str:
    """Every system that was asked the questions of run A, a row each."""
    rows = [["", *metrics, "questions"]]
    for item in (item for item in found if item.name in WAYS):
        for system in dict.fromkeys(figure.system for figure in item.figures):
            cells = [item.get(system, metric) for metric in metrics]
            if cells[0] is not None:
                count = f"{cells[0].score.n:,}"
                rows.append([system, *("" if cell is None else show(cell.score) for cell in cells), count])
    return markdown(rows)


def others(found: Sequence[Result], noted: Sequence[Result]) -> str:
    """What stands in neither table, a row a system, and the notes of ``noted``."""
    rows = [["benchmark", "system", "figures"]]
    for item in found:
        for system in dict.fromkeys(figure.system for figure in item.figures):
            own = [figure for figure in item.figures if figure.system == system and figure.goal is None]
            shown = "; ".join(f"{figure.score.metric} {show(figure.score)}" for figure in own)
            rows += [[item.name, system, shown]] if shown else []
    notes = [f"- {item.name}: {note}" for item in noted for note in item.notes]
    return "\n".join([markdown(rows), "", *notes])


def commands(found: Sequence[Result], usual: str) -> str:
    """How each result is made anew, and on what it was made where that was not the usual."""
    rows = [["benchmark", "what it measures", "command", "measured"]]
    for item in found:
        made = made_on(item)
        rows.append([item.name, item.title, f"`{item.command}`", "" if made == usual else made.rstrip(".")])
    return markdown(rows)


def demo_table(found: Sequence[Result]) -> str:
    """Every answer of the demo."""
    rows = [row for item in found if item.name == "demo" for row in item.details["rows"]]
    return markdown([[*DEMO_HEAD], *rows])


def demo(found: Mapping[str, Result]) -> str:
    """What the demo prints, shortened: its first and its last questions, and how many it answered rightly."""
    result = found["demo"]
    rows = result.details["rows"]
    rows = [DEMO_HEAD, *rows[:5], ["..."] * len(DEMO_HEAD), *rows[-2:]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    counts = [result.get("demo", metric) for metric in ("answered rightly", "others refused")]
    right, refused = (f"{item.score.value:.0f} of {item.score.n}" for item in counts if item is not None)
    said = f"{right} questions answered rightly, {refused} refused that no document answers"
    return "\n".join(["```text", *lines, said, "```"])


def printed(found: Mapping[str, Result]) -> str:
    """What the README's lines of Python print."""
    return "```text\n" + "\n".join(found["demo"].details["python"]) + "\n```"


def small_table(found: Mapping[str, Result]) -> str:
    """The README's results: ways to answer on the same questions and machine, and the commands that measure them."""
    shown = [found[name] for name in SIDE_BY_SIDE if name in found]
    made = "\n".join(f"- `{item.command}`" for item in shown)
    return f"{ways(shown, COMPARED[:-1])}\n\n{made}"


def picture(found: Sequence[Result]) -> str:
    """The ways of the README's table, drawn."""
    points = []
    for item in (item for item in found if item.name in SIDE_BY_SIDE):
        for system in dict.fromkeys(figure.system for figure in item.figures):
            right, time = item.get(system, "EM"), item.get(system, "p50 ms")
            if right is not None and time is not None:
                points.append(Point(system, time.score.value, right.score.value, right.score.stderr or 0.0))
    return chart(points)


REGIONS: dict[str, tuple[str, Callable[[Mapping[str, Result]], str]]] = {
    "demo": ("demo", demo),
    "printed": ("demo", printed),
    "results": ("cascade", small_table),
}


def readme(text: str, found: Sequence[Result]) -> str:
    """The README with its regions made anew, as far as there are results for them."""
    known = {item.name: item for item in found}
    for name, (needs, make) in REGIONS.items():
        pattern = re.compile(re.escape(MARK).replace(r"\{0\}", name).replace(r"\{1\}", "(.*?)"), re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise InputError(f"README.md has no region {name!r}, or more than one")
        if needs in known:
            block = MARK.format(name, make(known))
            text = pattern.sub(block.replace("\\", r"\\"), text)
    return text


def figures_of(page: str, metrics: frozenset[str]) -> Iterator[tuple[int, str]]:
    """The numbers of a page that somebody must have measured, with their lines.

    In tables: all in a column whose head is a metric of a result; elsewhere those with a decimal point, behind "±", or
    before "%" or a unit of time or size. In the text between tables: those behind "±", and the number before it.
    """
    heads: list[str] = []
    for place, line in enumerate(page.splitlines(), start=1):
        text = re.sub(r"`[^`]*`", "", line).strip()
        in_table = line.startswith("|")
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", text.strip("|"))] if in_table else [text]
        heads = (heads or cells) if in_table else []
        for at, cell in enumerate(cells):
            of_metric = at < len(heads) and heads[at] in metrics
            for match in _NUMBER.finditer(cell):
                beside_error = cell[: match.start()].endswith("± ") or cell[match.end() :].startswith(" ±")
                measured = of_metric or "." in match[0] or _UNIT.match(cell, match.end()) is not None
                if beside_error or (in_table and measured):
                    yield place, match[0]


def unmeasured(root: Path = ROOT, folder: Path = RESULTS) -> list[str]:
    """The figures of README.md, BENCHMARKS.md and docs/ that are in no result; the diary of experiments is left out.

    A figure is in a result when a value, an error or a goal there rounds to it, or it stands in one of its texts.
    """
    files = list(folder.glob("*.json"))
    texts = {found for path in files for found in _NUMBER.findall(path.read_text(encoding="utf-8"))}
    known = [figure for path in files for figure in Result.read(path).figures]
    metrics = frozenset(figure.score.metric for figure in known)
    of_each = [(figure.score.value, figure.score.stderr, figure.goal) for figure in known]
    values = [value for row in of_each for value in row if value is not None]
    pages = [root / "README.md", root / "BENCHMARKS.md", *sorted((root / "docs").rglob("*.md"))]
    return [
        f"{path.relative_to(root)}, line {place}: {shown} is in no file of {folder.name}/"
        for path in pages if path.is_file() and path.relative_to(root).as_posix() != DIARY
        for place, shown in figures_of(path.read_text(encoding="utf-8"), metrics)
        if shown not in texts and not any(_rounds_to(value, shown) for value in values)
    ]  # fmt: skip


def _rounds_to(value: float, shown: str) -> bool:
    decimals = len(shown.partition(".")[2])
    return abs(value - float(shown.replace(",", ""))) <= 0.5 * 10.0**-decimals + 1e-9


def main() -> int:
    """Write, or with --check compare."""
    found = results()
    page = ROOT / "README.md"
    wanted = {
        ROOT / "BENCHMARKS.md": benchmarks(found), ROOT / PICTURE: picture(found),
        page: readme(page.read_text(encoding="utf-8"), found),
    }  # fmt: skip
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        problems = [f"{path.name} is stale; run: make docs" for path in stale] + unmeasured()
        print("\n".join(problems), end="\n" * bool(problems), file=sys.stderr)
        return int(bool(problems))
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

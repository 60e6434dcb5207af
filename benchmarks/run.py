"""Run benchmarks by name: each prints a table and leaves a JSON file of what was measured, on what and how.

    python benchmarks/run.py --list
    python benchmarks/run.py NAME --help
    python benchmarks/run.py NAME [NAME ...] [--data DATA] [--work WORK] [--limit N] [--results FOLDER]

Names come first, options behind them; several benchmarks share the options. DATA holds the public sets, a folder each
(`quipu datasets list`); memories are kept in WORK. A figure becomes one of BENCHMARKS.md with
``--results benchmarks/results`` and `make docs`. The exit code is 1 where something was measured that must not be.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from figures import Result, command, table, versions
from quipu.datasets.fetch import NOTED, digest
from quipu.errors import InputError, QuipuError

WORK = Path("runs/benchmarks")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A module with ``run(options) -> Result`` and, if it has options of its own, ``arguments(parser)``.

    ``data``: patterns of the files that it reads, in the folder of the data sets; ``preset``: options that it fixes.
    """

    module: str
    data: tuple[str, ...] = ()
    preset: Mapping[str, Any] = field(default_factory=dict)


SQUAD, TRIVIA = ("squad/*",), ("opentriviaqa/**/*",)
BENCHMARKS = {
    "demo": Benchmark("demo"),
    "cascade": Benchmark("cascade", SQUAD),
    "run-a": Benchmark("run_a", SQUAD),
    "run-b": Benchmark("run_b"),
    "reader": Benchmark("reader", SQUAD),
    "unanswerable": Benchmark("unanswerable", SQUAD),
    "pairs": Benchmark("sample_pairs"),
    "fairytaleqa": Benchmark("held_out", ("fairytaleqa/val.jsonl*",), {"set": "fairytaleqa"}),
    "selqa": Benchmark("held_out", ("selqa/*",), {"set": "selqa"}),
    "cases": Benchmark("cases"),
    "faq": Benchmark("faq", (*TRIVIA, "webquestions/*")),
    "twins": Benchmark("suites", preset={"suite": "twins"}),
    "neighbours": Benchmark("suites", preset={"suite": "neighbours"}),
    "microworld": Benchmark("microworld"),
    "multihop": Benchmark("multihop", ("*/dev-100.jsonl*",)),
    "invariance": Benchmark("invariance", SQUAD),
    "cold-start": Benchmark("cold_start"),
    "lm-speed": Benchmark("lm_speed", SQUAD),
    "t5-speed": Benchmark("t5_speed"),
    "scale": Benchmark("scale", TRIVIA),
    "memory-50k": Benchmark("memory_50k", TRIVIA),
    "interrupt": Benchmark("interrupt"),
    "flips": Benchmark("flips"),
    "round-trips": Benchmark("round_trips"),
    "llm-kills": Benchmark("llm_kills"),
    "llm-writer": Benchmark("llm_writer"),
    "sync-random": Benchmark("sync_random"),
    "serve": Benchmark("serve", SQUAD),
    "soak": Benchmark("soak"),
    "schemathesis-api": Benchmark("schemathesis_api"),
    "text-kept": Benchmark("text_kept"),
    "fuzz-readers": Benchmark("fuzz_readers"),
    "quip-microworld": Benchmark("quip_microworld"),
}


def parser_of(name: str) -> argparse.ArgumentParser:
    """The options that all benchmarks have, and those of one."""
    benchmark = BENCHMARKS[name]
    module = importlib.import_module(benchmark.module)
    parser = argparse.ArgumentParser(
        f"run.py {name}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DATA", "data")), metavar="FOLDER",
                        help="the data sets, one folder each as `quipu datasets list` names them")  # fmt: skip
    parser.add_argument("--work", type=Path, default=WORK, metavar="FOLDER", help="where memories are kept")
    parser.add_argument("--limit", type=int, metavar="N", help="a trial on the first or every n-th so many")
    parser.add_argument("--keep", action="store_true", help="ask a memory that other models built")
    parser.add_argument("--results", type=Path, default=WORK / "results", metavar="FOLDER",
                        help="where the result is written as NAME.json")  # fmt: skip
    if hasattr(module, "arguments"):
        module.arguments(parser)
    parser.set_defaults(**benchmark.preset)
    return parser


def measured(name: str, words: Sequence[str]) -> Result:
    """Run one benchmark; what it measured, with all that is needed to measure it again."""
    options = parser_of(name).parse_args(words)
    data = hashes(options.data, BENCHMARKS[name].data)  # before, so that a missing set does not show after an hour
    result: Result = importlib.import_module(BENCHMARKS[name].module).run(options)
    result = replace(result, command=command(name, words), versions=versions(), data=data)
    print(f"{result.title}\n\n    {result.command}\n\n{table(result.figures)}")
    for note in result.notes:
        print(f"\n{note}")
    path = options.results / f"{result.name}.json"
    result.write(path)
    print(f"written to {path}", file=sys.stderr)
    return result


def hashes(folder: Path, patterns: Sequence[str]) -> dict[str, str]:
    """The sha256 of the content of every file that fits; InputError where none fits a pattern."""
    found: dict[str, str] = {}
    for pattern in patterns:
        files = [path for path in sorted(folder.glob(pattern)) if path.is_file() and path.name != NOTED]
        if not files:
            raise InputError(f"{folder / pattern}: no such data; name its folder with --data (quipu datasets list)")
        found |= {path.relative_to(folder).as_posix().removesuffix(".gz"): digest(path) for path in files}
    return found


def listed() -> str:
    """Every benchmark: its name, the first sentence about it, and the data it reads."""
    lines = []
    for name, item in BENCHMARKS.items():
        path = Path(__file__).with_name(f"{item.module}.py")
        first = path.read_text(encoding="utf-8").split("\n", 1)[0].strip('"')
        lines.append(f"{name:<16} {first}" + (f" [{', '.join(item.data)}]" if item.data else ""))
    return "\n".join(lines)


def forbidden(result: Result) -> bool:
    """Whether something was found that must not be there: a figure whose goal is none at all."""
    return any(item.goal == 0 and not item.reached for item in result.figures)


def main(words: Sequence[str]) -> int:
    """Run what is named; the exit code."""
    names = list(takewhile(lambda word: not word.startswith("-"), words))
    options = words[len(names) :]
    if "--list" in options:
        print(listed())
        return 0
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown or not names:
        print(f"{unknown[0]}: no benchmark; see --list" if unknown else __doc__, file=sys.stderr)
        return 2
    if len(names) > 1:  # each in a process of its own: peak memory and caches of one must not show in the next
        return max(subprocess.run([sys.executable, __file__, name, *options], check=False).returncode for name in names)
    try:
        return int(forbidden(measured(names[0], options)))
    except QuipuError as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

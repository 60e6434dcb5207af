"""Small cases of how documents are written: questions that must be answered rightly, and others that must be refused.

    python benchmarks/run.py cases --cases FOLDER

For each kind there is a folder of documents (or of ready pairs, as CSV), and KIND.jsonl with lines of ``question`` and
``answer`` (null: must be refused). Builds a memory of each kind and asks. An answer is right when it holds the value's
words in a row, or shares most of its words with it.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections import Counter
from pathlib import Path

import quipu
from common import ask, say, write_lines
from figures import Figure, Result
from quipu.datasets.io import read_jsonl
from quipu.errors import InputError
from quipu.records import Score
from quipu.text import normalize_answer, token_f1

ALIKE = 0.7  # token F1 from which an answer says what it should
_LEADING = re.compile(r"^(?:in|at|on|by|from|to|for)\s+", re.IGNORECASE)
OUTCOMES = ("right", "wrong", "refused, but stated", "rightly refused")
GOALS = {("all", "wrong answers, %"): 3.0, ("all", "stated facts answered, %"): 50.0}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--cases", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--only", nargs="*", metavar="KIND", help="some kinds, by name")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="write every question with its answer here")


def run(options: argparse.Namespace) -> Result:
    """Build, ask and count, kind by kind."""
    kinds = sorted(path.stem for path in options.cases.glob("*.jsonl") if (options.cases / path.stem).is_dir())
    kinds = [kind for kind in kinds if not options.only or kind in options.only]
    if not kinds:
        raise InputError(
            f"{options.cases}: no kinds here, each a folder KIND and KIND.jsonl; --cases names another folder"
        )
    rows = [row for kind in kinds for row in asked(options.cases, kind)]
    if options.answers is not None:
        write_lines(options.answers, rows)
    figures = [figure for kind in dict.fromkeys(str(row["kind"]) for row in rows) for figure in counted(kind, rows)]
    stated = [row for row in rows if row["answer"] is not None]
    wrong = sum(row["outcome"] == "wrong" for row in rows)
    right = sum(row["outcome"] == "right" for row in stated)
    figures += counted("all", rows)
    figures += [
        Figure("all", Score("wrong answers, %", 100 * wrong / max(1, len(rows)), len(rows), None, False)),
        Figure("all", Score("stated facts answered, %", 100 * right / max(1, len(stated)), len(stated))),
    ]
    title = f"Cases: {len(rows)} questions about small documents of {len(kinds)} kinds"
    return Result.now("cases", title, figures, goals=GOALS)


def asked(cases: Path, kind: str) -> list[dict[str, str | float | None]]:
    """The questions of a kind with what a fresh memory of its folder says."""
    examples = list(read_jsonl(cases / f"{kind}.jsonl"))
    pairs = sorted((cases / kind).glob("*.csv"))
    with tempfile.TemporaryDirectory(prefix="quipu-cases-") as temporary:
        documents = [] if pairs else [cases / kind]
        with quipu.build(documents, Path(temporary) / "m", pairs=pairs[0] if pairs else None) as memory:
            say(f"{kind}: {memory.info()['counts']}")
            answers = ask(memory, [row["question"] for row in examples], kind)
    return [
        {
            "kind": kind, "question": row["question"], "answer": row["answer"], "said": answer.text,
            "outcome": outcome(answer.text, row["answer"]), "probability": answer.probability, "route": answer.route,
            "reason": answer.reason, "held": answer.held,
            "asked_as": answer.evidence[0].pair.question if answer.evidence and answer.evidence[0].pair else None,
        }
        for row, answer in zip(examples, answers, strict=True)
    ]  # fmt: skip


def outcome(said: str | None, value: str | None) -> str:
    """One of ``OUTCOMES``, of what was said where ``value`` is right (None: nothing is)."""
    if said is None:
        return "rightly refused" if value is None else "refused, but stated"
    if value is None:
        return "wrong"
    said, value = (_LEADING.sub("", text) for text in (said, value))
    inside = f" {normalize_answer(value)} " in f" {normalize_answer(said)} "
    return "right" if inside or token_f1(said, value) >= ALIKE else "wrong"


def counted(kind: str, rows: list[dict[str, str | float | None]]) -> list[Figure]:
    """How often each outcome was; of one kind, or of all."""
    own = [row for row in rows if kind in ("all", row["kind"])]
    found = Counter(str(row["outcome"]) for row in own)
    return [
        Figure(kind, Score(name, found[name], len(own), None, name in ("right", "rightly refused")))
        for name in OUTCOMES
    ]

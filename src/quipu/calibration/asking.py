"""Ask labelled questions and record what every step proposes, with whether it is right.

A record is all that fitting needs: scorers, thresholds and figures are made of records alone, so that asking, which
takes minutes, is done once. Records are JSON lines that a killed run continues.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.answering.answerer import Answerer
from quipu.answering.proposal import Context, Proposal
from quipu.answering.scoring import ORDERING, Calibration, LinearScorer
from quipu.calibration.questions import Asked, Labelled

BATCH = 32
STEPS = ("lookup", "passage", "read", "hops", "chain", "span")
RERANKED = "lookup_reranked"
Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a step proposed: the scorer that weighs it, its text and features, whether it is right."""

    scorer: str
    text: str
    features: tuple[float, ...]
    right: bool


@dataclass(frozen=True, slots=True)
class Record:
    """What the steps proposed for one question, by the step's name. Steps that were not asked are missing."""

    name: str
    group: str
    steps: Mapping[str, tuple[Candidate, ...]]

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        steps = {
            step: [[item.scorer, item.text, item.right, list(item.features)] for item in row]
            for step, row in self.steps.items()
        }
        return {"name": self.name, "group": self.group, "steps": steps}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Record:
        """What ``to_json`` gave."""
        steps = {
            step: tuple(Candidate(scorer, text, tuple(features), right) for scorer, text, right, features in items)
            for step, items in row["steps"].items()
        }
        return cls(row["name"], row["group"], steps)


def ask_ordering(asked: Asked, *, rerank: bool, skip: int = 0) -> Iterator[Record]:
    """What stands first, before anything is fitted: passages, and with ``rerank`` the pairs that the reranker read."""
    answerer = asked.memory.answerer
    names = [name for name in ORDERING if (name == "where" or rerank) and not answerer.missing(name)]
    for some in _batches([item for item in asked.questions[skip:] if item.answers or not item.wrong]):
        yield from _ordering(answerer, asked.name, some, names)


def ask_steps(
    asked: Asked, ordering: Mapping[str, LinearScorer], steps: Sequence[str] = STEPS, *, skip: int = 0
) -> Iterator[Record]:
    """What ``steps`` propose for each question but the first ``skip``, with the scorers of ``ordering``.

    ``RERANKED`` among them is lookup with the reranker.
    """
    answerer = asked.memory.answerer
    before = answerer.calibrations
    known = (Calibration(ordering, "under way"), *before)
    for some in _batches(asked.questions[skip:]):
        answerer.calibrations = known
        try:
            records = _batch(answerer, asked.name, some, steps)
        finally:
            answerer.calibrations = before
        yield from records


def read_records(path: Path) -> list[Record]:
    """The records of a file, none where there is none; a last line that was cut short is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        try:
            found.append(Record.from_json(json.loads(line)))
        except ValueError:
            break
    return found


def recorded(path: Path, asked: Asked, make: Callable[[int], Iterator[Record]], report: Report) -> list[Record]:
    """The records of a file, those that are missing made by ``make`` (from which question on) and added to it."""
    found = read_records(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(_line(record) for record in found), encoding="utf-8")
    with path.open("a", encoding="utf-8") as file:
        for record in make(len(found)):
            file.write(_line(record))
            found.append(record)
            if len(found) % BATCH == 0:
                file.flush()
                report({"asked": asked.name, "done": len(found), "of": len(asked.questions)})
    return found


def _line(record: Record) -> str:
    return json.dumps(record.to_json(), ensure_ascii=False) + "\n"


def _batches(questions: Sequence[Labelled]) -> Iterator[Sequence[Labelled]]:
    for first in range(0, len(questions), BATCH):
        yield questions[first : first + BATCH]


def _context(answerer: Answerer, some: Sequence[Labelled], *, rerank: bool = False) -> Context:
    return answerer.context(
        [item.question for item in some], rerank=rerank, without=[item.without for item in some]
    )  # fmt: skip


def _ordering(answerer: Answerer, name: str, some: Sequence[Labelled], names: Sequence[str]) -> list[Record]:
    questions, without = [item.question for item in some], [item.without for item in some]
    steps: list[dict[str, tuple[Candidate, ...]]] = [{} for _ in some]
    for step in names:
        proposed = answerer.propose(step, questions, rerank=step == "rerank", without=without)
        for at, row in enumerate(proposed):
            right = some[at].stands_in if step == "where" else some[at].right
            steps[at][step] = tuple(Candidate(step, "", _rounded(item), right(item.text)) for item in row)
    return [Record(name, item.group, own) for item, own in zip(some, steps, strict=True)]


def _batch(answerer: Answerer, name: str, some: Sequence[Labelled], steps: Sequence[str]) -> list[Record]:
    found: list[dict[str, tuple[Candidate, ...]]] = [{} for _ in some]
    if RERANKED in steps and not answerer.missing("rerank"):
        _add(answerer, found, some, RERANKED, _context(answerer, some, rerank=True))
    context = _context(answerer, some)  # one for all steps: a passage is read for a question once
    for step in STEPS:
        if step in steps and not answerer.missing(step):
            _add(answerer, found, some, step, context)
    return [Record(name, item.group, own) for item, own in zip(some, found, strict=True)]


def _add(
    answerer: Answerer,
    steps: list[dict[str, tuple[Candidate, ...]]],
    some: Sequence[Labelled],
    step: str,
    context: Context,
) -> None:
    """Ask one step and add what it proposes for each question."""
    proposed = answerer.propose("lookup" if step == RERANKED else step, [item.question for item in some], context)
    for own, question, row in zip(steps, some, proposed, strict=True):
        own[step] = tuple(_candidate(item, question) for item in row if question.known(item.text))


def _candidate(item: Proposal, question: Labelled) -> Candidate:
    return Candidate(item.scorer, item.text, _rounded(item), bool(item.text) and question.right(item.text))


def _rounded(item: Proposal) -> tuple[float, ...]:
    """Features as records keep them."""
    return tuple(round(value, 6) for value in item.features)

"""Questions with short answers and no passage: NQ-open, WebQuestions, DPR's question files, and the like."""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from quipu.datasets import squad
from quipu.datasets.io import numbered, open_text, read_json
from quipu.errors import InputError
from quipu.records import Example

# DPR's development splits of the training questions of NQ-open and TriviaQA, in the folder of all sets.
DPR = ("nq_open/dpr-dev.tsv", "triviaqa/dpr-dev.tsv")


def read_examples(path: Path, *, unanswered: bool = False) -> list[Example]:
    """NQ-open JSONL, SQuAD JSON (1.1 or 2.0, answerable questions only) or WebQuestions JSON, each also as .gz.

    ``unanswered``: lines of JSONL with an empty list of answers, too.
    """
    path = Path(path)
    found = list(nq_open(path, unanswered=unanswered) if _is_jsonl(path) else _whole(path))
    if not found:
        raise InputError(f"{path} holds no question with an answer")
    return found


def nq_open(path: Path, *, unanswered: bool = False) -> Iterator[Example]:
    """Lines of {question, answer: [...]}; an answer may be a text alone, and the key ``answers``."""
    for number, row in numbered(path):
        try:
            answers = row.get("answer", row.get("answers"))
            answers = [answers] if isinstance(answers, str) else answers
            if answers or (unanswered and answers == []):
                yield Example(str(row.get("id", number)), row["question"], tuple(answers))
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}, line {number}: no NQ-open record with question and answer ({error})") from error


def webquestions(path: Path) -> list[Example]:
    """A JSON list of {qId, qText, answers}; questions without an answer are left out."""
    return _webquestions(read_json(path), path)


def dpr(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Lines of ``question<tab>Python list of answers``; the few whose list is not well-formed are left out."""
    with open_text(path) as file:
        for line in file:
            question, tab, answers = line.rstrip("\r\n").partition("\t")
            if tab:
                with contextlib.suppress(SyntaxError, ValueError):
                    yield question, [str(answer) for answer in ast.literal_eval(answers)]


def dpr_questions(path: Path) -> list[str]:
    """The questions alone, those too whose answers are not well-formed."""
    with open_text(path) as file:
        return [line.partition("\t")[0] for line in file if "\t" in line]


def _is_jsonl(path: Path) -> bool:
    """True if the first line is an object of its own with a question."""
    with open_text(path) as file:
        first = next((line for line in file if line.strip()), "")
    try:
        row = json.loads(first)
    except ValueError:
        return False
    return isinstance(row, dict) and "question" in row


def _whole(path: Path) -> Iterator[Example]:
    try:
        content = read_json(path)
        if isinstance(content, list):
            return iter(_webquestions(content, path))
        return (example for example in squad.examples(squad.from_json(content, path)) if example.answers)
    except InputError as error:
        raise InputError(f"{path} is neither NQ-open JSONL, SQuAD JSON nor WebQuestions JSON ({error})") from error


def _webquestions(rows: Any, path: Path) -> list[Example]:
    try:
        return [Example(str(row["qId"]), row["qText"], tuple(row["answers"])) for row in rows if row["answers"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} is no WebQuestions file ({type(error).__name__}: {error})") from error

"""Grow a memory where it was asked and had no answer: pairs for logged questions that the passages do answer.

A question that was refused is put to the passages that a word search finds for it. Where the reader finds an answer
there, that span gets the question itself as a pair, and what the writer asks about it, both through a build's filters,
as far as ``quipu.building.judging`` finds them good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from quipu.answering.answerer import Answerer
from quipu.building.builder import Builder
from quipu.building.generated import add_targeted
from quipu.building.global_consistency import PASSAGES
from quipu.building.proposing import knowing
from quipu.errors import InputError
from quipu.records import Answer, Span
from quipu.storage.passage_vectors import search_passages
from quipu.text import from_json

LEAST = 0.3  # probability of the reader's span


def refused_in(path: Path) -> Iterator[tuple[str, bool]]:
    """(question, whether it was refused) of each line of a log as ``quipu ask --json`` prints it; InputError else.

    Lines with a verdict are of answers that stand in the log already.
    """
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = from_json(line)
                    question, text = str(row["question"]), row["text"]
                except (ValueError, KeyError, TypeError) as error:
                    raise InputError(
                        f"{path}, line {number}: not an answer as `quipu ask --json` prints it ({error})"
                    ) from error
                if "verdict" not in row:
                    yield question, text is None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def grow(
    builder: Builder, ask: Callable[[str], Answer], answerer: Answerer, log: Iterator[tuple[str, bool]]
) -> dict[str, int]:
    """Counts: questions, refused, answered by now, grown, pairs, unanswered. A second time adds nothing.

    ask: what the memory says to a question now; answerer: the memory's, which is asked with each new pair.
    """
    asked = list(log)
    refused = list(dict.fromkeys(question for question, no_answer in asked if no_answer and question.strip()))
    report = {
        "questions": len(asked), "refused": len(refused), "answered_now": 0, "grown": 0, "pairs": 0, "unanswered": 0,
    }  # fmt: skip
    for done, question in enumerate(refused, start=1):
        if ask(question).text is not None:
            report["answered_now"] += 1
            continue
        passages = [passage for passage, _ in search_passages(builder.store, question, PASSAGES)]
        reader = knowing(builder.reader(), passages)
        readings = reader.read([question] * len(passages), [passage.text for passage in passages])
        found = [at for at, reading in enumerate(readings) if reading.start >= 0]  # words that stand there
        best = max(found, key=lambda at: readings[at].score, default=None)
        if best is None or readings[best].score <= 0 or readings[best].probability < LEAST:
            report["unanswered"] += 1
            continue
        span = Span(readings[best].start, readings[best].end)
        added = add_targeted(builder, answerer, passages[best], span, question)
        report["grown" if added else "unanswered"] += 1
        report["pairs"] += added
        builder.tell(stage="grow", done=done, total=len(refused), pairs=report["pairs"])
    return report

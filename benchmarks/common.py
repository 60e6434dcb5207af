"""What the benchmarks share: memories that are built once, questions asked with progress, and figures."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import quipu
from figures import Figure, models
from quipu.errors import InputError
from quipu.evaluation.metrics import (
    best_f1,
    exact_match,
    expected_calibration_error,
    first_hit,
    latencies,
    mean_score,
)
from quipu.evaluation.tasks.open_domain import spread, timing
from quipu.records import Answer, Example, Score

T = TypeVar("T")
Built = tuple[Any, float | None]  # a memory, and the seconds of its build
Right = Callable[[Answer, Example], bool]
BATCH = 64  # questions of one call
sys.path.append(str(Path(__file__).parents[1]))  # for what benchmarks share with tests
MAKERS = ("/encoder@", "/extractor@", "/lm@")  # models that decide which pairs a memory holds
TIMED = 200  # questions that are asked one by one for the time of one


def say(text: str) -> None:
    """A line of progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def progress(every: float = 10.0) -> Callable[[dict[str, Any]], None]:
    """A callback that shows a build's progress on stderr, at most every ``every`` seconds."""
    last = 0.0

    def report(line: dict[str, Any]) -> None:
        nonlocal last
        if time.monotonic() - last >= every:
            last = time.monotonic()
            say("  " + " ".join(f"{name}={value}" for name, value in line.items()))

    return report


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """JSON objects, one a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def memory_of(rows: Sequence[dict[str, str]], options: argparse.Namespace, name: str, **settings: Any) -> Built:
    """The memory of documents (id, title, text) in the folder ``--work``; see ``built``."""
    documents = options.work / f"{name}.jsonl"
    write_lines(documents, rows)
    return built(documents, options.work / f"{name}.quipu", keep=options.keep, **settings)


def built(documents: Path, path: Path, *, keep: bool = False, **settings: Any) -> Built:
    """The memory of a file or folder at ``path``, and the seconds of its build.

    One that is there is opened, and one whose build was interrupted is finished; its seconds are None then. Seconds and
    models stand in a note beside it: what other models built is refused, unless ``keep`` says to ask it all the same.
    """
    note = path.with_suffix(".build.json")
    makers = {name: digest for name, digest in models().items() if any(part in name for part in MAKERS)}
    known = json.loads(note.read_text(encoding="utf-8")) if note.exists() else None
    if known is not None:
        if known["models"] != makers and not keep:
            raise InputError(f"{path} was built with other models; remove it and {note.name}, or ask it with --keep")
        if known["finished"]:
            return quipu.open(path, read_only=True), known["seconds"]
    if known is None and keep and path.exists():
        return quipu.open(path, read_only=True), None
    say(f"building {path} ...")
    first = {"models": makers, "finished": False, "seconds": None}
    note.write_text(json.dumps(known or first), encoding="utf-8")
    start = time.perf_counter()
    try:
        memory = quipu.build([documents], path, progress=progress(), **settings)
    except InputError:
        if known is None:
            raise
        memory = quipu.open(path, read_only=True)  # it had been finished, without a word of it in the note
    seconds = None if known is not None else time.perf_counter() - start
    say(f"built in {time.perf_counter() - start:.1f} s")
    note.write_text(json.dumps({**(known or first), "finished": True, "seconds": seconds}), encoding="utf-8")
    return memory, seconds


def batches(items: Sequence[T], count: int = BATCH) -> Iterator[Sequence[T]]:
    """``items`` in runs of at most ``count``."""
    for first in range(0, len(items), count):
        yield items[first : first + count]


def ask(memory: Any, questions: Sequence[str], label: str, **options: Any) -> list[Answer]:
    """The answers to all questions, in calls of ``BATCH``, with progress; options of ``ask_many``."""
    answers: list[Answer] = []
    start = last = time.monotonic()
    for some in batches(questions):
        answers += memory.ask_many(some, **options)
        if time.monotonic() - last > 15:
            last = time.monotonic()
            say(f"  {label}: {len(answers)} of {len(questions)}, {len(answers) / (last - start):.1f}/s")
    say(f"{label}: {len(questions)} questions in {time.monotonic() - start:.0f} s")
    return answers


def accepted(answer: Answer, example: Example) -> bool:
    """Whether an answer is an accepted one, as EM counts."""
    return bool(exact_match(answer.text or "", example.answers))


def quality(system: str, texts: Sequence[str | None], examples: Sequence[Example]) -> list[Figure]:
    """EM and F1 of texts; None is an empty answer."""
    said = list(zip([text or "" for text in texts], [example.answers for example in examples], strict=True))
    return [
        Figure(system, mean_score("EM", [exact_match(text, accepted) for text, accepted in said], scale=100)),
        Figure(system, mean_score("F1", [best_f1(text, accepted) for text, accepted in said], scale=100)),
    ]


def calibration_error(system: str, answers: Sequence[Answer], right: Sequence[bool]) -> list[Figure]:
    """ECE over 15 bins of equal mass; nothing where the memory's models have no probabilities."""
    if any(answer.probability is None and answer.text is not None for answer in answers):
        return []
    value = expected_calibration_error([answer.probability or 0.0 for answer in answers], right)
    return [Figure(system, Score("ECE", value, len(answers), None, False))]


def at_thresholds(system: str, answers: Sequence[Answer], right: Sequence[bool]) -> list[Figure]:
    """Share of questions that are answered, and share of these answered rightly, in per cent."""
    given = [float(good) for answer, good in zip(answers, right, strict=True) if answer.text is not None]
    return [
        Figure(system, mean_score("answered, %", [float(a.text is not None) for a in answers], scale=100)),
        Figure(system, mean_score("right among these, %", given, scale=100)),
    ]


def recall(system: str, memory: Any, examples: Sequence[Example], k: int = 50) -> list[Figure]:
    """Share of questions with an accepted answer among the best ``k`` pairs, in per cent."""
    held: list[float] = []
    for some in batches(examples):
        found = memory.search_many([example.question for example in some], k)
        for hits, example in zip(found, some, strict=True):
            held.append(float(first_hit([hit.pair.answer for hit in hits], example.answers) is not None))
    return [Figure(system, mean_score(f"recall@{k}", held, scale=100))]


def milliseconds(system: str, one: Callable[[str], object], questions: Sequence[str]) -> list[Figure]:
    """The p50 and p95 of one question asked by itself, over ``TIMED`` of them."""
    times = latencies(one, spread(questions, TIMED), time.perf_counter)
    return [Figure(system, score) for score in timing(times)]


def whole_way(system: str, memory: Any, examples: Sequence[Example], right: Right = accepted) -> list[Figure]:
    """The cascade: EM, F1 and ECE with nothing held back, what it answers at its thresholds, and the time of one.

    With another ``right`` than ``accepted`` the share of right answers stands in the place of EM and F1.
    """
    questions = [example.question for example in examples]

    def asked(label: str, **options: Any) -> tuple[list[Answer], list[bool]]:
        answers = ask(memory, questions, f"{system}, {label}", **options)
        return answers, [right(answer, example) for answer, example in zip(answers, examples, strict=True)]

    forced, good = asked("nothing held back", min_probability=0.0)
    shipped, held = asked("at its thresholds")
    if right is accepted:
        figures = quality(system, [answer.text for answer in forced], examples)
    else:
        figures = [Figure(system, mean_score("right, nothing held back, %", [float(x) for x in good], scale=100))]
    return [
        *figures,
        *calibration_error(system, forced, good),
        *at_thresholds(system, shipped, held),
        *milliseconds(system, lambda question: memory.ask(question, min_probability=0.0), questions),
    ]


def language_model() -> Any:
    """The language model that ships, which writes, checks and reads."""
    from quipu.models.lm.model import LanguageModel

    return LanguageModel.from_pretrained()


def size(path: Path) -> int:
    """Bytes of all files under a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())

"""``quipu ask`` and ``quipu search``: questions in, answers with their sources out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.places import SHOWN, located
from quipu.cli.terminal import print_json, print_table, shortened
from quipu.errors import InputError

if TYPE_CHECKING:
    from quipu.records import Answer, Evidence

QUESTIONS_PER_CALL = 64
"""Questions of a file that are encoded together."""


def ask(
    memory: MemoryPath,
    question: Annotated[
        str | None,
        typer.Argument(
            metavar="QUESTION",
            help="Without it: a prompt on a terminal, else one question a line of standard input.",
            show_default=False,
        ),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help='One question a line, plain or as JSON objects with "question".'),
    ] = None,
    k: Annotated[
        int | None, typer.Option("-k", min=1, metavar="N", help="Stored pairs to look at; without it as many as set.")
    ] = None,
    method: Annotated[
        Literal["cascade", "lookup", "passage", "read", "hops", "chain", "span"],
        typer.Option(
            help="The answer of the best stored pair; one read from the best passages, or from the best pairs; one "
            "that two passages or a chain of two pairs lead to; a span by stored vectors; or a cascade of these, "
            "until one is sure enough."
        ),
    ] = "cascade",
    rerank: Annotated[
        bool, typer.Option("--rerank/--no-rerank", help="Let the reranker choose among the pairs found.")
    ] = False,
    min_probability: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="P",
            help="Hold back answers that are less probable; 0 shows all. Without it: the memory's threshold.",
        ),
    ] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option(min=0.001, metavar="MS", help="A cascade takes no further step after so many milliseconds."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of answering; may be given again."),
    ] = None,
    explain: Annotated[bool, typer.Option(help="Show every step of a cascade, and all evidence.")] = False,
    as_json: AsJson = False,
) -> None:
    """Answer questions from a memory, with sources and probabilities.

    Where nothing is probable enough, there is no answer but the reason.
    """
    import quipu

    if question is not None and questions is not None:
        raise InputError("give one question or --questions FILE, not both")
    if question is not None and not question.strip():
        raise InputError("the question is empty")
    with quipu.open(memory, read_only=True, settings=_settings(settings or ())) as opened:

        def answered(some: list[str]) -> list[Answer]:
            return opened.ask_many(
                some, k=k, method=method, rerank=rerank, min_probability=min_probability, budget_ms=budget_ms
            )

        def show(answer: Answer, with_question: bool = False) -> None:
            _show(answer, as_json, with_question, explain)

        if question is not None:
            show(answered([question])[0])
        elif questions is not None:
            for some in _batches(_questions(questions), QUESTIONS_PER_CALL):
                for answer in answered(some):
                    show(answer, with_question=True)
        elif sys.stdin.isatty():
            _prompt(opened.path, answered, show)
        else:
            for line in sys.stdin:
                if line.strip():
                    show(answered([_one_question(line, "standard input")])[0], True)


def search(
    memory: MemoryPath,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to look for.", show_default=False)],
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="Stored pairs to show.")] = 10,
    method: Annotated[
        Literal["vector", "words", "both"], typer.Option(help="Search by meaning, by words, or by both, fused.")
    ] = "both",
    as_json: AsJson = False,
) -> None:
    """Show the stored pairs that are nearest to a question."""
    from dataclasses import asdict

    import quipu
    from quipu.answering.proposal import place_of

    if not question.strip():
        raise InputError("the question is empty")
    with quipu.open(memory, read_only=True) as opened:
        found = [(hit, place_of(hit, opened.store)) for hit in opened.search(question, k, method=method)]
    if as_json:
        for hit, place in found:
            print_json({**asdict(hit), "document": place.document, **asdict(place.place)})
        return
    rows = [
        (hit.rank, hit.score, hit.pair.id[:SHOWN], shortened(hit.pair.answer, 60), shortened(hit.pair.question, 90),
         _place(place) if place.document else f"{hit.pair.origin} pair")
        for hit, place in found
    ]  # fmt: skip
    print_table(rows, head=("rank", "score", "pair", "answer", "question", "source"))


def _settings(given: Iterable[str]) -> dict[str, Any]:
    """Names and values of NAME=VALUE; a value is a number where it reads as one."""
    found: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set takes NAME=VALUE, not {item!r}")
        try:
            found[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            found[name.strip()] = value
    return found


def _questions(path: Path) -> Iterator[str]:
    """The questions of a file, one a line; blank lines do not count."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield _one_question(line, f"{path}, line {number}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text; questions are one a line") from error


def _one_question(line: str, where: str) -> str:
    """A line as a question: plain text, or a JSON object with the key "question"."""
    line = line.strip()
    if not line.startswith("{"):
        return line
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return line
    if not isinstance(value.get("question"), str) or not value["question"].strip():
        raise InputError(f'{where}: a JSON object without a "question"')
    return str(value["question"]).strip()


def _batches(items: Iterable[str], size: int) -> Iterator[list[str]]:
    some: list[str] = []
    for item in items:
        some.append(item)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def _prompt(memory: Path, answered: Callable[[list[str]], list[Answer]], show: Callable[[Answer], None]) -> None:
    """Ask until the end of input."""
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() its history and line editing
    print(f"{memory}: ask a question, or end with Ctrl-D.", file=sys.stderr)
    while True:
        try:
            line = input("? ").strip()
        except EOFError:
            print(file=sys.stderr)
            return
        if line:
            show(answered([line])[0])


def _show(answer: Answer, as_json: bool, with_question: bool, explain: bool) -> None:
    if as_json:
        print_json(answer.to_json())
        return
    if with_question:
        print(f"? {answer.question}")
    for line in described(answer):
        print(line)
    if explain:
        for line in explained(answer):
            print(line)
    if with_question:
        print()


def described(answer: Answer) -> list[str]:
    """The lines that a person reads: answer, probability, the pair it comes from, the sentence and its source.

    Without an answer: the reason, and the sentence where it may stand.
    """
    time = f"{answer.milliseconds:.1f} ms"
    if answer.text is None:
        held = "" if answer.probability is None else f"  probability {answer.probability:.2f},"
        lines = [f"(no answer: {answer.reason}){held} {time}"]
        if answer.nearest is not None:
            found = answer.nearest
            lines.append(f"    perhaps   {found.sentence}")
            source = located(
                found.document, found.title, page=found.page, line=found.line, headings=found.headings,
                start=found.start, end=found.end,
            )  # fmt: skip
            lines.append(f"    source    {source}")
        elif answer.evidence:
            lines += _asked_as(answer.evidence[0], "nearest")
        return lines
    trust = f"score {answer.score:.3f}" if answer.probability is None else f"probability {answer.probability:.2f}"
    lines = [f"{' '.join(answer.text.split())}    {trust}, {time}"]
    if not answer.evidence:
        return lines
    best = answer.evidence[0]
    lines += _asked_as(best, "asked as")
    if best.passage is not None and best.span is not None:
        lines.append(f"    quote     {_sentence(best)}")
    if best.document is not None:
        lines.append(f"    source    {_place(best)}")
    elif best.pair is not None:
        lines.append(f"    source    none: the pair was {best.pair.origin}")
    return lines


def _asked_as(evidence: Evidence, label: str) -> list[str]:
    """The stored question with its pair's id; a written one that only its passage explains is not shown."""
    from quipu.generate.wording import understood

    if evidence.pair is None:
        return []
    pair = evidence.pair
    shown = shortened(pair.question, 100) if pair.origin != "generated" or understood(pair.question) else "pair"
    return [f"    {label:<9} {shown} [{pair.id[:SHOWN]}]"]


def _place(evidence: Evidence) -> str:
    place, span = evidence.place, evidence.span
    return located(
        evidence.document, evidence.passage.title if evidence.passage else "", page=place.page, line=place.line,
        headings=place.headings, start=span.start if span else None, end=span.end if span else None,
    )  # fmt: skip


def explained(answer: Answer) -> list[str]:
    """Every step of the cascade, and the pairs behind the answer beyond the first."""
    lines = []
    for step in answer.tried:
        said = " ".join((step.text or f"({step.held or '-'})").split())
        sure = "" if step.probability is None else f", probability {step.probability:.2f}"
        lines.append(f"    {step.route:<9} {said} ({step.reason}{sure}, {step.milliseconds:.1f} ms)")
    for item in answer.evidence[1:]:
        if item.pair is not None:
            said = f"{shortened(item.pair.question, 80)} {shortened(item.pair.answer, 80)}"
            lines.append(f"    also      {said} [{item.pair.id[:SHOWN]}]")
    return lines


def _sentence(evidence: Evidence) -> str:
    """The sentence around the answer, the answer between guillemets."""
    from quipu.corpus.passages import sentences_of

    assert evidence.passage is not None and evidence.span is not None
    text = evidence.passage.text
    start, end = evidence.span.start - evidence.passage.span.start, evidence.span.end - evidence.passage.span.start
    spans = [span for span in sentences_of(evidence.passage) if span.start < end and start < span.end]
    left, right = (spans[0].start, spans[-1].end) if spans else (0, len(text))
    return " ".join(f"{text[left:start]}»{text[start:end]}«{text[end:right]}".split())

"""``quipu ask`` and ``quipu search``: questions in, answers with their sources out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from quipu.cli.llm_options import takes_llm
from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, print_table, remark, shortened, show
from quipu.errors import InputError, MemoryLocked, ServerError
from quipu.places import SHOWN, dated, located_evidence, located_sentence

if TYPE_CHECKING:
    from quipu.cli.questions import BadLine
    from quipu.models.remote.settings import LlmSettings
    from quipu.records import Answer, Dated, Elsewhere, Evidence

QUESTIONS_PER_CALL = 64
"""Questions of a file that are asked together."""
GOODBYES = ("exit", "quit", "exit()", "quit()", ":q")

VERDICTS = {"right": True, "r": True, "wrong": False, "w": False}
"""What marks the answer before, at the prompt."""


@takes_llm
def ask(
    memory: Annotated[
        str,
        typer.Argument(
            metavar="MEMORY|URL",
            help="The folder of the memory, or its address at a server, as http://localhost:8765/docs, whose token is "
            "in QUIPU_TOKEN.",
            show_default=False,
        ),
    ],
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
        typer.Option(
            metavar="FILE",
            help='One question a line, plain or as JSON objects with "question"; - is standard input. A line that is '
            "no question is named, and the others are answered.",
        ),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="MEMORY",
            help="A further memory that is asked together with the first: one answer, whose source names its memory. "
            "May be given again.",
        ),
    ] = None,
    k: Annotated[
        int | None, typer.Option("-k", min=1, metavar="N", help="Stored pairs to look at; without it as many as set.")
    ] = None,
    method: Annotated[
        Literal["cascade", "lookup", "passage", "read", "hops", "chain", "span", "llm"],
        typer.Option(
            help="The answer of the best stored pair; one read from the best passages, or from the best pairs; one "
            "that two passages or a chain of two pairs lead to; a span by stored vectors; or a cascade of these, "
            "until one is sure enough. llm: what an external model (--llm-url) says of passages, with a quotation."
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
    precision: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="Instead of a least probability: how many of the answers given are to be right, as 0.95."
        ),
    ] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option(
            min=0.001, metavar="MS", help="A cascade takes no step that will probably end after so many milliseconds."
        ),
    ] = None,
    prefer: Annotated[
        Literal["newest", "both", "first"] | None,
        typer.Option(
            help="Where sources disagree: answer as the newest or the first (oldest) one does, or with both. Without "
            "it the surest answer is given, and what the others say is shown with their dates.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Change a setting of answering; may be given again."),
    ] = None,
    explain: Annotated[bool, typer.Option(help="Show every step of a cascade, and all evidence.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first line that is no question.")] = False,
    as_json: AsJson = False,
    llm: LlmSettings | None = None,
) -> None:
    """Answer questions from a memory, with sources and probabilities.

    Where nothing is probable enough, there is no answer but the reason. Questions of a file are asked together, 64 at
    a time: their milliseconds are means.
    """
    from quipu.cli.asking import asker
    from quipu.cli.questions import STANDARD_INPUT, questions_of
    from quipu.text import check_question

    if question is not None and questions is not None:
        raise InputError("give one question or --questions FILE, not both")
    if question is not None:
        check_question(question)
    if precision is not None and min_probability is not None:
        raise InputError("give --precision or --min-probability, not both")
    options = {
        "k": k, "method": method, "rerank": rerank, "min_probability": min_probability, "precision": precision,
        "budget_ms": budget_ms, "prefer": prefer,
    }  # fmt: skip
    if (method == "llm") != (llm is not None):
        raise InputError("--method llm needs --llm-url URL --llm-model ID, and no other method asks an external model")
    with asker(memory, _settings(settings or ()), options, llm, also or ()) as asked:
        if question is not None:
            [(answer, together)] = asked.ask([question])
            _show(answer, together, as_json, explain)
        elif questions is None and sys.stdin.isatty():

            def ask_one(line: str) -> None:
                [(answer, together)] = asked.ask([line])
                _show(answer, together, as_json, explain)

            _prompt(asked.name, ask_one, asked.mark)
        else:
            source = questions or STANDARD_INPUT
            size = 1 if source == STANDARD_INPUT else QUESTIONS_PER_CALL  # a pipe may wait for each answer
            for some in _batches(questions_of(source, asked.longest), size, strict):
                for answer, together in asked.ask(some):
                    _show(answer, together, as_json, explain, named=True)


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
    from quipu.text import check_question

    check_question(question)
    with quipu.open(memory, read_only=True) as opened:
        found = [(hit, place_of(hit, opened.store)) for hit in opened.search(question, k, method=method)]
    if as_json:
        for hit, place in found:
            print_json({**asdict(hit), "document": place.document, **asdict(place.place)})
        return
    rows = [
        (hit.rank, hit.score, hit.pair.id[:SHOWN], shortened(hit.pair.answer, 60), shortened(hit.pair.question, 90),
         located_evidence(place) if place.document else f"{hit.pair.origin} pair")
        for hit, place in found
    ]  # fmt: skip
    print_table(rows, head=("rank", "score", "pair", "answer", "question", "source"))


def _settings(given: Iterable[str]) -> dict[str, Any]:
    """Names and values of NAME=VALUE; a value is a number where it reads as one."""
    from quipu.text import from_json

    found: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise InputError(f"--set takes NAME=VALUE, not {item!r}")
        try:
            found[name.strip()] = from_json(value)
        except ValueError:
            found[name.strip()] = value
    return found


def _batches(items: Iterable[str | BadLine], size: int, strict: bool) -> Iterator[list[str]]:
    """The questions, so many at a time; InputError where there are bad lines and not one question.

    Lines that are none are named on stderr; with ``strict`` the first is an InputError.
    """
    some: list[str] = []
    asked = bad = 0
    for item in items:
        if not isinstance(item, str):
            if strict:
                raise InputError(f"{item.where}: {item.reason}")
            bad += 1
            remark(f"{item.where}: {item.reason}")
            continue
        asked += 1
        some.append(item)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
    if bad and not asked:
        raise InputError("not one line could be asked")


def _prompt(memory: str, ask_one: Callable[[str], None], mark: Callable[[bool], None]) -> None:
    """Ask until the end of input, or until one of ``GOODBYES``; a word of ``VERDICTS`` marks the last answer."""
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - gives input() its history and line editing
    remark(f"{memory}: ask a question; right or wrong marks the last answer; exit or Ctrl-D ends")
    asked = False
    while True:
        try:
            line = input("? ").strip()
        except EOFError:
            show()
            return
        except UnicodeDecodeError:
            remark("a question is not Unicode text")
            continue
        if line.lower() in GOODBYES:
            return
        if not line:
            continue
        try:
            if line.lower() in VERDICTS and asked:
                mark(VERDICTS[line.lower()])
                remark("noted" if VERDICTS[line.lower()] else "noted; it will not be given to this question again")
            else:
                ask_one(line)
                asked = True
        except (InputError, MemoryLocked, ServerError) as error:
            remark(str(error))


def _show(answer: Answer, together: int, as_json: bool, explain: bool, *, named: bool = False) -> None:
    """An answer that was found ``together`` with so many; ``named``: with its question, where several are asked."""
    if as_json:
        print_json(answer.to_json() | {"asked_together": together})
        return
    if named:
        show(f"? {' '.join(answer.question.split())}")
    for line in described(answer, together):
        show(line)
    if explain:
        for line in explained(answer):
            show(line)
    if named:
        show()


def described(answer: Answer, together: int = 1) -> list[str]:
    """The lines that a person reads: answer, probability, the pair it comes from, the sentence and its source.

    Without an answer: the reason, and the sentence where it may stand.
    """
    time = f"{answer.milliseconds:.1f} ms{'' if together == 1 else f', a mean of {together}'}"
    if answer.text is None:
        held = "" if answer.probability is None else f"  probability {answer.probability:.2f},"
        lines = [f"(no answer: {answer.reason}){held} {time}"]
        if answer.nearest is not None:
            found = answer.nearest
            lines.append(f"    perhaps   {found.sentence}")
            lines.append(f"    source    {located_sentence(found)}")
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
        lines.append(f"    source    {located_evidence(best)}")
    elif best.pair is not None:
        lines.append(f"    source    none: the pair was {best.pair.origin}")
    if answer.elsewhere and answer.date is not None:
        lines[-1] += f" ({dated(answer.date)})"
    return lines + [f"    elsewhere {disagreeing(item)}" for item in answer.elsewhere]


def disagreeing(item: Elsewhere) -> str:
    """What another source says, in one line: the answer, whether it is newer, the source, its date."""
    order = "" if item.newer is None else "newer: " if item.newer else "older: "
    return f"{shortened(item.text, 200)} ({order}{source_of(item.evidence, item.date)})"


def source_of(evidence: Evidence, date: Dated | None) -> str:
    """Where evidence stands, and of when that is."""
    source = located_evidence(evidence) if evidence.document is not None else "a pair without a source"
    return source if date is None else f"{source}, {dated(date)}"


def _asked_as(evidence: Evidence, label: str) -> list[str]:
    """The stored question with its pair's id; a written one that only its passage explains is not shown."""
    from quipu.building.wording import understood

    if evidence.pair is None:
        return []
    pair = evidence.pair
    shown = shortened(pair.question, 100) if pair.origin != "generated" or understood(pair.question) else "pair"
    return [f"    {label:<9} {shown} [{pair.id[:SHOWN]}]"]


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

"""``quipu bench``: how fast this machine builds and answers, on an invented world of documents."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quipu.cli.bench_serve import serve
from quipu.cli.llm_options import takes_llm
from quipu.cli.options import AsJson
from quipu.cli.terminal import duration, print_json, print_table, progress
from quipu.errors import InputError

if TYPE_CHECKING:
    from quipu.memory import Memory
    from quipu.models.remote.settings import LlmSettings

Figures = dict[str, float | int]


group = typer.Typer(
    name="bench",
    add_completion=False,
    rich_markup_mode=None,
    invoke_without_command=True,
    help="Measure build, answer and storage here.",
)


@group.callback()
def bench(
    context: typer.Context,
    documents: Annotated[int, typer.Option(min=10, metavar="N", help="Documents of the invented world.")] = 100,
    questions: Annotated[int, typer.Option(min=20, metavar="N", help="Questions to ask.")] = 300,
    seed: Annotated[int, typer.Option(metavar="N", help="The world's seed.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Measure build, answer and storage here.

    BENCHMARKS.md lists the larger measurements; `quipu bench memory` makes memories of any size.
    """
    if context.invoked_subcommand is not None:
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="quipu-bench-") as temporary:
        figures = measure(Path(temporary), documents, questions, seed)
    if as_json:
        print_json(figures)
    else:
        print_table([(name.replace("_", " "), value) for name, value in figures.items()])


group.command("serve")(serve)


@group.command("memory")
def memory(
    pairs: Annotated[str, typer.Option(metavar="N,N,...", help="Sizes, in pairs.")] = "100000,1000000",
    questions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Real questions with answers; without it an invented world's."),
    ] = None,
    work: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep the memories here and use them again.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The seed of the copies.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Memories of real question vectors and jittered copies of them.

    For each size: time, bytes a pair, recall against exact search, and what a question takes beside the floor.
    """
    import tempfile

    from quipu.corpus.pairs import read_pairs
    from quipu.evaluation import scale
    from quipu.records import QAPair

    try:
        sizes = [int(size) for size in pairs.replace("_", "").split(",")]
    except ValueError:
        raise InputError(f"--pairs takes whole numbers with commas between them, not {pairs!r}") from None
    if min(sizes) < 1000:
        raise InputError("--pairs: a size must be 1,000 pairs or more")
    with tempfile.TemporaryDirectory(prefix="quipu-bench-") as temporary, progress() as report:
        folder = work or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if questions is not None:
            ready = (made for _, made in read_pairs(questions) if isinstance(made, QAPair))
            real = list({pair.question: pair.answer for pair in ready}.items())
        else:
            _, asked = _world(Path(temporary) / "world", 1000, seed)
            real = [(question, str(number)) for number, question in enumerate(dict.fromkeys(asked))]
        found = [scale.measure(folder, size, real, report, seed) for size in sizes]
    if as_json:
        for figures in found:
            print_json(figures.to_json())
        return
    rows = [figures.to_json() for figures in found]
    print_table([(name.replace("_", " "), *(row[name] for row in rows)) for name in rows[0]])


@takes_llm
def estimate(
    documents: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DOCS", help="Files and folders that would be built.", show_default=False),
    ] = None,
    pairs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Ready pairs that would be imported.")] = None,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Ask the external model about 20 passages, which is paid, to count its tokens."),
    ] = False,
    as_json: AsJson = False,
    llm: LlmSettings | None = None,
) -> None:
    """Say what a memory will cost before it is built: time, disk, RAM.

    Documents are read and cut, and eight of their passages are built, to know the time on this machine; it is a range.
    With an external model: its calls, tokens and cost instead.
    """
    from quipu.evaluation.estimate import of_documents, of_pairs

    if (not documents) == (pairs is None):
        raise InputError("say what to estimate: documents, or --pairs N, one of the two")
    if probe and llm is None:
        raise InputError("--probe asks an external model: name one with --llm-url URL --llm-model ID")
    if llm is not None:
        _of_model(documents or [], llm, probe, as_json)
        return
    found = of_documents(documents) if documents else of_pairs(pairs or 0)
    if as_json:
        print_json(found.to_json())
        return
    print_table(
        [
            ("documents", found.documents), ("passages", found.passages), ("pairs, about", found.pairs),
            ("time", f"{duration(found.build_seconds_least)} to {duration(found.build_seconds_most)}"),
            ("disk", _size(found.disk_bytes)), ("memory of a process", _size(found.ram_bytes)),
            ("mapped, shared", _size(found.mapped_bytes)),
            ("index", f"{found.index} ({'exact' if found.exact else 'nearly exact'})"),
        ]
    )  # fmt: skip


def _of_model(documents: list[Path], llm: LlmSettings, probe: bool, as_json: bool) -> None:
    from quipu.evaluation.model_cost import of_model

    if not documents:
        raise InputError("ready pairs are imported without any model: name documents")
    found = of_model(documents, llm, probe=probe)
    if as_json:
        print_json(found.to_json())
        return

    def between(least: float, most: float, shown: str) -> str:
        return f"{least:{shown}} to {most:{shown}}" if least != most else f"{least:{shown}}"

    cost = "no price was named"
    if found.cost_least is not None and found.cost_most is not None:
        cost = between(found.cost_least, found.cost_most, ",.2f")
    print_table(
        [
            ("documents", found.documents), ("passages", found.passages),
            ("calls", between(found.calls_least, found.calls_most, ",")),
            ("tokens sent", between(found.tokens_in_least, found.tokens_in_most, ",")),
            ("tokens received", between(found.tokens_out_least, found.tokens_out_most, ",")),
            ("cost", cost), ("tokens are", found.counted),
        ]
    )  # fmt: skip


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def measure(folder: Path, documents: int, questions: int, seed: int) -> Figures:
    """Build a micro-world of ``documents`` under ``folder`` and ask it ``questions`` of its own questions."""
    import quipu

    files, asked = _world(folder / "world", documents, seed)
    asked = (asked * (1 + questions // max(1, len(asked))))[:questions]
    path = folder / "bench.quipu"
    with progress() as report:
        start = time.perf_counter()
        quipu.build([files], path, seed=seed, progress=report).close()
        build_seconds = time.perf_counter() - start
    start = time.perf_counter()
    with quipu.open(path, read_only=True) as memory:
        memory.ask(asked[0])
        first = time.perf_counter() - start
        figures = _figures(memory, path, build_seconds)
        figures["open_to_first_answer_ms"] = 1000 * first
        figures.update(_asking(memory, asked))
    return figures


def _world(folder: Path, documents: int, seed: int) -> tuple[Path, list[str]]:
    """The folder of the world's documents and its questions."""
    from quipu.evaluation.microworld import World, make

    make(folder, documents, seed)
    rows = World.load(folder).questions("questions-test")
    return folder / "documents", [str(row["question"]) for row in rows]


def _figures(memory: Memory, path: Path, seconds: float) -> Figures:
    counts = memory.info()["counts"]
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return {
        "documents": counts["documents"],
        "passages": counts["passages"],
        "pairs": counts["pairs"],
        "build_seconds": seconds,
        "build_passages_per_second": counts["passages"] / seconds,
        "bytes_per_pair": size / max(1, counts["pairs"]),
    }


def _asking(memory: Memory, questions: list[str]) -> Figures:
    """Time of one question at a time, and of all in one call."""
    from statistics import median, quantiles

    times = []
    for question in questions:
        start = time.perf_counter()
        memory.ask(question)
        times.append(1000 * (time.perf_counter() - start))
    start = time.perf_counter()
    memory.ask_many(questions)
    together = time.perf_counter() - start
    return {
        "question_p50_ms": median(times),
        "question_p95_ms": quantiles(times, n=20)[-1],
        "questions_per_second_together": len(questions) / together,
    }


@group.command("claims")
def claims(
    work: Annotated[Path, typer.Argument(metavar="FOLDER", help="Keeps world and models; given again it goes on.")],
    only: Annotated[
        list[str] | None, typer.Option(metavar="CLAIM", help="Only this claim; may be given again.", show_default=False)
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, metavar="N", help="Trainings a row.")] = 3,
    steps: Annotated[int, typer.Option(min=1, metavar="N", help="Of each pre-training stage.")] = 100,
    tuning: Annotated[int, typer.Option(min=1, metavar="N", help="Steps of fine-tuning.")] = 60,
    documents: Annotated[int, typer.Option(min=20, metavar="N", help="Documents of the world.")] = 600,
    base: Annotated[
        str, typer.Option(metavar="FOLDER", help="Encoder that every row starts from; a trained reader learns faster.")
    ] = "minilm",
    layers: Annotated[int, typer.Option(min=1, metavar="N", help="Of the encoder.")] = 2,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="An .svg or .png with a plot a claim.")] = None,
    as_json: AsJson = False,
) -> None:
    """Re-test the claims of the QAMAT paper at small size, on a world whose answers are known."""
    from dataclasses import asdict

    from quipu.cli.terminal import log
    from quipu.cli.train import training

    module = training("qamat.claims")
    unknown = [name for name in only or () if name not in module.CLAIMS]
    if unknown:
        raise InputError(f"the claim {unknown[0]!r} is unknown; choose from: {', '.join(module.CLAIMS)}")
    sizes = {"documents": documents, "seeds": seeds, "steps": steps, "tuning": tuning, "layers": layers}
    settings = module.ClaimSettings(work, base=base, **sizes)
    rows = module.claims(settings, only or (), log())
    if plot is not None:
        module.draw(rows, plot)
    if as_json:
        verdicts = {row.claim: module.verdict(row.claim, rows) for row in rows}
        print_json({"rows": [asdict(row) for row in rows], "verdicts": verdicts})
    else:
        print_table(
            [(row.claim, row.name, row.em, row.em_error, row.recall) for row in rows],
            head=("claim", "row", "EM", "s.e.", "recall"),
        )
        print_table([(claim, module.verdict(claim, rows)) for claim in dict.fromkeys(row.claim for row in rows)])

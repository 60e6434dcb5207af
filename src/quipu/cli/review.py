"""``quipu review``: people look at pairs, decide about them, and judge a sample; in the terminal or by a file."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, print_table, prompt, remark, show
from quipu.errors import InputError, MemoryLocked
from quipu.places import located_row

if TYPE_CHECKING:
    from quipu.building.review import Reviewer, Waiting
    from quipu.evaluation.sampled import Share
    from quipu.memory import Memory
    from quipu.records import QAPair

KEYS = "a accept, r reject, e edit, s skip, u undo, q quit"


class _Group(TyperGroup):
    """``quipu review MEMORY`` is ``quipu review pairs MEMORY``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["pairs", *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    name="review",
    help="Look at pairs and decide: accept, reject, edit; judge a sample; by a file. "
    "`quipu review MEMORY` is `quipu review pairs MEMORY`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    cls=_Group,
)
By = Annotated[
    str | None, typer.Option("--by", metavar="NAME", help="In whose name; else the user's.", show_default=False)
]
ReviewFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="A table (.csv) or JSON lines (.jsonl).", show_default=False)
]


@group.command("pairs")
def pairs(
    memory: MemoryPath,
    by: By = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="With --json: so many.")] = 50,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what waits, one object a line; decide nothing.")
    ] = False,
) -> None:
    """Decide about one pair after the other.

    First those whose answer was marked as wrong, then those that another passage answers otherwise, then those whose
    score is nearest to the threshold, then the rest. Keys: a accept, r reject, e edit, s skip, u undo, q quit. A
    rejected pair does not come back. Without a terminal a line is a key, and an edit takes two more lines, an empty
    one for what stays.
    """
    import quipu
    from quipu.building.review import queue, shown

    with quipu.open(memory, read_only=True) as opened:
        if as_json:
            for item in queue(opened.store, limit):
                print_json(shown(opened.store, item))
        else:
            _decide(opened, by or _user())


@group.command("sample")
def sample(
    memory: MemoryPath,
    n: Annotated[int, typer.Option("--n", min=1, metavar="N", help="How many pairs.")] = 100,
    seed: Annotated[int, typer.Option(metavar="N", help="The same draws the same pairs.")] = 1,
    origin: Annotated[
        Literal["generated", "document", "imported", "user"] | None,
        typer.Option(help="Only pairs of this origin.", show_default=False),
    ] = None,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Judge pairs drawn at random, without their scores: how many are well-formed, and how many right.

    Keys: y yes, n no, q quit; the same command goes on. Then the shares with their 95 % intervals (Wilson).
    """
    import quipu
    from quipu.evaluation import sampled

    with quipu.open(memory, read_only=True) as opened:
        drawn = sampled.sample(opened.store, n, seed, origin)
        waiting = sampled.unjudged(opened.store, drawn)
        for number, pair in enumerate(waiting, start=len(drawn) - len(waiting) + 1):
            _show_pair(opened, pair, f"{number} of {len(drawn)}")
            well_formed = _yes("Is it well-formed?")
            right = None if well_formed is None else _yes("Is it right?")
            if well_formed is None or right is None:
                break
            with quipu.open(memory) as writer:
                sampled.judge(writer.store, pair, well_formed, right, by or _user())
        _report(memory, sampled.shares(opened.store, drawn), len(drawn), as_json)


@group.command("export")
def export(memory: MemoryPath, file: ReviewFile, as_json: AsJson = False) -> None:
    """Write every pair, with what was decided about it, to a file for a spreadsheet or another program.

    Rows stand in the order in which they wait; cells that a spreadsheet would take for a formula begin with '.
    """
    import quipu
    from quipu.building.review_files import export_reviews

    with quipu.open(memory, read_only=True) as opened:
        count = export_reviews(opened.store, file)
    if as_json:
        print_json({"memory": str(memory), "file": str(file), "rows": count})
    else:
        show(f"{file}: {count:,} rows")


@group.command("import")
def import_(
    memory: MemoryPath,
    file: ReviewFile,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    by: By = None,
    as_json: AsJson = False,
) -> None:
    """Decide as the rows of a file say.

    The column decision says accept, reject or edit; a row without one whose question or answer was changed is an edit.
    Rows about pairs that were changed since the export are conflicts; they and rows that cannot be used are named with
    their lines, and the rest is done. The exit code is 1 where there was any.
    """
    import quipu
    from quipu.building.review import Reviewer
    from quipu.building.review_files import import_reviews

    with quipu.open(memory) as opened:
        reviewer = Reviewer(opened.store, opened.models.encoder, by or _user())
        found = import_reviews(opened.store, reviewer, file, dry_run=dry_run)
    for line in (*found.conflicts, *found.bad):
        remark(line)
    if as_json:
        print_json({"memory": str(memory), "file": str(file), "dry_run": dry_run, **found.to_json()})
    else:
        would = "would be " if dry_run else ""
        rows: list[tuple[str, int]] = [
            (f"{would}accepted", found.accepted), (f"{would}rejected", found.rejected),
            (f"{would}edited", found.edited), ("known before", found.known), ("undecided", found.undecided),
            ("conflicts", len(found.conflicts)), ("cannot be used", len(found.bad)),
        ]  # fmt: skip
        print_table(rows)
    if found.conflicts or found.bad:
        raise typer.Exit(1)


def _decide(opened: Memory, by: str) -> None:
    """Show what waits until nothing does, or until the reviewer ends it."""
    from quipu.building.review import PairChanged, count_waiting, queue

    seen: set[str] = set()
    history: list[str] = []  # the pairs of this session's decisions, as they are called since
    remark(f"{opened.path}: {count_waiting(opened.store):,} pairs wait; {KEYS}")
    back = ""  # the pair of a decision that was just taken back
    while True:
        again = queue(opened.store, 1, pair=back)  # nothing where nothing was taken back
        others = (item for item in queue(opened.store, len(seen) + 1) if item.pair.id not in seen)
        if (item := next(again, None) or next(others, None)) is None:
            break
        back = ""
        _show_pair(opened, item.pair, item.why)
        while True:
            key = _key("> ", "aresuq")
            if key == "q":
                return
            try:
                if key == "s":
                    seen.add(item.pair.id)
                elif key == "u":
                    with _reviewer(opened, by) as reviewer:
                        undone = reviewer.undo(history.pop() if history else None)
                    remark(f"taken back: {undone.decision} of {undone.question}")
                    back = undone.original
                else:
                    history.append(_apply(opened, item, key, by))
            except PairChanged as error:
                remark(str(error))
            except (InputError, MemoryLocked) as error:
                remark(str(error))
                continue
            break
    remark("nothing waits any more" if not seen else f"nothing waits but what was skipped ({len(seen):,})")


def _apply(opened: Memory, item: Waiting, key: str, by: str) -> str:
    """What was chosen, done; the id of the pair since."""
    if key == "e":
        question = _line(f"question [{' '.join(item.pair.question.split())}]: ") or item.pair.question
        answer = _line(f"answer [{' '.join(item.pair.answer.split())}]: ") or item.pair.answer
    with _reviewer(opened, by) as reviewer:
        if key == "e":
            return reviewer.edit(item.pair.id, question, answer, item.version).pair
        decide: Callable[..., Any] = reviewer.accept if key == "a" else reviewer.reject
        return str(decide(item.pair.id, item.version).pair)


@contextmanager
def _reviewer(opened: Memory, by: str) -> Iterator[Reviewer]:
    """One who decides; the memory is locked only for this long."""
    import quipu
    from quipu.building.review import Reviewer

    with quipu.open(opened.path) as writer:
        yield Reviewer(writer.store, opened.models.encoder, by)


def _show_pair(opened: Memory, pair: QAPair, head: str) -> None:
    """What a person needs to judge a pair: nothing of its scores."""
    show()
    show(f"[{head}]")
    show(f"Q  {' '.join(pair.question.split())}")
    show(f"A  {' '.join(pair.answer.split())}")
    for place in opened.why(pair.id)["evidence"]:
        if place["passage"] is not None:
            start, end = place["start"] - place["passage_start"], place["end"] - place["passage_start"]
            text = place["passage"]
            show("   " + " ".join(f"{text[:start]}»{text[start:end]}«{text[end:]}".split()))
        show(f"   {located_row(place)}")
    if pair.document_id is None:
        show(f"   of no document ({pair.origin})")


def _report(memory: Path, found: dict[str, Share], drawn: int, as_json: bool) -> None:
    judged = found["precision"].n
    if as_json:
        said = {name: share.to_json() for name, share in found.items()}
        print_json({"memory": str(memory), "drawn": drawn, "judged": judged, **said})
        return
    show()
    show(f"{judged:,} of {drawn:,} judged")
    for name, share in found.items():
        if share.n:
            facts = share.to_json()
            low, high, percent = (100 * facts[key] for key in ("low", "high", "share"))
            counted = f"{share.count} of {share.n}; 95 %: {low:.1f} to {high:.1f}"
            show(f"{name.replace('_', '-'):<12} {percent:.1f} % ({counted})")


def _yes(question: str) -> bool | None:
    """What is answered; None to end."""
    key = _key(f"{question} y/n ", "ynq")
    return None if key == "q" else key == "y"


def _key(text: str, known: str) -> str:
    """One of the ``known`` letters: the key pressed on a terminal, else the next line; "q" at the end of input."""
    while True:
        if sys.stdin.isatty() and sys.stdout.isatty():
            prompt(text)
            key = typer.getchar().lower()
            show(key)
            key = "q" if key in ("\x04", "") else key
        else:
            key = _line(text, "q")[:1].lower()
        if key and key in known:
            return key
        remark(f"{', '.join(known[:-1])} or {known[-1]}, not {key!r}" if key else f"{', '.join(known)}")


def _line(text: str, end: str = "") -> str:
    """The next line of input, without blanks around it; ``end`` where there is none."""
    with suppress(EOFError, UnicodeDecodeError):
        if sys.stdin.isatty() and sys.stdout.isatty():
            from quipu.cli.terminal import visible

            return input(visible(text)).strip()
        line = sys.stdin.readline()
        return line.strip() if line else end
    return end


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user, as in some containers
        return ""

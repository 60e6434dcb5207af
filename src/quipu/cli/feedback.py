"""``quipu feedback``: say that answers are right or wrong, and list what was said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, print_table, shortened, show
from quipu.errors import InputError

if TYPE_CHECKING:
    from quipu.storage.feedback import Feedback


def feedback(
    memory: MemoryPath,
    question: Annotated[
        str | None,
        typer.Argument(metavar="QUESTION", help="Without it: list what was marked.", show_default=False),
    ] = None,
    verdict: Annotated[
        Literal["right", "wrong"] | None, typer.Argument(metavar="right|wrong", show_default=False)
    ] = None,
    answer: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The answer that is meant; else what the memory answers now.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Mark an answer as right or wrong; a wrong one never returns to its question.

    Nor to a question that asks the same in nearly the same words. Marking it the other way takes it back. Marked
    answers calibrate the memory: `quipu calibrate MEMORY --from-feedback`.
    """
    import quipu

    if (question is None) != (verdict is None) or (answer is not None and question is None):
        raise InputError("say which question, and whether its answer is right or wrong; or neither, to list all")
    if question is None or verdict is None:
        with quipu.open(memory, read_only=True) as opened:
            _list(opened.feedback(), as_json)
        return
    with quipu.open(memory) as opened:
        if answer is None:
            found = opened.ask(question)
            if found.text is None:
                raise InputError(f"the memory has no answer to mark ({found.reason}); name one with --answer TEXT")
            opened.mark(found, verdict == "right")
            answer = found.text
        else:
            opened.mark_text(question, answer, verdict == "right")
    if as_json:
        print_json({"memory": str(memory), "question": question, "answer": answer, "verdict": verdict})
    else:
        show(f"{verdict}: {shortened(answer, 200)}")


def _list(found: Iterator[Feedback], as_json: bool) -> None:
    if as_json:
        for item in found:
            print_json(asdict(item))
        return
    rows = [
        ("right" if item.right else "wrong", item.marked[:10], shortened(item.answer, 60), shortened(item.question, 90))
        for item in found
    ]
    print_table(rows, head=("", "marked", "answer", "question"))

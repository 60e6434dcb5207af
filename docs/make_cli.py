"""Write docs/cli.md from the command line itself: ``python docs/make_cli.py [--check]``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer.main
from made import write_or_check

from quipu.cli.main import app

TARGET = Path(__file__).with_name("cli.md")

HEAD = """# The command line

Made by `python docs/make_cli.py` from the commands themselves; do not edit.

Results go to standard output, progress and remarks to standard error. Exit codes: 0 done, 1 a problem was found
(`quipu verify`, `quipu calibrate`) or a run stopped before its end (the budget of an external model; the same command
continues), 2 wrong input, 130 interrupted. Files, rows of ready pairs and lines of questions
that cannot be used are named on standard error, and the rest is done: the exit code is 0, unless nothing is left, and
2 at the first of them with `--strict`. With `--json`, `ask`, `search`, `documents`, `yield`, `datasets` and `demo`
print one object a line and every other verb one object.

Texts, titles and names of files come from documents, and are data. In plain output every character that a terminal
acts on (controls, reversals of the direction of writing, tags) is shown as an escape such as `\\x1b`; JSON has them
as `\\u001b`, so that a line is a line for every reader. What a program makes of the JSON is for the program to escape:
a web page must put neither an answer nor a title into its HTML as it stands.

`milliseconds` of an answer are its own where it was asked alone; of questions in a file, which are asked together
(`asked_together`), the mean of each step.
"""


def sections(command: Any, name: str, parent: Any = None) -> list[str]:
    """The help of a command, and then of its sub-commands in the order in which they were added."""
    context = command.make_context(name, [], parent=parent, resilient_parsing=True, terminal_width=100)
    path = context.command_path
    made = [f"{'#' * (2 + path.count(' '))} `{path}`\n\n```text\n{command.get_help(context).strip()}\n```\n"]
    for child_name, child in getattr(command, "commands", {}).items():
        made += sections(child, child_name, context)
    return made


def page() -> str:
    """The whole text of docs/cli.md."""
    return "\n".join([HEAD, *sections(typer.main.get_command(app), "quipu")])


def main() -> int:
    """Write the page, or with --check say whether it is stale."""
    return write_or_check(TARGET, page())


if __name__ == "__main__":
    sys.exit(main())

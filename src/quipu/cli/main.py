"""``quipu``: the command, and what becomes of errors.

Exit codes: 0 done, 1 a problem was found (``verify``) or a run stopped before its end (a budget), 2 wrong input, 130
interrupted. An error that quipu raises on purpose is one line on stderr; any other exception is a defect and keeps its
traceback.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from quipu.cli.terminal import remark, show, show_text
from quipu.cli.verbs import Verbs
from quipu.errors import QuipuError

app = typer.Typer(
    name="quipu",
    cls=Verbs,
    add_completion=False,
    rich_markup_mode=None,  # plain help: rich would double the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        show(f"quipu {version('quipu-qa')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def top(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Turn documents into a memory of question-answer pairs and answer from it, with sources."""
    if context.invoked_subcommand is None:
        show_text(context.get_help(), sys.stderr)
        raise typer.Exit(2)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        code = typer.main.get_command(app).main(
            args=None if arguments is None else list(arguments), prog_name="quipu", standalone_mode=False
        )
    except QuipuError as error:
        remark(str(error))
        return error.exit_code
    except OSError as error:  # of a file or a disk, unless it is raised without a number
        if error.errno is None or error.errno == errno.EPIPE:
            raise
        name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "a file"
        remark(f"{name} cannot be written or read ({error.strerror}); mend it and try again")
        return 2
    except typer.Abort:
        remark("interrupted")
        return 130
    except typer.TyperException as error:  # an unknown verb or option, a missing argument
        message = getattr(error, "format_message", error.__str__)()
        if message.strip():
            remark(f"{message} (quipu --help lists the verbs and options)")
        return int(getattr(error, "exit_code", 2))
    except Exception as error:
        import sqlite3  # costs --help a twentieth of its time

        if not isinstance(error, sqlite3.Error):
            raise
        remark(f"the memory's record cannot be read or written ({error}); see: quipu verify MEMORY")
        return 2
    return code if isinstance(code, int) else 0


def main() -> None:
    """The entry point of the installed command."""
    sys.exit(run())


if __name__ == "__main__":
    main()

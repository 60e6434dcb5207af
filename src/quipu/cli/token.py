"""``quipu token``: who may ask a server, and who may change what it serves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from quipu.cli.options import AsJson
from quipu.cli.terminal import print_json, print_table, remark, show

group = typer.Typer(
    name="token",
    help="Make, list and revoke the tokens of `quipu serve`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
TokenFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file of the tokens.", show_default=False)]


@group.command()
def new(
    to: Annotated[Path, typer.Option(metavar="FILE", help="Where its digest is kept; made where it is not there.")],
    admin: Annotated[bool, typer.Option("--admin", help="It may change memories too.")] = False,
    memory: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="It is for this memory only; may be given again.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once.

    The file keeps its SHA-256. A server that runs takes the new token at once.
    """
    from quipu.serving.tokens import new_token

    secret, token = new_token(to, "admin" if admin else "read", memory or ())
    if as_json:
        print_json({"token": secret, "id": token.id, "scope": token.scope, "memories": token.memories})
    else:
        show(secret)
        remark(f"token {token.id} for {'administration' if admin else 'reading'}; it is shown nowhere else")


@group.command("list")
def list_(file: TokenFile, as_json: AsJson = False) -> None:
    """List the tokens of a file by their ids.

    With --json one object a line. The tokens themselves are nowhere.
    """
    from quipu.serving.tokens import read_tokens

    tokens = read_tokens(file)
    if as_json:
        for token in tokens:
            print_json({name: value for name, value in asdict(token).items() if name != "sha256"})
        return
    rows = [(token.id, token.scope, ", ".join(token.memories or ("all",)), token.created) for token in tokens]
    print_table(rows, head=("token", "scope", "memories", "created"))


@group.command()
def revoke(
    file: TokenFile,
    token: Annotated[
        str, typer.Argument(metavar="ID", help="Its id, or a beginning that only it has.", show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Take a token out of a file; a server that runs refuses it at once."""
    from quipu.serving.tokens import revoke_token

    gone = revoke_token(file, token)
    if as_json:
        print_json({"id": gone.id, "scope": gone.scope})
    else:
        show(f"{file}: token {gone.id} is revoked")

"""The options of an external model, declared once: a verb that takes them gets them as one argument ``llm``."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

OPTIONS: dict[str, Any] = {
    "llm_url": Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Let a model behind an OpenAI-compatible API work too, as https://api.openai.com/v1 or "
            "http://localhost:8000/v1. Passages are sent there.",
        ),
    ],
    "llm_model": Annotated[str | None, typer.Option(metavar="ID", help="Which model of the API.")],
    "llm_role": Annotated[
        str | None,
        typer.Option(
            metavar="ROLES",
            help="What it does: writer (questions and answers), reader (reads them back in place of quipu), judge (has "
            "the last word on a pair); several with commas. Without it: writer.",
        ),
    ],
    "llm_key_env": Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The variable of the environment that holds the key. Without it OPENAI_API_KEY, which goes to "
            "api.openai.com and to nobody else.",
        ),
    ],
    "max_cost": Annotated[
        float | None, typer.Option(metavar="SUM", help="Stop before this run has cost more; needs the prices.")
    ],
    "price_in": Annotated[float | None, typer.Option(metavar="P", help="Price of a million tokens sent.")],
    "price_out": Annotated[float | None, typer.Option(metavar="P", help="Price of a million tokens received.")],
    "max_tokens": Annotated[int | None, typer.Option(metavar="N", help="Stop before this run has used more tokens.")],
    "llm_concurrency": Annotated[
        int | None, typer.Option(metavar="N", help="Requests under way at a time. Without it: 8.")
    ],
    "llm_rpm": Annotated[int | None, typer.Option(metavar="N", help="Requests in a minute, at most.")],
    "llm_tpm": Annotated[int | None, typer.Option(metavar="N", help="Tokens in a minute, at most.")],
    "llm_timeout": Annotated[
        float | None, typer.Option(metavar="S", help="Seconds that a request may take. Without it: 120.")
    ],
    "on_llm_error": Annotated[
        Literal["skip", "stop"] | None,
        typer.Option(
            help="A passage without a reply is passed over, to be asked about by the next run, or ends this one. "
            "Without it: skip.",
            show_default=False,
        ),
    ],
    "llm_config": Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="These options from a TOML file: url, model, roles, key_env, max_cost and so on."
        ),
    ],
    "llm_insecure": Annotated[
        bool, typer.Option("--llm-insecure", help="Allow http to another machine: passages and key can be read there.")
    ],
}
_FIELDS = {"llm_role": "roles", "on_llm_error": "on_error"}  # others are called as their options, without "llm_"


def takes_llm(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options above; its argument ``llm`` is ``LlmSettings``, or None where none was given."""

    @functools.wraps(verb)
    def called(**arguments: Any) -> None:
        chosen = {name: arguments.pop(name) for name in OPTIONS}
        verb(**arguments, llm=_settings(chosen))

    signature = inspect.signature(verb)
    said = {name: hint for name, hint in verb.__annotations__.items() if name not in ("llm", "return")}
    hints = typing.get_type_hints(types.SimpleNamespace(__annotations__=said), verb.__globals__, include_extras=True)
    own = [item.replace(annotation=hints[name]) for name, item in signature.parameters.items() if name != "llm"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False if name == "llm_insecure" else None,
                          annotation=hint)
        for name, hint in OPTIONS.items()
    ]  # fmt: skip
    called.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    called.__annotations__ = {item.name: item.annotation for item in (*own, *added)}
    del called.__wrapped__  # else its own signature is taken
    return called


def _settings(chosen: dict[str, Any]) -> Any:
    config = chosen.pop("llm_config")
    given = {
        _FIELDS.get(name, name.removeprefix("llm_")): value
        for name, value in chosen.items()
        if value is not None and value is not False
    }
    if not given and config is None:
        return None
    from quipu.models.remote.settings import LlmSettings

    return LlmSettings.of(given, config)

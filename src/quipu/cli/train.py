"""``quipu train RECIPE``: the one door from the command line to training, which needs the extra ``train``."""

from __future__ import annotations

import importlib
import importlib.util
import typing
from pathlib import Path
from typing import Annotated, Any

import typer

from quipu.cli.options import AsJson
from quipu.cli.terminal import log, print_json, show
from quipu.errors import MissingExtra, SettingsError

_STEPS = ("lm.base", "lm.label", "lm.write", "lm.ship")  # steps of a training that are modules of their own


def train(
    recipe: Annotated[
        Path,
        typer.Argument(metavar="RECIPE", help='A TOML file; its key "train" says what it trains.', show_default=False),
    ],
    as_json: AsJson = False,
) -> None:
    """Train a model as a recipe says."""
    from quipu.settings import from_mapping, read_toml

    settings = read_toml(recipe)
    known = trainable()
    thing = settings.pop("train", None)
    if thing not in known:
        raise SettingsError(f'{recipe}: the key "train" must be one of {", ".join(known)}, not {thing!r}')
    run = training(known[thing]).run
    kind = typing.get_type_hints(run)["recipe"]
    out = run(from_mapping(kind, settings, str(recipe)), log())
    if as_json:
        print_json({"recipe": str(recipe), "trained": thing, "folder": str(out)})
    else:
        show(str(out))


def trainable() -> dict[str, str]:
    """What a recipe can train, and the module of ``quipu.training`` whose ``run`` does it.

    Rooms that hold a ``train`` module, found by their files, so that torch is not loaded; and steps beside one.
    """
    import quipu.training

    root = Path(quipu.training.__file__).parent
    rooms = {file.parent.name: f"{file.parent.name}.train" for file in root.glob("*/train.py")}
    return dict(sorted({**rooms, **{step: step for step in _STEPS}}.items()))


def training(module: str) -> Any:
    """A module of ``quipu.training``; MissingExtra where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra("training needs torch, which is not installed: pip install 'quipu-qa[train]'")
    return importlib.import_module(f"quipu.training.{module}")

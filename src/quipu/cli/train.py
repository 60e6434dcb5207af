"""``quipu train RECIPE``: the one door from the command line to training, which needs the extra ``train``."""

from __future__ import annotations

import importlib
import importlib.util
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from quipu.cli.options import AsJson
from quipu.cli.terminal import log, print_json, show
from quipu.errors import MissingExtra, SettingsError

# What a recipe can train: the module of ``quipu.training`` that does it, and its function where that is not ``run``.
TRAINABLE: Mapping[str, str] = {
    "ask": "jobs.self_labelling:ask_spans", "average": "jobs.average", "calibration": "calibration.train",
    "compose": "jobs.compose", "extractor": "extractor.train", "fid": "experiments.fid", "hops": "jobs.hop_memory",
    "label": "quip.teacher:label_all", "lm": "lm.train", "lm.base": "lm.base", "lm.label": "lm.label",
    "lm.ship": "lm.ship", "lm.write": "lm.write", "qamat": "qamat.train", "questions": "jobs.questions",
    "quip": "quip.train", "reader": "reader.train", "remember": "jobs.question_memory", "reranker": "reranker.train",
    "retriever": "retriever.train", "ship": "export.ship", "verifier": "verifier.train",
    "wellformed": "wellformed.train",
}  # fmt: skip


def train(
    recipe: Annotated[
        Path,
        typer.Argument(metavar="RECIPE", help='A TOML file; its key "train" says what it trains.', show_default=False),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="FOLDER", help='The folder of the data sets, where it is not "data".', show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model as a recipe says.

    Recipes read public data sets from the folder "data", which `quipu datasets fetch` fills; with --data, from another.
    """
    from quipu.settings import from_mapping, read_toml

    settings = read_toml(recipe)
    thing = settings.pop("train", None)
    if thing not in TRAINABLE:
        raise SettingsError(f'{recipe}: the key "train" must be one of {", ".join(TRAINABLE)}, not {thing!r}')
    if data is not None:
        settings = with_data(settings, data)
    run = trainer(thing)
    kind = typing.get_type_hints(run)["recipe"]
    out = run(from_mapping(kind, settings, str(recipe)), log())
    if as_json:
        print_json({"recipe": str(recipe), "trained": thing, "folder": str(out)})
    else:
        show(str(out))


def with_data(value: Any, folder: Path) -> Any:
    """A recipe's settings with ``folder`` in place of the folder "data" at the beginning of every path in them."""
    if isinstance(value, dict):
        return {key: with_data(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [with_data(item, folder) for item in value]
    if isinstance(value, str) and (value == "data" or value.startswith("data/")):
        return str(folder / value[len("data/") :])
    return value


def trainer(name: str) -> Any:
    """What does the training of this name."""
    module, _, function = TRAINABLE[name].partition(":")
    return getattr(training(module), function or "run")


def training(module: str) -> Any:
    """A module of ``quipu.training``; MissingExtra where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra("training needs torch, which is not installed: pip install 'quipu-qa[train]'")
    return importlib.import_module(f"quipu.training.{module}")

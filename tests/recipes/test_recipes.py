"""Every recipe names settings that exist, so that nobody finds a typing error after an hour of training."""

from __future__ import annotations

import importlib
import typing
from dataclasses import fields
from pathlib import Path

import pytest

pytest.importorskip("torch")

from quipu.settings import from_mapping, read_toml
from quipu.training.loop import LoopSettings
from quipu.training.qamat.backbones import CopyConfig
from quipu.training.qamat.steps import Ways

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.toml"))
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_fits_what_it_trains(path: Path) -> None:
    """An unknown key or a wrong type would otherwise surface only when the run starts, or never."""
    settings = read_toml(path)
    run = importlib.import_module(f"quipu.training.{settings.pop('train')}.train").run
    recipe = from_mapping(typing.get_type_hints(run)["recipe"], settings, str(path))
    loop = getattr(recipe, "loop", {})
    assert set(loop) <= {item.name for item in fields(LoopSettings)}
    if run.__module__ == "quipu.training.qamat.train":
        assert set(recipe.ways) <= {item.name for item in fields(Ways)}
        assert set(recipe.decoder) <= {item.name for item in fields(CopyConfig)}

"""Every recipe names settings that exist, so that nobody finds a typing error after an hour of training."""

from __future__ import annotations

import typing
from dataclasses import fields
from pathlib import Path

import pytest

pytest.importorskip("torch")

from quipu.cli.train import trainer
from quipu.datasets.published import LAYOUT, PUBLISHED
from quipu.settings import from_mapping, read_toml
from quipu.training.lm.data import Drawing
from quipu.training.lm.train import MEMORIES, SEVERAL, WRITTEN
from quipu.training.loop import LoopSettings
from quipu.training.qamat.copying import CopyConfig
from quipu.training.qamat.steps import Ways

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.toml"))
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_fits_what_it_trains(path: Path) -> None:
    """An unknown key or a wrong type would otherwise surface only when the run starts, or never."""
    settings = read_toml(path)
    run = trainer(settings.pop("train"))
    recipe = from_mapping(typing.get_type_hints(run)["recipe"], settings, str(path))
    loop = getattr(recipe, "loop", {})
    assert set(loop) <= {item.name for item in fields(LoopSettings)}
    if run.__module__ == "quipu.training.qamat.train":
        assert set(recipe.ways) <= {item.name for item in fields(Ways)}
        assert set(recipe.decoder) <= {item.name for item in fields(CopyConfig)}
    if run.__module__ == "quipu.training.lm.train":
        from_mapping(Drawing, recipe.drawing, str(path))
        assert set(recipe.mixture) <= {*LAYOUT, *PUBLISHED, SEVERAL, WRITTEN, MEMORIES}
        assert not {"nq_gold", "qed", "selqa"} & set(recipe.mixture)  # what answers are measured and calibrated on
        assert set(recipe.only_read) <= set(recipe.mixture)


def test_each_step_of_the_language_model_takes_what_an_earlier_one_makes() -> None:
    """A path that no step writes would stop the run after an hour, on a machine that is paid for."""
    folder = Path(__file__).parents[2] / "recipes" / "small"
    made = {"runs/small/download"}
    for line in (folder / "run.sh").read_text().splitlines():
        if not line.startswith("for recipe in "):
            continue
        for name in line.removeprefix("for recipe in ").removesuffix("; do").split():
            settings = read_toml(folder / f"{name}.toml")
            for key in ("source", "start", "model", "files", "written", "checkpoint", "pairs"):
                value = settings.get(key, [])
                for path in [value] if isinstance(value, str) else value:
                    assert path in made, f"{name}: nothing before it writes {path}"
            made.add(settings["out"] if "out" in settings else f"{settings['run']}/hf")
    assert "runs/small/lm" in made

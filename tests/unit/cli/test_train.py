"""The door to training: which data sets a recipe reads, and that no recipe reads from a folder that only we have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from quipu.cli import train
from quipu.cli.main import run
from quipu.settings import read_toml

RECIPES = sorted((Path(__file__).parents[3] / "recipes").rglob("*.toml"))


@dataclass(frozen=True, slots=True)
class _Recipe:
    out: Path
    data: Path = Path("nowhere")
    files: tuple[Path, ...] = ()


@pytest.mark.parametrize(
    ("options", "data", "files"),
    [
        ([], "data", ["data/a/b.json", "runs/data/c.json", "database.json"]),
        (["--data", "/far/sets"], "/far/sets", ["/far/sets/a/b.json", "runs/data/c.json", "database.json"]),
    ],
)
def test_the_folder_of_the_data_sets_can_be_another(
    options: list[str], data: str, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path that is not moved too would read half of the data from another copy, or a run's own file from nowhere."""
    seen: list[_Recipe] = []

    def trained(recipe: _Recipe, report: Callable[[dict[str, Any]], None]) -> Path:
        seen.append(recipe)
        return recipe.out

    trained.__annotations__["recipe"] = _Recipe
    monkeypatch.setattr(train, "trainer", lambda name: trained)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'train = "reader"\nout = "runs/x"\ndata = "data"\n'
        'files = ["data/a/b.json", "runs/data/c.json", "database.json"]\n'
    )
    assert run(["train", str(recipe), *options]) == 0
    assert seen == [_Recipe(Path("runs/x"), Path(data), tuple(map(Path, files)))]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: "/".join(path.parts[-3:]))
def test_recipes_read_from_the_folder_that_fetch_fills(path: Path) -> None:
    """A recipe that names a folder outside the repository runs on our machine alone."""
    waiting: list[Any] = [read_toml(path)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
        else:
            assert not str(value).startswith(("..", "/", "~")), value
    assert read_toml(path).get("data", "data") == "data"

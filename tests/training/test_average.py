"""The mean of checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

from quipu.errors import InputError, SettingsError
from quipu.training.jobs.average import AverageRecipe, run

pytestmark = pytest.mark.torch


def folder(path: Path, value: float, width: int = 2) -> Path:
    path.mkdir()
    save_file({"weight": torch.full((width, 3), value), "count": torch.tensor([4])}, path / "model.safetensors")
    (path / "config.json").write_text(f'{{"of": {value}}}')
    return path


def test_the_mean_of_weights_with_the_files_of_the_first(tmp_path: Path) -> None:
    parts = folder(tmp_path / "a", 1.0), folder(tmp_path / "b", 2.0), folder(tmp_path / "c", 6.0)
    out = run(AverageRecipe(tmp_path / "run", parts))
    made = load_file(out / "model.safetensors")
    assert torch.equal(made["weight"], torch.full((2, 3), 3.0)) and made["count"].tolist() == [4]
    assert (out / "config.json").read_text() == '{"of": 1.0}'
    assert torch.equal(load_file(parts[0] / "model.safetensors")["weight"], torch.full((2, 3), 1.0))


def test_what_has_no_mean(tmp_path: Path) -> None:
    parts = folder(tmp_path / "a", 1.0), folder(tmp_path / "b", 2.0, width=5)
    with pytest.raises(InputError, match="another network"):
        run(AverageRecipe(tmp_path / "run", parts))
    with pytest.raises(SettingsError, match="two checkpoints"):
        run(AverageRecipe(tmp_path / "run", parts[:1]))
    with pytest.raises(InputError, match="cannot be read"):
        run(AverageRecipe(tmp_path / "run", (parts[0], tmp_path / "nothing")))

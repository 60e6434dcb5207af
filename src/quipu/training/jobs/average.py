"""The mean of the weights of several checkpoints: ``quipu train recipes/mini/quip/average.toml``.

Checkpoints of one network on one way of training lie in one valley (Wortsman et al. 2022, "Model soups"): their mean
keeps most of what each of them is best at, and costs nothing at run time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from quipu.errors import InputError, SettingsError


@dataclass(frozen=True, slots=True)
class AverageRecipe:
    """``checkpoints``: Hugging Face folders; every .safetensors in the first is averaged, other files are its own."""

    run: Path
    checkpoints: tuple[Path, ...]


def run(recipe: AverageRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the mean to ``recipe.run``/hf and return that folder."""
    if len(recipe.checkpoints) < 2:
        raise SettingsError("a mean is of two checkpoints or more; name them in `checkpoints`")
    out = recipe.run / "hf"
    shutil.copytree(recipe.checkpoints[0], out, dirs_exist_ok=True)
    for file in sorted(out.glob("*.safetensors")):
        parts = [_weights(folder / file.name) for folder in recipe.checkpoints]
        for folder, part in zip(recipe.checkpoints, parts, strict=True):
            shapes = {name: tensor.shape for name, tensor in part.items()}
            if shapes != {name: tensor.shape for name, tensor in parts[0].items()}:
                raise InputError(f"{folder / file.name} is of another network than {recipe.checkpoints[0] / file.name}")
        mean = {
            name: (torch.stack([part[name].float() for part in parts]).mean(dim=0)).to(tensor.dtype)
            for name, tensor in parts[0].items()
        }
        save_file(mean, file, metadata={"format": "pt"})
        report({"file": file.name, "tensors": len(mean)})
    return out


def _weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as weights: {error}") from error

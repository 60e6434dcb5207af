"""A model card from what the run itself recorded."""

from __future__ import annotations

import json
from pathlib import Path

_CARD = """# {name}, version {version}

{about}

- kind: {kind}; files and their sha256 are in model.json
- base weights: all-MiniLM-L6-v2 (Apache-2.0), sha256 of model.safetensors {base}
- licence: Apache-2.0; training data and their licences are in NOTICE
- export: ONNX, int8 weights with a scale a channel. Against the torch model on {compared:.0f} texts: {figures}
- measured results: BENCHMARKS.md
- limits: English, lower-case word pieces; small, so it errs where a large model would not. It knows nothing that does
  not stand in the passage it is given.
"""


def write_card(folder: Path, about: str, figures: dict[str, float]) -> None:
    """README.md of a model folder."""
    from quipu.training.base import MINILM_SHA256

    listing = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    compared = figures.get("texts", figures.get("asked", 0.0))
    shown = ", ".join(
        f"{key.replace('_', ' ')} {value:.3f}" for key, value in figures.items() if key not in ("texts", "asked")
    )
    text = _CARD.format(
        name=listing["name"], version=listing["version"], kind=listing["kind"], about=about.strip(), compared=compared,
        figures=shown, base=MINILM_SHA256,
    )  # fmt: skip
    (folder / "README.md").write_text(text, encoding="utf-8")

"""A folder to the backbone that it holds."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file
from transformers import BertConfig

from quipu.errors import FormatError, InputError
from quipu.training.base import load_tokenizer
from quipu.training.qamat.backbones import Backbone, HubBackbone
from quipu.training.qamat.copying import CopyBackbone, CopyConfig


def load_backbone(folder: Path, copying: CopyConfig | None = None) -> Backbone:
    """What QAMAT starts from: a saved reader, a Hugging Face encoder-decoder, or a BERT, which gets a new decoder."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: no Hugging Face model folder ({error})") from error
    if (folder / "copy.json").is_file():
        config = CopyConfig(**json.loads((folder / "copy.json").read_text(encoding="utf-8")))
        made = CopyBackbone(BertConfig.from_pretrained(folder), load_tokenizer(folder), config)
        try:
            made.load_state_dict(load_file(folder / "model.safetensors"))
        except (RuntimeError, OSError) as error:
            raise FormatError(f"{folder}: not a reader of this version ({error}); train it again") from error
        return made
    if content.get("model_type") == "bert":
        return CopyBackbone.from_base(folder, copying or CopyConfig())
    return HubBackbone.from_pretrained(folder)

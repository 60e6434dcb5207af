"""Tiny Llama checkpoints of several shapes, made on the spot, with a tokenizer of single bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from quipu.models.lm.prompts import MARKERS

SHAPES: dict[str, dict[str, Any]] = {
    "one key-value head, tied": {
        "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 16,
        "intermediate_size": 96, "tie_word_embeddings": True, "rope_theta": 1000.0, "rms_norm_eps": 1e-5,
    },
    "as many key-value heads, head of its own": {
        "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 32,
        "intermediate_size": 80, "tie_word_embeddings": False, "rope_theta": 10000.0, "rms_norm_eps": 1e-6,
    },
    "sizes that no power of two divides": {
        "hidden_size": 60, "num_hidden_layers": 2, "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 24,
        "intermediate_size": 100, "tie_word_embeddings": True, "rope_theta": 50000.0, "rms_norm_eps": 1e-5,
    },
}  # fmt: skip


def byte_tokenizer() -> Tokenizer:
    """A token for each byte; the markers come first."""
    markers = list(MARKERS.values())
    vocabulary = {token: number for number, token in enumerate([*markers, *sorted(ByteLevel.alphabet())])}
    tokenizer = Tokenizer(BPE(vocabulary, []))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteDecoder()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in markers])
    return tokenizer


def make_checkpoint(folder: Path, shape: str, *, seed: int = 0, spread: float = 0.25) -> Any:
    """Save a checkpoint with random weights in ``folder``; the torch model in evaluation mode."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = byte_tokenizer()
    settings = dict(SHAPES[shape])
    rope = {"rope_type": "default", "rope_theta": settings.pop("rope_theta")}
    config = LlamaConfig(  # type: ignore[call-arg]
        **settings, vocab_size=tokenizer.get_vocab_size() + 2, initializer_range=spread, rope_parameters=rope,
        max_position_embeddings=1024, bos_token_id=None, eos_token_id=None, attn_implementation="eager",
    )  # fmt: skip
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():  # norm weights that are not 1, so that folding them is seen
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.uniform_(0.5, 1.5)
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return model


def greedy(model: Any, ids: list[int], *, end: int, steps: int) -> tuple[list[int], list[float]]:
    """Tokens that torch says after ``ids``, one whole pass for each, and their probabilities."""
    import torch

    said: list[int] = []
    chances: list[float] = []
    with torch.inference_mode():
        while len(said) < steps and (not said or said[-1] != end):
            shares = model(torch.tensor([[*ids, *said]])).logits[0, -1].softmax(-1)
            said.append(int(shares.argmax()))
            chances.append(float(shares.max()))
    return said, chances

"""A Llama of a few thousand weights with a tokenizer that spells everything, as a Hugging Face folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from quipu.models.lm.prompts import MARKERS

TEXT = (
    "The lighthouse of Brume was built in 1911 by Pelagia Norrstrom. It stands on the western pier and is 61 metres "
    "tall. Its keeper lived in the red house beside it until 1958. Who built the lighthouse? When was it built? "
    "How tall is it?"
)


def tokenizer(entries: int = 400, *, markers: bool = True) -> Tokenizer:
    """A byte-level BPE tokenizer of at most so many entries, with the model's markers or without."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=entries,
        special_tokens=["<|endoftext|>", *(MARKERS.values() if markers else ())],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator([TEXT] * 4, trainer)
    return made


def folder(path: Path, *, tied: bool = True, markers: bool = True, seed: int = 3, **sizes: Any) -> Path:
    """A folder that ``quipu.training.lm.model`` wrote, with random weights."""
    import torch

    from quipu.training.lm.model import Decoder, LlamaConfig, save

    words = tokenizer(markers=markers)
    path.mkdir(parents=True, exist_ok=True)
    words.save(str(path / "tokenizer.json"))
    values: dict[str, Any] = {
        "vocab_size": words.get_vocab_size(), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": tied,
    }  # fmt: skip
    torch.manual_seed(seed)
    model = Decoder(LlamaConfig(**{**values, **sizes}))
    return save(model, path, path / "tokenizer.json", torch.float32)

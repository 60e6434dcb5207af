"""A tiny BERT: its tokenizer, of the words and letters of three sentences, and its sizes."""

from __future__ import annotations

import re
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig

TEXTS = [
    "The Suez Canal was opened in 1869 by Ferdinand de Lesseps.",
    "Robert Fortune took tea plants from China to India in 1848.",
    "Glass is made of sand, soda and lime.",
]


def wordpieces(folder: Path) -> Tokenizer:
    """A BERT tokenizer of the texts' letters and words: the same in every run, so that no near tie falls otherwise."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = re.findall(r"\w+|[^\w\s]", " ".join([*TEXTS, "who what when where how many was is did ?"]).lower())
    letters = sorted({letter for word in words for letter in word})
    pieces = [
        *special,
        *letters,
        *(f"##{letter}" for letter in letters),
        *sorted({word for word in words if len(word) > 1}),
    ]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


def config(tokenizer: Tokenizer) -> BertConfig:
    return BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.2,
    )  # fmt: skip

"""A trained reranker, or any Hugging Face cross-encoder, to a folder that runs without torch, behind a gate."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from quipu.errors import InputError
from quipu.training.base import load_tokenizer
from quipu.training.export.onnx import gate, place_words, to_onnx, write_listing
from quipu.training.reranker.model import Reranker, load_reranker


class _Half(nn.Module):
    def __init__(self, model: Reranker) -> None:
        super().__init__()
        self.model = model


class _Low(_Half):
    def forward(
        self, question: torch.Tensor, pairs: torch.Tensor, hide: torch.Tensor, scores: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.model.low(question, pairs, question[:, :, 0] * 0.0, hide, scores)


class _High(_Half):
    def forward(
        self, question: torch.Tensor, pairs: torch.Tensor, hide: torch.Tensor, scores: torch.Tensor
    ) -> torch.Tensor:
        return self.model.high(question, pairs, question[:, :, 0] * 0.0, hide, scores)


def export_reranker(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    asked: Sequence[tuple[str, Sequence[tuple[str, str]], Sequence[float]]],
    max_length: int = 72,
    words_from: str | None = None,
) -> dict[str, float]:
    """A reranker's checkpoint to a reranker folder. ``asked``: questions with pairs and retrieval scores.

    ``words_from``: "quipu-small/words" where the word table is the same (word vectors are frozen in training), so that
    it need not lie on disk twice. Gate: int8 and torch agree on the best pair of >= 90 % of ``asked``.
    """
    from quipu.models.reranker import FIRST
    from quipu.models.reranker import Reranker as Exported

    model, tokenizer = load_reranker(checkpoint), load_tokenizer(checkpoint, max_length)
    model.positions = nn.Embedding.from_pretrained(model.positions.weight[:max_length].detach())
    asked = [(question, pairs[:FIRST], scores[:FIRST]) for question, pairs, scores in asked]  # all read at full depth
    wanted = [_torch_logits(model, tokenizer, *item) for item in asked]
    out.mkdir(parents=True, exist_ok=True)
    width = model.config.width
    question, pairs = torch.randn(1, 7, width), torch.randn(1, 3, 9, width)
    arguments = (question, pairs, torch.zeros(1, 3, 9), torch.rand(1, 3))
    inputs = {"question": {1: "s"}, "pairs": {1: "n", 2: "t"}, "hidden": {1: "n", 2: "t"}, "scores": {1: "n"}}
    states = {"asked": {1: "s"}, "states": {1: "n", 2: "t"}}
    to_onnx(_Low(model), arguments, inputs, {"quick": {1: "n"}, **states}, out / "lower.onnx")
    to_onnx(_High(model), arguments, inputs, {"logits": {1: "n"}}, out / "upper.onnx")
    words = place_words(checkpoint, out, model.words.weight, words_from)
    write_listing(out, "reranker", name, version, {"width": width, "max_length": max_length, **words})
    found = Exported(out).rerank([item[0] for item in asked], [item[1] for item in asked], [item[2] for item in asked])
    same = float(np.mean([np.argmax(left) == np.argmax(right) for left, right in zip(found, wanted, strict=True)]))
    apart = float(np.mean([abs(left.max() - right.max()) for left, right in zip(found, wanted, strict=True)]))
    figures = {"same_best": same, "logit_difference": apart, "asked": float(len(asked))}
    gate(out, same >= 0.9, f"int8 and torch agree on the best pair of {same:.3f} of the questions")
    return figures


class _Classifier(nn.Module):
    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(**dict(zip(self.names, values, strict=True))).logits
        return logits


def export_cross_encoder(
    checkpoint: Path, out: Path, *, name: str, version: str, asked: Sequence[tuple[str, str]], max_length: int = 96
) -> dict[str, float]:
    """A Hugging Face sequence classifier with one or two labels to a cross-encoder folder.

    ``asked``: (question, "stored question answer"). Gate: correlation of int8 and torch logits >= 0.98.
    """
    from transformers import AutoModelForSequenceClassification

    from quipu.models.folders import session

    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, attn_implementation="eager").eval()
    if not (checkpoint / "tokenizer.json").exists():
        raise InputError(f"{checkpoint}: tokenizer.json is missing; save the checkpoint with a fast tokenizer")
    tokenizer = load_tokenizer(checkpoint, max_length)
    two_kinds = getattr(model.config, "type_vocab_size", 0) >= 2
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if two_kinds else [])]
    expected, feeds = [], []
    for pair in asked:
        item = tokenizer.encode(*pair)
        values = {"input_ids": item.ids, "attention_mask": item.attention_mask, "token_type_ids": item.type_ids}
        feeds.append({key: np.array([values[key]], dtype=np.int64) for key in names})
        with torch.inference_mode():
            expected.append(float(model(**{key: torch.tensor([values[key]]) for key in names}).logits[0, -1]))
    out.mkdir(parents=True, exist_ok=True)
    axes = {0: "n", 1: "t"}
    example = tuple(torch.ones(2, 5, dtype=torch.long) for _ in names)
    inputs = {key: axes for key in names}
    to_onnx(_Classifier(model, names), example, inputs, {"logits": {0: "n"}}, out / "model.onnx")
    shutil.copy(checkpoint / "tokenizer.json", out / "tokenizer.json")
    pad = int(model.config.pad_token_id or 0)
    write_listing(out, "cross-encoder", name, version, {"max_length": max_length, "pad": pad})
    exported = session(out / "model.onnx")
    found = [float(exported.run(None, feed)[0][0, -1]) for feed in feeds]
    alike = float(np.corrcoef(found, expected)[0, 1])
    gate(out, alike >= 0.98, f"int8 and torch logits correlate at {alike:.4f}")
    return {"correlation": alike, "asked": float(len(asked))}


def _torch_logits(
    model: Reranker, tokenizer: object, question: str, pairs: Sequence[tuple[str, str]], scores: Sequence[float]
) -> np.ndarray:
    """Full logits (n,), every pair read at full depth."""
    asked = torch.tensor([tokenizer.encode(question).ids])  # type: ignore[attr-defined]
    encodings = tokenizer.encode_batch(list(pairs))  # type: ignore[attr-defined]
    length = max(len(item.ids) for item in encodings)
    ids = torch.tensor([[item.ids + [0] * (length - len(item.ids)) for item in encodings]])
    mask = torch.tensor([[[1] * len(item.ids) + [0] * (length - len(item.ids)) for item in encodings]])
    with torch.inference_mode():
        _, logits = model(asked, torch.ones_like(asked), ids, mask, torch.tensor([list(scores)]))
        return np.asarray(logits[0])

"""A trained extractor to a folder that ``quipu.models.extractor`` runs, through a gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from quipu.models.extractor import Extractor, allowed, select, shapes
from quipu.text import normalize_answer
from quipu.training.base import load_tokenizer
from quipu.training.export.onnx import gate, place_words, to_onnx, write_listing
from quipu.training.extractor.model import STYLES, ExtractorModel

WINDOW, STRIDE = 320, 256  # word pieces of a long passage that are looked at together
COMPARED = 14  # candidates a text at the gate


class _Scores(nn.Module):
    """Word vectors to the scores of one style: (B, T, D) -> (B, T, L)."""

    def __init__(self, model: ExtractorModel, style: int) -> None:
        super().__init__()
        self.model, self.style = model, style

    def forward(self, words: torch.Tensor, shapes: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        features = self.model.features(words, shapes, mask)
        # A vector, not a matrix of one column: so small a product stays in float.
        return features @ self.model.score.weight[self.style] + self.model.score.bias[self.style]


def export_extractor(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    texts: Sequence[str],
    style: str = STYLES[0],
    words_from: str | None = None,
) -> dict[str, float]:
    """An extractor's checkpoint to an extractor folder.

    ``words_from``: a bundled model whose word table is the same, so that it need not lie there twice.
    Gate: int8 and torch share >= 90 % of their best candidates of ``texts``.
    """
    model, number = ExtractorModel.load(checkpoint), STYLES.index(style)
    tokenizer = load_tokenizer(checkpoint)
    module, widest = _Scores(model, number), model.config.span_length
    short = [text for text in texts if len(tokenizer.encode(text).ids) <= WINDOW]
    expected = []
    for text in short:
        encoding = tokenizer.encode(text)
        ids, kinds = torch.tensor([encoding.ids]), torch.tensor([shapes(text, encoding)])
        with torch.inference_mode():
            scores = module(model.words(ids), kinds, torch.ones_like(ids))[0].numpy()
        best = select(text, encoding, scores, allowed(text, encoding, widest), COMPARED)
        expected.append({normalize_answer(item.text) for item in best})
    out.mkdir(parents=True, exist_ok=True)
    width = int(model.encoder.config.hidden_size)
    kinds = torch.ones(2, 5, dtype=torch.long)
    axes = {0: "n", 1: "t"}
    inputs = {"words": axes, "shapes": axes, "mask": axes}
    example = torch.randn(2, 5, width), kinds, kinds
    to_onnx(module, example, inputs, {"scores": axes}, out / "model.onnx")
    settings = {
        "width": width, "span_length": widest, "window": WINDOW, "stride": STRIDE, "style": style,
        **place_words(checkpoint, out, model.encoder.embeddings.word_embeddings.weight, words_from),
    }  # fmt: skip
    write_listing(out, "extractor", name, version, settings)
    found = Extractor(out).extract(short, limit=COMPARED)
    shared = [
        len(wanted & {normalize_answer(item.text) for item in some}) / max(1, len(wanted))
        for wanted, some in zip(expected, found, strict=True)
    ]
    figures = {"same_candidates": float(np.mean(shared)), "texts": float(len(short))}
    gate(out, figures["same_candidates"] >= 0.9, f"the best candidates agree to {figures['same_candidates']:.3f}")
    return figures

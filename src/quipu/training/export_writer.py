"""A trained generator of questions to a folder that ``quipu.models.writer`` runs, through a gate."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from quipu.training.base import load_tokenizer
from quipu.training.export import gate, quantised_words, to_onnx, write_listing
from quipu.training.generator.model import BUCKET_EDGES, BUCKETS, STYLES, Generator
from quipu.training.quantise import to_int8


class _Passage(nn.Module):
    """Words of a passage to everything that its answers and questions need."""

    def __init__(self, model: Generator, style: int) -> None:
        super().__init__()
        self.model, self.style = model, style

    def forward(self, words: torch.Tensor, mask: torch.Tensor) -> Any:
        states = self.model.encode(words, mask)
        scores = self.model.span_scores(states, mask)[..., self.style]
        memories, copy_keys = self.model.memories(states)
        return (
            states, scores,
            torch.stack([keys for keys, _ in memories]), torch.stack([values for _, values in memories]),
            copy_keys,
        )  # fmt: skip


class _Step(nn.Module):
    """One piece of every question: log p of the best ``count`` pieces, said or copied."""

    def __init__(self, model: Generator, style: int) -> None:
        super().__init__()
        self.model, self.style = model, style

    def forward(
        self, previous: torch.Tensor, copied: torch.Tensor, position: torch.Tensor, ends: torch.Tensor,
        near: torch.Tensor, mask: torch.Tensor,
        keys: torch.Tensor, values: torch.Tensor, copy_keys: torch.Tensor, places: torch.Tensor, entries: torch.Tensor,
        both: torch.Tensor, past_keys: torch.Tensor, past_values: torch.Tensor, count: torch.Tensor,
    ) -> Any:  # fmt: skip
        model = self.model
        first = (position == 0).to(previous.dtype)
        x = first * model.style[self.style] + (1 - first) * (model.adapter(previous) + model.read(copied))
        x = x + model.position[position] + model.answer(ends).unsqueeze(2)
        onehot = torch.nn.functional.one_hot(near, BUCKETS).transpose(-1, -2).to(previous.dtype)
        blocked = ((1 - mask.to(previous.dtype)) * -1e4).view(mask.shape[0], 1, 1, 1, mask.shape[1])
        layers = len(model.layers)
        memories = [(keys[layer], values[layer]) for layer in range(layers)]
        past = [(past_keys[layer], past_values[layer]) for layer in range(layers)]
        saying, copying, _, present = model.decode(x, past, memories, copy_keys, onehot, blocked)
        said, taken = saying[:, :, 0].exp(), copying[:, :, 0].exp()  # (B, A, V), (B, A, T)
        index = entries.clamp(min=0).unsqueeze(1).expand(-1, said.shape[1], -1)
        known = (entries >= 0).to(said.dtype).unsqueeze(1)
        merged = taken @ places + said.gather(2, index) * known  # (B, A, Q): each different piece of the passage
        p = torch.cat([said * (1 - both).unsqueeze(1), merged], dim=-1)
        best, where = torch.topk(p, count[0], dim=-1)
        return (
            best.clamp(min=1e-12).log(), where,
            torch.stack([cache[0] for cache in present]), torch.stack([cache[1] for cache in present]),
        )  # fmt: skip


def export_writer(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    asked: Sequence[tuple[str, tuple[int, int]]],
    style: str = "squad",
    max_length: int = 320,
) -> dict[str, float]:
    """A generator checkpoint to a writer folder. ``asked``: texts with the characters of an answer each.

    Gates: int8 and torch write the same first three pieces for >= 80 % of ``asked``, and share >= 80 % of their twenty
    best spans.
    """
    from quipu.models.writer import Writer
    from quipu.records import Span
    from quipu.training.generator.sample import greedy, pad
    from quipu.training.generator.train import load_generator

    model = load_generator(checkpoint)
    model.encoder.set_attn_implementation("eager")
    number = STYLES.index(style)
    texts = [text for text, _ in asked]
    tokenizer = load_tokenizer(checkpoint, max_length)
    wanted = greedy(model, tokenizer, texts, [[span] for _, span in asked], style, half=False)
    wanted_spans = []
    for text in texts:
        ids, attention = pad([tokenizer.encode(text).ids])
        with torch.inference_mode():
            scores = model.span_scores(model.encode(model.words(ids), attention), attention)[0, :, :, number]
        wanted_spans.append(set(scores.flatten().topk(20).indices.tolist()))
    out.mkdir(parents=True, exist_ok=True)
    config = model.config
    size, length, answers, layers, depth = 2, 7, 3, config.layers, config.width // config.heads
    words, mask = torch.randn(size, length, config.width), torch.ones(size, length, dtype=torch.long)
    with tempfile.TemporaryDirectory() as scratch:
        passage = _Passage(model, number)
        batch = {0: "b", 1: "t"}
        to_onnx(
            passage, (words, mask), {"words": batch, "mask": batch},
            {"states": batch, "span_scores": batch, "keys": {1: "b", 3: "t"}, "values": {1: "b", 3: "t"},
             "copy_keys": batch},
            Path(scratch) / "encoder.onnx",
        )  # fmt: skip
        with torch.inference_mode():
            _, _, keys, values, copy_keys = passage(words, mask)
        cache = torch.randn(layers, size, answers, config.heads, 2, depth)
        row, cell = {0: "b", 1: "a"}, {1: "b", 2: "a", 4: "p"}
        arguments = {
            "previous": (torch.randn(size, answers, 1, config.width), row),
            "copied": (torch.randn(size, answers, 1, config.width), row),
            "position": (torch.tensor([2]), {}),
            "ends": (torch.randn(size, answers, 2 * config.width), row),
            "near": (torch.zeros(size, answers, length, dtype=torch.long), {0: "b", 1: "a", 2: "t"}),
            "mask": (mask, batch),
            "keys": (keys, {1: "b", 3: "t"}),
            "values": (values, {1: "b", 3: "t"}),
            "copy_keys": (copy_keys, batch),
            "places": (torch.zeros(size, length, 4), {0: "b", 1: "t", 2: "q"}),
            "entries": (torch.zeros(size, 4, dtype=torch.long), {0: "b", 1: "q"}),
            "both": (torch.zeros(size, len(model.pieces)), {0: "b"}),
            "past_keys": (cache, cell),
            "past_values": (cache, cell),
            "count": (torch.tensor([5]), {}),
        }
        outputs = {"log_p": {0: "b", 1: "a", 2: "k"}, "index": {0: "b", 1: "a", 2: "k"},
                   "present_keys": cell, "present_values": cell}  # fmt: skip
        to_onnx(
            _Step(model, number), tuple(value for value, _ in arguments.values()),
            {key: axes for key, (_, axes) in arguments.items()}, outputs, Path(scratch) / "decoder.onnx",
        )  # fmt: skip
        for graph in ("encoder.onnx", "decoder.onnx"):
            to_int8(Path(scratch) / graph, out / graph)
    table = model.encoder.embeddings.word_embeddings.weight.detach().numpy()
    quantised, scales = quantised_words(table)
    np.save(out / "words.npy", quantised)
    np.save(out / "scales.npy", scales)
    shutil.copy(checkpoint / "tokenizer.json", out / "tokenizer.json")
    settings = {
        "width": config.width, "max_length": max_length, "question_length": config.question_length,
        "pieces": model.pieces.tolist(), "bucket_edges": list(BUCKET_EDGES), "style": style,
    }  # fmt: skip
    write_listing(out, "copying-writer", name, version, settings)
    exported = Writer(out)
    written = exported.write(texts, [[Span(*span)] for _, span in asked])
    opening = 0.0
    for ours, theirs in zip(written, wanted, strict=True):
        left = tokenizer.encode(ours[0][0].question if ours[0] else "", add_special_tokens=False).ids[:3]
        opening += left == tokenizer.encode(theirs[0] + "?", add_special_tokens=False).ids[:3]
    shared = []
    for expected, marked in zip(wanted_spans, exported.span_scores(texts), strict=True):
        found = set(np.argsort(-marked.ravel(), kind="stable")[:20].tolist())
        shared.append(len(expected & found) / 20)
    figures = {
        "same_opening": opening / len(asked), "same_spans": float(np.mean(shared)), "asked": float(len(asked))
    }  # fmt: skip
    gate(out, figures["same_opening"] >= 0.8, f"questions open alike in {figures['same_opening']:.3f} of the cases")
    gate(out, figures["same_spans"] >= 0.8, f"the best spans agree to {figures['same_spans']:.3f}")
    return figures

"""QAMAT checkpoints to folders that run without torch, through gates: copying readers, and encoders of memories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from quipu.errors import InputError
from quipu.models.encoder import Encoder
from quipu.models.memory_input import value_text
from quipu.models.memory_reader import MemoryReader
from quipu.training.export.onnx import gate, place_tokenizer, place_words, to_onnx, write_listing
from quipu.training.qamat import model
from quipu.training.qamat.backbones import Backbone
from quipu.training.qamat.copying import CopyBackbone
from quipu.training.qamat.memory import KEY_LENGTH
from quipu.training.qamat.steps import Ways
from quipu.training.qamat.train import load

Asked = tuple[str, Sequence[tuple[str, str]]]
QUESTION_LENGTH = 60  # word pieces


class _Encoding(nn.Module):
    """words, mask, types -> states."""

    def __init__(self, backbone: CopyBackbone) -> None:
        super().__init__()
        self.encoder = backbone.encoder

    def forward(self, words: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        out = self.encoder(inputs_embeds=words, attention_mask=mask, token_type_ids=types)
        return cast(torch.Tensor, out.last_hidden_state)


class _Projecting(nn.Module):
    """states -> what the decoder needs of them once."""

    def __init__(self, backbone: CopyBackbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.backbone.memory(states)


class _Saying(nn.Module):
    """The distribution over the next piece alone."""

    def __init__(self, backbone: CopyBackbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        saying, copying = self.backbone.distribution(*inputs)
        return saying[:, -1], copying[:, -1]


def export_memory_reader(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    asked: Sequence[Asked],
    words_from: str | None = None,
    least: float = 0.9,
) -> dict[str, float]:
    """Export the copying reader of a QAMAT checkpoint. ``asked``: questions with pairs (text, answer) each.

    Gate: int8 and torch give the same answer to the share ``least`` of ``asked``. ``words_from``: a bundled writer with
    the same word table.
    """
    backbone, _, ways = load(checkpoint)
    if not isinstance(backbone, CopyBackbone):
        raise InputError(f"{checkpoint}: not a copying reader; export T5 and BART with export_ctranslate")
    backbone.use_plain_attention()
    expected = [_greedy(backbone, question, pairs, ways) for question, pairs in asked]
    out.mkdir(parents=True, exist_ok=True)
    width, config = backbone.width, backbone.config
    words, mask = torch.randn(2, 7, width), torch.ones(2, 7, dtype=torch.long)
    batch, side = {0: "b", 1: "s"}, {1: "b", 3: "s"}
    encoding, projecting = _Encoding(backbone), _Projecting(backbone)
    with torch.inference_mode():
        states = encoding(words, mask, mask * 0)
        keys, values, copy_keys = projecting(states)
    to_onnx(
        encoding, (words, mask, mask * 0), {"words": batch, "attention_mask": batch, "token_type_ids": batch},
        {"states": batch}, out / "encoder.onnx",
    )  # fmt: skip
    to_onnx(
        projecting, (states,), {"states": batch}, {"keys": side, "values": side, "copy_keys": batch},
        out / "project.onnx",
    )  # fmt: skip
    arguments = {
        "previous": (torch.randn(2, 3, width), {0: "b", 1: "u"}),
        "match": (torch.zeros(2, 3, 7), {0: "b", 1: "u", 2: "s"}),
        "states": (states, batch),
        "mask": (mask, batch),
        "copyable": (mask.float(), batch),
        "keys": (keys, side),
        "values": (values, side),
        "copy_keys": (copy_keys, batch),
    }
    to_onnx(
        _Saying(backbone), tuple(value for value, _ in arguments.values()),
        {key: axes for key, (_, axes) in arguments.items()}, {"saying": {0: "b"}, "copying": batch},
        out / "decoder.onnx",
    )  # fmt: skip
    settings: dict[str, Any] = {
        "width": width, "k": ways.k, "sentence": ways.sentence, "per_block": ways.per_block,
        "value_length": ways.value_length, "answer_length": ways.answer_length, "question_length": QUESTION_LENGTH,
        "vocabulary": config.vocabulary, "positions": backbone.encoder.config.max_position_embeddings,
        **place_words(checkpoint, out, backbone.encoder.embeddings.word_embeddings.weight, words_from),
    }  # fmt: skip
    write_listing(out, "memory-reader", name, version, settings)
    made = MemoryReader(out).read([question for question, _ in asked], [pairs for _, pairs in asked])
    ours, theirs = (backbone.pieces(texts, 10**6) for texts in ([item.text for item in made], expected))
    same = [one == other for one, other in zip(ours, theirs, strict=True)]  # capitals and accents are not the model's
    figures = {"same_answer": float(np.mean(same)), "asked": float(len(asked))}
    gate(out, figures["same_answer"] >= least, f"answers are the same in {figures['same_answer']:.3f} of the cases")
    return figures


class _Asking(nn.Module):
    """ids, mask -> the state at a place, of unit length."""

    def __init__(self, backbone: Backbone, at: int) -> None:
        super().__init__()
        self.backbone, self.at = backbone, at

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.backbone.encode(ids, mask)[:, self.at], dim=-1)


def export_memory_encoder(
    checkpoint: Path, out: Path, *, name: str, version: str, texts: Sequence[str]
) -> dict[str, float]:
    """The keys and queries of a QAMAT checkpoint of its own retriever to an encoder folder, for a memory of its own.

    ``model.onnx`` makes keys, by the network that was frozen; ``query.onnx`` asks at the mask in front of a question.
    Gate: mean cosine of int8 and torch >= 0.98 for both, over ``texts``.
    """
    reader, frozen, ways = load(checkpoint)
    if not ways.cosine:
        raise InputError(f"{checkpoint}: its keys are not of unit length, as a memory's are; train with cosine = true")
    at = len(reader.begin)
    rows = [[*frozen.begin, *row, *frozen.end] for row in frozen.pieces(texts, KEY_LENGTH)]
    asked = [[*row[:at], reader.mask_id, *row[at:]] for row in rows]
    parts = {"model": (frozen, 0, rows, "key"), "query": (reader, at, asked, "query")}
    expected = {}
    for backbone, place, some, output in parts.values():
        backbone.use_plain_attention()
        with torch.inference_mode():
            found = [_Asking(backbone, place)(torch.tensor([row]), torch.ones(1, len(row)).long()) for row in some]
        expected[output] = torch.cat(found).numpy()
    out.mkdir(parents=True, exist_ok=True)
    example = torch.tensor([(rows[0] * 8)[:8]] * 2)
    axes = {0: "n", 1: "t"}
    for graph, (backbone, place, _, output) in parts.items():
        to_onnx(
            _Asking(backbone, place), (example, torch.ones_like(example)),
            {"input_ids": axes, "attention_mask": axes}, {output: {0: "n"}}, out / f"{graph}.onnx",
        )  # fmt: skip
    place_tokenizer(checkpoint, out, None)
    length = KEY_LENGTH + at + len(reader.end)
    settings = {"width": reader.width, "max_length": length, "mask": reader.mask_id, "mask_at": at}
    write_listing(out, "encoder", name, version, settings)
    encoder = Encoder(out)
    figures = {
        f"{output}_cosine_mean": float((made * expected[output]).sum(axis=1).mean())
        for output, made in (("key", encoder.encode(texts)), ("query", encoder.ask(texts)))
    }
    lowest = min(figures.values())
    gate(out, lowest >= 0.98, f"mean cosine of int8 and float vectors is {lowest:.4f}")
    return figures


def _greedy(backbone: CopyBackbone, question: str, pairs: Sequence[tuple[str, str]], ways: Ways) -> str:
    """The answer by torch, with the stored spelling where a pair has it."""
    values = backbone.pieces([value_text(answer, text) for text, answer in pairs], ways.value_length)
    (x,) = backbone.pieces([question], QUESTION_LENGTH)
    with torch.inference_mode():
        read = model.discrete(backbone, model.join(backbone, [values], [[backbone.mask_id, *x]], ways.per_block))
        (pieces,) = backbone.generate(read.states, read.mask, read.ids, ways.answer_length)
    for _, answer in pairs:
        if backbone.pieces([answer], ways.value_length)[0] == pieces:
            return answer
    return str(backbone.tokenizer.decode(pieces))

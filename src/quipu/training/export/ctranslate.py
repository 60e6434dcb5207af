"""BARTs and T5s to folders that CTranslate2 runs, through a gate: question writers and readers of memories."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ctranslate2.converters import TransformersConverter
from tokenizers import Tokenizer
from transformers import AutoModelForSeq2SeqLM

from quipu.errors import InputError
from quipu.models.ctranslate import CTranslateWriter, prompt
from quipu.models.ctranslate_reader import CTranslateMemoryReader
from quipu.models.memory_input import value_text
from quipu.models.protocols import Written
from quipu.records import Span
from quipu.text import normalize_answer
from quipu.training.base import load_tokenizer
from quipu.training.export.onnx import gate, write_listing
from quipu.training.qamat.backbones import HubBackbone
from quipu.training.qamat.model import discrete, join
from quipu.training.qamat.train import load

# BART's own values, which CTranslate2's converter reads from config.json and transformers 5 no longer writes.
_BART = {
    "normalize_before": False, "normalize_embedding": True, "add_final_layer_norm": False,
    "static_position_embeddings": False,
}  # fmt: skip


def export_ctranslate_writer(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    asked: Sequence[tuple[str, tuple[int, int]]],
    max_length: int = 384,
    question_length: int = 40,
    quantization: str = "int8",
) -> dict[str, float]:
    """Convert ``checkpoint`` to ``out``.

    Gates: CTranslate2 and torch begin >= 80 % of the questions alike (3 pieces), and where they write the same question
    its mean log p differs by at most 0.2 on average (a wrong scale leaves the best piece the best and spoils sampling).
    ``asked``: texts with the characters of an answer each. Raises InputError where tokenizer.json is missing, or where
    ``out`` is ``checkpoint``: both hold a config.json.
    """
    _check(checkpoint, out)
    model = AutoModelForSeq2SeqLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    tokenizer = load_tokenizer(checkpoint, max_length)
    expected = [_greedy(model, tokenizer, text, Span(*span), question_length) for text, span in asked]
    _convert(checkpoint, out, quantization)
    settings = {"max_length": max_length, "question_length": question_length}
    write_listing(out, "ctranslate-writer", name, version, settings)
    written = CTranslateWriter(out).write([text for text, _ in asked], [[Span(*span)] for _, span in asked])
    same, apart = 0, []
    for ours, (question, score) in zip(written, expected, strict=True):
        first = ours[0][0] if ours[0] else Written("", 0.0)
        left = tokenizer.encode(first.question, add_special_tokens=False).ids[:3]
        same += bool(left) and left == tokenizer.encode(question, add_special_tokens=False).ids[:3]
        if first.question and first.question == question:
            apart.append(abs(first.score - score))
    figures = {
        "same_opening": same / len(asked), "log_p_apart": float(np.mean(apart or [np.inf])), "asked": float(len(asked))
    }  # fmt: skip
    gate(out, figures["same_opening"] >= 0.8, f"questions open alike in {figures['same_opening']:.3f} of the cases")
    gate(
        out, figures["log_p_apart"] <= 0.2, f"mean log p of the same questions differs by {figures['log_p_apart']:.3f}"
    )
    return figures


def export_ctranslate_reader(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    asked: Sequence[tuple[str, Sequence[tuple[str, str]]]],
    beams: int = 1,
    quantization: str = "int8",
) -> dict[str, float]:
    """Convert a QAMAT checkpoint of a T5 or BART. ``asked``: questions with pairs (text, answer).

    Gate: CTranslate2 and torch give the same answer to >= 90 % of ``asked``. Raises InputError as the writer's export.
    """
    _check(checkpoint, out)
    backbone, _, ways = load(checkpoint)
    if not isinstance(backbone, HubBackbone):
        raise InputError(f"{checkpoint}: not a T5 or BART; export a copying reader with export_qamat")
    expected = []
    for question, pairs in asked:
        values = backbone.pieces([value_text(answer, text) for text, answer in pairs], ways.value_length)
        (x,) = backbone.pieces([question], ways.x_length - 1)
        with torch.inference_mode():
            read = discrete(backbone, join(backbone, [values], [[backbone.mask_id, *x]]))
            (pieces,) = backbone.generate(read.states, read.mask, read.ids, ways.answer_length, beams)
        expected.append(normalize_answer(str(backbone.tokenizer.decode(pieces))))
    _convert(checkpoint, out, quantization)
    settings = {
        "k": ways.k, "sentence": ways.sentence, "value_length": ways.value_length, "x_length": ways.x_length,
        "answer_length": ways.answer_length, "beams": beams, "mask": backbone.mask_id,
    }  # fmt: skip
    write_listing(out, "ctranslate-memory-reader", name, version, settings)
    made = CTranslateMemoryReader(out).read([question for question, _ in asked], [pairs for _, pairs in asked])
    same = [normalize_answer(ours.text) == theirs for ours, theirs in zip(made, expected, strict=True)]
    figures = {"same_answer": float(np.mean(same)), "asked": float(len(asked))}
    gate(out, figures["same_answer"] >= 0.9, f"answers are the same in {figures['same_answer']:.3f} of the cases")
    return figures


def _check(checkpoint: Path, out: Path) -> None:
    if out.resolve() == checkpoint.resolve():
        raise InputError(f"{out} is the checkpoint itself; export to another folder")
    if not (checkpoint / "tokenizer.json").is_file():
        raise InputError(f"{checkpoint}: tokenizer.json is missing; save the checkpoint with a fast tokenizer")


def _convert(checkpoint: Path, out: Path, quantization: str) -> None:
    """The weights as CTranslate2 keeps them, and the tokenizer."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "checkpoint"
        shutil.copytree(checkpoint, copy)
        config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
        if config.get("model_type") == "bart":
            config |= {key: config.get(key, value) for key, value in _BART.items()}
            (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
        converted = Path(_Converter(str(copy)).convert(str(Path(scratch) / "converted"), quantization=quantization))
        out.mkdir(parents=True, exist_ok=True)  # the converter itself would first empty the folder
        for file in converted.iterdir():
            shutil.copy(file, out / file.name)
    shutil.copy(checkpoint / "tokenizer.json", out / "tokenizer.json")


class _Converter(TransformersConverter):  # type: ignore[misc]
    """transformers 5 says "tied" of every T5; whether the output is scaled, as that of tied words is, it says apart."""

    def load_model(self, *arguments: Any, **options: Any) -> Any:
        model = super().load_model(*arguments, **options)
        model.config.tie_word_embeddings = getattr(
            model.config, "scale_decoder_outputs", model.config.tie_word_embeddings
        )
        return model


def _greedy(model: Any, tokenizer: Tokenizer, text: str, span: Span, longest: int) -> tuple[str, float]:
    """The most probable question of torch, and its mean log p a piece."""
    ids = torch.tensor([tokenizer.encode(prompt(text, span)).ids])
    with torch.inference_mode():
        made = model.generate(
            ids, max_new_tokens=longest, do_sample=False, num_beams=1, output_logits=True, return_dict_in_generate=True
        )
    pieces = made.sequences[0][-len(made.logits) :].tolist()
    log_p = [float(step[0].float().log_softmax(-1)[piece]) for step, piece in zip(made.logits, pieces, strict=True)]
    return tokenizer.decode(pieces).strip(), sum(log_p) / len(log_p)

"""A Hugging Face BART or T5 question generator to a folder that ``quipu.models.ctranslate`` runs, through a gate."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForSeq2SeqLM

from quipu.errors import InputError
from quipu.models.ctranslate import CTranslateWriter, prompt
from quipu.records import Span
from quipu.training.base import load_tokenizer
from quipu.training.export import _gate, write_listing

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
    """Convert ``checkpoint`` to ``out``. Gate: CTranslate2 and torch begin >= 80 % of the questions alike (3 pieces).

    ``asked``: texts with the characters of an answer each. Raises InputError where tokenizer.json is missing, or where
    ``out`` is ``checkpoint``: both hold a config.json.
    """
    import ctranslate2

    if out.resolve() == checkpoint.resolve():
        raise InputError(f"{out} is the checkpoint itself; export to another folder")
    if not (checkpoint / "tokenizer.json").is_file():
        raise InputError(f"{checkpoint}: tokenizer.json is missing; save the checkpoint with a fast tokenizer")
    model = AutoModelForSeq2SeqLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    tokenizer = load_tokenizer(checkpoint, max_length)
    expected = []
    for text, span in asked:
        ids = torch.tensor([tokenizer.encode(prompt(text, Span(*span))).ids])
        with torch.inference_mode():
            made = model.generate(ids, max_new_tokens=question_length, do_sample=False, num_beams=1)[0]
        expected.append(tokenizer.decode(made.tolist()).strip())
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "checkpoint"
        shutil.copytree(checkpoint, copy)
        config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
        if config.get("model_type") == "bart":
            config |= {key: config.get(key, value) for key, value in _BART.items()}
            (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
        converter = ctranslate2.converters.TransformersConverter(str(copy))
        converted = Path(converter.convert(str(Path(scratch) / "converted"), quantization=quantization))
        out.mkdir(parents=True, exist_ok=True)  # the converter itself would first empty the folder
        for file in converted.iterdir():
            shutil.copy(file, out / file.name)
    shutil.copy(checkpoint / "tokenizer.json", out / "tokenizer.json")
    settings = {"max_length": max_length, "question_length": question_length}
    write_listing(out, "ctranslate-writer", name, version, settings)
    written = CTranslateWriter(out).write([text for text, _ in asked], [[Span(*span)] for _, span in asked])
    same = 0
    for ours, theirs in zip(written, expected, strict=True):
        left = tokenizer.encode(ours[0][0].question if ours[0] else "", add_special_tokens=False).ids[:3]
        same += bool(left) and left == tokenizer.encode(theirs, add_special_tokens=False).ids[:3]
    figures = {"same_opening": same / len(asked), "asked": float(len(asked))}
    _gate(out, figures["same_opening"] >= 0.8, f"questions open alike in {figures['same_opening']:.3f} of the cases")
    return figures

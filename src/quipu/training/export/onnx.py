"""From a trained checkpoint to a model folder that runs without torch, with a gate that compares the two.

Each ``export_*`` runs the torch model over texts, writes float ONNX, quantises it to int8 (see ``quantise``), runs the
exported model over the same texts, refuses with ExportMismatch where they disagree, and writes ``model.json`` with
every hash. (The torch model runs first: tracing it for the export changes what it computes afterwards.)
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from quipu.errors import ExportMismatch, InputError
from quipu.models.codebook import Codebook
from quipu.models.encoder import Encoder
from quipu.training.base import load_tokenizer
from quipu.training.export.quantise import to_int8
from quipu.training.quip.model import HEADS, QuipModel, mean_of, window_of

OPSET = 17


def to_onnx(
    module: nn.Module,
    arguments: tuple[Any, ...],
    inputs: dict[str, dict[int, str]],
    outputs: dict[str, dict[int, str]],
    path: Path,
) -> None:
    """Export ``module`` in int8; ``inputs`` and ``outputs`` name the tensors and their dynamic axes."""
    axes = {name: value for name, value in {**inputs, **outputs}.items() if value}
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        plain = Path(scratch) / path.name
        torch.onnx.export(
            module, arguments, str(plain), input_names=list(inputs), output_names=list(outputs), dynamic_axes=axes,
            opset_version=OPSET, dynamo=False,
        )  # fmt: skip
        to_int8(plain, path)


def write_listing(folder: Path, kind: str, name: str, version: str, settings: dict[str, Any]) -> None:
    """``model.json``: what the folder is, its settings, and the sha256 of each file that the model runs on."""
    files = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.iterdir())
        if file.name not in ("model.json", "README.md")
    }
    listing = {"kind": kind, "name": name, "version": version, **settings, "files": files}
    temporary = folder / "model.json.tmp"
    temporary.write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "model.json")


def change_listing(folder: Path, **settings: Any) -> None:
    """Add settings to a model folder's listing; files that were added or changed since are listed too."""
    listing = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    known = {name: listing.pop(name) for name in ("kind", "name", "version")}
    listing.pop("files")
    write_listing(folder, **known, settings={**listing, **settings})


def add_codebook(folder: Path, texts: Sequence[str], questions: Sequence[str], parts: int) -> dict[str, float]:
    """Learn an exported encoder's codebook (``parts`` bytes a token) from passages and questions.

    ``codebook_lost``: the share of the variance of questions' logits that the codes lose, on a tenth of each that the
    codebook was not learned from.
    """
    encoder = Encoder(folder)
    learned, tested = _nine_tenths(texts), _nine_tenths(questions)
    vectors, held = (np.concatenate([item.vectors for item in encoder.passages(some)]) for some in learned)
    asked = [codebook_questions(encoder, some) for some in tested]
    book = Codebook.learn(vectors, asked[0], parts)
    book.save(folder / "codebook.npz")
    change_listing(folder)
    exact, coded = held @ asked[1].T, book.scores(book.tables(asked[1]), book.encode(held)).T
    lost = ((exact - coded).var(axis=0) / exact.var(axis=0)).mean()
    return {"codebook_tokens": float(len(vectors)), "codebook_lost": float(lost)}


def codebook_questions(encoder: Encoder, questions: Sequence[str]) -> NDArray[np.float32]:
    """All that tokens are multiplied with: start and end vectors, and keys at a tenth of their mean square (3 n, D)."""
    keys, starts, ends = encoder.queries(questions)
    size = np.sqrt(0.1 * np.square(np.concatenate([starts, ends])).sum(axis=1).mean())
    return np.concatenate([starts, ends, np.float32(size) * keys])


def _nine_tenths(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Nine of ten, and every tenth."""
    return [text for at, text in enumerate(texts) if at % 10 != 9], list(texts[9::10])


class _Everything(nn.Module):
    """Key, every layer, and, with heads, start and end vectors. ``states`` stand as batches, ``key`` as rows."""

    def __init__(self, model: QuipModel, heads: bool) -> None:
        super().__init__()
        self.model, self.heads = model, heads
        self.by_vectors = False  # takes word vectors instead of ids

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        layers = self.model.hidden(input_ids, attention_mask, vectors=self.by_vectors)
        key = nn.functional.normalize(mean_of(layers[-1], attention_mask), dim=-1)
        if not self.heads:
            return key, *layers
        pooled = self.model.pooled(layers[-1], attention_mask)
        return key, self.model.start_head(pooled), self.model.end_head(pooled), *layers


def export_encoder(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    texts: Sequence[str],
    max_length: int = 128,
    words_from: str | None = None,
) -> dict[str, float]:
    """A Hugging Face folder to an encoder folder, with its question heads where it has some.

    ``words_from``: "quipu-small/words" where the word table is the same, so that it need not lie there twice.

    Gate: mean cosine of int8 and torch keys >= 0.98, with heads also of token vectors and of start and end vectors.
    """
    from quipu.models.encoder import Encoder

    heads = (checkpoint / HEADS).is_file()
    quip = QuipModel.from_pretrained(checkpoint, eager=True).eval()
    model, tokenizer = _Everything(quip, heads), load_tokenizer(checkpoint, max_length)
    names = ["key", *(("start", "end") if heads else ())]
    expected: dict[str, list[Any]] = {name: [] for name in [*names, "tokens"]}
    with torch.inference_mode():
        for text in texts:
            row = torch.tensor([tokenizer.encode(text).ids])
            found = model(row, torch.ones_like(row))
            for key, value in zip([*names, "tokens"], [*found[: len(names)], found[-1]], strict=True):
                expected[key].append(value[0].numpy())
    out.mkdir(parents=True, exist_ok=True)
    ids = torch.ones(2, 5, dtype=torch.long)
    layers = int(quip.encoder.config.num_hidden_layers)
    axes = {0: "n", 1: "t"}
    outputs: dict[str, dict[int, str]] = {key: {0: "n"} for key in names}
    outputs |= {f"layer_{layer}": axes for layer in range(layers + 1)}
    first, given, shared = _input(quip.encoder, ids, words_from)
    model.by_vectors = words_from is not None
    inputs = {first: axes, "attention_mask": axes}
    to_onnx(model, (given, torch.ones_like(ids)), inputs, outputs, out / "model.onnx")
    place_tokenizer(checkpoint, out, words_from)
    window, stride = window_of(quip.encoder.config)
    settings = {
        "window": window,
        "stride": stride,
        "width": quip.width, "max_length": max_length, "layers": layers, "heads": heads, "pooling": quip.pooling,
        "config": _config(quip),
        **shared,
    }  # fmt: skip
    write_listing(out, "encoder", name, version, settings)
    exported = Encoder(out)
    got = dict(zip(names, exported.queries(texts) if heads else [exported.encode(texts)], strict=True))
    figures = {"texts": float(len(texts))}
    for key, values in got.items():
        cosine = _cosine(values, np.array(expected[key]))
        figures |= {f"{key}_cosine_mean": float(cosine.mean()), f"{key}_cosine_min": float(cosine.min())}
    short = [row for row, text in enumerate(texts) if len(tokenizer.encode(text).ids) < max_length]
    tokens = exported.passages([texts[row] for row in short]) if heads else []
    if tokens:
        alike = [_cosine(item.vectors, expected["tokens"][row]).mean() for row, item in zip(short, tokens, strict=True)]
        figures["token_cosine_mean"] = float(np.mean(alike))
    lowest = min((figure for figure in figures if figure.endswith("_mean")), key=figures.__getitem__)
    gate(out, figures[lowest] >= 0.98, f"{lowest} of int8 and float vectors is {figures[lowest]:.4f}")
    return figures


def _input(encoder: Any, ids: torch.Tensor, words_from: str | None) -> tuple[str, torch.Tensor, dict[str, str]]:
    """Name and example of the graph's first input, ids or word vectors, and what the listing says of the table."""
    if words_from is None:
        return "input_ids", ids, {}
    table = encoder.get_input_embeddings()
    rows, _ = quantised_words(table.weight.detach().numpy())
    with torch.inference_mode():
        return "words", table(ids), {"words_from": words_from, "words_sha256": shared_table(words_from, rows)}


def place_tokenizer(checkpoint: Path, out: Path, words_from: str | None) -> None:
    """Copy tokenizer.json, or see that the one that ships and stands in for it is the same."""
    from quipu.models.folders import shared_words

    (out / "tokenizer.json").unlink(missing_ok=True)
    if words_from is None:
        shutil.copy(checkpoint / "tokenizer.json", out / "tokenizer.json")
    elif _rules(shared_words(words_from).tokenizer) != _rules(checkpoint / "tokenizer.json"):
        raise InputError(f"the tokenizer of {words_from} is another than this model's; leave words_from out")


def place_words(checkpoint: Path, out: Path, table: torch.Tensor, words_from: str | None) -> dict[str, str]:
    """Tokenizer and word table (V, D) into the folder, or, where one that ships is the same, what names that one."""
    place_tokenizer(checkpoint, out, words_from)
    rows, scales = quantised_words(table.detach().numpy())
    if words_from is not None:
        return {"words_from": words_from, "words_sha256": shared_table(words_from, rows)}
    np.save(out / "words.npy", rows)
    np.save(out / "scales.npy", scales)
    return {}


def _rules(tokenizer: Path) -> dict[str, Any]:
    """A tokenizer without what each user of it sets for itself."""
    content: dict[str, Any] = json.loads(tokenizer.read_text(encoding="utf-8"))
    return {name: value for name, value in content.items() if name not in ("truncation", "padding")}


def shared_table(words_from: str, table: np.ndarray) -> str:
    """The sha256 of the bundled table, which must be this one."""
    from quipu.models.folders import shared_words

    path = shared_words(words_from).path / "words.npy"
    if not np.array_equal(np.load(path, allow_pickle=False), table):
        raise InputError(f"the word table of {words_from} is another than this model's; leave words_from out")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _config(quip: QuipModel) -> dict[str, Any]:
    """What ``quipu.training.quip.unpack`` needs to build the network again."""
    given: Any = quip.encoder.config
    names = (
        "model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size",
        "max_position_embeddings", "type_vocab_size", "hidden_act", "layer_norm_eps", "pad_token_id",
    )  # fmt: skip
    return {name: getattr(given, name) for name in names if hasattr(given, name)}


def _cosine(left: Any, right: Any) -> Any:
    return (left * right).sum(-1) / (np.linalg.norm(left, axis=-1) * np.linalg.norm(right, axis=-1))


class _Spans(nn.Module):
    def __init__(self, reader: nn.Module) -> None:
        super().__init__()
        self.reader = reader
        self.by_vectors = False  # takes word vectors instead of ids

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> Any:
        words = {"inputs_embeds" if self.by_vectors else "input_ids": input_ids}
        types = {"attention_mask": attention_mask, "token_type_ids": token_type_ids}
        out = self.reader(**words, **types)
        return out.start_logits, out.end_logits


def export_reader(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    asked: Sequence[tuple[str, str]],
    max_length: int = 320,
    stride: int = 96,
    words_from: str | None = None,
) -> dict[str, float]:
    """A BERT question-answering folder to a reader folder. Gate: the same best span for >= 90 % of ``asked``.

    ``words_from``: see ``export_encoder``.
    """
    from transformers import AutoModelForQuestionAnswering

    from quipu.models.reader import LONGEST, Reader, best_spans

    model = _Spans(AutoModelForQuestionAnswering.from_pretrained(checkpoint, attn_implementation="eager").eval())
    tokenizer = load_tokenizer(checkpoint)
    expected = []
    for question, passage in asked:
        item = tokenizer.encode(question, passage)
        tensors = [torch.tensor([values]) for values in (item.ids, item.attention_mask, item.type_ids)]
        with torch.inference_mode():
            start, end = (values.numpy() for values in model(*tensors))
        allowed = np.array([item.type_ids]) == 1
        allowed[0, -1] = False
        first, last, _, _ = best_spans(start, end, allowed, LONGEST)
        expected.append((item.offsets[first[0]][0], item.offsets[last[0]][1]))
    out.mkdir(parents=True, exist_ok=True)
    ids = torch.ones(2, 5, dtype=torch.long)
    axes = {0: "n", 1: "t"}
    word, given, shared = _input(model.reader, ids, words_from)
    model.by_vectors = words_from is not None
    inputs = {word: axes, "attention_mask": axes, "token_type_ids": axes}
    outputs = {"start": axes, "end": axes}
    to_onnx(model, (given, torch.ones_like(ids), ids * 0), inputs, outputs, out / "model.onnx")
    place_tokenizer(checkpoint, out, words_from)
    write_listing(out, "reader", name, version, {"max_length": max_length, "stride": stride, **shared})
    readings = Reader(out).read([question for question, _ in asked], [passage for _, passage in asked])
    same = sum((reading.start, reading.end) == span for reading, span in zip(readings, expected, strict=True))
    figures = {"same_span": same / len(asked), "asked": float(len(asked))}
    gate(out, figures["same_span"] >= 0.9, f"int8 and float agree on {figures['same_span']:.3f} of the best spans")
    return figures


def quantised_words(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A word table (V, D) as int8, and a scale a row (V, 1)."""
    scales = (np.abs(table).max(axis=1, keepdims=True) / 127.0).astype(np.float32)
    return np.round(table / np.maximum(scales, 1e-12)).astype(np.int8), scales


def gate(out: Path, passed: bool, why: str) -> None:
    """Refuse a bad export: its listing is removed, so that nothing can load it."""
    if not passed:
        (out / "model.json").unlink()
        raise ExportMismatch(f"{out}: {why}; the export was refused")

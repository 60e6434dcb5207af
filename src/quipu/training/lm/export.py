"""From a trained decoder to a model folder of the kind "language-model", which runs without torch.

The folder holds ``graph.onnx`` (no weights inside), ``weights.bin`` and ``weights.json`` (packed; see
``models.lm.weights``), ``tokenizer.json`` and ``model.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from quipu.errors import InputError
from quipu.models.lm.prompts import MARKERS, Prompts
from quipu.models.lm.shape import DecoderShape
from quipu.models.lm.weights import save_weights
from quipu.training.export.onnx import write_listing
from quipu.training.lm.checkpoint import load_checkpoint
from quipu.training.lm.graph import GraphBuilder, GraphOptions
from quipu.training.lm.rotation import Tensors, down_block, folded, hadamard, rotated
from quipu.training.lm.rounding import Rounded, round_all


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """How a checkpoint is exported.

    ``bits`` per weight (3 to 8; 32: floats, for comparison), ``table_bits`` of embedding and output layer (None: the
    same), ``other_bits`` of single matrices, such as {"layer.3.up": 5}; ``rotate`` as in ``rotation``; ``markers``:
    role -> token; ``positions``: the longest passage with its branch, in tokens; ``window`` and ``stride`` of passages
    that are longer than a window; ``pairs`` that are read together.
    """

    bits: int = 6
    table_bits: int | None = None
    other_bits: Mapping[str, int] = field(default_factory=dict)
    rotate: bool = True
    seed: int = 0
    markers: Mapping[str, str] = field(default_factory=lambda: dict(MARKERS))
    positions: int = 1024
    window: int = 640
    stride: int = 160
    pairs: int = 10

    def bits_of(self, name: str) -> int:
        """Bits of a matrix; queries and keys, which are stored as one, have those of ``qk``."""
        for part in ("q", "k"):
            if name.endswith("." + part):
                name = name.removesuffix(part) + "qk"
        usual = self.table_bits or self.bits if name in ("embed", "head") else self.bits
        return self.other_bits.get(name, usual)


def export_language_model(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    texts: Sequence[tuple[str, str]] = (),
    options: ExportOptions | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> DecoderShape:
    """A Llama-type checkpoint (see ``load_checkpoint``; its folder has a tokenizer.json) to a model folder.

    ``texts``: (passage, what is said after it with its markers) to calibrate the rounding on, a few dozen; without any,
    weights are rounded to the nearest level.
    """
    options = options or ExportOptions()
    if not (checkpoint / "tokenizer.json").is_file():
        raise InputError(f"{checkpoint}: tokenizer.json is missing; save the tokenizer beside the weights")
    weights, shape = load_checkpoint(checkpoint)
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    if tokenizer.get_vocab_size() > shape.vocabulary:
        raise InputError(f"{checkpoint}: the tokenizer has more entries than the model ({shape.vocabulary})")
    markers = _marker_ids(tokenizer, options.markers)
    block = down_block(shape) if options.rotate and options.bits < 32 else 0
    turned = rotated(weights, shape, block=block, seed=options.seed) if options.rotate else folded(weights, shape)
    tensors: dict[str, NDArray[Any]]
    if options.bits == 32:
        tensors = _float_tensors(turned, shape)
    else:
        prompts = Prompts(tokenizer, markers)
        rows = [[*prompts.prefix(text), *prompts.with_markers(said)] for text, said in texts]
        rounded = round_all(turned, shape, rows, options.bits_of, block=block, progress=progress)
        _silence(rounded["embed"], tokenizer, markers, shape)
        tensors = _tensors(rounded, turned, shape)
    _write(out, tensors, shape, options, block)
    _compact_tokenizer(checkpoint / "tokenizer.json", out / "tokenizer.json")
    write_listing(out, "language-model", name, version, {
        "shape": shape.to_json(), "markers": markers, "block": block, "positions": options.positions,
        "window": options.window, "stride": options.stride, "pairs": options.pairs, "bits": options.bits,
    })  # fmt: skip
    return shape


def _marker_ids(tokenizer: Tokenizer, markers: Mapping[str, str]) -> dict[str, int]:
    """Token ids by role; InputError where the tokenizer lacks one."""
    found = {}
    for role in MARKERS:
        number = tokenizer.token_to_id(markers[role]) if role in markers else None
        if number is None:
            raise InputError(f"the tokenizer has no token {markers.get(role)!r} for {role!r}")
        found[role] = int(number)
    return found


def _silence(embedding: Rounded, tokenizer: Tokenizer, markers: Mapping[str, int], shape: DecoderShape) -> None:
    """Special tokens that have no role are never said: their rows are zeros where the table is the output layer too."""
    if shape.tied:
        special = [number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special]
        embedding.levels[[number for number in special if number not in markers.values()]] = 0


def _tensors(rounded: Mapping[str, Rounded], turned: Tensors, shape: DecoderShape) -> dict[str, NDArray[Any]]:
    """What the quantised graph takes: (in, out) levels and their scales; queries and keys in one matrix."""
    tensors: dict[str, NDArray[Any]] = {}

    def add(name: str, parts: Sequence[Rounded], *, turn: bool = True, factors: Sequence[float] | None = None) -> None:
        levels = np.concatenate([part.levels for part in parts])
        factors = factors or [1.0] * len(parts)
        scale = np.concatenate([part.scale * np.float16(factor) for part, factor in zip(parts, factors, strict=True)])
        tensors[name] = np.ascontiguousarray(levels.T) if turn else levels
        tensors[name + ".scale"] = scale.astype(np.float16)

    for layer in range(shape.layers):
        name = f"layer.{layer}."
        pair = [rounded[name + "q"], rounded[name + "k"]]
        # the queries' factor 1 / sqrt(head_width) joins their scale
        add(name + "qk", pair, factors=[shape.head_width**-0.5, 1.0])
        for matrix in ("v", "o", "gate", "up", "down"):
            add(name + matrix, [rounded[name + matrix]])
    add("embed", [rounded["embed"]], turn=shape.tied)  # (D, V) where it is the output layer too, else (V, D)
    if shape.tied:
        tensors["mix"] = turned["mix"].astype(np.float16)
    else:
        add("head", [rounded["head"]])
    return tensors


def _float_tensors(turned: Tensors, shape: DecoderShape) -> dict[str, NDArray[Any]]:
    """What the float graph takes."""
    tensors: dict[str, NDArray[Any]] = {}
    for layer in range(shape.layers):
        name = f"layer.{layer}."
        queries = turned[name + "q"] * np.float32(shape.head_width**-0.5)
        tensors[name + "qk"] = np.concatenate([queries, turned[name + "k"]]).T
        for matrix in ("v", "o", "gate", "up", "down"):
            tensors[name + matrix] = turned[name + matrix].T
    if shape.tied:
        return {**tensors, "embed": turned["embed"].T, "mix": turned["mix"]}
    return {**tensors, "embed": turned["embed"], "head": turned["head"].T}


def _write(
    out: Path, tensors: dict[str, NDArray[Any]], shape: DecoderShape, options: ExportOptions, block: int
) -> None:
    """The graph and its weights."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.json").unlink(missing_ok=True)
    builder = GraphBuilder(shape, GraphOptions(options.bits < 32, block, shape.tied), options.positions)
    if block:
        tensors = {**tensors, "hadamard": hadamard(block).astype(np.float32)}
    save_weights(out, tensors, options.bits_of)
    (out / "graph.onnx").write_bytes(builder.build().SerializeToString())


def _compact_tokenizer(source: Path, target: Path) -> None:
    """The same tokenizer without needless characters: merges as "a b" where no part holds a blank, no white space."""
    content = json.loads(source.read_text(encoding="utf-8"))
    merges = content["model"].get("merges", [])
    if all(not isinstance(pair, str) and not any(" " in part for part in pair) for pair in merges):
        content["model"]["merges"] = [" ".join(pair) for pair in merges]
    target.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def calibration_texts(lines: Sequence[str], count: int) -> list[tuple[str, str]]:
    """Passages of generated pairs (see ``export_language_model``'s ``texts``), each with some of its questions written
    and read: JSON lines {"title", "t": text, "q": [[question, start, end, ...], ...]}."""
    found = []
    for line in lines[:: max(1, len(lines) // count)][:count]:
        row = json.loads(line)
        text, said = row["t"], []
        for at, (question, start, end, *_) in enumerate(row["q"][:4]):
            answer = text[start:end]
            if at % 2:
                said.append(f"{{write}}{answer}{{written}} {question}{{end}}")
            else:
                said.append(f"{{read}}{question}{{answer}} {answer}{{end}}")
        title = row.get("title") or ""
        found.append(((title + "\n" if title else "") + text, "".join(said)))
    return found

"""A name or a path to a verified model folder. No pickle, no network.

A folder holds ``model.json`` ({"kind", "name", "version", "width", "files": {file: sha256}, settings...}), the files
that it lists, and a model card. Names such as "quipu-mini/encoder" are folders that travel with the package.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from quipu.errors import FormatError, InputError

T = TypeVar("T")
R = TypeVar("R")
BUNDLED = Path(__file__).parent / "bundled"
_SUFFIXES = {".onnx", ".json", ".npy", ".npz", ".md", ".txt", ".bin", ".model"}
# What a kind runs on: files that must be listed, for only those are checked, and settings.
_NEEDS = {
    "encoder": (("model.onnx", "tokenizer.json"), ("width", "max_length")),
    "extractor": (("model.onnx", "tokenizer.json"), ("span_length", "window", "stride")),
    "reader": (("model.onnx", "tokenizer.json"), ("max_length", "stride")),
    "reranker": (("lower.onnx", "upper.onnx", "tokenizer.json"), ("max_length",)),
    "cross-encoder": (("model.onnx", "tokenizer.json"), ("max_length", "pad")),
    "copying-writer": (
        ("encoder.onnx", "decoder.onnx", "words.npy", "scales.npy", "tokenizer.json"),
        ("max_length", "question_length", "pieces", "bucket_edges"),
    ),
    "memory-reader": (("project.onnx", "decoder.onnx", "tokenizer.json"), ("k", "vocabulary", "value_length")),
    "ctranslate-memory-reader": (
        ("model.bin", "config.json", "tokenizer.json"), ("k", "sentence", "value_length", "x_length", "mask")
    ),
    "ctranslate-writer": (("model.bin", "config.json", "tokenizer.json"), ("max_length", "question_length")),
    "language-model": (
        ("graph.onnx", "weights.bin", "weights.json", "tokenizer.json"),
        ("shape", "markers", "positions", "window", "stride", "pairs"),
    ),
}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder whose files are those that its ``model.json`` lists."""

    path: Path
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Name and version, as a memory's manifest and a pair's generator keep it."""
        return f"{self.settings['name']}@{self.settings['version']}"

    @property
    def tokenizer(self) -> Path:
        """Its tokenizer.json; a model that shares the word table of a bundled writer shares this too."""
        if "tokenizer.json" in self.settings["files"]:
            return self.path / "tokenizer.json"
        return shared_writer(str(self.settings["words_from"])).path / "tokenizer.json"

    @property
    def sha256(self) -> str:
        """One hash over the hashes of all files."""
        return hashlib.sha256(json.dumps(self.settings["files"], sort_keys=True).encode()).hexdigest()


def is_bundled(name: str) -> bool:
    """Whether a model of this name travels with the package."""
    return (BUNDLED / name).is_dir()


def resolve(name_or_path: str | Path, kind: str) -> ModelFolder:
    """The folder behind a bundled name or a path, with every file's sha256 checked.

    Raises InputError where there is none, FormatError where it is of another kind or its files are not as listed.
    """
    path = BUNDLED / name_or_path if (BUNDLED / name_or_path).is_dir() else Path(name_or_path)
    listing = path / "model.json"
    if not listing.is_file():
        raise InputError(
            f"{name_or_path}: no model folder (model.json is missing). Models are local folders; make one of a "
            "Hugging Face checkpoint with quipu.training.export (see the README, Training)"
        )
    try:
        settings = json.loads(listing.read_text(encoding="utf-8"))  # RecursionError: nested too deeply
        found, files = settings["kind"], dict(settings["files"])
        settings["name"], settings["version"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{listing}: not a model listing ({error}); export the model again") from error
    if found != kind:
        raise FormatError(f"{path} holds a model of kind {found!r}, {kind!r} is needed here")
    for file, digest in files.items():
        target = path / file
        if Path(file).name != file or target.suffix not in _SUFFIXES:
            raise FormatError(f"{listing} lists {file!r}, which is no file of a model folder")
        if not target.is_file():
            raise FormatError(f"{target} is missing; export or install the model again")
        with target.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                raise FormatError(f"{target} is not the file that model.json lists (sha256); install the model again")
    needed_files, needed_settings = _NEEDS[kind]
    lacking = [name for name in needed_files if name not in files]
    if "words_from" in settings:
        lacking = [name for name in lacking if name != "tokenizer.json"]
    lacking += [name for name in needed_settings if name not in settings]
    if lacking:
        raise FormatError(f"{listing} does not list {', '.join(lacking)}; export the model again")
    return ModelFolder(path, settings)


@cache
def shared_writer(name: str) -> ModelFolder:
    """The bundled writer whose word table and tokenizer other models share; verified once a process."""
    return resolve(name, "copying-writer")


def kind_of(name_or_path: str | Path) -> str:
    """The kind that a folder says it is; InputError where there is no folder."""
    path = BUNDLED / name_or_path if (BUNDLED / name_or_path).is_dir() else Path(name_or_path)
    try:
        return str(json.loads((path / "model.json").read_text(encoding="utf-8"))["kind"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{name_or_path}: no model folder (model.json is missing or broken)") from error


def session(path: Path) -> Any:
    """An ONNX Runtime session on the CPU that uses one core a call; ``parallel`` gives every core its own batch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def parallel(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``work`` of each item, in order, one item a core at a time (ONNX Runtime lets go of the interpreter's lock).

    Small matrices gain little from a second core, a second batch gains all of it.
    """
    if len(items) < 2:
        return [work(item) for item in items]
    return list(_pool().map(work, items))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="quipu")

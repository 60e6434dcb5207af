"""A name or a path to a verified model folder. No pickle, no network.

A folder holds ``model.json`` ({"kind", "name", "version", "width", "files": {file: sha256}, settings...}), the files
that it lists, and a model card. Names such as "quipu-small/encoder" are folders of two packages of data that quipu
depends on, ``quipu_small`` and ``quipu_small_lm``.
"""

from __future__ import annotations

import hashlib
import importlib.util
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
FAMILY = "quipu-small"
WORDS = f"{FAMILY}/words"
_FORMER = "quipu-mini"  # memories name their encoder by it
_PACKAGES = {"quipu_small": "quipu-qa-small", "quipu_small_lm": "quipu-qa-small-lm"}  # as imported, as installed
_ELSEWHERE = {"lm": "quipu_small_lm"}  # all other models are in the first
_SUFFIXES = {".onnx", ".json", ".npy", ".npz", ".md", ".txt", ".bin", ".model"}
# What a kind runs on: files that must be listed, for only those are checked, and settings.
_NEEDS = {
    "encoder": (("model.onnx", "tokenizer.json"), ("width", "max_length")),
    "words": (("words.npy", "scales.npy", "tokenizer.json"), ()),
    "extractor": (("model.onnx", "tokenizer.json"), ("span_length", "window", "stride")),
    "verifier": (("model.onnx", "tokenizer.json"), ()),
    "reader": (("model.onnx", "tokenizer.json"), ("max_length", "stride")),
    "reranker": (("lower.onnx", "upper.onnx", "tokenizer.json"), ("max_length",)),
    "cross-encoder": (("model.onnx", "tokenizer.json"), ("max_length", "pad")),
    "memory-reader": (("project.onnx", "decoder.onnx", "tokenizer.json"), ("k", "vocabulary", "value_length")),
    "ctranslate-memory-reader": (
        ("model.bin", "config.json", "tokenizer.json"),
        ("k", "sentence", "value_length", "x_length", "mask"),
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
        """Its tokenizer.json; a model that takes its word table from another takes this too."""
        if "tokenizer.json" in self.settings["files"]:
            return self.path / "tokenizer.json"
        return shared_words(str(self.settings["words_from"])).path / "tokenizer.json"

    @property
    def sha256(self) -> str:
        """One hash over the hashes of all files."""
        return _hash_of(self.settings["files"])


def bundled(name: str | Path) -> Path | None:
    """The folder of a model that ships; None where none of this name does, or its package is not installed."""
    family, _, model = str(name).partition("/")
    if family not in (FAMILY, _FORMER) or not model.isidentifier():
        return None
    package = _package(_ELSEWHERE.get(model, "quipu_small"))
    return package / model if package is not None and (package / model).is_dir() else None


def is_bundled(name: str) -> bool:
    """Whether a model of this name ships and is installed."""
    return bundled(name) is not None


def bundled_file(name: str) -> Path:
    """The path of a file that ships beside the models, such as the calibration that was fitted for them."""
    return (_package("quipu_small") or Path()) / name


def bundled_sha256(name: str) -> str | None:
    """The hash over the files of the model that ships under this name, as it is listed; None where there is none."""
    path = bundled(name)
    if path is None:
        return None
    return _hash_of(json.loads((path / "model.json").read_text(encoding="utf-8"))["files"])


def _hash_of(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


@cache
def _package(name: str) -> Path | None:
    """The folder of an installed package of data, which is found without being imported."""
    found = importlib.util.find_spec(name)
    places = list(found.submodule_search_locations or ()) if found is not None else []
    return Path(places[0]) if places else None


def resolve(name_or_path: str | Path, kind: str) -> ModelFolder:
    """The folder behind a bundled name or a path, with every file's sha256 checked.

    Raises InputError where there is none, FormatError where it is of another kind or its files are not as listed.
    """
    path = bundled(name_or_path) or Path(name_or_path)
    listing = path / "model.json"
    if not listing.is_file():
        raise InputError(_missing(str(name_or_path)))
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
        lacking = [name for name in lacking if name not in _NEEDS["words"][0]]
    lacking += [name for name in needed_settings if name not in settings]
    if lacking:
        raise FormatError(f"{listing} does not list {', '.join(lacking)}; export the model again")
    return ModelFolder(path, settings)


def _missing(name: str) -> str:
    """Why there is no model of this name, and what to do."""
    family, _, model = name.partition("/")
    package = _ELSEWHERE.get(model, "quipu_small")
    if family in (FAMILY, _FORMER) and model and _package(package) is None:
        return f"{name}: the models that ship are not installed; run: pip install {_PACKAGES[package]}"
    return (
        f"{name}: no model folder (model.json is missing). Models are local folders; make one of a Hugging Face "
        "checkpoint with quipu.training.export.onnx (see docs/training.md)"
    )


@cache
def shared_words(name: str) -> ModelFolder:
    """The model that ships whose word table and tokenizer others share; verified once a process."""
    return resolve(WORDS if name == f"{_FORMER}/writer" else name, "words")  # the writer held them first


def kind_of(name_or_path: str | Path) -> str:
    """The kind that a folder says it is; InputError where there is no folder."""
    path = bundled(name_or_path) or Path(name_or_path)
    try:
        return str(json.loads((path / "model.json").read_text(encoding="utf-8"))["kind"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if not (path / "model.json").is_file():
            raise InputError(_missing(str(name_or_path))) from error
        raise InputError(f"{name_or_path}: no model folder (model.json is broken)") from error


def session(path: Path) -> Any:
    """An ONNX Runtime session on the CPU that uses one core a call; ``parallel`` gives every core its own batch."""
    import onnxruntime

    return onnxruntime.InferenceSession(str(path), session_options(), providers=["CPUExecutionProvider"])


def session_options(threads: int = 1) -> Any:
    """Quiet, with so many threads for one call, and with the same sums on every processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # without VNNI two products of 8 bits are added in 16, which large ones exceed, unless the weights are unsigned
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return options


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


os.register_at_fork(after_in_child=_pool.cache_clear)  # its threads live in the parent only

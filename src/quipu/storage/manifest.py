"""``manifest.json``: what a memory is, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quipu.errors import FormatError, InputError
from quipu.storage.guard import check_files, read_json
from quipu.storage.schema import FORMAT_VERSION

REENCODING = "rekeying"
"""A key of the manifest while a memory is encoded anew. Memories hold this word: another would hide an interruption."""


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the memory at ``path``; InputError where there is none, FormatError where it cannot be used."""
    file = path / "manifest.json"
    if not path.is_dir():
        raise InputError(f"{path}: no such memory; build one with: quipu build DOCS -o {path}")
    check_files(path)
    if not file.is_file():
        raise FormatError(f"{path} is no memory (manifest.json is missing)")
    try:
        manifest = read_json(file)
        version, width = int(manifest["format"]), int(manifest["width"])
        models = {str(name): str(digest) for name, digest in manifest["models"].items()}
        dict(manifest.get("settings", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise FormatError(f"{file}: not a memory's manifest ({error})") from error
    if version > FORMAT_VERSION:
        raise FormatError(f"{path} has format {version}, this quipu reads up to {FORMAT_VERSION}; update quipu")
    if not 1 <= width <= 65_536:
        raise FormatError(f"{file}: a width of {width} cannot be right")
    return {**manifest, "models": models, "width": width}


def write_manifest(path: Path, *, width: int, models: Mapping[str, str], settings: Mapping[str, Any]) -> None:
    """Write the manifest beside and move it into place."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        quipu_version = version("quipu-qa")
    except PackageNotFoundError:
        quipu_version = "unknown"
    manifest = {
        "format": FORMAT_VERSION, "quipu": quipu_version, "width": width, "models": dict(models),
        "settings": dict(settings),
    }  # fmt: skip
    replace_manifest(path, manifest)


def replace_manifest(path: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Put ``manifest`` in the place of the one that is there, whole or not at all; with its digest, as it is now."""
    manifest = {**manifest, "digest": _digest(manifest)}
    temporary = path / "manifest.json.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path / "manifest.json")
    sync_folder(path)
    return manifest


def manifest_stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a manifest is replaced; None where there is none."""
    try:
        found = (path / "manifest.json").stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def is_whole(manifest: Mapping[str, Any]) -> bool:
    """Whether it is the one that was written: its digest is that of its other fields."""
    return manifest.get("digest") == _digest(manifest)


def _digest(manifest: Mapping[str, Any]) -> str:
    fields = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def sync_folder(path: Path) -> None:
    """Have the folder's entries on the disk: a file that was moved into place is there after a loss of power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Model folders: what is loaded is what was listed, or nothing is loaded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from quipu.errors import FormatError, InputError
from quipu.models import folders, load_writer
from quipu.models.bundle import Models
from quipu.models.encoder import Encoder
from quipu.models.folders import bundled, bundled_sha256, cores, is_bundled, kind_of, parallel, resolve, shared_words


def folder(path: Path, **changes: Any) -> Path:
    """An encoder's folder; ``changes`` to its listing, None removes an entry."""
    path.mkdir()
    files = {"model.onnx": b"weights", "tokenizer.json": b"{}"}
    for name, content in files.items():
        (path / name).write_bytes(content)
    listing: dict[str, Any] = {
        "kind": "encoder", "name": "tiny", "version": "1.2", "width": 8, "max_length": 16,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }  # fmt: skip
    listing = {key: value for key, value in {**listing, **changes}.items() if value is not None}
    (path / "model.json").write_text(json.dumps(listing))
    return path


def test_a_sound_folder_is_known_by_name_and_by_hash(tmp_path: Path) -> None:
    """A memory is tied to its encoder by this hash: it must change with the weights and not with the folder's place."""
    one = resolve(folder(tmp_path / "a"), "encoder")
    assert one.name == "tiny@1.2" and one.settings["width"] == 8
    assert one.sha256 == resolve(folder(tmp_path / "b"), "encoder").sha256 and len(one.sha256) == 64
    other = folder(tmp_path / "c")
    (other / "model.onnx").write_bytes(b"trained again")
    listing = json.loads((other / "model.json").read_text())
    listing["files"]["model.onnx"] = hashlib.sha256(b"trained again").hexdigest()
    (other / "model.json").write_text(json.dumps(listing))
    assert resolve(other, "encoder").sha256 != one.sha256


def test_a_changed_or_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    """Half a download answers, only wrongly."""
    path = folder(tmp_path / "m")
    (path / "model.onnx").write_bytes(b"weight")
    with pytest.raises(FormatError, match=r"model\.onnx is not the file that model\.json lists"):
        resolve(path, "encoder")
    (path / "model.onnx").unlink()
    with pytest.raises(FormatError, match=r"model\.onnx is missing"):
        resolve(path, "encoder")


@pytest.mark.parametrize(
    "name", ["../model.onnx", "sub/model.onnx", "/etc/passwd.json", "..", "", "weights.pt", "model.pkl", "model.ONNX "]
)
def test_only_files_of_the_folder_that_hold_no_code_may_be_listed(tmp_path: Path, name: str) -> None:
    """A listing from a stranger could name any file of the machine, or a pickle that runs when it is read."""
    path = folder(tmp_path / "m")
    listing = json.loads((path / "model.json").read_text())
    (path / "model.json").write_text(json.dumps({**listing, "files": {**listing["files"], name: "0" * 64}}))
    with pytest.raises(FormatError, match="no file of a model folder"):
        resolve(path, "encoder")


def test_a_file_that_the_model_runs_on_must_be_listed(tmp_path: Path) -> None:
    """Only listed files are checked: leaving the weights out of the list would load whatever lies there."""
    digest = hashlib.sha256(b"{}").hexdigest()
    with pytest.raises(FormatError, match=r"does not list model\.onnx"):
        resolve(folder(tmp_path / "a", files={"tokenizer.json": digest}), "encoder")
    with pytest.raises(FormatError, match=r"does not list model\.onnx, tokenizer\.json"):
        resolve(folder(tmp_path / "b", files={}), "encoder")
    with pytest.raises(FormatError, match="does not list width; export"):
        resolve(folder(tmp_path / "c", width=None), "encoder")


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    """A reader's tensors have the encoder's shapes; its "keys" would be nonsense."""
    path = folder(tmp_path / "m", kind="reader")
    with pytest.raises(FormatError, match="of kind 'reader', 'encoder' is needed"):
        resolve(path, "encoder")
    assert kind_of(path) == "reader"
    with pytest.raises(FormatError, match="'ctranslate-writer' is needed"):
        load_writer(path)


@pytest.mark.parametrize(
    "listing", ["", "[]", "null", '{"kind": "encoder"}', '{"kind": "encoder", "files": 3}', '{"files": {}}', "{"]
)
def test_a_broken_listing_is_an_error_for_people(tmp_path: Path, listing: str) -> None:
    """A traceback of a KeyError tells nobody to export the model again."""
    (tmp_path / "model.json").write_text(listing)
    with pytest.raises(FormatError, match="not a model listing"):
        resolve(tmp_path, "encoder")


@pytest.mark.parametrize("name", ["nowhere", "", "..", "quipu-mini", "bert-base-uncased"])
def test_a_name_without_a_folder_says_how_to_get_one(tmp_path: Path, name: str, monkeypatch: Any) -> None:
    """Names of a hub are tried first by many; nothing is downloaded, and the message must say what to do instead."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no model folder .* quipu\.training\.export"):
        resolve(name, "encoder")
    with pytest.raises(InputError, match="no model folder"):
        kind_of(name)


@pytest.mark.parametrize("name", ["encoder", "reranker", "quip", "words"])
def test_the_models_that_ship_are_whole(name: str) -> None:
    """A file that changed after its listing was written would break every installation at the first command."""
    found = resolve(f"quipu-small/{name}", {"quip": "encoder"}.get(name, name))
    unlisted = {file.name for file in found.path.iterdir()} - set(found.settings["files"])
    assert unlisted == {"model.json", "README.md"} and found.settings["name"] == f"quipu-small/{name}"
    assert found.sha256 == bundled_sha256(f"quipu-small/{name}")


def test_a_memory_made_with_an_earlier_version_finds_its_encoder() -> None:
    """Its manifest names quipu-mini/encoder, and models exported beside the old writer take their words from that."""
    assert bundled("quipu-mini/encoder") == bundled("quipu-small/encoder") is not None
    assert shared_words("quipu-mini/writer").path == bundled("quipu-small/words")


@pytest.mark.parametrize(
    "name", ["quipu-small", "quipu-small/", "quipu-small/..", "quipu-small/encoder/..", "other/encoder", ""]
)
def test_only_names_of_models_are_looked_up_in_the_packages(name: str) -> None:
    """A name that climbs out of its package could load any folder as a model that ships."""
    assert bundled(name) is None and not is_bundled(name) and bundled_sha256(name) is None


def test_missing_packages_of_models_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """quipu without its models must say what to install, not that a path is wrong."""
    monkeypatch.setattr(folders, "_package", lambda name: None)
    with pytest.raises(InputError, match=r"quipu-small/encoder: .* run: pip install quipu-qa-small$"):
        resolve("quipu-small/encoder", "encoder")
    with pytest.raises(InputError, match=r"run: pip install quipu-qa-small-lm$"):
        kind_of("quipu-small/lm")


def test_a_model_is_known_by_its_files(tmp_path: Path) -> None:
    """A user's encoder named like ours must not get our reranker, which was trained on other scores; a copy does."""
    ours = bundled("quipu-small/encoder")
    assert ours is not None
    shutil.copytree(ours, tmp_path / "copy")
    copy = Models(encoder=tmp_path / "copy")
    assert copy.reranker() is not None and copy.span_encoder() is not None
    other = Encoder(ours)
    other.sha256 = "0" * 64
    assert other.name.startswith("quipu-small/encoder@")
    theirs = Models(encoder=other)
    assert theirs.reranker() is None and theirs.span_encoder() is None


def test_cores_without_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS knows no affinity."""
    assert cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_parallel_work_keeps_its_order_and_its_errors() -> None:
    """Keys in another order than their texts belong to other pairs, and nobody would notice."""
    gate = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            gate.wait(0.2)  # the first is the last to finish
        else:
            gate.set()
        return item * item

    assert parallel(work, range(20)) == [item * item for item in range(20)]
    assert parallel(work, []) == [] and parallel(work, [3]) == [9]
    with pytest.raises(ZeroDivisionError):
        parallel(lambda item: 1 // item, [2, 1, 0])

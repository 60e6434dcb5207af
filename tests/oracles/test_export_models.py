"""Tiny models with a real tokenizer: what is exported answers as torch does; unsound folders are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tiny_bert import TEXTS, config, wordpieces
from transformers import BertForQuestionAnswering, BertModel

from quipu.errors import ExportMismatch, FormatError, InputError
from quipu.models.encoder import Encoder
from quipu.models.folders import resolve
from quipu.models.reader import Reader, best_spans
from quipu.training.export import onnx

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def float_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Export without quantising: what is left must then agree closely, and random weights bear no eight bits."""
    import shutil

    monkeypatch.setattr(onnx, "to_int8", lambda source, target: shutil.copy(source, target))


@pytest.fixture
def encoder(tmp_path: Path, float_weights: None) -> Path:
    torch.manual_seed(1)
    tokenizer = wordpieces(tmp_path / "hf")
    BertModel(config(tokenizer), add_pooling_layer=False).save_pretrained(tmp_path / "hf")
    figures = onnx.export_encoder(tmp_path / "hf", tmp_path / "out", name="tiny", version="1", texts=TEXTS)
    assert figures["key_cosine_min"] > 0.9999
    return tmp_path / "out"


def test_keys_are_unit_length_and_do_not_depend_on_their_batch(encoder: Path) -> None:
    """A key that changes with its neighbours would make the same question find other pairs on another day."""
    model = Encoder.from_pretrained(encoder)
    together = model.encode(TEXTS)
    alone = np.concatenate([model.encode([text]) for text in TEXTS])
    assert np.allclose(together, alone, atol=1e-5) and np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_an_unsound_folder_is_refused(encoder: Path) -> None:
    """Weights that were changed, or a path out of the folder, must never be loaded."""
    listing = json.loads((encoder / "model.json").read_text())
    with pytest.raises(FormatError, match="'reader' is needed"):
        resolve(encoder, "reader")
    with pytest.raises(InputError, match="no model folder"):
        resolve(encoder / "nowhere", "encoder")
    for files in ({"../model.onnx": "0"}, {"weights.pt": "0"}):
        (encoder / "model.json").write_text(json.dumps({**listing, "files": files}))
        with pytest.raises(FormatError, match="no file of a model folder"):
            resolve(encoder, "encoder")
    (encoder / "model.json").write_text(json.dumps(listing))
    with (encoder / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(FormatError, match="sha256"):
        resolve(encoder, "encoder")


def test_the_reader_reads_as_torch_does(tmp_path: Path, float_weights: None) -> None:
    """Types, masks and offsets of the exported reader must be those that it was trained with."""
    torch.manual_seed(2)
    tokenizer = wordpieces(tmp_path / "hf")
    BertForQuestionAnswering(config(tokenizer)).save_pretrained(tmp_path / "hf")
    asked = [("when was it opened?", TEXTS[0]), ("who took tea?", TEXTS[1]), ("what is glass?", TEXTS[2])]
    figures = onnx.export_reader(tmp_path / "hf", tmp_path / "out", name="tiny", version="1", asked=asked)
    assert figures["same_span"] == 1.0
    reader = Reader(tmp_path / "out")
    readings = reader.read(["who?", "when?"], [TEXTS[0], TEXTS[1]])
    reading = readings[1]
    assert TEXTS[1][reading.start : reading.end] == reading.text and 0 <= reading.probability <= 1


def test_a_failed_gate_leaves_nothing_that_loads(tmp_path: Path) -> None:
    """A half-exported folder would be taken for a model by the next command."""
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ExportMismatch, match="refused"):
        onnx.gate(tmp_path, False, "keys differ")
    assert not (tmp_path / "model.json").exists()


def test_best_spans_are_those_of_a_search_over_all() -> None:
    """The sliding window must neither leave the passage nor miss the last token."""
    rng = np.random.default_rng(0)
    start, end = rng.standard_normal((2, 4, 9)).astype(np.float32)
    allowed = np.ones((4, 9), dtype=bool)
    allowed[:, :3] = False
    first, last, score, probability = best_spans(start, end, allowed, 3)
    for row in range(4):
        sums = {(i, j): start[row, i] + end[row, j] for i in range(3, 9) for j in range(i, min(i + 3, 9))}
        best = max(sums, key=lambda span: sums[span])
        none = start[row, 0] + end[row, 0]
        assert (first[row], last[row]) == best and score[row] == pytest.approx(sums[best] - none, abs=1e-4)
        total = sum(np.exp(value) for value in sums.values()) + np.exp(none)
        assert probability[row] == pytest.approx(np.exp(sums[best]) / total, rel=1e-3)

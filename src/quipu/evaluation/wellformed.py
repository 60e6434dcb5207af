"""Are these well-formed questions? A classifier trained on query-wellformedness, and two sets side by side.

The classifier was trained on lower-case queries, so both sets are lower-cased before they are judged.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.errors import FormatError
from quipu.evaluation.metrics import mean_score
from quipu.evaluation.report import Report


class WellFormedness:
    """The exported judge, run by ONNX Runtime. ``card`` has its own accuracy on the dev part under "dev"."""

    def __init__(self, folder: Path, *, threads: int = 0) -> None:
        """Load ``folder`` as ``quipu train recipes/mini/wellformed.toml`` leaves it; FormatError if a file lacks."""
        import onnxruntime
        from tokenizers import Tokenizer

        folder = Path(folder)
        for name in ("model.onnx", "tokenizer.json", "wellformed.json"):
            if not (folder / name).is_file():
                raise FormatError(f"{folder} has no {name}; train it with: quipu train recipes/mini/wellformed.toml")
        self.card: dict[str, Any] = json.loads((folder / "wellformed.json").read_text(encoding="utf-8"))
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(self.card["max_length"])
        self._tokenizer.no_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
        )

    def score(self, questions: Sequence[str], *, batch_size: int = 128) -> NDArray[np.float32]:
        """The expected share of annotators who would call each question well-formed, (n,) in 0..1, in order."""
        encoded = [item.ids for item in self._tokenizer.encode_batch([question.lower() for question in questions])]
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
        scores = np.empty(len(encoded), dtype=np.float32)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            length = max(len(encoded[index]) for index in rows)
            ids = np.zeros((len(rows), length), dtype=np.int64)
            mask = np.zeros_like(ids)
            for at, index in enumerate(rows):
                ids[at, : len(encoded[index])] = encoded[index]
                mask[at, : len(encoded[index])] = 1
            (logits,) = self._session.run(None, {"ids": ids, "mask": mask})
            scores[rows] = 1.0 / (1.0 + np.exp(-logits))
        return scores


def compare(judge: WellFormedness, sets: dict[str, Sequence[str]]) -> list[Report]:
    """One report a set of questions: mean, and the shares at or above 0.5 and 0.8."""
    reports = []
    for name, questions in sets.items():
        scores = [float(value) for value in judge.score(questions)]
        figures = (
            mean_score("mean", scores),
            mean_score("share >= 0.5", [float(value >= 0.5) for value in scores]),
            mean_score("share >= 0.8", [float(value >= 0.8) for value in scores]),
        )
        reports.append(Report("well-formedness", name, figures, {"classifier": judge.card["dev"]}))
    return reports

"""Any Hugging Face encoder by torch, as the evaluation tasks want it: ``models.spans.SupportsStates``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from quipu.models.loaded import length_batches
from quipu.models.spans import Floats, TokenVectors, offsets_of, stitched
from quipu.training.base import base_folder, device, load_tokenizer
from quipu.training.quip.model import HEADS, Pooling, QuestionHead, QuipModel, window_of

TOKENS_PER_BATCH = 4096


class TorchEncoder:
    """An encoder folder or "minilm". Without heads beside it, a question's pooled vector is its start and end vector.

    Controls: "random:FOLDER" is its architecture with random weights, "untrained:FOLDER" gives it random heads.
    """

    def __init__(self, name: str, *, pooling: Pooling | None = None, seed: int = 0) -> None:
        """Raises InputError where there is no encoder."""
        self.name = name
        kind, _, rest = name.rpartition(":") if name.startswith(("random:", "untrained:")) else ("", "", name)
        folder = base_folder(rest)
        torch.manual_seed(seed)
        trained = (folder / HEADS).is_file()
        # Without heads nothing says which token stands for a question: the mean, as sentence encoders are trained.
        self.model = QuipModel.from_pretrained(
            folder, pooling or (None if trained else "mean"), random=kind == "random"
        )
        self.has_heads = trained or kind == "untrained"
        if kind == "untrained":
            self.model.start_head, self.model.end_head = QuestionHead(self.model.width), QuestionHead(self.model.width)
        self.model.eval().to(device())
        self.width = self.model.width
        config: Any = self.model.encoder.config
        self.layers = int(config.num_hidden_layers)
        self.tokenizer = load_tokenizer(folder)
        self._window = window_of(config)

    def passages(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Token vectors of the last layer; long texts in windows."""
        rows, offsets = offsets_of(self.tokenizer, texts)
        vectors = stitched(rows, lambda ids: self._tokens(ids, last=True), *self._window)
        return [TokenVectors(item[0], at) for item, at in zip(vectors, offsets, strict=True)]

    def states(self, texts: Sequence[str]) -> list[Floats]:
        """(layers + 1, T, D) for each text, embeddings first; long texts in windows."""
        rows, _ = offsets_of(self.tokenizer, texts)
        return stitched(rows, lambda ids: self._tokens(ids, last=False), *self._window)

    def questions(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        """Start and end vectors (n, D); a question longer than the window is cut."""
        rows = [encoding.ids[: self._window[0]] for encoding in self.tokenizer.encode_batch(list(texts))]
        start, end = np.zeros((2, len(rows), self.width), dtype=np.float32)
        for batch in length_batches([len(row) for row in rows], TOKENS_PER_BATCH):
            ids = torch.tensor([rows[row] for row in batch], device=device())
            with torch.inference_mode():
                mask = torch.ones_like(ids)
                if self.has_heads:
                    vectors = self.model.questions(ids, mask)
                else:
                    pooled = self.model.pooled(self.model.tokens(ids, mask), mask)
                    vectors = pooled, pooled
            start[batch], end[batch] = (side.float().cpu().numpy() for side in vectors)
        return start, end

    def _tokens(self, rows: list[list[int]], *, last: bool) -> list[Floats]:
        out: list[Floats] = [np.zeros(0, dtype=np.float32)] * len(rows)
        for batch in length_batches([len(row) for row in rows], TOKENS_PER_BATCH):
            ids = torch.tensor([rows[row] for row in batch], device=device())
            with torch.inference_mode():
                layers = self.model.hidden(ids, torch.ones_like(ids))
                stack = torch.stack(layers[-1:] if last else layers, dim=1)  # (N, L, T, D)
            for row, states in zip(batch, stack.float().cpu().numpy(), strict=True):
                out[row] = states
        return out

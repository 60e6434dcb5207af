"""Rows of different lengths to one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from quipu.models.loaded import padded as padded_array


def padded(rows: Sequence[Sequence[int]], pad: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask (N, T) int64 of rows with up to T ids, T 1 or more; ``pad`` behind shorter ones."""
    ids, mask = padded_array(rows, pad)
    return torch.from_numpy(ids), torch.from_numpy(mask)

"""A trained verifier to a folder that ``quipu.models.verifier`` runs, through a gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from quipu.models.claims import Claim
from quipu.models.verifier import Verifier, encode_claims
from quipu.training.base import load_tokenizer
from quipu.training.export.onnx import gate, place_words, to_onnx, write_listing
from quipu.training.verifier.model import VerifierModel


def export_verifier(
    checkpoint: Path,
    out: Path,
    *,
    name: str,
    version: str,
    claims: Sequence[Claim],
    words_from: str | None = None,
) -> dict[str, float]:
    """A verifier's checkpoint to a verifier folder.

    ``words_from``: a bundled model whose word table is the same, so that it need not lie there twice.
    Gate: the log-odds of int8 and torch for ``claims`` correlate at 0.98 or more.
    """
    model, tokenizer = VerifierModel.load(checkpoint), load_tokenizer(checkpoint)
    expected = []
    for claim in encode_claims(tokenizer, claims):
        ids, segments = torch.tensor([claim.ids]), torch.tensor([claim.segments])
        with torch.inference_mode():
            expected.append(float(model(model.words(ids), segments, torch.ones_like(ids))[0]))
    out.mkdir(parents=True, exist_ok=True)
    width = int(model.encoder.config.hidden_size)
    ones = torch.ones(2, 5, dtype=torch.long)
    axes = {0: "n", 1: "t"}
    inputs = {"words": axes, "segments": axes, "mask": axes}
    to_onnx(model, (torch.randn(2, 5, width), ones, ones), inputs, {"logits": {0: "n"}}, out / "model.onnx")
    words = place_words(checkpoint, out, model.encoder.embeddings.word_embeddings.weight, words_from)
    write_listing(out, "verifier", name, version, {"width": width, **words})
    alike = float(np.corrcoef(Verifier(out).verify(claims), expected)[0, 1])
    gate(out, alike >= 0.98, f"int8 and torch log-odds correlate at {alike:.4f}")
    return {"correlation": alike, "claims": float(len(claims))}

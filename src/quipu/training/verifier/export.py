"""A trained verifier to a folder that ``quipu.models.verifier`` runs, through a gate."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from quipu.models.claims import Claim
from quipu.models.verifier import Verifier, encode_claims
from quipu.training.base import load_tokenizer
from quipu.training.export.onnx import gate, place_tokenizer, quantised_words, shared_table, to_onnx, write_listing
from quipu.training.export.quantise import to_int8
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
    with tempfile.TemporaryDirectory() as scratch:
        axes = {0: "n", 1: "t"}
        plain = Path(scratch) / "model.onnx"
        inputs = {"words": axes, "segments": axes, "mask": axes}
        to_onnx(model, (torch.randn(2, 5, width), ones, ones), inputs, {"logits": {0: "n"}}, plain)
        to_int8(plain, out / "model.onnx")
    place_tokenizer(checkpoint, out, words_from)
    table, scales = quantised_words(model.encoder.embeddings.word_embeddings.weight.detach().numpy())
    settings: dict[str, str | int] = {"width": width}
    if words_from is None:
        np.save(out / "words.npy", table)
        np.save(out / "scales.npy", scales)
    else:
        settings |= {"words_from": words_from, "words_sha256": shared_table(words_from, table)}
    write_listing(out, "verifier", name, version, settings)
    alike = float(np.corrcoef(Verifier(out).verify(claims), expected)[0, 1])
    gate(out, alike >= 0.98, f"int8 and torch log-odds correlate at {alike:.4f}")
    return {"correlation": alike, "claims": float(len(claims))}

"""The verifier: does this evidence answer this question with this answer? Claims are read in one pass each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from quipu.models.claims import Claim
from quipu.models.loaded import LoadedModel, in_batches

QUESTION, ANSWER, STORED, EVIDENCE = 48, 24, 40, 96  # tokens of each part at most
_TOKENS_PER_BATCH = 1024


class Encoded(NamedTuple):
    """Ids and segments of a claim: ``[CLS] question [SEP] answer [SEP] stored [SEP] evidence [SEP]``, 0 and then 1."""

    ids: list[int]
    segments: list[int]


def encode_claims(tokenizer: Tokenizer, claims: Sequence[Claim]) -> list[Encoded]:
    """The claims as the network reads them; parts that are too long lose their end, evidence its beginning and end.

    ``tokenizer`` neither pads nor truncates. What is kept of long evidence is around the answer, where it stands there.
    """
    parts = tokenizer.encode_batch([part for claim in claims for part in claim], add_special_tokens=False)
    first, last = (cast(int, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]"))
    found = []
    for at, claim in enumerate(claims):
        question, answer, stored, evidence = parts[4 * at : 4 * at + 4]
        begin = _begin(evidence.offsets, claim) if len(evidence.ids) > EVIDENCE else 0
        front = [first, *question.ids[:QUESTION], last]
        rest = [*answer.ids[:ANSWER], last, *stored.ids[:STORED], last, *evidence.ids[begin : begin + EVIDENCE], last]
        found.append(Encoded(front + rest, [0] * len(front) + [1] * len(rest)))
    return found


def _begin(offsets: Sequence[tuple[int, int]], claim: Claim) -> int:
    """The first token of long evidence that is kept: so that the answer stands in the middle of what is."""
    place = max(0, claim.evidence.rfind(claim.answer)) if claim.answer else 0
    middle = next((at for at, (start, _) in enumerate(offsets) if start >= place), 0)
    return max(0, min(middle - EVIDENCE // 2, len(offsets) - EVIDENCE))


class Verifier(LoadedModel):
    """A model that verifies claims. What is said of a claim does not depend on the claims beside it."""

    KIND, SHIPS = "verifier", "quipu-small/verifier"

    def __init__(self, name_or_path: str | Path = SHIPS) -> None:
        """Load and verify; raises InputError or FormatError (see ``folders.resolve``)."""
        super().__init__(name_or_path)
        self._session = self._graph()

    def verify(self, claims: Sequence[Claim]) -> NDArray[np.float32]:
        """Log-odds (n,) that the evidence of each claim answers its question with its answer."""
        encoded = encode_claims(self._tokenizer, claims)

        def run(batch: list[int]) -> NDArray[np.float32]:
            ids = np.array([encoded[at].ids for at in batch], dtype=np.int64)
            segments = np.array([encoded[at].segments for at in batch], dtype=np.int64)
            feeds = {"words": self._vectors(ids), "segments": segments, "mask": np.ones_like(ids)}
            found: NDArray[np.float32] = self._session.run(["logits"], feeds)[0]
            return found

        logits = np.zeros(len(claims), dtype=np.float32)
        for batch, found in in_batches(run, [len(item.ids) for item in encoded], _TOKENS_PER_BATCH):
            logits[batch] = found
        return logits

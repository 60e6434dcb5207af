"""What a memory will cost before it is built: time, disk and RAM, from counted passages and a short probe here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from quipu.corpus import Skipped, read_documents
from quipu.corpus.passages import split
from quipu.memory.codes import choose

PAIRS_A_PASSAGE = 6.0  # kept by the models that ship, on encyclopaedic text
RECORD_BYTES = 2600.0  # of a generated pair with its words, vector, verdicts and share of the document
IMPORTED_BYTES = 1900.0  # of a ready pair
PROBE_PASSAGES = 8
_PROBE = (
    "The harbour of Aldwick was dug by 300 prisoners between 1841 and 1846, and the lighthouse beside it was designed "
    "by Edith Corran. In 1902 the town bought both from the crown for 12,000 pounds. Fishing boats still land herring "
    "there every morning, although most of the catch now goes to the cannery at Port Lorne, nine miles to the north."
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds, bytes, and which index; ``passages`` is 0 where only pairs are imported."""

    documents: int
    passages: int
    pairs: int
    build_seconds: float
    disk_bytes: float
    ram_bytes: float
    mapped_bytes: float
    index: str
    exact: bool

    def to_json(self) -> dict[str, float | int | str | bool]:
        """A plain dictionary."""
        return asdict(self)


def of_pairs(pairs: int, width: int = 384) -> Estimate:
    """A memory of ``pairs`` ready pairs: encoding is nearly all of the time."""
    from quipu.models.encoder import Encoder

    encoder = Encoder.from_pretrained("quipu-small/encoder")
    probe = [f"{number}: who designed the lighthouse beside the harbour of Aldwick?" for number in range(128)]
    encoder.encode(probe[:16])
    began = time.perf_counter()
    encoder.encode(probe)
    each = (time.perf_counter() - began) / len(probe)
    return _estimate(0, 0, pairs, pairs * (each + 1e-4), IMPORTED_BYTES * pairs, width)


def of_documents(paths: Sequence[str | Path], width: int = 384) -> Estimate:
    """A memory of these documents: they are read and cut, and a few passages of a probe are made into pairs here."""
    documents = passages = 0
    for item in read_documents(paths):
        if not isinstance(item, Skipped):
            documents += 1
            passages += len(split(item))
    pairs = round(PAIRS_A_PASSAGE * passages)
    return _estimate(documents, passages, pairs, passages * _seconds_a_passage(), RECORD_BYTES * pairs, width)


def _seconds_a_passage() -> float:
    """By making pairs of a probe with the models that ship."""
    from quipu.generate.pipeline import GenerateSettings, generate
    from quipu.models.loaded import Models
    from quipu.records import Document, Passage, Span

    models = Models()
    texts = [f"Of harbour {number} it is said: {_PROBE}" for number in range(PROBE_PASSAGES)]  # none is read twice
    passages = [Passage.make(Document.make("probe", "Aldwick", text), Span(0, len(text))) for text in texts]
    parts = {
        "extractor": models.extractor(), "writer": models.writer(), "reader": models.reader(),
        "encoder": models.encoder(),
    }  # fmt: skip
    settings = GenerateSettings()
    began = 0.0
    for batch in (passages[:1], passages[1:]):  # the first only warms up
        began = time.perf_counter()
        generate(batch, settings=settings, is_known=lambda question, answer: None, **parts)  # type: ignore[arg-type]
    return (time.perf_counter() - began) / (PROBE_PASSAGES - 1)


def _estimate(documents: int, passages: int, pairs: int, seconds: float, record: float, width: int) -> Estimate:
    codes = choose(max(1, pairs), width)
    training = 0.0 if codes.exact else 6e-5 * pairs + codes.train_rows * 2e-4
    index = (codes.ram_a_pair + codes.mapped_a_pair) * pairs
    return Estimate(
        documents, passages, pairs, seconds + training, record + index, 600e6 + codes.ram_a_pair * pairs,
        codes.mapped_a_pair * pairs, codes.factory, codes.exact,
    )  # fmt: skip

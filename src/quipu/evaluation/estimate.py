"""What a memory will cost before it is built: time, disk and RAM, by a few of its passages."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from quipu.corpus import Skipped, read_documents
from quipu.corpus.passages import split, structured
from quipu.records import Passage
from quipu.storage.codes import choose

RECORD_BYTES = 2600.0  # of a generated pair with its words, vector, verdicts and share of the document
IMPORTED_BYTES = 1900.0  # of a ready pair
PROBE_PASSAGES = 8  # of the documents, which are built
MARGIN = 1.25  # by which the time of a long build may leave that of a short one
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
    build_seconds_least: float
    build_seconds_most: float
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
    return _estimate(0, 0, pairs, [pairs * (each + 1e-4)], IMPORTED_BYTES * pairs, width)


def of_documents(paths: Sequence[str | Path], width: int = 384) -> Estimate:
    """A memory of these documents: all are read and cut, and some of their passages are really built here.

    InputError for a missing path. Time and pairs are those of passages drawn evenly from all, so that long tables and
    thin pages count as often as they come.
    """
    began = time.perf_counter()
    documents, passages, sample = sampled(paths, PROBE_PASSAGES)
    reading = time.perf_counter() - began
    parts = _built([passage.text for passage in sample]) if sample else [(0.0, 0.0)]
    each = [seconds for seconds, _ in parts]
    pairs = round(passages * sum(made for _, made in parts) / len(parts))
    return _estimate(
        documents, passages, pairs, [reading + passages * seconds for seconds in each], RECORD_BYTES * pairs, width
    )


def sampled(paths: Sequence[str | Path], most: int) -> tuple[int, int, list[Passage]]:
    """How many documents and passages there are, all read and cut, and ``most`` of the passages, drawn evenly."""
    drawn, documents, passages = random.Random(0), 0, 0
    sample: list[Passage] = []
    for item in read_documents(paths):
        if isinstance(item, Skipped):
            continue
        documents += 1
        for passage in split(structured(item)):
            passages += 1
            if len(sample) < most:
                sample.append(passage)
            elif (place := drawn.randrange(passages)) < most:
                sample[place] = passage
    return documents, passages, sample


def _built(texts: Sequence[str]) -> list[tuple[float, float]]:
    """Seconds and pairs per passage of two halves of these passages, in a memory whose models are loaded."""
    from quipu.api import build

    found: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory(prefix="quipu-estimate-") as temporary:
        folder = Path(temporary)
        (folder / "probe.txt").write_text(_PROBE, encoding="utf-8")
        with build(folder / "probe.txt", folder / "probe.quipu") as memory:
            for half in (texts[::2], texts[1::2]):
                files = [folder / f"{len(found)}-{number}.txt" for number in range(len(half))]
                for file, text in zip(files, half, strict=True):
                    file.write_text(text, encoding="utf-8")
                if files:
                    report = memory.add_documents(files)
                    found.append((report.seconds / len(files), report.pairs / len(files)))
    return found


def _estimate(
    documents: int, passages: int, pairs: int, seconds: Sequence[float], record: float, width: int
) -> Estimate:
    """``seconds``: by each measurement; the true time is taken to lie a little beyond them."""
    codes = choose(max(1, pairs), width)
    training = 0.0 if codes.exact else 6e-5 * pairs + codes.train_rows * 2e-4
    index = (codes.ram_a_pair + codes.mapped_a_pair) * pairs
    return Estimate(
        documents, passages, pairs, sum(seconds) / len(seconds) + training, min(seconds) / MARGIN + training,
        max(seconds) * MARGIN + training, record + index, 600e6 + codes.ram_a_pair * pairs,
        codes.mapped_a_pair * pairs, codes.factory, codes.exact,
    )  # fmt: skip

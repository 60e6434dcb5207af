"""What an external model makes of passages and thinks of pairs, as the pipeline takes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quipu.corpus.passages import sentences_of
from quipu.models.protocols import SupportsJudge, SupportsPlaced, SupportsPropose, SupportsRead
from quipu.records import Passage, QAPair, Span, Verdict, content_id


@dataclass(frozen=True, slots=True)
class Lost:
    """What a writer sent of a passage that is no pair: it has a verdict and nothing else."""

    verdict: Verdict
    passage: Passage


def proposed(
    passages: Sequence[Passage], writer: SupportsPropose, most: int
) -> tuple[list[tuple[Passage, Span, str]], list[Lost]]:
    """The pairs, as passage, span of the answer in it, and question; and, each once, what was none."""
    rows = writer.propose(
        [passage.text for passage in passages], [sentences_of(passage) for passage in passages],
        [passage.about() for passage in passages], [(passage.document_id, passage.id) for passage in passages], most,
    )  # fmt: skip
    pairs: list[tuple[Passage, Span, str]] = []
    lost: dict[str, Lost] = {}
    for passage, row in zip(passages, rows, strict=True):
        for item in row:
            if item.span is not None and not item.reason:
                pairs.append((passage, item.span, item.question))
                continue
            name = content_id("proposed", passage.id, item.question, item.answer, item.reason)
            verdict = Verdict(name, "well_formed", False, None, item.reason, item.answer or None)
            lost[name] = Lost(verdict, passage)
    return pairs, list(lost.values())


def knowing(reader: SupportsRead, passages: Iterable[Passage]) -> SupportsRead:
    """The reader for these passages: one that keeps what it is told must know whose text that is."""
    return reader.placed(passages) if isinstance(reader, SupportsPlaced) else reader


def opinions(pairs: Sequence[tuple[QAPair, Passage]], judge: SupportsJudge) -> list[Verdict]:
    """What the judge says of each pair, by its passage."""
    bounds = {passage.id: sentences_of(passage) for _, passage in pairs}
    said = judge.judge(
        [(pair.question, pair.answer) for pair, _ in pairs], [passage.text for _, passage in pairs],
        [bounds[passage.id] for _, passage in pairs], [passage.about() for _, passage in pairs],
        [(passage.document_id, passage.id) for _, passage in pairs],
    )  # fmt: skip
    return [
        Verdict(pair.id, "judge", not item.reason, None, item.reason or "kept", item.said or None)
        for (pair, _), item in zip(pairs, said, strict=True)
    ]

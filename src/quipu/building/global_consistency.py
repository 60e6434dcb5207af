"""The global filter (PAQ, step 4): is the answer the same when every passage may answer, not only the pair's own?

A question such as "Who was the king?" has an answer in its own passage and another in the next document. The reader is
given the passages that a word search finds for it; where one of them answers otherwise, and more surely, the pair is
ambiguous. Where others answer the same, they are further evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quipu.models.protocols import SupportsRead
from quipu.records import Passage, QAPair, Span, Verdict
from quipu.text import token_f1

PASSAGES = 4  # that are read for a pair, its own among them
MARGIN = 1.0  # log-odds by which another passage's answer must be surer than the own one


@dataclass(frozen=True, slots=True)
class Checked:
    """The verdict on a pair, and the other places that say the same."""

    pair: QAPair
    verdict: Verdict
    support: tuple[tuple[str, Span], ...]  # (document, span)


def global_filter(
    pairs: Sequence[QAPair],
    own: Sequence[Passage],
    found: Sequence[Sequence[Passage]],
    reader: SupportsRead,
    *,
    threshold: float,
) -> list[Checked]:
    """A verdict for each pair; own: its passage; found: passages of a search, best first, maybe with the own one.

    Answers match at a token F1 of ``threshold``. ``because_of`` of an ambiguous pair is the other answer and where it
    stands.
    """
    jobs = [
        (at, passage)
        for at, (mine, others) in enumerate(zip(own, found, strict=True))
        for passage in (mine, *[other for other in others if other.id != mine.id][: PASSAGES - 1])
    ]
    readings = reader.read([pairs[at].question for at, _ in jobs], [passage.text for _, passage in jobs])
    by_pair: list[list[tuple[Passage, Span, str, float]]] = [[] for _ in pairs]
    for (at, passage), reading in zip(jobs, readings, strict=True):
        stands = reading.start >= 0
        span = Span(reading.start, reading.end).shifted(passage.span.start) if stands else passage.span
        by_pair[at].append((passage, span, reading.text, reading.score if stands else 0.0))
    checked = []
    for pair, (mine, *others) in zip(pairs, by_pair, strict=True):
        reason, because, sure = "kept", None, max(0.0, mine[3]) + MARGIN
        support: list[tuple[str, Span]] = []
        for passage, span, answer, score in others:
            if score <= 0:
                continue
            if token_f1(answer, pair.answer) >= threshold:
                if pair.span is None or passage.document_id != pair.document_id or not span.overlaps(pair.span):
                    support.append((passage.document_id, span))
            elif score > sure:
                reason, because, sure = "another passage answers otherwise", f"{answer[:150]} ({passage.id})", score
        verdict = Verdict(pair.id, "global", reason == "kept", mine[3], reason, because)
        checked.append(Checked(pair, verdict, tuple(support)))
    return checked

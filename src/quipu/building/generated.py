"""Pairs made of passages: a batch and its marks in one transaction, then the global filter."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from quipu.answering.answerer import Answerer
from quipu.building.builder import ADDING, Builder
from quipu.building.global_consistency import PASSAGES, global_filter
from quipu.building.judging import judged
from quipu.building.pipeline import Generated, generate, targeted
from quipu.models.protocols import NO_REPLY, SupportsPropose
from quipu.records import Passage, Span, Verdict
from quipu.storage import passage_vectors
from quipu.storage.ledger import ask_again
from quipu.storage.provenance import add_support, count_unchecked, drop, mark_ambiguous, unchecked

_CHECKED = 64  # pairs that the global filter checks in a transaction
_AT_LEAST, _PARTS = 8, 16  # passages per transaction where pairs are made: a memory comes in so many parts at least


def make_pairs(builder: Builder) -> None:
    """Make the pairs of every passage that has none yet, a batch per transaction."""
    began = time.perf_counter()
    if builder.llm is not None:
        ask_again(builder.store, NO_REPLY)
    total = builder.store.counts()["passages"]
    waiting = builder.store.count_to_ask()
    done = total - waiting
    size = min(builder.settings.batch, max(_AT_LEAST, total // _PARTS))
    if builder.llm is not None:
        size = max(size, 2 * builder.llm.settings.concurrency)
    while batch := builder.store.passages_to_ask(size):
        writer = builder.writer()
        extractor = None if isinstance(writer, SupportsPropose) else builder.models.extractor()
        made = generate(
            batch, extractor=extractor, writer=writer, reader=builder.reader(), judge=builder.judge(),
            encoder=builder.models.encoder(), settings=builder.settings,
            is_known=builder.store.question_answer_exists, is_answered=builder.store.answered_in_document,
            seed=int(batch[0].id[:8], 16),
        )  # fmt: skip
        added = _keep(builder, made, batch)
        done += len(batch)
        _count(builder, made, added, len(batch))
        dropped = dict(builder.report.dropped.most_common(3))
        builder.tell(stage="pairs", done=done, total=total, kept=builder.report.kept, **dropped)
    builder.report.seconds += time.perf_counter() - began
    if waiting:
        builder.tell(stage="pairs", done=total, total=total, kept=builder.report.kept, last=1)
    if builder.settings.filter == "global":
        check_globally(builder)
    builder.store.journal_forget(ADDING)


def add_targeted(builder: Builder, answerer: Answerer, passage: Passage, span: Span, question: str) -> int:
    """Pairs about a span of a passage that somebody asked for (see ``targeted`` and ``judged``); how many were new."""
    made = targeted(
        passage, span, question, writer=builder.writer(), reader=builder.reader(), encoder=builder.models.encoder(),
        settings=builder.settings, is_known=builder.store.question_answer_exists, judge=builder.judge(),
    )  # fmt: skip
    made = judged(builder, answerer, made, passage)
    added = _keep(builder, made)
    _count(builder, made, added, 0)
    return added


def check_globally(builder: Builder) -> None:
    """Ask every passage about the pairs on which the global filter has not spoken yet, a batch per transaction."""
    began = time.perf_counter()
    total, done = count_unchecked(builder.store), 0
    if not total:
        return
    drops = builder.settings.ambiguous == "drop"
    while pairs := unchecked(builder.store, _CHECKED):
        own = [builder.store.passage_at(str(pair.document_id), cast(Span, pair.span)) for pair in pairs]
        placed = [(pair, passage) for pair, passage in zip(pairs, own, strict=True) if passage is not None]
        checked = global_filter(
            [pair for pair, _ in placed], [passage for _, passage in placed],
            [_near(builder, pair.question) for pair, _ in placed], builder.models.reader(),
            threshold=builder.settings.filter_threshold,
        )  # fmt: skip
        lost = [Verdict(pair.id, "global", True, None, "its passage is not there") for pair in pairs]
        said = {verdict.pair_id: verdict for verdict in lost} | {item.pair.id: item.verdict for item in checked}
        with builder.store.transaction():
            builder.store.add_verdicts(
                list(said.values()), [pair.document_id for pair in pairs],
                [passage.id if passage else None for passage in own],
            )  # fmt: skip
            bad = [verdict for verdict in said.values() if not verdict.kept]
            if drops:
                drop(builder.store, [verdict.pair_id for verdict in bad])
            else:
                mark_ambiguous(builder.store, ((item.pair_id, str(item.because_of)) for item in bad))
            add_support(builder.store, ((c.pair.id, *place) for c in checked for place in c.support))
        done += len(pairs)
        if drops:
            builder.report.kept -= len(bad)
            builder.report.pairs -= len(bad)
            builder.report.dropped.update(verdict.reason for verdict in bad)
        builder.report.changed = True
        builder.tell(stage="check", done=done, total=total, ambiguous=len(bad))
    builder.report.seconds += time.perf_counter() - began
    builder.tell(stage="check", done=total, total=total, last=1)


def _keep(builder: Builder, made: Generated, batch: Sequence[Passage] = ()) -> int:
    """Store what was made, with the marks of its passages, in one transaction; how many pairs were new."""
    keys = builder.models.encoder().encode(made.key_texts)
    with builder.store.transaction():
        added = builder.store.add(
            made.pairs, keys, made.key_texts, made.verdicts, made.verdict_documents, made.verdict_passages
        )
        add_support(builder.store, ((item.pair_id, item.document_id, item.span) for item in made.support))
        for passage in batch:
            note = NO_REPLY if passage.id in made.unanswered else ""
            builder.store.journal_mark(f"passage:{passage.id}", note, passage.document_id)
    builder.grew(len(added))
    return len(added)


def _count(builder: Builder, made: Generated, added: int, passages: int) -> None:
    report = builder.report
    report.passages += passages
    report.unanswered += len(made.unanswered)
    report.asked += made.asked
    report.kept += len(made.pairs)
    report.pairs += added
    report.changed = True
    report.dropped.update(verdict.reason for verdict in made.verdicts if not verdict.kept)


def _near(builder: Builder, question: str) -> list[Passage]:
    return [passage for passage, _ in passage_vectors.search_passages(builder.store, question, PASSAGES)]

"""A batch of passages to pairs: extract, ask, check, read, deduplicate. Every pair that was made gets its verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from quipu.corpus.passages import sentences
from quipu.errors import SettingsError
from quipu.generate.answers import LIMIT, candidates
from quipu.generate.consistency import local_filter, well_formed
from quipu.generate.dedup import deduplicate
from quipu.models.keys import KeyKind, key_text
from quipu.models.protocols import SupportsEncode, SupportsExtract, SupportsRead, SupportsWrite
from quipu.records import Passage, QAPair, Span, Verdict

Filter = Literal["local", "global"]
Ambiguous = Literal["drop", "mark"]


@dataclass(frozen=True, slots=True)
class GenerateSettings:
    """How pairs are made; stored in the memory's manifest."""

    candidates_per_passage: int = LIMIT
    questions_per_passage: int | None = None  # None: one for every candidate
    top_p: float | None = None  # None: greedy; 0.6 where several questions are asked about one span
    seed: int = 0
    filter_threshold: float = 0.6  # token F1 of the reader's answer and the pair's
    filter: Filter = "local"  # "global": the finished memory's passages are asked too
    ambiguous: Ambiguous = "drop"  # what becomes of a pair that another passage answers otherwise
    key_kind: KeyKind = "both"
    batch: int = 32  # passages

    def __post_init__(self) -> None:
        if self.questions_per_passage is not None and self.questions_per_passage < 1:
            raise SettingsError(f"questions per passage must be 1 or more, not {self.questions_per_passage}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise SettingsError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.filter not in ("local", "global") or self.ambiguous not in ("drop", "mark"):
            raise SettingsError(
                f"the filter is local or global and ambiguous pairs are dropped (drop) or marked (mark), "
                f"not {self.filter!r} and {self.ambiguous!r}"
            )
        if self.candidates_per_passage < 1 or self.batch < 1:
            raise SettingsError("candidates per passage and the batch must be 1 or more")

    def to_json(self) -> dict[str, int | float | str | None]:
        """A plain dictionary."""
        return asdict(self)

    @property
    def per_span(self) -> int:
        """Questions about one span: several only where more are wanted than a passage has candidates."""
        return -(-(self.questions_per_passage or 1) // self.candidates_per_passage)


@dataclass(frozen=True, slots=True)
class Support:
    """Another place that says what a kept pair says."""

    pair_id: str
    document_id: str
    span: Span


@dataclass(frozen=True, slots=True)
class Generated:
    """What a batch gave: the pairs to keep with their key texts, and a verdict for each stage of each pair made."""

    pairs: list[QAPair] = field(default_factory=list)
    key_texts: list[str] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    verdict_documents: list[str | None] = field(default_factory=list)
    verdict_passages: list[str | None] = field(default_factory=list)
    support: list[Support] = field(default_factory=list)
    asked: int = 0


def generate(
    passages: Sequence[Passage],
    *,
    extractor: SupportsExtract,
    writer: SupportsWrite,
    reader: SupportsRead,
    encoder: SupportsEncode,
    settings: GenerateSettings,
    is_known: Callable[[str, str], str | None],
    seed: int = 0,
) -> Generated:
    """The pairs of one batch. Deterministic for the same batch, models, settings and ``seed``."""
    texts = [passage.text for passage in passages]
    found = candidates(texts, extractor, limit=settings.candidates_per_passage)
    spans = [[item.span for item in row][: settings.questions_per_passage] for row in found]
    mixed = (settings.seed * 1_000_003 + seed) % 2**32  # what every writer's random numbers can be seeded with
    written = writer.write(texts, spans, per_span=settings.per_span, seed=mixed, top_p=settings.top_p)
    made: list[tuple[QAPair, Passage]] = []
    seen: set[str] = set()
    for passage, row, asked in zip(passages, spans, written, strict=True):
        turns = [  # the first question of every span, then the second ones
            (span, question)
            for turn in range(settings.per_span)
            for span, questions in zip(row, asked, strict=True)
            for question in questions[turn : turn + 1]
        ]
        for span, question in turns[: settings.questions_per_passage]:
            pair = QAPair.make(
                question.question, passage.text[span.start : span.end], document_id=passage.document_id,
                span=span.shifted(passage.span.start), origin="generated", generator=writer.name,
                generator_score=question.score,
            )  # fmt: skip
            if pair.id not in seen:
                seen.add(pair.id)
                made.append((pair, passage))
    return _filtered(made, reader, encoder, settings, is_known)


def targeted(
    passage: Passage,
    span: Span,
    question: str,
    *,
    writer: SupportsWrite,
    reader: SupportsRead,
    encoder: SupportsEncode,
    settings: GenerateSettings,
    is_known: Callable[[str, str], str | None],
) -> Generated:
    """Pairs about one span of a passage: what somebody asked, and what the writer asks; through the same filters."""
    answer, place = passage.text[span.start : span.end], span.shifted(passage.span.start)
    asked: list[tuple[str, str, float | None]] = [(question if question.endswith("?") else f"{question}?", "log", None)]
    for row in writer.write([passage.text], [[span]], per_span=1)[0]:
        asked += [(item.question, writer.name, item.score) for item in row]
    made = [
        (
            QAPair.make(
                text, answer, document_id=passage.document_id, span=place, origin="generated", generator=name,
                generator_score=score,
            ),
            passage,
        )
        for text, name, score in asked
    ]  # fmt: skip
    return _filtered(list({pair.id: (pair, at) for pair, at in made}.values()), reader, encoder, settings, is_known)


def _filtered(
    made: Sequence[tuple[QAPair, Passage]],
    reader: SupportsRead,
    encoder: SupportsEncode,
    settings: GenerateSettings,
    is_known: Callable[[str, str], str | None],
) -> Generated:
    """Well-formed, locally consistent, no double: what stays of the pairs that were made, with all verdicts."""
    verdicts = [well_formed(pair) for pair, _ in made]
    alive = [item for item, verdict in zip(made, verdicts, strict=True) if verdict.kept]
    read = local_filter(
        [pair for pair, _ in alive], [passage.text for _, passage in alive], reader, threshold=settings.filter_threshold
    )
    verdicts += [verdict for verdict, _ in read]
    alive = [
        (replace(pair, filter_score=score), passage)
        for (pair, passage), (verdict, score) in zip(alive, read, strict=True)
        if verdict.kept
    ]
    pairs = [pair for pair, _ in alive]
    distinct = deduplicate(pairs, encoder.encode([pair.question for pair in pairs]), is_known)
    verdicts += distinct
    kept = [item for item, verdict in zip(alive, distinct, strict=True) if verdict.kept]
    places = {pair.id: (pair.document_id, passage.id) for pair, passage in made}
    return Generated(
        [pair for pair, _ in kept],
        key_texts(kept, settings.key_kind),
        verdicts,
        [places[verdict.pair_id][0] for verdict in verdicts],
        [places[verdict.pair_id][1] for verdict in verdicts],
        _support(pairs, distinct),
        len(made),
    )


def _support(pairs: Sequence[QAPair], verdicts: Sequence[Verdict]) -> list[Support]:
    """The places of doubles: a pair that was left out because another says the same still says where it stands."""
    places = {pair.id: (pair.document_id, pair.span) for pair in pairs}
    found = []
    for pair, verdict in zip(pairs, verdicts, strict=True):
        same = not verdict.kept and verdict.because_of is not None and pair.span is not None
        if not same or verdict.reason != "same question and answer" or pair.document_id is None:
            continue
        if places.get(verdict.because_of or "") != (pair.document_id, pair.span) and pair.span is not None:
            found.append(Support(verdict.because_of or "", pair.document_id, pair.span))
    return found


def key_texts(kept: Sequence[tuple[QAPair, Passage]], kind: KeyKind) -> list[str]:
    """The key text of each pair, from the sentence of its passage in which its span begins."""
    bounds: dict[str, list[Span]] = {}
    texts = []
    for pair, passage in kept:
        if passage.id not in bounds:
            bounds[passage.id] = sentences(passage.text)
        texts.append(
            key_text(pair.question, pair.answer, _sentence(pair, passage, bounds[passage.id]), passage.title, kind)
        )
    return texts


def _sentence(pair: QAPair, passage: Passage, bounds: Sequence[Span]) -> str:
    if pair.span is None:
        return ""
    start = pair.span.start - passage.span.start
    inside = [span for span in bounds if span.start <= start < span.end]
    return passage.text[inside[0].start : inside[0].end] if inside else passage.text

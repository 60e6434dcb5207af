"""A batch of passages to pairs: extract, ask, check, read, deduplicate. Every pair that was made gets its verdicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from quipu.building.answers import candidates
from quipu.building.consistency import Question, local_filter, read_back, well_formed
from quipu.building.dedup import deduplicate
from quipu.building.proposing import Lost, knowing, opinions, proposed
from quipu.building.readback import Settled
from quipu.building.scoring import UNEXPECTED
from quipu.building.settings import GenerateSettings
from quipu.building.wording import anchored, subject_of, understood
from quipu.corpus.passages import asks, sentences_of
from quipu.language.sentences import sentence_at
from quipu.models.keys import KeyKind, key_text
from quipu.models.protocols import (
    NO_REPLY,
    SupportsEncode,
    SupportsExtract,
    SupportsJudge,
    SupportsPlaced,
    SupportsPropose,
    SupportsRead,
    SupportsReadMany,
    SupportsWrite,
    SupportsWriteAndRead,
    Written,
)
from quipu.records import Candidate, Passage, QAPair, Span, Verdict
from quipu.text import normalize_answer

SUBJECT_WORDS = 5  # of a heading that is put in front of a question


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
    unanswered: frozenset[str] = frozenset()
    """Passages about which an external model said nothing, for now."""


def generate(
    passages: Sequence[Passage],
    *,
    extractor: SupportsExtract | None,
    writer: SupportsWrite | SupportsPropose,
    reader: SupportsRead,
    encoder: SupportsEncode,
    settings: GenerateSettings,
    is_known: Callable[[str, str], str | None],
    is_answered: Callable[[str], str | None] = lambda question: None,
    seed: int = 0,
    judge: SupportsJudge | None = None,
) -> Generated:
    """The pairs of one batch. Deterministic for the same batch, models, settings and ``seed``.

    A language model is told what each passage is about beside its text. ``is_known`` gives the id of a stored pair with
    a question and answer, ``is_answered`` that of one with which a document itself answers a question. A writer that
    proposes whole pairs needs no extractor. ``judge`` has the last word on what all filters kept.
    """
    if isinstance(writer, SupportsPropose):
        whole, lost = _proposed(passages, writer, settings)
        kept = _filtered(_once(whole), writer, reader, encoder, settings, is_known, is_answered, judge)
        return _deferring(_with_lost(kept, lost))
    texts = [passage.text for passage in passages]
    told = [passage.about() for passage in passages]
    found = candidates(passages, extractor, limit=settings.candidates_per_passage)
    wanted = [row[: settings.questions_per_passage] for row in found]
    spans = [[item.span for item in row] for row in wanted]
    written = _write(writer, texts, spans, told, settings, seed)
    made: list[_Made] = []
    for passage, row, asked in zip(passages, wanted, written, strict=True):
        turns = [  # the first question of every span, then the second ones
            (item, question)
            for turn in range(settings.per_span)
            for item, questions in zip(row, asked, strict=True)
            for question in questions[turn : turn + 1]
        ]
        made += [
            _Made.of(passage, item.span, question.question, writer.name, question.score, _expected(item))
            for item, question in turns[: settings.questions_per_passage]
        ]
    return _deferring(_filtered(_once(made), writer, reader, encoder, settings, is_known, is_answered, judge))


def targeted(
    passage: Passage,
    span: Span,
    question: str,
    *,
    writer: SupportsWrite | SupportsPropose,
    reader: SupportsRead,
    encoder: SupportsEncode,
    settings: GenerateSettings,
    is_known: Callable[[str, str], str | None],
    judge: SupportsJudge | None = None,
) -> Generated:
    """Pairs about one span of a passage: what somebody asked, and what the writer asks; through the same filters.

    Of whole pairs that a writer proposes, those are taken whose answers overlap the span.
    """
    mark = "" if question.endswith("?") else "?"
    made = [_Made.of(passage, span, question + mark, "log", None)]
    if isinstance(writer, SupportsPropose):
        made += [item for item in _proposed([passage], writer, settings)[0] if item.span.overlaps(span)]
    else:
        every = replace(settings, questions_per_passage=None)
        for row in _write(writer, [passage.text], [[span]], [passage.about()], every, 0)[0]:
            made += [_Made.of(passage, span, item.question, writer.name, item.score) for item in row]
    return _filtered(_once(made), writer, reader, encoder, settings, is_known, judge=judge)


@dataclass(frozen=True, slots=True)
class _Made:
    """A pair that was made of a span of a passage.

    ``expected``: log-probability that somebody asks about the span, None where nobody can say.
    """

    pair: QAPair
    passage: Passage
    expected: float | None = None

    @classmethod
    def of(
        cls,
        passage: Passage,
        span: Span,
        question: str,
        generator: str,
        score: float | None,
        expected: float | None = None,
    ) -> _Made:
        """The pair of a question about ``span`` (in the passage)."""
        pair = QAPair.make(
            question, passage.text[span.start : span.end], document_id=passage.document_id,
            span=span.shifted(passage.span.start), origin="generated", generator=generator, generator_score=score,
        )  # fmt: skip
        return cls(pair, passage, expected)

    @property
    def span(self) -> Span:
        """In the passage."""
        span = self.pair.span or Span(0, 0)
        return Span(span.start - self.passage.span.start, span.end - self.passage.span.start)

    def settled(self, question: str, settled: Settled, score: float) -> _Made:
        """With the question as it is kept, and the answer and the place that the reader gave it."""
        pair = self.pair
        made = QAPair.make(
            question, settled.answer, document_id=pair.document_id,
            span=settled.span.shifted(self.passage.span.start), origin=pair.origin, generator=pair.generator,
            generator_score=pair.generator_score, filter_score=score,
        )  # fmt: skip
        return replace(self, pair=made)


def _expected(candidate: Candidate) -> float:
    """The extractor's log-probability of a span; a span of a rule is none of its likely ones."""
    return candidate.score if candidate.extractor == "learned" else UNEXPECTED


def _write(
    writer: SupportsWrite,
    texts: Sequence[str],
    spans: Sequence[Sequence[Span]],
    titles: Sequence[str],
    settings: GenerateSettings,
    seed: int,
) -> list[list[list[Written]]]:
    """The writer's questions; a language model is told the titles."""
    mixed = (settings.seed * 1_000_003 + seed) % 2**32  # what every writer's random numbers can be seeded with
    if isinstance(writer, SupportsWriteAndRead):
        told = [title or None for title in titles]
        return writer.write(texts, spans, titles=told, per_span=settings.per_span, seed=mixed, top_p=settings.top_p)
    return writer.write(texts, spans, per_span=settings.per_span, seed=mixed, top_p=settings.top_p)


def _proposed(
    passages: Sequence[Passage], writer: SupportsPropose, settings: GenerateSettings
) -> tuple[list[_Made], list[Lost]]:
    """The whole pairs of a writer, and what it sent beside."""
    most = settings.questions_per_passage or settings.candidates_per_passage
    pairs, lost = proposed(passages, writer, most)
    return [_Made.of(passage, span, question, writer.name, None) for passage, span, question in pairs], lost


def _with_lost(found: Generated, lost: Sequence[Lost]) -> Generated:
    """With the verdicts on what was no pair."""
    unanswered = {item.passage.id for item in lost if item.verdict.reason == NO_REPLY}
    return replace(
        found,
        verdicts=[*found.verdicts, *(item.verdict for item in lost)],
        verdict_documents=[*found.verdict_documents, *(item.passage.document_id for item in lost)],
        verdict_passages=[*found.verdict_passages, *(item.passage.id for item in lost)],
        asked=found.asked + len(lost),
        unanswered=found.unanswered | unanswered,
    )


def _deferring(found: Generated) -> Generated:
    """Without the pairs of passages about which something is not answered yet: they are made when it is, together."""
    if not found.unanswered:
        return found
    rows = list(zip(found.verdicts, found.verdict_documents, found.verdict_passages, strict=True))
    later = {verdict.pair_id for verdict, _, passage in rows if passage in found.unanswered}
    stay = [row for row in rows if row[0].pair_id not in later or row[0].reason == NO_REPLY]
    pairs = [at for at, pair in enumerate(found.pairs) if pair.id not in later]
    return replace(
        found,
        pairs=[found.pairs[at] for at in pairs],
        key_texts=[found.key_texts[at] for at in pairs],
        verdicts=[verdict for verdict, *_ in stay],
        verdict_documents=[document for _, document, _ in stay],
        verdict_passages=[passage for *_, passage in stay],
        support=[item for item in found.support if item.pair_id not in later],
        asked=found.asked - len(later - {verdict.pair_id for verdict, *_ in stay}),
    )


def _once(made: Sequence[_Made]) -> list[_Made]:
    """Each pair once, in order."""
    return list({item.pair.id: item for item in reversed(made)}.values())[::-1]


def _filtered(
    made: Sequence[_Made],
    writer: SupportsWrite | SupportsPropose,
    reader: SupportsRead,
    encoder: SupportsEncode,
    settings: GenerateSettings,
    is_known: Callable[[str, str], str | None],
    is_answered: Callable[[str], str | None] = lambda question: None,
    judge: SupportsJudge | None = None,
) -> Generated:
    """Well-formed, read back so, no duplicate, judged good: what stays of the pairs, with all verdicts."""
    formed = [well_formed(item.pair) for item in made]
    alive = [item for item, verdict in zip(made, formed, strict=True) if verdict.kept]
    verdicts = [verdict for verdict in formed if not verdict.kept]
    if isinstance(reader, SupportsReadMany) and writer.name == reader.name:
        alive, read = _read_back(alive, reader, settings)
    else:
        alive, read = _read(alive, reader, settings)
    verdicts += [Verdict(verdict.pair_id, "well_formed", True, None, "kept") for verdict in read]
    verdicts += read
    alive = [item for item, verdict in zip(alive, read, strict=True) if verdict.kept]
    pairs = [item.pair for item in alive]
    distinct = deduplicate(pairs, encoder.encode([pair.question for pair in pairs]), is_known, is_answered)
    verdicts += distinct
    last = [item for item, verdict in zip(alive, distinct, strict=True) if verdict.kept]
    if judge is not None:
        judged = opinions([(item.pair, item.passage) for item in last], judge)
        verdicts += judged
        last = [item for item, verdict in zip(last, judged, strict=True) if verdict.kept]
    kept = [(item.pair, item.passage) for item in last]
    places = {item.pair.id: (item.pair.document_id, item.passage.id) for item in (*made, *alive)}
    return Generated(
        [pair for pair, _ in kept],
        key_texts(kept, settings.key_kind),
        verdicts,
        [places[verdict.pair_id][0] for verdict in verdicts],
        [places[verdict.pair_id][1] for verdict in verdicts],
        _support(pairs, distinct),
        len(made),
        frozenset(places[verdict.pair_id][1] for verdict in verdicts if verdict.reason == NO_REPLY),
    )


def _read(
    alive: Sequence[_Made], reader: SupportsRead, settings: GenerateSettings
) -> tuple[list[_Made], list[Verdict]]:
    """What a reader of its own says of another model's questions: each pair stays as it was made."""
    external = isinstance(reader, SupportsPlaced)  # which says nothing of how sure it is
    read = local_filter(
        [item.pair for item in alive], [item.passage.text for item in alive],
        knowing(reader, (item.passage for item in alive)),
        threshold=settings.filter_threshold,
    )  # fmt: skip
    scores = [None if external else score for _, score in read]
    scored = [replace(item, pair=replace(item.pair, filter_score=new)) for item, new in zip(alive, scores, strict=True)]
    return scored, [verdict for verdict, _ in read]


def _read_back(
    alive: Sequence[_Made], reader: SupportsReadMany, settings: GenerateSettings
) -> tuple[list[_Made], list[Verdict]]:
    """What the language model makes of its own questions: a kept pair has the answer and the place read back.

    Of pairs that become one by that, one stays: the one whose own span it is, else the first.
    """
    passages = {item.passage.id: item.passage for item in alive}
    bounds = {name: sentences_of(passage) for name, passage in passages.items()}
    asked = [
        Question(
            passage=item.passage.text,
            title=item.passage.about(),
            about=item.passage.about(item.pair.span.start if item.pair.span else None),
            subject=_subject(item),
            sentences=bounds[item.passage.id],
            span=item.span,
            text=item.pair.question,
            score=item.pair.generator_score,
            expected=item.expected,
        )
        for item in alive
    ]
    judged = read_back(asked, reader, agreement=settings.agreement, threshold=settings.pair_threshold)
    own = {item.pair.id for item in alive}
    taken: set[str] = set()
    found: list[_Made] = []
    verdicts: list[Verdict] = []
    for item, said in zip(alive, judged, strict=True):
        new = item
        if said.kept and said.settled is not None:
            new = item.settled(said.question, said.settled, said.chance)
        if said.kept and (new.pair.id in taken or new.pair.id in own - {item.pair.id}):
            found.append(item)
            verdicts.append(Verdict(item.pair.id, "dedup", False, None, "same question and answer", new.pair.id))
            continue
        taken.add(new.pair.id)
        found.append(new)
        verdicts.append(Verdict(new.pair.id, "local", said.kept, said.chance, said.reason, said.read[:200]))
    return found, verdicts


def _support(pairs: Sequence[QAPair], verdicts: Sequence[Verdict]) -> list[Support]:
    """The places of duplicates: a pair that was left out because another says the same still says where it stands."""
    places = {pair.id: (pair.document_id, pair.span) for pair in pairs}
    found = []
    for pair, verdict in zip(pairs, verdicts, strict=True):
        if verdict.kept or verdict.reason != "same question and answer" or verdict.because_of is None:
            continue
        document, place = places.get(verdict.because_of, (None, None))
        if pair.document_id is None or pair.span is None:
            continue
        if place is None or document != pair.document_id or not place.overlaps(pair.span):
            found.append(Support(verdict.because_of, pair.document_id, pair.span))
    return found


def _subject(item: _Made) -> str:
    """The nearest short heading over the span that a question can name, else the title."""
    path = item.passage.path(item.pair.span.start if item.pair.span else None)
    short = (part for part in reversed(path) if len(part.split()) <= SUBJECT_WORDS and not asks(part))
    return next(filter(subject_of, short), item.passage.title)


def key_texts(kept: Sequence[tuple[QAPair, Passage]], kind: KeyKind) -> list[str]:
    """The key text of each pair, from the sentence of its passage in which its span begins and what stands over it.

    A question that stands in the document is its own key, as a ready pair's is.
    """
    bounds: dict[str, list[Span]] = {}
    made = []
    for pair, passage in kept:
        if pair.span is None:
            made.append(key_text(pair.question, pair.answer, "", passage.title, kind))
            continue
        if pair.origin == "document":
            made.append(_asked_by_document(pair.question, passage, pair.span.start))
            continue
        if passage.id not in bounds:
            bounds[passage.id] = sentences_of(passage)
        sentence = sentence_at(passage.text, bounds[passage.id], pair.span.start - passage.span.start)
        known = set(normalize_answer(f"{pair.question} {sentence}").split())
        over = [part for part in passage.over(pair.span.start) if not set(normalize_answer(part).split()) <= known]
        made.append(key_text(pair.question, pair.answer, sentence, ": ".join(over), kind))
    return made


def _asked_by_document(question: str, passage: Passage, at: int) -> str:
    """A question of the document, with the heading or title that a word in it stands for."""
    if not understood(question):
        for subject in (*reversed(passage.path(at)), passage.title):
            named = question if asks(subject) else anchored(question, subject, passage.text)
            if named != question:
                return named
    return question

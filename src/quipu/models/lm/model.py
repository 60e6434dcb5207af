"""The language model as generation and answering use it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from tokenizers import Tokenizer

from quipu.models.hub import cores, parallel, resolve
from quipu.models.lm.cache import PrefixCache
from quipu.models.lm.engine import Branch, Engine, Prefix
from quipu.models.lm.locate import locate
from quipu.models.lm.prompts import Prompts
from quipu.models.lm.sampling import Nucleus
from quipu.models.lm.shape import DecoderShape
from quipu.models.lm.windows import fitting, windows
from quipu.models.protocols import MemoryReading, Reading, Written
from quipu.records import Span
from quipu.text import normalize_answer

QUESTION_STEPS = 32  # tokens that a question has at most
ANSWER_STEPS = 40
BRANCHES = 64  # that decode together
PREFIX_TOKENS = 2048  # of the passages of one batch, filled up
NUCLEUS = 0.9  # where several questions for a span are wanted and nothing else is said
TITLE_CHARACTERS = 200
CACHE_BYTES = 128 << 20
FLOOR = 1e-9  # probabilities under it count as it
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    """A passage or window (token ids) and the prompts of its branches; ``forced``: what each is made to say."""

    prefix: tuple[int, ...]
    prompts: list[list[int]]
    forced: list[list[int]]
    keys: list[str]  # what chance depends on, where there is any


class LanguageModel:
    """Writes questions, reads passages and pairs, scores answers. What it says does not depend on the batch.

    Implements ``SupportsWrite``, ``SupportsRead``, ``SupportsReadMany``, ``SupportsReadPairs`` and ``SupportsScore``.
    """

    def __init__(self, name_or_path: str | Path = "quipu-small/lm", *, cache_bytes: int = CACHE_BYTES) -> None:
        """Load and verify; raises InputError or FormatError (see ``hub.resolve``).

        ``cache_bytes``: how much is kept of passages that were read lately, so that reading them again costs nothing.
        """
        folder = resolve(name_or_path, "language-model")
        settings = folder.settings
        self.source, self.name, self.sha256 = str(name_or_path), folder.name, folder.sha256
        self.k = int(settings["pairs"])
        self._window, self._stride = int(settings["window"]), int(settings["stride"])
        markers = {str(role): int(number) for role, number in settings["markers"].items()}
        self.prompts = Prompts(Tokenizer.from_file(str(folder.tokenizer)), markers)
        self.engine = Engine(folder.path, DecoderShape.from_json(settings["shape"]), end=markers["end"])
        self._cache = PrefixCache(cache_bytes)

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path = "quipu-small/lm") -> LanguageModel:
        """The model in a folder, or the one that ships."""
        return cls(name_or_path)

    def write(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        *,
        titles: Sequence[str | None] | None = None,
        per_span: int = 1,
        seed: int = 0,
        top_p: float | None = None,
    ) -> list[list[list[Written]]]:
        """``per_span`` questions for each span of each text; ``score`` is the mean log-probability per token.

        Greedy for one question without ``top_p``; else nucleus sampling, where chance depends on ``seed``, text and span
        alone, and questions that came twice are given once.
        """
        jobs, places = [], []
        for at, (text, title, wanted) in enumerate(zip(texts, _titles(titles, texts), spans, strict=True)):
            cut = self._windows(text, title)
            for number, window in enumerate(cut):
                inside = text[window.start : window.end]
                mine = [which for which, span in enumerate(wanted) if len(cut) == 1 or fitting(cut, span) == number]
                local = [_clipped(wanted[which], window) for which in mine]
                prompts = [self.prompts.writing(inside, start, end) for start, end in local for _ in range(per_span)]
                keys = [f"{start} {end} {which}" for start, end in local for which in range(per_span)]
                jobs.append(_Job(self._prefix(inside, title), prompts, [], keys))
                places.append([(at, which) for which in mine for _ in range(per_span)])
        nucleus = top_p if top_p is not None else (NUCLEUS if per_span > 1 else None)
        written: list[list[list[Written]]] = [[[] for _ in wanted] for wanted in spans]

        def generate(batch: list[_Job]) -> list[Branch]:
            prefixes, owners, prompts = self._given(batch)
            choose = None
            if nucleus is not None:
                text_keys = [hashlib.sha256(np.array(job.prefix).tobytes()).hexdigest() for job in batch]
                keys = [f"{seed} {key} {own}" for key, job in zip(text_keys, batch, strict=True) for own in job.keys]
                choose = Nucleus(nucleus, keys)
            return self.engine.generate(prefixes, owners, prompts, steps=QUESTION_STEPS, choose=choose)

        for branches, place in zip(self._each(jobs, generate), places, strict=True):
            for branch, (at, which) in zip(branches, place, strict=True):
                question = " ".join(self.prompts.decode(branch.tokens).split())
                if question and all(question != known.question for known in written[at][which]):
                    written[at][which].append(Written(question, _mean_log(branch.probabilities)))
        return written

    def read_many(
        self,
        texts: Sequence[str],
        questions: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
        always: bool = False,
    ) -> list[list[Reading]]:
        """What ``texts[i]`` answers to each of ``questions[i]``; each text is read once. A long text is read in windows
        that overlap, and the surest answer counts. ``always``: an answer even where "nothing answers" is likelier."""
        jobs, places = [], []
        for at, (text, title, asked) in enumerate(zip(texts, _titles(titles, texts), questions, strict=True)):
            for window in self._windows(text, title) if asked else []:
                inside = text[window.start : window.end]
                jobs.append(_Job(self._prefix(inside, title), [self.prompts.reading(item) for item in asked], [], []))
                places.append((at, window))
        found: list[list[list[Reading]]] = [[[] for _ in asked] for asked in questions]
        for branches, (at, window) in zip(self._read(jobs, always), places, strict=True):
            inside = texts[at][window.start : window.end]
            for which, branch in enumerate(branches):
                found[at][which].append(self._reading(branch, inside, questions[at][which], window.start))
        return [[_surest(readings) for readings in row] for row in found]

    def read(
        self,
        questions: Sequence[str],
        passages: Sequence[str],
        *,
        titles: Sequence[str | None] | None = None,
        always: bool = False,
    ) -> list[Reading]:
        """What ``passages[i]`` answers to ``questions[i]``; equal passages are read once."""
        rows: dict[tuple[str, str | None], list[int]] = {}
        for at, passage in enumerate(zip(passages, _titles(titles, passages), strict=True)):
            rows.setdefault(passage, []).append(at)
        read = self.read_many(
            [text for text, _ in rows], [[questions[at] for at in row] for row in rows.values()],
            titles=[title for _, title in rows], always=always,
        )  # fmt: skip
        found = dict(zip((at for row in rows.values() for at in row), (item for row in read for item in row), strict=True))
        return [found[at] for at in range(len(questions))]

    def read_pairs(
        self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], *, always: bool = False
    ) -> list[MemoryReading]:
        """What the first ``k`` of ``pairs[i]`` (question or key text, answer), best first, answer to ``questions[i]``."""
        jobs = []
        for question, memory in zip(questions, pairs, strict=True):
            ids: list[int] = []
            for asked, answer in memory[: self.k]:  # as many whole lines as fit
                line = self.prompts.encode(("\n" if ids else "") + " ".join(f"{asked} {answer}".split()))
                if len(ids) + len(line) > self._window:
                    break
                ids += line
            prefix = tuple(ids) or self._prefix("", None)
            jobs.append(_Job(prefix, [self.prompts.reading(question)], [], []))
        found = []
        for (branch,), memory in zip(self._read(jobs, always), pairs, strict=True):
            text = self._text(branch)
            stored = _stored(text, memory[: self.k])
            found.append(MemoryReading(text, _mean_log(branch.probabilities), stored, branch.of_label))
        return found

    def score(
        self,
        texts: Sequence[str],
        questions: Sequence[Sequence[str]],
        answers: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
    ) -> list[list[float]]:
        """Mean log-probability per token of ``answers[i][j]`` to ``questions[i][j]`` over ``texts[i]``; the answer "" is
        "nothing answers". Of a long text's windows the one where the answer is likeliest counts."""
        jobs, places = [], []
        rows = zip(texts, _titles(titles, texts), questions, answers, strict=True)
        for at, (text, title, asked, said) in enumerate(rows):
            for window in self._windows(text, title) if asked else []:
                prefix = self._prefix(text[window.start : window.end], title)
                forced = [self.prompts.said(item)[:ANSWER_STEPS] for item in said]
                jobs.append(_Job(prefix, [self.prompts.reading(item) for item in asked], forced, []))
                places.append(at)

        def force(batch: list[_Job]) -> list[list[float]]:
            forced = [item for job in batch for item in job.forced]
            return self.engine.score(*self._given(batch), forced)

        scores = [[-math.inf] * len(asked) for asked in questions]
        for chances, at in zip(self._each(jobs, force), places, strict=True):
            scores[at] = [max(known, _mean_log(new)) for known, new in zip(scores[at], chances, strict=True)]
        return scores

    def _read(self, jobs: Sequence[_Job], always: bool) -> list[list[Branch]]:
        nothing = self.prompts.markers["nothing"]

        def generate(batch: list[_Job]) -> list[Branch]:
            avoid = nothing if always else None
            return self.engine.generate(*self._given(batch), steps=ANSWER_STEPS, label=nothing, avoid=avoid)

        return self._each(jobs, generate)

    def _reading(self, branch: Branch, text: str, question: str, offset: int) -> Reading:
        said = self._text(branch)
        nothing = branch.of_label
        if not said:
            return Reading(-1, -1, "", min(0.0, _log(1.0 - nothing) - _log(nothing)), 0.0, nothing)
        probability = math.exp(_mean_log(branch.probabilities))
        span, score = locate(text, said, question), _log(probability) - _log(nothing)
        if span is None:
            return Reading(-1, -1, said, score, probability, nothing)
        inside = text[span.start : span.end]
        return Reading(span.start + offset, span.end + offset, inside, score, probability, nothing)

    def _text(self, branch: Branch) -> str:
        """What a branch said; "" where it said that nothing answers."""
        if branch.tokens[:1] == [self.prompts.markers["nothing"]]:
            return ""
        return " ".join(self.prompts.decode(branch.tokens).split())

    def _prefix(self, text: str, title: str | None) -> tuple[int, ...]:
        return tuple(self.prompts.prefix(text, title))

    def _windows(self, text: str, title: str | None) -> list[Span]:
        """The windows of a text, each short enough to be read with its title."""
        room = self._window - (len(self.prompts.encode(title)) + 1 if title else 0)
        if len(text) <= room:  # a token is a character or more, but for characters of several bytes
            return [Span(0, len(text))]
        return windows(text, self.prompts.offsets(text), room, self._stride)

    def _given(self, batch: Sequence[_Job]) -> tuple[list[Prefix], list[int], list[list[int]]]:
        """What the engine takes: read passages, and which passage each prompt is about."""
        owners = [at for at, job in enumerate(batch) for _ in job.prompts]
        return self._prefixes([job.prefix for job in batch]), owners, [item for job in batch for item in job.prompts]

    def _prefixes(self, rows: Sequence[tuple[int, ...]]) -> list[Prefix]:
        """From the cache, or read."""
        known = {row: self._cache.get(row) for row in rows}
        missing = [row for row, prefix in known.items() if prefix is None]
        if missing:
            for row, prefix in zip(missing, self.engine.prefixes(missing), strict=True):
                known[row] = prefix
                self._cache.put(row, prefix)
        return [prefix for row in rows if (prefix := known[row]) is not None]

    def _each(self, jobs: Sequence[_Job], work: Callable[[list[_Job]], list[T]]) -> list[list[T]]:
        """The results of every job's branches: jobs of similar length in batches, one batch a core at a time."""
        pieces = [  # a passage with many branches is cut
            (at, first) for at, job in enumerate(jobs) for first in range(0, len(job.prompts), BRANCHES)
        ]
        cut = {piece: _piece(jobs[piece[0]], piece[1]) for piece in pieces}
        batches = _batches(pieces, cut)
        if len(batches) < cores():
            batches = [half for batch in batches for half in _halves(batch, cut)]
        done = parallel(lambda batch: work([cut[piece] for piece in batch]), batches)
        results: dict[tuple[int, int], list[T]] = {}
        for batch, found in zip(batches, done, strict=True):
            start = 0
            for piece in batch:
                results[piece] = found[start : start + len(cut[piece].prompts)]
                start += len(cut[piece].prompts)
        whole: list[list[T]] = [[] for _ in jobs]
        for piece in pieces:
            whole[piece[0]] += results[piece]
        return whole


Piece = tuple[int, int]


def _piece(job: _Job, first: int) -> _Job:
    """At most ``BRANCHES`` of a job's branches."""
    if len(job.prompts) <= BRANCHES:
        return job
    part = slice(first, first + BRANCHES)
    return _Job(job.prefix, job.prompts[part], job.forced[part], job.keys[part])


def _batches(pieces: Sequence[Piece], cut: dict[Piece, _Job]) -> list[list[Piece]]:
    """Pieces by the length of their passages, as many as decode well together."""
    found: list[list[Piece]] = []
    branches = 0
    for piece in sorted(pieces, key=lambda piece: (len(cut[piece].prefix), piece)):
        job = cut[piece]
        tokens = (len(found[-1]) + 1) * len(job.prefix) if found else 0
        if not found or branches + len(job.prompts) > BRANCHES or tokens > PREFIX_TOKENS:
            found.append([])
            branches = 0
        found[-1].append(piece)
        branches += len(job.prompts)
    return found


def _halves(batch: list[Piece], cut: dict[Piece, _Job]) -> list[list[Piece]]:
    """A batch of several passages as two of about as many tokens, for two cores."""
    if len(batch) < 2:
        return [batch]
    sizes = np.cumsum([len(cut[piece].prefix) for piece in batch])
    middle = 1 + int(np.searchsorted(sizes[:-1], sizes[-1] / 2))
    return [part for part in (batch[:middle], batch[middle:]) if part]


def _titles(titles: Sequence[str | None] | None, texts: Sequence[str]) -> list[str | None]:
    """A title for each text; very long ones are cut."""
    if titles is None:
        return [None] * len(texts)
    return [title[:TITLE_CHARACTERS] if title else None for title in titles]


def _clipped(span: Span, window: Span) -> tuple[int, int]:
    """Characters of a window that a span covers."""
    start = min(max(span.start, window.start), window.end)
    return start - window.start, min(max(span.end, start), window.end) - window.start


def _surest(readings: Sequence[Reading]) -> Reading:
    """Of a text's windows the likeliest answer, rather one whose words stand there; nothing only where no window does."""
    best = max(readings, key=lambda reading: (bool(reading.text), reading.start >= 0, reading.probability))
    if len(readings) == 1 or best.text:
        return best
    return min(readings, key=lambda reading: reading.nothing)


def _stored(text: str, pairs: Sequence[tuple[str, str]]) -> int | None:
    """The first pair whose answer is ``text``; else the first that holds it."""
    wanted = normalize_answer(text)
    answers = [normalize_answer(answer) for _, answer in pairs]
    if not wanted:
        return None
    if wanted in answers:
        return answers.index(wanted)
    return next((at for at, answer in enumerate(answers) if f" {wanted} " in f" {answer} "), None)


def _log(probability: float) -> float:
    return math.log(max(probability, FLOOR))


def _mean_log(probabilities: Sequence[float]) -> float:
    """The logarithm of the geometric mean."""
    return sum(map(_log, probabilities)) / max(1, len(probabilities))

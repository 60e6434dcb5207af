"""The language model as generation and answering use it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from quipu.models.folders import cores, parallel, resolve
from quipu.models.lm.cache import PrefixCache
from quipu.models.lm.decoding import Branch, Decoding
from quipu.models.lm.engine import Engine, Prefix
from quipu.models.lm.locate import locate
from quipu.models.lm.prompts import LONGEST_QUESTION, Prompts, pair_line
from quipu.models.lm.sampling import Nucleus
from quipu.models.lm.scheduling import CAPACITY, Job, Queue
from quipu.models.lm.shape import DecoderShape
from quipu.models.lm.windows import fitting, windows
from quipu.models.protocols import MemoryReading, Reading, Written
from quipu.records import Span
from quipu.text import normalize_answer

QUESTION_STEPS = 32  # tokens that a question has at most
ANSWER_STEPS = 40
PREFILL_TOKENS = 768  # of passages that are read together, filled up
NUCLEUS = 0.9  # where several questions for a span are wanted and nothing else is said
CACHE_BYTES = 48 << 20  # of passages that were read lately
WRITING_BYTES = 192 << 20  # the same once questions are written: they are read back soon
FLOOR = 1e-9  # probabilities under it count as it


class LanguageModel:
    """Writes questions, reads passages and pairs, scores answers. What it says does not depend on the batch.

    Implements ``SupportsWrite``, ``SupportsRead``, ``SupportsReadMany``, ``SupportsReadPairs``, ``SupportsScore`` and
    ``SupportsQuestionLikelihood``.
    """

    def __init__(self, name_or_path: str | Path = "quipu-small/lm", *, cache_bytes: int = CACHE_BYTES) -> None:
        """Load and verify; raises InputError or FormatError (see ``hub.resolve``).

        ``cache_bytes``: how much is kept of passages that were read lately, so that reading them again costs nothing;
        more as soon as questions are written, which are read back soon. 0 keeps nothing."""
        folder = resolve(name_or_path, "language-model")
        settings = folder.settings
        self.source, self.name, self.sha256 = str(name_or_path), folder.name, folder.sha256
        self.k = int(settings["pairs"])
        self._window, self._stride = int(settings["window"]), int(settings["stride"])
        markers = {str(role): int(number) for role, number in settings["markers"].items()}
        self.prompts = Prompts(Tokenizer.from_file(str(folder.tokenizer)), markers)
        shape = DecoderShape.from_json(settings["shape"])
        self.engine = Engine(folder.path, shape, positions=int(settings["positions"]))
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

        Greedy for one question without ``top_p``; else nucleus sampling, where chance depends on ``seed``, text and
        span alone, and questions that came twice are given once.
        """
        jobs: list[Job] = []
        places = []
        for at, (text, title, wanted) in enumerate(zip(texts, self._titles(titles, texts), spans, strict=True)):
            cut = self._windows(text, title)
            for number, window in enumerate(cut):
                inside = text[window.start : window.end]
                mine = [which for which, span in enumerate(wanted) if len(cut) == 1 or fitting(cut, span) == number]
                local = [_clipped(wanted[which], window) for which in mine]
                prompts = [self.prompts.writing(inside, start, end) for start, end in local for _ in range(per_span)]
                prefix = self._prefix(inside, title)
                digest = hashlib.sha256(np.array(prefix).tobytes()).hexdigest()
                keys = [f"{seed} {digest} {start} {end} {copy}" for start, end in local for copy in range(per_span)]
                jobs.append(Job(len(jobs), 0, prefix, prompts, [], keys))
                places.append([(at, which) for which in mine for _ in range(per_span)])
        self._cache.grow(WRITING_BYTES)
        nucleus = top_p if top_p is not None else (NUCLEUS if per_span > 1 else None)
        written: list[list[list[Written]]] = [[[] for _ in wanted] for wanted in spans]

        chosen = Nucleus(nucleus) if nucleus is not None else None
        done = self._decoded(jobs, QUESTION_STEPS, choose=chosen)
        for branches, place in zip(done, places, strict=True):
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
        jobs: list[Job] = []
        places = []
        for at, (text, title, asked) in enumerate(zip(texts, self._titles(titles, texts), questions, strict=True)):
            for window in self._windows(text, title) if asked else []:
                inside = text[window.start : window.end]
                prompts = [self.prompts.reading(item) for item in asked]
                jobs.append(Job(len(jobs), 0, self._prefix(inside, title), prompts, [], []))
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
        for at, passage in enumerate(zip(passages, self._titles(titles, passages), strict=True)):
            rows.setdefault(passage, []).append(at)
        read = self.read_many(
            [text for text, _ in rows], [[questions[at] for at in row] for row in rows.values()],
            titles=[title for _, title in rows], always=always,
        )  # fmt: skip
        found = dict(
            zip((at for row in rows.values() for at in row), (item for row in read for item in row), strict=True)
        )
        return [found[at] for at in range(len(questions))]

    def read_pairs(
        self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]], *, always: bool = False
    ) -> list[MemoryReading]:
        """What the first ``k`` of ``pairs[i]`` (question or key text, answer), best first, answer to
        ``questions[i]``."""
        jobs: list[Job] = []
        for question, memory in zip(questions, pairs, strict=True):
            ids: list[int] = []
            for asked, answer in memory[: self.k]:  # as many whole lines as fit
                line = self.prompts.encode(("\n" if ids else "") + pair_line(asked, answer))
                if len(ids) + len(line) > self._window:
                    break
                ids += line
            prefix = tuple(ids) or self._prefix("", None)
            jobs.append(Job(len(jobs), 0, prefix, [self.prompts.reading(question)], [], []))
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
        """Mean log-probability per token of ``answers[i][j]`` to ``questions[i][j]`` over ``texts[i]``; the answer ""
        is "nothing answers". Of a long text's windows the one where the answer is likeliest counts."""
        jobs: list[Job] = []
        places = []
        rows = zip(texts, self._titles(titles, texts), questions, answers, strict=True)
        for at, (text, title, asked, said) in enumerate(rows):
            for window in self._windows(text, title) if asked else []:
                prefix = self._prefix(text[window.start : window.end], title)
                forced = [self.prompts.said(item)[:ANSWER_STEPS] for item in said]
                prompts = [self.prompts.reading(item) for item in asked]
                jobs.append(Job(len(jobs), 0, prefix, prompts, forced, []))
                places.append(at)

        scores = [[-math.inf] * len(asked) for asked in questions]
        for chances, at in zip(self._forced(jobs), places, strict=True):
            scores[at] = [max(known, _mean_log(new)) for known, new in zip(scores[at], chances, strict=True)]
        return scores

    def question_likelihood(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        questions: Sequence[Sequence[str]],
        *,
        titles: Sequence[str | None] | None = None,
    ) -> list[list[float]]:
        """How much likelier ``questions[i][j]`` is once ``texts[i]`` is read, as a question about ``spans[i][j]`` of
        it: log P(question | text, span) - log P(question | span), summed over its tokens."""
        pieces: dict[tuple[tuple[int, ...], ...], int] = {}  # passage, prompt, question: each is scored once
        places = []
        rows = zip(texts, self._titles(titles, texts), spans, questions, strict=True)
        for at, (text, title, wanted, asked) in enumerate(rows):
            cut = self._windows(text, title)
            for which, (span, question) in enumerate(zip(wanted, asked, strict=True)):
                window = cut[fitting(cut, span)]
                inside = text[window.start : window.end]
                prompt = tuple(self.prompts.writing(inside, *_clipped(span, window)))
                said = tuple(self.prompts.said(question)[:LONGEST_QUESTION])
                both = (self._prefix(inside, title), self._prefix("", None))
                places.append((at, which, [pieces.setdefault((row, prompt, said), len(pieces)) for row in both]))
        jobs = [
            Job(at, 0, prefix, [list(prompt)], [list(said)], []) for (prefix, prompt, said), at in pieces.items()
        ]  # fmt: skip
        chances = [sum(map(_log, row)) for (row,) in self._forced(jobs)]
        found = [[0.0] * len(row) for row in questions]
        for at, which, (read, alone) in places:
            found[at][which] = chances[read] - chances[alone]
        return found

    def _read(self, jobs: Sequence[Job], always: bool) -> list[list[Branch]]:
        nothing = self.prompts.markers["nothing"]
        return self._decoded(jobs, ANSWER_STEPS, label=nothing, avoid=nothing if always else None)

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

    def _titles(self, titles: Sequence[str | None] | None, texts: Sequence[str]) -> list[str | None]:
        """A title for each text; at most a quarter of a window is spent on it."""
        if titles is None:
            return [None] * len(texts)
        most, found = self._window // 4, []
        for title in titles:
            offsets = self.prompts.offsets(title) if title else []
            found.append(title[: offsets[most - 1][1]] if title and len(offsets) > most else title or None)
        return found

    def _windows(self, text: str, title: str | None) -> list[Span]:
        """The windows of a text, each short enough to be read with its title."""
        room = self._window - (len(self.prompts.encode(title)) + 1 if title else 0)
        if len(text.encode("utf-8", "replace")) <= room:  # a token is a byte or more
            return [Span(0, len(text))]
        return windows(text, self.prompts.offsets(text), room, self._stride)

    def _decoded(
        self,
        jobs: Sequence[Job],
        steps: int,
        *,
        label: int = 0,
        avoid: int | None = None,
        choose: Nucleus | None = None,
    ) -> list[list[Branch]]:
        """What the branches of every job say. Each core has a stream, which takes on new passages as branches end."""
        branches = [[Branch(job.keys[at] if job.keys else "") for at in range(len(job.prompts))] for job in jobs]
        queue = Queue(jobs, cores())
        end = self.prompts.markers["end"]

        def stream(_: int) -> None:
            decoding = Decoding(self.engine, end=end, steps=steps, label=label, avoid=avoid, choose=choose)
            while True:
                taken = queue.take(decoding.running, decoding.tokens) if decoding.running <= CAPACITY // 2 else []
                if taken:
                    mine = [item for job in taken for item in branches[job.owner][job.first :][: len(job.prompts)]]
                    decoding.add(self._prefixes([job.prefix for job in taken]), [job.prompts for job in taken], mine)
                elif not decoding.running:
                    return
                decoding.step()

        parallel(stream, range(cores()))
        return branches

    def _forced(self, jobs: Sequence[Job]) -> list[list[list[float]]]:
        """The probabilities of the tokens that the branches of every job are made to say."""
        found: list[list[list[float]]] = [[[] for _ in job.prompts] for job in jobs]
        queue = Queue(jobs, cores())

        def stream(_: int) -> None:
            while taken := queue.take(0, 0):
                owners = [at for at, job in enumerate(taken) for _ in job.prompts]
                prompts = [item for job in taken for item in job.prompts]
                forced = [item for job in taken for item in job.forced]
                chances = self.engine.score(self._prefixes([job.prefix for job in taken]), owners, prompts, forced)
                for job in taken:
                    found[job.owner][job.first : job.first + len(job.prompts)] = chances[: len(job.prompts)]
                    chances = chances[len(job.prompts) :]

        parallel(stream, range(cores()))
        return found

    def _prefixes(self, rows: Sequence[tuple[int, ...]]) -> list[Prefix]:
        """From the cache, or read."""
        known = {row: prefix for row in rows if (prefix := self._cache.get(row)) is not None}
        missing = sorted({row for row in rows if row not in known}, key=lambda row: (len(row), row))
        while missing:
            count = max(1, min(PREFILL_TOKENS // len(missing[-1]), len(missing)))
            batch = missing[-count:]
            del missing[-count:]
            for row, read in zip(batch, self.engine.prefixes(batch), strict=True):
                known[row] = read
                self._cache.put(row, read)
        return [known[row] for row in rows]


def _clipped(span: Span, window: Span) -> tuple[int, int]:
    """Characters of a window that a span covers."""
    start = min(max(span.start, window.start), window.end)
    return start - window.start, min(max(span.end, start), window.end) - window.start


def _surest(readings: Sequence[Reading]) -> Reading:
    """Of a text's windows the likeliest answer, rather one whose words stand there; nothing only where no window
    does."""
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

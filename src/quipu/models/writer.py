"""The copying writer: passages to answer candidates and to questions, each passage encoded once.

Graphs (made by ``quipu.training.export``): ``encoder.onnx`` gives token states, span scores and what the decoder needs
of a passage; ``decoder.onnx`` gives the next piece of all questions of a batch, merging what can be said with what can
be copied. The word table is int8 with a scale a row and is looked up here, so that it lies on disk once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from quipu.models.hub import parallel, resolve, session
from quipu.models.protocols import Written
from quipu.models.surface import casing_of, surface
from quipu.models.words import WordTable
from quipu.records import Candidate, Span
from quipu.text import normalize_answer

PASSAGES_PER_BATCH = 16
CHOICES = 6  # pieces looked at for one that does not repeat a pair of pieces; the first six nearly always hold one
NUCLEUS = 64  # the most probable pieces among which nucleus sampling chooses
_FORBIDDEN_EDGE = set(",.;:!?)]}'-–—/&(")


@dataclass(slots=True)
class _Encoded:
    """A batch of passages as the encoder graph left it."""

    encodings: list[Encoding]
    ids: NDArray[np.int64]  # (B, T)
    mask: NDArray[np.int64]
    states: NDArray[np.float32]  # (B, T, D)
    span_scores: NDArray[np.float32]  # (B, T, L)
    memory: dict[str, NDArray[np.float32]]


class Writer:
    """Implements ``SupportsExtract`` and ``SupportsWrite`` on one encoding of the last batch of texts."""

    def __init__(self, name_or_path: str | Path = "quipu-mini/writer") -> None:
        """Load and verify; raises InputError or FormatError (see ``hub.resolve``)."""
        folder = resolve(name_or_path, "copying-writer")
        self.source = str(name_or_path)
        settings = folder.settings
        self.name = folder.name
        self.sha256 = folder.sha256
        self._tokenizer = Tokenizer.from_file(str(folder.tokenizer))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(settings["max_length"]))
        self._words = WordTable.of(folder.path, settings)
        self._pieces = np.array(settings["pieces"], dtype=np.int64)
        self._entry = np.full(len(self._words.rows), -1, dtype=np.int64)
        self._entry[self._pieces] = np.arange(len(self._pieces))
        self._longest = int(settings["question_length"])
        self._edges = np.array(settings["bucket_edges"])
        specials = (self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[PAD]", "[UNK]"))
        self._special = [piece for piece in specials if piece is not None]
        self._encoder = session(folder.path / "encoder.onnx")
        self._decoder = session(folder.path / "decoder.onnx")
        self._cached: tuple[tuple[str, ...], list[_Encoded]] = ((), [])

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path) -> Writer:
        """The writer in a folder, or the one that ships: "quipu-mini/writer"."""
        return cls(name_or_path)

    def extract(self, texts: Sequence[str], *, limit: int = 25) -> list[list[Candidate]]:
        """Spans of whole words by learned score, best first; one for each normalised text."""
        found: list[list[Candidate]] = []
        for batch in self._encode(texts):
            for row, encoding in enumerate(batch.encodings):
                found.append(self._candidates(texts[len(found)], encoding, batch.span_scores[row], limit))
        return found

    def write(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        *,
        per_span: int = 1,
        seed: int = 0,
        top_p: float | None = None,
    ) -> list[list[list[Written]]]:
        """``per_span`` questions a span: the most probable pieces, or nucleus sampling where ``top_p`` or several.

        A span beyond the longest input, or without a word piece, gets no question (an empty list).
        """
        nucleus = top_p if top_p is not None else (0.6 if per_span > 1 else None)
        batches = self._encode(texts)

        def ask(number: int) -> list[list[list[Written]]]:
            rows = slice(number * PASSAGES_PER_BATCH, (number + 1) * PASSAGES_PER_BATCH)
            random = np.random.default_rng((seed, number))
            return self._ask(batches[number], texts[rows], spans[rows], per_span, nucleus, random)

        return [row for some in parallel(ask, range(len(batches))) for row in some]

    def span_scores(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """Scores (T, L) of every span of each text: entry [i, l] is word pieces i to i + l (for comparisons)."""
        return [
            scores[: len(encoding.ids)]
            for batch in self._encode(texts)
            for encoding, scores in zip(batch.encodings, batch.span_scores, strict=True)
        ]

    def _encode(self, texts: Sequence[str]) -> list[_Encoded]:
        """The texts through the encoder, or the same again if they were the last ones."""
        key = tuple(texts)
        if self._cached[0] != key:
            starts = range(0, len(key), PASSAGES_PER_BATCH)
            batches = parallel(lambda start: self._encoded(key[start : start + PASSAGES_PER_BATCH]), starts)
            self._cached = (key, batches)
        return self._cached[1]

    def _encoded(self, texts: Sequence[str]) -> _Encoded:
        encodings = self._tokenizer.encode_batch(list(texts))
        length = max(len(item.ids) for item in encodings)
        ids = np.zeros((len(encodings), length), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, item in enumerate(encodings):
            ids[row, : len(item.ids)], mask[row, : len(item.ids)] = item.ids, 1
        found = self._encoder.run(None, {"words": self._words(ids), "mask": mask})
        memory = {"keys": found[2], "values": found[3], "copy_keys": found[4]}
        return _Encoded(encodings, ids, mask, found[0], found[1], memory)

    def _candidates(self, text: str, encoding: Encoding, scores: NDArray[np.float32], limit: int) -> list[Candidate]:
        """Best-scored spans that begin and end with a word, once a normalised text."""
        words, offsets = encoding.word_ids, encoding.offsets
        flat = scores[: len(words)].ravel()
        widest = scores.shape[1]
        take = min(len(flat), 12 * limit)
        order = np.argpartition(-flat, take - 1)[:take]
        order = order[np.lexsort((order, -flat[order]))]
        found: list[Candidate] = []
        seen: set[str] = set()
        for place in order.tolist():
            first, last = place // widest, place // widest + place % widest
            if last >= len(words) or words[first] is None or words[last] is None:
                continue
            starts_word = words[first] != words[first - 1]
            ends_word = last + 1 == len(words) or words[last] != words[last + 1]
            start, end = offsets[first][0], offsets[last][1]
            if not starts_word or not ends_word or _cuts(text, start, end):
                continue
            answer = text[start:end]
            normal = normalize_answer(answer)
            if not normal or normal in seen or answer[0] in _FORBIDDEN_EDGE or answer[-1] in ",;:!?-–—/&(":
                continue
            seen.add(normal)
            found.append(Candidate(Span(start, end), answer, float(flat[place]), "learned"))
            if len(found) == limit:
                break
        return found

    def _ask(
        self,
        batch: _Encoded,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        per_span: int,
        top_p: float | None,
        random: np.random.Generator,
    ) -> list[list[list[Written]]]:
        """Questions of one encoded batch, all spans at once."""
        jobs: list[list[tuple[int, int, int]]] = []  # (span, first token, last token) a passage
        for encoding, items in zip(batch.encodings, spans, strict=True):
            places = [(at, _tokens(encoding.offsets, item)) for at, item in enumerate(items)]
            jobs.append([(at, *place) for at, place in places if place is not None for _ in range(per_span)])
        made: list[list[list[Written]]] = [[[] for _ in items] for items in spans]
        if not any(jobs):
            return made
        pieces, scores = self._decode(batch, jobs, top_p, random)
        for row, job in enumerate(jobs):
            casing = casing_of(batch.encodings[row], texts[row])
            for column, (at, _, _) in enumerate(job):
                length = int((pieces[row, column] >= 0).sum())
                question = surface(self._tokenizer, pieces[row, column, :length], casing)
                mean = float(scores[row, column]) / (length + 1)
                if question and all(question != known.question for known in made[row][at]):
                    made[row][at].append(Written(question, mean))
        return made

    def _decode(
        self,
        batch: _Encoded,
        jobs: Sequence[Sequence[tuple[int, int, int]]],
        top_p: float | None,
        random: np.random.Generator,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Pieces (B, A, U), -1 after the end; their summed log p (B, A)."""
        size, most = len(jobs), max(len(job) for job in jobs)
        start, end = np.ones((size, most), dtype=np.int64), np.ones((size, most), dtype=np.int64)
        real = np.zeros((size, most), dtype=bool)
        for row, job in enumerate(jobs):
            for column, (_, first, last) in enumerate(job):
                start[row, column], end[row, column], real[row, column] = first, last, True
        rows = np.arange(size)[:, None]
        ends = np.concatenate([batch.states[rows, start], batch.states[rows, end]], axis=-1)
        tables = self._copy_tables(batch)
        tokens = tables.pop("tokens")
        fixed = {**batch.memory, **tables, "mask": batch.mask}
        layers, _, heads, _, depth = batch.memory["keys"].shape
        past = [np.zeros((layers, size, most, heads, 0, depth), dtype=np.float32) for _ in range(2)]
        previous = np.zeros((size, most, 1), dtype=np.int64)
        copied = np.zeros((size, most, 1, batch.states.shape[-1]), dtype=np.float32)
        pieces = np.full((size, most, self._longest), -1, dtype=np.int64)
        total = np.zeros((size, most), dtype=np.float32)
        going = real.copy()
        near = self._buckets(batch.ids.shape[1], start, end)
        wanted = np.array([min(CHOICES if top_p is None else NUCLEUS, len(self._pieces))], dtype=np.int64)
        columns = np.broadcast_to(np.arange(most), (size, most))  # which job each live column is
        for step in range(self._longest):
            feeds: dict[str, Any] = {
                **fixed, "previous": self._words(previous), "copied": copied, "ends": ends, "near": near,
                "count": wanted,
                "position": np.array([step], dtype=np.int64), "past_keys": past[0], "past_values": past[1],
            }  # fmt: skip
            log_p, index, past_keys, past_values = self._decoder.run(None, feeds)
            past = [past_keys, past_values]
            taken = index >= len(self._pieces)
            place = np.where(taken, index - len(self._pieces), 0)
            piece = np.where(
                taken, tokens[rows[..., None], place], self._pieces[np.minimum(index, len(self._pieces) - 1)]
            )
            at = (rows, columns)
            log_p = np.where(_stutters(piece, pieces[at][..., :step]), -np.inf, log_p)
            pick = log_p.argmax(axis=-1) if top_p is None else _nucleus(log_p, top_p, random)
            piece = np.take_along_axis(piece, pick[..., None], axis=-1)[..., 0]
            chosen = np.take_along_axis(log_p, pick[..., None], axis=-1)[..., 0]
            total[at] += np.where(going, np.maximum(chosen, -20.0), 0.0)
            ended = piece == self._pieces[0]
            going &= ~ended
            pieces[(*at, step)] = np.where(going, piece, -1)
            previous = piece[..., None]
            live = int(going.sum(axis=1).max())
            if live == 0:
                break
            if live <= 0.7 * going.shape[1]:  # finished questions leave, the others move together
                keep = np.argsort(~going, axis=1, kind="stable")[:, :live]
                going, previous, ends = going[rows, keep], previous[rows, keep], ends[rows, keep]
                near, columns = near[rows, keep], columns[rows, keep]
                start, end = start[rows, keep], end[rows, keep]
                past = [np.ascontiguousarray(item[:, rows, keep]) for item in past]
            copied = _copied_states(previous[..., 0], batch.ids, start, end, batch.states)[:, :, None]
        return pieces, total

    def _copy_tables(self, batch: _Encoded) -> dict[str, NDArray[Any]]:
        """The different pieces of each passage: tokens (B, Q), places (B, T, Q), entries in the vocabulary (B, Q)."""
        size, length = batch.ids.shape
        different = []
        for row in range(size):
            count = int(batch.mask[row].sum())
            ids = batch.ids[row, :count]
            different.append(np.unique(ids[~np.isin(ids, self._special)]))
        most = max(1, max(len(row) for row in different))
        tokens = np.zeros((size, most), dtype=np.int64)
        places = np.zeros((size, length, most), dtype=np.float32)
        for row, ids in enumerate(different):
            tokens[row, : len(ids)] = ids
            places[row][:, : len(ids)] = batch.ids[row][:, None] == ids[None, :]
        entries = np.where(tokens > 0, self._entry[tokens], -1)
        both = np.zeros((size, len(self._pieces)), dtype=np.float32)
        row_index, column_index = np.nonzero(entries >= 0)
        both[row_index, entries[row_index, column_index]] = 1.0
        return {"tokens": tokens, "places": places, "entries": entries, "both": both}

    def _buckets(self, length: int, start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
        """Bucket of each token by its distance from each span: (B, A, T) (as in training.generator.model)."""
        places = np.arange(length)
        before = np.maximum(start[..., None] - places, 0)
        after = np.maximum(places - end[..., None], 0)
        left = np.searchsorted(self._edges, before, side="right")
        right = np.searchsorted(self._edges, after, side="right")
        near: NDArray[np.int64] = np.where(right > 0, right + len(self._edges), left).astype(np.int64)
        return near


def _copied_states(
    previous: NDArray[np.int64],
    ids: NDArray[np.int64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    states: NDArray[np.float32],
) -> NDArray[np.float32]:
    """States at the place nearest to the span that holds each previous piece, 0 where none does: (B, A, D)."""
    places = np.arange(ids.shape[1])
    distance = np.maximum(start[..., None] - places, 0) + np.maximum(places - end[..., None], 0)
    far = len(places) + 1
    distance = np.where(previous[..., None] == ids[:, None, :], distance, far)
    nearest = distance.argmin(axis=-1)
    there = np.take_along_axis(distance, nearest[..., None], axis=-1) < far
    picked: NDArray[np.float32] = states[np.arange(len(ids))[:, None], nearest] * there
    return picked


def _cuts(text: str, start: int, end: int) -> bool:
    """Whether a span begins or ends inside a number or a hyphenated word, or holds half a pair of brackets."""
    if start >= 2 and text[start - 1] in ",.-'’" and text[start - 2].isalnum() and text[start].isalnum():
        return True
    if end + 1 < len(text) and text[end] in ",.-'’" and text[end - 1].isalnum() and text[end + 1].isalnum():
        return text[end] != "'" and text[end] != "’"
    inside = text[start:end]
    return inside.count("(") != inside.count(")") or inside.count('"') % 2 == 1


def _tokens(offsets: Sequence[tuple[int, int]], span: Span) -> tuple[int, int] | None:
    """First and last token that share a character with the span."""
    inside = [at for at, (left, right) in enumerate(offsets) if left < span.end and right > span.start and right > left]
    return (inside[0], inside[-1]) if inside else None


def _stutters(piece: NDArray[np.int64], said: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which choices repeat the last piece, or a pair of pieces that was said: piece (B, A, K), said (B, A, P)."""
    if said.shape[-1] == 0:
        return np.zeros(piece.shape, dtype=bool)
    last = said[..., -1:]
    bad: NDArray[np.bool_] = piece == last
    for at in range(said.shape[-1] - 1):
        bad |= (said[..., at : at + 1] == last) & (said[..., at + 1 : at + 2] == piece)
    return bad


def _nucleus(log_p: NDArray[np.float32], top_p: float, random: np.random.Generator) -> NDArray[np.int64]:
    """An index into the last axis (best first): drawn from the fewest that hold ``top_p`` of the probability."""
    p = np.exp(log_p)
    before = np.cumsum(p, axis=-1) - p
    p = np.where(before < top_p, p, 0.0)
    bounds = np.cumsum(p, axis=-1)
    draw = random.random(log_p.shape[:-1])[..., None] * bounds[..., -1:]
    index: NDArray[np.int64] = np.minimum((bounds <= draw).sum(axis=-1), log_p.shape[-1] - 1)
    return index

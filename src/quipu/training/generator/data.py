"""Batches for the generator: passages with several (answer, question) each, and the cloze warm-up on plain prose."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from quipu.errors import InputError
from quipu.training.corpora import Asked, Context, compose, cut
from quipu.training.generator.model import STYLES, GeneratorConfig

STYLE_OF = {"qamr": "qamr", "squad_qg": "squad", "musique": "squad", "fairytaleqa": "story", "policyqa": "policy"}
_PLACE = re.compile(r"[A-Z][\w'-]+(?: (?:of |the |de )?[A-Z][\w'-]+)*|\d[\d.,]*|[a-z]\w{3,}(?: [a-z]\w{3,})?")


def generation_vocabulary(tokenizer: Tokenizer, questions: Iterable[str], size: int) -> list[int]:
    """Word-piece ids of the ``size`` - 1 most frequent pieces of the questions, after [SEP], which ends a question."""
    counts: Counter[int] = Counter()
    for encoding in tokenizer.encode_batch(list(questions), add_special_tokens=False):
        counts.update(encoding.ids)
    ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))
    return [int(tokenizer.token_to_id("[SEP]") or 0), *ranked[: size - 1]]


def cloze_context(text: str, rng: random.Random, count: int) -> Context:
    """Spans of plain prose with the words around them as the "question": the span replaced by "what"."""
    asked = []
    places = list(_PLACE.finditer(text))
    for match in rng.sample(places, min(count, len(places))):
        left = text[: match.start()].split()
        right = text[match.end() :].split()
        before, after = rng.randint(2, 7), rng.randint(2, 7)
        asked.append(Asked(" ".join([*left[-before:], "what", *right[:after]]), match.start(), match.end()))
    return Context("prose", text, tuple(asked), "cloze")


@dataclass(frozen=True, slots=True)
class Source:
    """A set of contexts and how often it is drawn."""

    contexts: Sequence[Context]
    weight: float
    answers: int  # questions of one passage in a step


class Batches:
    """Batches as a function of the step: the same step always yields the same batch."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        config: GeneratorConfig,
        pieces: Sequence[int],
        sources: Sequence[Source],
        prose: Sequence[str],
        *,
        passages: int,
        cloze_until: int,
        cloze_after: float,
        seed: int,
    ) -> None:
        self.tokenizer, self.config, self.sources, self.prose = tokenizer, config, sources, prose
        self.entry = {piece: index for index, piece in enumerate(pieces)}
        self.passages, self.cloze_until, self.cloze_after, self.seed = passages, cloze_until, cloze_after, seed
        self.special = {tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]", "[PAD]")}

    def at(self, step: int) -> dict[str, torch.Tensor]:
        """The tensors of ``step``; see ``collate``."""
        rng = random.Random(self.seed * 1_000_003 + step)
        words = rng.choice((45, 80, 110))
        share = 1.0 if step < self.cloze_until else self.cloze_after
        chosen = []
        for _ in range(self.passages * 110 // (words + 15)):
            if rng.random() < share:
                text = Context("prose", rng.choice(self.prose), (), "cloze")
                chosen.append((cloze_context(cut(text, words, rng).text, rng, 8), 8))
                continue
            source = rng.choices(self.sources, [item.weight for item in self.sources])[0]
            index = rng.randrange(len(source.contexts))
            context = source.contexts[index]
            if len(context.text.split()) < words:
                context = compose(source.contexts, index, words, rng)
            chosen.append((cut(context, words, rng), source.answers))
        return self.collate(chosen, rng)

    def collate(self, chosen: Sequence[tuple[Context, int]], rng: random.Random) -> dict[str, torch.Tensor]:
        """ids, mask (B, T); start, end, style (B, A); previous, pieces, say, weight (B, A, U); gold (B, T, L)."""
        config = self.config
        rows = []
        encodings = self.tokenizer.encode_batch([context.text for context, _ in chosen])
        for (context, answers), encoding in zip(chosen, encodings, strict=True):
            spans: dict[tuple[int, int], list[str]] = {}
            for asked in context.asked:
                place = token_span(encoding.offsets, asked.start, asked.end)
                if place is not None:
                    spans.setdefault(place, []).append(asked.question)
            if spans:
                picked = rng.sample([(place, text) for place in spans for text in spans[place]],
                                    min(answers, sum(len(texts) for texts in spans.values())))  # fmt: skip
                rows.append((context, encoding.ids, list(spans), picked))
        if not rows:
            raise InputError("a batch without one marked answer: the sources hold no usable spans")
        length = max(len(ids) for _, ids, _, _ in rows)
        most = max(len(picked) for *_, picked in rows)
        questions = [text for *_, picked in rows for _, text in picked]
        encodings = self.tokenizer.encode_batch(questions, add_special_tokens=False)
        encoded = iter(encodings)
        steps = min(config.question_length, 1 + max(len(item.ids) for item in encodings))
        size = len(rows)
        ids = torch.zeros(size, length, dtype=torch.long)
        mask = torch.zeros(size, length, dtype=torch.long)
        gold = torch.zeros(size, length, config.span_length, dtype=torch.bool)
        start = torch.zeros(size, most, dtype=torch.long)
        end, style = torch.zeros_like(start), torch.zeros_like(start)
        pieces = torch.full((size, most, steps), -1)
        say = torch.full((size, most, steps), -1)
        weight = torch.zeros(size, most, steps)
        for row, (context, tokens, places, picked) in enumerate(rows):
            ids[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
            for first, last in places:
                if last - first < config.span_length and context.source != "cloze":
                    gold[row, first, last - first] = True
            for column, ((first, last), _) in enumerate(picked):
                start[row, column], end[row, column] = first, last
                style[row, column] = style_of(context.source)
                target = [*next(encoded).ids[: steps - 1], self._end]
                pieces[row, column, : len(target)] = torch.tensor(target)
                say[row, column, : len(target)] = torch.tensor([self.entry.get(piece, -1) for piece in target])
                weight[row, column, : len(target)] = 1.0
        previous = torch.cat([torch.zeros(size, most, 1, dtype=torch.long), pieces[:, :, :-1].clamp(min=0)], dim=2)
        copyable = mask.bool() & ~torch.isin(ids, torch.tensor(sorted(self.special)))
        sources = torch.tensor([style_of(context.source) for context, *_ in rows])
        return {"ids": ids, "mask": mask, "start": start, "end": end, "style": style, "previous": previous,
                "say": say, "pieces": pieces, "weight": weight, "gold": gold, "copyable": copyable,
                "source": sources}  # fmt: skip

    @property
    def _end(self) -> int:
        return next(iter(self.entry))


def style_of(source: str) -> int:
    """Index of the style in which a source asks."""
    return STYLES.index(STYLE_OF.get(source, source))


def token_span(offsets: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int] | None:
    """First and last token that share characters with start..end; None where there is none."""
    if start < 0:
        return None
    inside = [place for place, (left, right) in enumerate(offsets) if left < end and right > start and right > left]
    return (inside[0], inside[-1]) if inside else None

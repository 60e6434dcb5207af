"""A trained model at work on the training machine: it writes questions about spans and reads them over passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from quipu.training.base import device
from quipu.training.lm.data import prompts_of
from quipu.training.lm.generate import Generation, Said, generate
from quipu.training.lm.model import load

QUESTION, ANSWER = 32, 32  # tokens at most
Passage = tuple[str, str]  # title, text


@dataclass(frozen=True, slots=True)
class Answer:
    """``text``: "" where nothing answers; ``p``: geometric mean of the token probabilities; ``p_nothing``: at once."""

    text: str
    p: float
    p_nothing: float


class Speaker:
    """A Hugging Face folder that ``quipu.training.lm.train`` wrote, on the GPU where there is one.

    ``cells``: see ``Generation``; some 400,000 for each 16 GB.
    """

    def __init__(self, folder: Path, cells: int = 400_000) -> None:
        self.prompts = prompts_of(folder)
        where = device()
        self._model = load(folder).to(where, torch.float32 if where == "cpu" else torch.bfloat16).eval()
        self._cells = cells

    def write(
        self,
        passages: Sequence[Passage],
        spans: Sequence[Sequence[tuple[int, int]]],
        *,
        top_p: float | None = None,
        seed: int = 0,
    ) -> list[list[tuple[str, float]]]:
        """A question for each span of each passage, with the geometric mean of its tokens' probabilities."""
        prompts = [
            [self.prompts.writing(text, start, end) for start, end in some]
            for (_, text), some in zip(passages, spans, strict=True)
        ]
        said = self._say(passages, prompts, QUESTION, top_p=top_p, seed=seed)
        return [[(self.prompts.decode(item.ids), item.probability) for item in some] for some in said]

    def read(self, passages: Sequence[Passage], questions: Sequence[Sequence[str]]) -> list[list[Answer]]:
        """The answer to each question of each passage."""
        prompts = [[self.prompts.reading(question) for question in some] for some in questions]
        nothing = self.prompts.markers["nothing"]
        return [
            [
                Answer(
                    "" if item.ids[:1] == (nothing,) else self.prompts.decode(item.ids), item.probability, item.watched
                )
                for item in some
            ]
            for some in self._say(passages, prompts, ANSWER)
        ]

    def _say(
        self,
        passages: Sequence[Passage],
        prompts: Sequence[Sequence[Sequence[int]]],
        steps: int,
        top_p: float | None = None,
        seed: int = 0,
    ) -> list[list[Said]]:
        markers = self.prompts.markers
        how = Generation(steps, markers["end"], markers["nothing"], top_p=top_p, seed=seed, cells=self._cells)
        jobs = [(self.prompts.prefix(text, title), some) for (title, text), some in zip(passages, prompts, strict=True)]
        return generate(self._model, jobs, how)

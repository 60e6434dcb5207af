"""Questions about passages, and how the model answers them itself (``quipu train recipes/small/5-write.toml``).

Nothing is filtered; readers of the file keep what they want (``quipu.datasets.written``).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quipu.datasets import published
from quipu.datasets.contexts import title_of
from quipu.datasets.written import WrittenPair, WrittenPassage
from quipu.models.extractor import Extractor
from quipu.training.lines import whole_lines
from quipu.training.lm.speaker import Passage, Speaker

_LEAST_WORDS = 12  # of a passage


@dataclass(frozen=True, slots=True)
class WriteRecipe:
    """What is asked about: ``sets``, public sets that people asked about too, and paragraphs without questions.

    Spans are those of ``extractor`` and, of the sets, those that people asked about.
    """

    data: Path
    model: Path  # a Hugging Face folder that train = "lm" wrote
    out: Path
    sets: tuple[str, ...] = ()
    per_set: int = 4000  # passages of a set
    articles: int = 0  # paragraphs of 2WikiMultihopQA's corpus, OpenStax and the Factbook, chosen by the seed
    words: int = 140  # of a paragraph; a longer one is cut
    extractor: str = "quipu-small/extractor"
    per_passage: int = 14
    top_p: float | None = None  # draw the questions; None: the likeliest
    chunk: int = 256  # passages at once
    cells: int = 400_000  # see ``Generation``
    seed: int = 13


@dataclass(frozen=True, slots=True)
class Job:
    """A passage to be asked about, and spans that people asked about."""

    title: str
    text: str
    source: str
    spans: tuple[tuple[int, int], ...] = ()


def run(recipe: WriteRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the file; an interrupted run goes on where it stopped."""
    jobs = jobs_of(recipe)
    recipe.out.parent.mkdir(parents=True, exist_ok=True)
    done = whole_lines(recipe.out)
    speaker, extractor = Speaker(recipe.model, recipe.cells), Extractor.from_pretrained(recipe.extractor)
    with recipe.out.open("a", encoding="utf-8") as file:
        for first in range(done, len(jobs), recipe.chunk):
            some = jobs[first : first + recipe.chunk]
            found = extractor.extract([job.text for job in some], limit=recipe.per_passage)
            spans = [
                merged(job.spans, [(item.span.start, item.span.end) for item in candidates], recipe.per_passage)
                for job, candidates in zip(some, found, strict=True)
            ]
            made = written(speaker, some, spans, top_p=recipe.top_p, seed=recipe.seed + first)
            for passage in made:
                file.write(json.dumps(passage.to_json(), ensure_ascii=False) + "\n")
            file.flush()
            report(
                {
                    "passages": first + len(some),
                    "of": len(jobs),
                    "written": sum(len(passage.pairs) for passage in made),
                    "kept": sum(len(passage.kept()) for passage in made),
                }
            )
    return recipe.out


def jobs_of(recipe: WriteRecipe) -> list[Job]:
    """The passages in the order in which they are asked about, each text once."""
    rng = random.Random(recipe.seed)
    jobs: dict[str, Job] = {}
    for name in recipe.sets:
        contexts = [item for item in published.named(recipe.data, name) if len(item.text.split()) >= _LEAST_WORDS]
        for context in rng.sample(contexts, min(recipe.per_set, len(contexts))):
            spans = tuple(dict.fromkeys((item.start, item.end) for item in context.asked if item.start >= 0))
            job = Job(title_of(context), context.text, f"own-{context.source}", spans)
            jobs.setdefault(context.text, job)
    if recipe.articles:
        paragraphs = [item for item in published.articles(recipe.data) if len(item[2].split()) >= _LEAST_WORDS]
        for source, title, text in rng.sample(paragraphs, min(recipe.articles, len(paragraphs))):
            text = " ".join(text.split()[: recipe.words])
            jobs.setdefault(text, Job(title, text, source))
    made = list(jobs.values())
    rng.shuffle(made)
    return made


def merged(first: Sequence[tuple[int, int]], second: Sequence[tuple[int, int]], limit: int) -> list[tuple[int, int]]:
    """At most ``limit`` spans, those of ``first`` and ``second`` in turn, none twice."""
    found: dict[tuple[int, int], None] = {}
    for at in range(max(len(first), len(second))):
        for spans in (first, second):
            if at < len(spans):
                found[spans[at]] = None
    return list(found)[:limit]


def written(
    speaker: Speaker,
    jobs: Sequence[Job],
    spans: Sequence[Sequence[tuple[int, int]]],
    *,
    top_p: float | None = None,
    seed: int = 0,
) -> list[WrittenPassage]:
    """Each passage with a question for each of its spans, read back."""
    passages: list[Passage] = [(job.title, job.text) for job in jobs]
    questions = speaker.write(passages, spans, top_p=top_p, seed=seed)
    answers = speaker.read(passages, [[question for question, _ in some] for some in questions])
    made = []
    for job, places, asked, read in zip(jobs, spans, questions, answers, strict=True):
        pairs = tuple(
            WrittenPair(question, start, end, p, answer.text, answer.p, answer.p_nothing)
            for (start, end), (question, p), answer in zip(places, asked, read, strict=True)
        )
        made.append(WrittenPassage(job.title, job.text, job.source, pairs))
    return made

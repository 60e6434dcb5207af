"""Sets that no model was trained on, as memories: their texts are built in, and their own questions are asked.

    python benchmarks/run.py fairytaleqa --data DATA --work WORK
    python benchmarks/run.py selqa --limit 300 --data DATA --work WORK

FairytaleQA val: whole stories; only questions with an accepted answer that stands in their section are asked, which
leaves out those whose answer was put into free words. SelQA: sections of Wikipedia, whose accepted answer is a whole
sentence, so an answer counts as right where it stands in that sentence. ``--skip`` leaves out the first so many
documents, on which probabilities may have been fitted; ``--limit`` takes so many of the rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from common import Right, accepted, memory_of, whole_way
from figures import Result
from quipu.datasets import fairytaleqa as tales
from quipu.datasets import published
from quipu.records import Answer, Example
from quipu.text import normalize_answer

Loaded = tuple[list[dict[str, str]], list[Example]]
GOALS = {"fairytaleqa": {("cascade", "ECE"): 0.05}}


def fairytaleqa(data: Path, part: slice) -> Loaded:
    """Stories, their sections joined in their order, and the questions about them."""
    found = tales.read(data / tales.VAL)
    stories = dict(list(tales.stories(found).items())[part])
    asked = []
    for number, item in enumerate(found):
        text = f" {normalize_answer(item.section)} "
        stated = any(f" {normal} " in text for normal in map(normalize_answer, item.answers) if normal)
        if stated and item.story in stories:
            asked.append(Example(str(number), item.question, item.answers))
    return [{"id": name, "title": tales.title_of(name), "text": text} for name, text in stories.items()], asked


def selqa(data: Path, part: slice) -> Loaded:
    """Sections with the title of their article, and the questions about them; an accepted answer is a sentence."""
    sections = published.named(data, "selqa")[part]
    rows = [{"id": f"{at:04d}", "title": item.group, "text": item.text} for at, item in enumerate(sections)]
    examples = [
        Example(f"{at}-{number}", asked.question, (item.text[asked.start : asked.end],))
        for at, item in enumerate(sections)
        for number, asked in enumerate(item.asked)
    ]
    return rows, examples


def in_sentence(answer: Answer, example: Example) -> bool:
    """Whether an answer stands in an accepted sentence, word for word after normalisation."""
    said = normalize_answer(answer.text or "")
    return bool(said) and any(f" {said} " in f" {normalize_answer(sentence)} " for sentence in example.answers)


SETS: dict[str, tuple[Callable[[Path, slice], Loaded], Right]] = {
    "fairytaleqa": (fairytaleqa, accepted),
    "selqa": (selqa, in_sentence),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="leave out the first so many documents")


def run(options: argparse.Namespace) -> Result:
    """Build and ask."""
    load, right = SETS[options.set]
    end = None if options.limit is None else options.skip + options.limit
    rows, examples = load(options.data, slice(options.skip, end))
    whole = options.limit is None and not options.skip
    name = options.set if whole else f"{options.set}-{options.skip}-{end or 'end'}"
    memory, _ = memory_of(rows, options, name)
    with memory:
        passages = memory.info()["counts"]["passages"]
        figures = whole_way("cascade", memory, examples, right)
    title = f"{options.set}: {len(rows)} documents ({passages:,} passages), {len(examples)} questions"
    return Result.now(options.set, title, figures, goals=GOALS.get(options.set))

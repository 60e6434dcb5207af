"""Sets that no model was trained on, as memories: their texts are built in, and their own questions are asked.

    python benchmarks/held_out.py fairytaleqa --data DATA --work WORK --json benchmarks/results/fairytaleqa.json
    python benchmarks/held_out.py selqa --limit 300 --data DATA --work WORK --json benchmarks/results/selqa.json

FairytaleQA val: whole stories; only questions with an accepted answer that stands in their section are asked, which
leaves out those whose answer was put into free words. SelQA: sections of Wikipedia, whose accepted answer is a whole
sentence, so an answer counts as right where it stands in that sentence. ``--skip`` leaves out the first so many
documents, on which probabilities may have been fitted; ``--limit`` takes so many of the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common import Right, accepted, arguments, finish, memory_of, read_lines, whole_way
from figures import Result
from quipu.records import Answer, Example
from quipu.text import normalize_answer

Loaded = tuple[list[dict[str, str]], list[Example]]
GOALS = {"fairytaleqa": {("cascade", "ECE"): 0.05}}


def fairytaleqa(data: Path, part: slice) -> Loaded:
    """Stories, their sections joined in their order, and the questions about them."""
    sections: dict[str, dict[str, None]] = {}
    asked: list[tuple[str, Example]] = []
    for number, row in enumerate(read_lines(data / "fairytaleqa" / "val.jsonl.gz")):
        sections.setdefault(row["story"], {})[row["context"]] = None
        text = f" {normalize_answer(row['context'])} "
        answers = tuple(dict.fromkeys(row["answers"]))
        if any(f" {normal} " in text for normal in map(normalize_answer, answers) if normal):
            asked.append((row["story"], Example(str(number), row["question"], answers)))
    stories = list(sections)[part]
    rows = [
        {"id": name, "title": name.replace("-", " ").capitalize(), "text": "\n\n".join(sections[name])}
        for name in stories
    ]
    return rows, [example for story, example in asked if story in set(stories)]


def selqa(data: Path, part: slice) -> Loaded:
    """Sections with the title of their article, and the questions about them; an accepted answer is a sentence."""
    sections = list(read_lines(data / "selqa" / "passages.jsonl.gz"))[part]
    rows = [{"id": f"{at:04d}", "title": row["group"], "text": row["text"]} for at, row in enumerate(sections)]
    examples = [
        Example(f"{at}-{number}", question, (row["text"][start:end],))
        for at, row in enumerate(sections)
        for number, (question, start, end, *_) in enumerate(row["asked"])
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


def main() -> None:
    """Build, ask, print."""
    parser = arguments(__doc__)
    parser.add_argument("set", choices=tuple(SETS))
    parser.add_argument("--skip", type=int, default=0, metavar="N", help="leave out the first so many documents")
    options = parser.parse_args()
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
    finish(Result.now(options.set, title, figures, goals=GOALS.get(options.set)), options.json)


if __name__ == "__main__":
    main()

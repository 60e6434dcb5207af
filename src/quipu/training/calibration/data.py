"""Labelled sets that no model was trained on, each as documents or ready pairs with the questions that are asked.

Some documents of every set are left out of its memory: questions about them have no right answer there. FairytaleQA's
development stories are halved by their names: one half is fitted on, the other is only measured.
"""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quipu.calibration.questions import Labelled
from quipu.datasets import fairytaleqa, multihop, published
from quipu.datasets import trivia as opentriviaqa
from quipu.datasets.io import read_jsonl
from quipu.evaluation.metrics import passage_holds
from quipu.evaluation.microworld import World, make
from quipu.evaluation.twins.rules import any_twin, names_of, paraphrase
from quipu.training.reranker.data import held_out

LEFT_OUT = 6  # of so many documents one is left out
_WORDS = 90  # of a passage
_SHORT = 150  # words of a SelQA section that is taken: more questions for a passage than longer ones have


@dataclass(slots=True)
class LabelledSet:
    """A folder of documents or a file of ready pairs, and questions; ``settings`` of the build."""

    questions: list[Labelled]
    documents: list[Path] = field(default_factory=list)
    pairs: Path | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the public sets are, where files are written, how large a set is (passages: about), and a seed.

    ``answers``: JSONL of short answers to SelQA's questions, see ``selqa``; ``manuals`` and ``faqs``: folders, see
    ``manuals`` and ``faqs``.
    """

    data: Path
    run: Path
    answers: Path
    manuals: Path
    faqs: Path
    questions: int
    passages: int
    seed: int


def fairytales(wanted: Wanted, *, held: bool = False) -> LabelledSet:
    """Stories of FairytaleQA's development set; questions with an accepted answer that stands in their section.

    ``held``: the half that nothing is fitted on.
    """
    found = [item for item in fairytaleqa.read(wanted.data / fairytaleqa.VAL) if (_hash(item.story) % 2 == 1) == held]
    asked = [
        Labelled(item.question, item.answers, item.story)
        for item in found if passage_holds(item.section, item.answers)
    ]  # fmt: skip
    texts = dict(sorted(fairytaleqa.stories(found).items(), key=lambda row: _hash(row[0])))
    gone = set() if held else _left_out(list(texts))
    stories, words = [], 0
    for name, text in texts.items():
        length = 0 if name in gone else len(text.split())
        if words + length <= _WORDS * wanted.passages:
            stories.append(name)
            words += length
    rows = [{"id": name, "title": fairytaleqa.title_of(name), "text": texts[name]} for name in stories]
    name = "fairytales-held" if held else "fairytales"
    documents = _write(wanted.run / f"{name}.jsonl", (row for row in rows if row["id"] not in gone))
    return LabelledSet(_some(_unanswered(asked, gone, set(stories)), wanted), [documents])


def selqa(wanted: Wanted) -> LabelledSet:
    """Short sections of Wikipedia with questions whose accepted answer is a sentence: all those, of twice as many
    passages as other sets have, for which ``wanted.answers`` holds the words of the sentence that answer.

    To take every word of the sentence for right made probabilities too high.
    """
    short = {row["question"]: tuple(row["answers"]) for row in read_jsonl(wanted.answers)}
    sections = [item for item in published.named(wanted.data, "selqa") if len(item.text.split()) <= _SHORT]
    sections = sorted(sections, key=lambda item: _hash(item.text))[: 2 * wanted.passages]
    groups = list(dict.fromkeys(item.group for item in sections))
    gone = _left_out(groups)
    asked = [
        Labelled(asked.question, short.get(question_id(asked.question), ()), item.group)
        for item in sections for asked in item.asked
    ]  # fmt: skip
    asked = [item for item in asked if item.answers or item.group in gone]
    rows = ({"id": f"{at:04d}", "title": item.group, "text": item.text, "gone": item.group in gone}
            for at, item in enumerate(sections))  # fmt: skip
    documents = _write(wanted.run / "selqa.jsonl", (row for row in rows if not row.pop("gone")))
    return LabelledSet(_unanswered(asked, gone, set(groups)), [documents])


def question_id(question: str) -> str:
    """By which a question of somebody else's set is known here."""
    return hashlib.sha256(question.encode()).hexdigest()[:16]


def microworld(wanted: Wanted) -> LabelledSet:
    """An invented world; unseen phrasings, questions over two documents, and some about what it does not hold."""
    folder = wanted.run / "world"
    if not (folder / "unanswerable.jsonl").exists():
        make(folder, wanted.passages, wanted.seed)
    world = World.load(folder)
    rng = random.Random(wanted.seed)
    asked: list[Labelled] = []
    for name, share in (("questions-test", 6), ("two-hop", 1), ("unanswerable", 1)):
        rows = list(world.questions(name))
        rows = rng.sample(rows, min(len(rows), wanted.questions * share // 8))
        asked += [
            Labelled(
                row["question"], () if name == "unanswerable" else tuple(row["answer"]), row.get("document") or name
            )
            for row in rows
        ]
    return LabelledSet(asked, [folder / "documents"])


def trivia(wanted: Wanted) -> LabelledSet:
    """Held-out ready pairs of OpenTriviaQA, asked in other words, as their twins, and while they are not there."""
    rng = random.Random(wanted.seed)
    pairs = [pair for pair in opentriviaqa.alone(wanted.data) if held_out(pair[0])]
    pairs = rng.sample(pairs, min(len(pairs), 20 * wanted.passages))
    names = [name for question, _ in pairs for name in names_of(question)]
    asked, gone = [], set()
    for number, (question, answer) in enumerate(rng.sample(pairs, min(len(pairs), wanted.questions))):
        twin = any_twin(question, rng, names) if number % 4 == 1 else None
        if number % 4 == 2:
            gone.add(question)
        right = () if twin or number % 4 == 2 else (answer,)
        asked.append(Labelled(paraphrase(twin[1] if twin else question, rng, 1 if twin else 2), right, question))
    kept = ({"question": question, "answer": [answer]} for question, answer in pairs if question not in gone)
    return LabelledSet(asked, pairs=_write(wanted.run / "trivia.jsonl", kept))


def manuals(wanted: Wanted) -> LabelledSet:
    """Manuals, rules, price lists, mails and the like that were invented for this, in several formats, and all of
    ``questions.jsonl`` (question, answers, document): those without an answer ask for something next door.
    """
    files = sorted(path for path in wanted.manuals.iterdir() if path.name != "questions.jsonl")
    gone = _left_out([path.name for path in files])
    rows = read_jsonl(wanted.manuals / "questions.jsonl")
    asked = [Labelled(row["question"], tuple(row["answers"]), row["document"]) for row in rows]
    kept = [path for path in files if path.name not in gone]
    return LabelledSet(list(_unanswered(asked, gone, {path.name for path in files})), kept)


def faqs(wanted: Wanted) -> LabelledSet:
    """Ready pairs as services have them, invented for this (``pairs.jsonl``: question, answer, group), and all of
    ``questions.jsonl`` (question, answers, group): asked as people would, and next door to what is stored.
    """
    rows = read_jsonl(wanted.faqs / "questions.jsonl")
    asked = [Labelled(row["question"], tuple(row["answers"]), row["group"]) for row in rows]
    return LabelledSet(asked, pairs=wanted.faqs / "pairs.jsonl")


def two_documents(wanted: Wanted) -> LabelledSet:
    """Training questions of HotpotQA, 2WikiMultihopQA and MuSiQue over the paragraphs they need and one more each."""
    found: list[multihop.MultiHop] = []
    each = wanted.passages // 9  # three sets, about three paragraphs a question
    for name in ("hotpotqa/train-100.json.gz", "2wiki/train-500.jsonl.gz", "musique/train-100.json.gz"):
        items = sorted(multihop.read(wanted.data / name), key=lambda item: _hash(item.question))
        found += items[:each]
    gone = _left_out([item.question for item in found])
    rows: dict[tuple[str, str], None] = {}
    for item in found:
        if item.question not in gone:
            needed = [part for part in item.paragraphs if part[0] in item.needed and part[1].strip()]
            others = [part for part in item.paragraphs if part[0] not in item.needed and part[1].strip()]
            rows.update(dict.fromkeys([*needed, *others[:1]]))
    lines = ({"id": f"{at:05d}", "title": title, "text": text} for at, (title, text) in enumerate(rows))
    documents = _write(wanted.run / "two-documents.jsonl", lines)
    asked = [Labelled(item.question, () if item.question in gone else item.answers, item.question) for item in found]
    return LabelledSet(asked, [documents], settings={"questions_per_passage": 2})


SETS: Mapping[str, Callable[[Wanted], LabelledSet]] = {
    "selqa": selqa, "manuals": manuals, "fairytales": fairytales, "microworld": microworld, "trivia": trivia,
    "faqs": faqs, "two-documents": two_documents,
}  # fmt: skip
HELD: Mapping[str, Callable[[Wanted], LabelledSet]] = {
    "fairytales-held": lambda wanted: fairytales(wanted, held=True),
}  # measured, never fitted on


def _left_out(names: Sequence[str]) -> set[str]:
    """One in ``LEFT_OUT``, by a hash of their own, so that a name is left out whatever else there is."""
    return {name for name in names if _hash(f"left out: {name}") % LEFT_OUT == 0}


def _unanswered(asked: Iterable[Labelled], gone: set[str], known: set[str]) -> list[Labelled]:
    """Questions about documents that are known; without answers where the document is left out."""
    return [
        Labelled(item.question, () if item.group in gone else item.answers, item.group)
        for item in asked if item.group in known
    ]  # fmt: skip


def _some(asked: list[Labelled], wanted: Wanted) -> list[Labelled]:
    return random.Random(wanted.seed).sample(asked, min(len(asked), wanted.questions))


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())


def _write(path: Path, rows: Iterator[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path

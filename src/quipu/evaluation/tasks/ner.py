"""Few-shot named entities: files, k-shot samples by entity type, questions of the types, entity F1 (QuIP section 5.3).

The tagger is trained in ``quipu.training.experiments.few_shot_ner``; here is what it is given and how it is judged.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from quipu.datasets.conll import Tagged, read_published, read_sets
from quipu.datasets.io import find
from quipu.evaluation.report import Report
from quipu.evaluation.tasks.paraphrase import over_seeds

SHOTS = 5  # mentions of each type
OUTSIDE = "What is a generic object ?"
QUESTIONS = {
    "per": "Who is a person ?", "person": "Who is a person ?",
    "loc": "What is a location ?", "location": "What is a location ?",
    "org": "What is an organization ?", "organization": "What is an organization ?",
    "misc": "What is a miscellaneous entity ?", "corporation": "What is a corporation ?",
    "product": "What is a product ?", "creative-work": "What is a creative work ?", "group": "What is a group ?",
}  # fmt: skip


def question_of(tag: str) -> str:
    """The question of a tag: B- and I- of a type share one, O has its own; "What is a TYPE ?" for types unheard of."""
    if tag == "O":
        return OUTSIDE
    kind = tag[2:].lower().replace("_", "-")
    return QUESTIONS.get(kind, f"What is a {kind.replace('-', ' ')} ?")


def sample(data: Path, pool: Sequence[Tagged], split: int, shots: int = SHOTS) -> list[Tagged]:
    """Split ``split``: the published files where they are, else sentences until every type has ``shots`` mentions.

    Types are filled from the rarest on; a sentence is taken only if it holds a mention that is still wanted.
    """
    words, tags = (find(data, [f"few_shot_{shots}_{split}.{kind}"]) for kind in ("words", "ner"))
    if words is not None and tags is not None:
        return read_published(words, tags)
    rng = random.Random(split)
    mentions = [Counter(kind for kind, _, _ in entities(item.tags)) for item in pool]
    total = sum(mentions, Counter())
    have: Counter[str] = Counter()
    chosen: list[int] = []
    for kind in sorted(total, key=lambda name: (total[name], name)):
        rows = [row for row, counts in enumerate(mentions) if counts[kind]]
        rng.shuffle(rows)
        for row in rows:
            if have[kind] >= shots:
                break
            if row not in chosen:
                chosen.append(row)
                have += mentions[row]
    return [pool[row] for row in chosen]


def entities(tags: Sequence[str]) -> list[tuple[str, int, int]]:
    """(type, first, end) of each entity; an I- that goes on from no entity of its type begins one (conlleval)."""
    found: list[tuple[str, int, int]] = []
    kind, first = "", 0
    for at, tag in enumerate([*tags, "O"]):
        goes_on = tag != "O" and tag[0] == "I" and tag[2:] == kind
        if kind and not goes_on:
            found.append((kind, first, at))
            kind = ""
        if tag != "O" and not goes_on:
            kind, first = tag[2:], at
    return found


def entity_scores(gold: Sequence[Sequence[str]], said: Sequence[Sequence[str]]) -> dict[str, float]:
    """Micro precision, recall and F1 over entities, per cent: type and both ends must be right."""
    right = wanted = given = 0
    for truth, guess in zip(gold, said, strict=True):
        left, other = set(entities(truth)), set(entities(guess))
        right, wanted, given = right + len(left & other), wanted + len(left), given + len(other)
    precision, recall = right / max(1, given), right / max(1, wanted)
    return {
        "f1": 100 * 2 * precision * recall / max(1e-12, precision + recall),
        "precision": 100 * precision,
        "recall": 100 * recall,
    }


Tagger = Callable[[Sequence[Tagged], Sequence[Tagged], str, int], list[list[str]]]
HEADS = ("question", "random")


def evaluate(
    name: str,
    tagger: Tagger,
    data: Path,
    splits: Sequence[int] = (0, 1, 2, 3, 4),
    *,
    heads: Sequence[str] = HEADS,
    predictions: Path | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Report:
    """Mean and standard error over splits for each way to start the classifier; ``f1`` is that of question heads.

    ``tagger(train, test, heads, seed)`` trains a fresh copy and returns tags. ``predictions``: the last split's, a line
    a sentence.
    """
    pool, test = read_sets(data)
    rows: dict[str, list[dict[str, float]]] = {kind: [] for kind in heads}
    for split in splits:
        train = sample(data, pool, split)
        for kind in heads:
            said = tagger(train, test, kind, split)
            rows[kind].append(entity_scores([item.tags for item in test], said))
            if progress is not None:
                progress({"split": split, "heads": kind, "sentences": len(train), "f1": round(rows[kind][-1]["f1"], 2)})
            if predictions is not None and kind == heads[0]:
                predictions.write_text("".join(" ".join(tags) + "\n" for tags in said), encoding="utf-8")
    scores = [
        over_seeds(f"{'' if kind == 'question' else kind + '_'}{metric}", [row[metric] for row in rows[kind]])
        for kind in heads
        for metric in ("f1", "precision", "recall")
    ]
    return Report("ner-few-shot", name, tuple(scores), {"data": data.name, "splits": list(splits), "shots": SHOTS})

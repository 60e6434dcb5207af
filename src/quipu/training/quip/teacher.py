"""The teacher: a cross-encoder reader with a "no answer" option, and its answers as sparse soft labels.

The network is ``quipu.training.reader``'s; it is trained by ``quipu train`` with ``train = "reader"``. Labels are
written once, so a student trains without the teacher (QuIP section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForQuestionAnswering

from quipu.datasets import published
from quipu.datasets.contexts import Context
from quipu.errors import SettingsError
from quipu.training.base import device, half_precision, load_tokenizer
from quipu.training.quip.data import KEPT, NO_ANSWER, Labelled, Places, Soft, passages_of, write_labelled
from quipu.training.reader.data import Encoded, batches, collate


@dataclass(frozen=True, slots=True)
class LabelRecipe:
    """What is labelled by which teacher. ``files``: SQuAD JSON, MRQA JSONL, contexts, or pairs that a model wrote.

    ``sets``: names of public sets in the folder ``data``; see ``quipu.datasets.published.named``.
    """

    teacher: Path  # a Hugging Face folder with start and end logits
    out: Path
    files: tuple[Path, ...] = ()
    data: Path | None = None
    sets: tuple[str, ...] = ()
    words: tuple[int, ...] = (60, 120)  # a passage
    per_passage: int = 24
    foreign: float = 0.08
    kept: int = KEPT
    tokens_per_batch: int = 16384
    max_length: int = 448
    seed: int = 13


def label_all(recipe: LabelRecipe, report: Callable[[dict[str, Any]], None] = lambda line: None) -> Path:
    """Write the labelled passages of all files."""
    tokenizer = load_tokenizer(recipe.teacher)
    model = AutoModelForQuestionAnswering.from_pretrained(recipe.teacher, use_safetensors=True).eval().to(device())

    def everything() -> Iterator[Labelled]:
        done = 0
        for name, contexts in sources(recipe.files, recipe.sets, recipe.data):
            items = list(
                passages_of(
                    contexts, words=(recipe.words[0], recipe.words[1]), seed=recipe.seed,
                    per_passage=recipe.per_passage, foreign=recipe.foreign,
                )
            )  # fmt: skip
            for first in range(0, len(items), 256):
                for item in label(model, tokenizer, items[first : first + 256], recipe):
                    done += len(item.questions)
                    yield item
                report({"set": name, "passages": min(first + 256, len(items)), "of": len(items), "questions": done})

    count = write_labelled(recipe.out, everything())
    report({"questions": count})
    return recipe.out


def sources(files: Sequence[Path], sets: Sequence[str], data: Path | None) -> Iterator[tuple[str, list[Context]]]:
    """Name and contexts of each set, then of each file; SettingsError where a set is unknown or has no folder."""
    if sets and data is None:
        raise SettingsError("the recipe names sets; set `data` to the folder that holds them")
    for name in sets:
        assert data is not None
        yield name, published.named(data, name)
    for path in files:
        yield path.name, published.read_contexts(path)


def label(
    model: torch.nn.Module, tokenizer: Tokenizer, items: Sequence[Labelled], recipe: LabelRecipe
) -> list[Labelled]:
    """The items with the teacher's distributions."""
    jobs = [(row, soft) for row, item in enumerate(items) for soft in item.questions]
    encodings = tokenizer.encode_batch([(soft.question, items[row].passage) for row, soft in jobs])
    encoded = []
    for item in encodings:
        ids = item.ids if len(item.ids) <= recipe.max_length else [*item.ids[: recipe.max_length - 1], item.ids[-1]]
        encoded.append(Encoded(ids, item.sequence_ids.index(1), 0, 0))
    found: list[Soft] = [soft for _, soft in jobs]
    for batch in batches(encoded, recipe.tokens_per_batch, 0):
        tensors = {name: value.to(device()) for name, value in collate([encoded[at] for at in batch]).items()}
        typed = {"token_type_ids": tensors["types"]} if getattr(model.config, "type_vocab_size", 0) == 2 else {}
        with torch.inference_mode(), half_precision():
            out = model(input_ids=tensors["ids"], attention_mask=tensors["mask"], **typed)
        sides = []
        for logits in (out.start_logits, out.end_logits):
            p = logits.float().masked_fill(~tensors["allowed"], torch.finfo(torch.float32).min).softmax(-1)
            best, where = p.topk(min(recipe.kept, p.shape[1]), dim=-1)
            sides.append((best.tolist(), where.tolist()))
        for place, at in enumerate(batch):
            offsets, soft = encodings[at].offsets, jobs[at][1]
            starts, ends = (_places(sides[side][0][place], sides[side][1][place], offsets, side) for side in (0, 1))
            found[at] = Soft(soft.question, soft.span, starts, ends)
    labelled: list[list[Soft]] = [[] for _ in items]
    for (row, _), soft in zip(jobs, found, strict=True):
        labelled[row].append(soft)
    return [Labelled(item.passage, tuple(some)) for item, some in zip(items, labelled, strict=True)]


def _places(p: Sequence[float], tokens: Sequence[int], offsets: Sequence[tuple[int, int]], side: int) -> Places:
    """Tokens as characters, without those that stand for nothing (padding comes up where a passage is short)."""
    return tuple(
        (NO_ANSWER if token == 0 else offsets[token][side], value)
        for token, value in zip(tokens, p, strict=True)
        if value > 1e-5
    )

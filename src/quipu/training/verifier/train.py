"""Train the verifier: ``quipu train recipes/small/verifier.toml``."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from quipu.datasets import published
from quipu.datasets.contexts import Context
from quipu.datasets.io import read_jsonl
from quipu.models.claims import Claim
from quipu.models.encoder import Encoder
from quipu.models.extractor import Extractor
from quipu.models.verifier import Encoded, encode_claims
from quipu.records import Span
from quipu.training.base import base_folder, device, half_precision, load_tokenizer
from quipu.training.heldout import Overlap, split
from quipu.training.loop import LoopSettings, fit
from quipu.training.reranker.data import asked_openly, open_groups, suite_groups, trivia
from quipu.training.verifier.data import Example, pair_examples, passage_examples, reworded_examples
from quipu.training.verifier.model import VerifierModel, collate

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class VerifierRecipe:
    """Every number of a run. ``sources``: the share of the contexts of each set, or file of contexts, that is used."""

    data: Path
    run: Path
    sources: dict[str, float]
    base: str = "minilm"
    encoder: str = "quipu-small/encoder"  # which ready pairs are near to one another
    extractor: str = "quipu-small/extractor"  # what could be taken for an answer
    ready: int = 24_000  # ready pairs, of which half are asked in other words and as their twins
    tokens_per_batch: int = 3072
    frozen: int = 0  # lowest layers that do not learn: a third of the time for two of six
    half: bool = True  # bfloat16, which processors without it compute slowly
    seed: int = 17
    loop: dict[str, Any] = field(default_factory=dict)


def run(recipe: VerifierRecipe, report: Report = lambda line: None) -> Path:
    """Train; the model is left in ``recipe.run``/checkpoint, what it says of held-out claims in run/figures.json."""
    torch.manual_seed(recipe.seed)
    base = base_folder(recipe.base)
    tokenizer = load_tokenizer(base)
    learned, held = (_encoded(rows, tokenizer) for rows in _examples(recipe, report))
    model = VerifierModel.from_base(base, recipe.frozen).to(device())
    batches = _batches([item for _, item in learned], recipe.tokens_per_batch, recipe.seed)

    def batch_at(step: int) -> dict[str, torch.Tensor]:
        rows = [learned[at] for at in batches[step % len(batches)]]
        right = torch.tensor([float(example.right) for example, _ in rows])
        return {"right": right, **collate([item for _, item in rows])}

    def loss_of(batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        batch = {name: value.to(device()) for name, value in batch.items()}
        with half_precision() if recipe.half else nullcontext():
            odds = model(model.words(batch["ids"]), batch["segments"], batch["mask"])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(odds.float(), batch["right"])
        return loss, {"agree": ((odds > 0) == (batch["right"] > 0)).float().mean().item()}

    report({"examples": len(learned), "held out": len(held), "batches": len(batches)})
    fit(model, batch_at, loss_of, LoopSettings(**{"steps": len(batches), **recipe.loop}), recipe.run, report)
    model = model.to("cpu").eval()
    model.save(recipe.run / "checkpoint", base)
    figures = judged(model, held)
    (recipe.run / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    report(figures)
    return recipe.run / "checkpoint"


def judged(model: VerifierModel, held: Sequence[tuple[Example, Encoded]]) -> dict[str, Any]:
    """How well right and wrong held-out claims are told apart: AUROC over all and against each kind of wrong one."""
    odds = np.zeros(len(held), dtype=np.float32)
    for batch in _batches([item for _, item in held], 4096, 0):
        given = collate([held[at][1] for at in batch])
        with torch.inference_mode():
            odds[batch] = model(model.words(given["ids"]), given["segments"], given["mask"]).numpy()
    right = np.array([example.right for example, _ in held])
    kinds = np.array([example.kind for example, _ in held])
    ready = np.array([not example.claim.evidence for example, _ in held])
    found: dict[str, Any] = {"auroc": auroc(odds[right], odds[~right])}
    for kind in sorted(set(kinds[~right])):
        wrong = (kinds == kind) & ~right
        beside = right & (ready if ready[wrong].all() else ~ready)
        found[f"auroc, {kind}"] = auroc(odds[beside], odds[wrong])
    return found


def auroc(right: NDArray[np.float32], wrong: NDArray[np.float32]) -> float:
    """How often a right one has the higher value of the two, ties counted half (Mann and Whitney)."""
    if not len(right) or not len(wrong):
        return float("nan")
    from sklearn.metrics import roc_auc_score

    labels = np.repeat([1, 0], [len(right), len(wrong)])
    return float(roc_auc_score(labels, np.concatenate([right, wrong])))


def _encoded(examples: Sequence[Example], tokenizer: Tokenizer) -> list[tuple[Example, Encoded]]:
    claims = encode_claims(tokenizer, [example.claim for example in examples])
    return list(zip(examples, claims, strict=True))


def _batches(claims: Sequence[Encoded], tokens: int, seed: int) -> list[list[int]]:
    """Batches of claims of like length, each of at most so many tokens with its padding, in random order."""
    rng = random.Random(seed)
    order = sorted(range(len(claims)), key=lambda at: (len(claims[at].ids) + rng.random() * 8, at))
    found: list[list[int]] = [[]]
    for at in order:
        wide = max(len(claims[at].ids), *(len(claims[other].ids) for other in found[-1][-1:]), 0)
        if found[-1] and (len(found[-1]) + 1) * (wide + 8) > tokens:
            found.append([])
        found[-1].append(at)
    rng.shuffle(found)
    return found


def _examples(recipe: VerifierRecipe, report: Report) -> tuple[list[Example], list[Example]]:
    """To learn from, and of held-out articles; made once, then read from the run's folder."""
    files = recipe.run / "learned.jsonl", recipe.run / "held.jsonl"
    if not all(file.exists() for file in files):
        recipe.run.mkdir(parents=True, exist_ok=True)
        for file, made in zip(files, _made(recipe, report), strict=True):
            temporary = file.with_suffix(".tmp")
            with temporary.open("w", encoding="utf-8") as out:
                out.writelines(json.dumps(asdict(example), ensure_ascii=False) + "\n" for example in made)
            temporary.replace(file)
    learned, held = (list(read_examples(file)) for file in files)
    return learned, held


def read_examples(file: Path) -> Iterator[Example]:
    """The examples of a run, line by line."""
    for row in read_jsonl(file):
        yield Example(Claim(*row["claim"]), row["right"], row["kind"])


def _made(recipe: VerifierRecipe, report: Report) -> tuple[list[Example], list[Example]]:
    rng = random.Random(recipe.seed)
    learned: list[Example] = []
    held: list[Example] = []
    sets = []
    for name, share in recipe.sources.items():
        path = Path(name)
        rows = published.read_contexts(path) if path.suffix in (".jsonl", ".json", ".gz") else None
        sets.append((name, share, *split(rows if rows is not None else published.named(recipe.data, name))))
    extractor = Extractor.from_pretrained(recipe.extractor)

    def spans(contexts: Sequence[Context]) -> list[list[Span]]:
        found = extractor.extract([context.text for context in contexts], limit=24)
        return [[candidate.span for candidate in candidates] for candidates in found]

    overlap = Overlap(context for *_, kept in sets for context in kept)
    for name, share, contexts, kept in sets:
        count = len(learned)
        contexts = overlap.without(contexts)
        size = 12  # contexts in a row, so that neighbours stay neighbours
        blocks = [contexts[first : first + size] for first in range(0, len(contexts), size)]
        for block in blocks:
            if rng.random() < share:
                learned += passage_examples(block, spans(block), rng)
        held += passage_examples(kept[:120], spans(kept[:120]), rng, of_each=2)
        report({"set": name, "examples": len(learned) - count})
    encoder = Encoder.from_pretrained(recipe.encoder)
    memory = [pair for pair in trivia(recipe.data) if pair[0].endswith("?") and pair[1] not in ("True", "False")]
    memory = rng.sample(memory, min(recipe.ready, len(memory)))
    asked = asked_openly(recipe.data)
    ready = list(reworded_examples(memory[: recipe.ready // 2], encoder, rng))
    asked = rng.sample(asked, min(recipe.ready // 3, len(asked)))
    ready += pair_examples(list(open_groups(asked, memory, encoder)), rng)
    by_hand = list(pair_examples(list(suite_groups(encoder)), rng, wrong=1))
    rng.shuffle(ready)
    report({"set": "ready pairs", "examples": len(ready)})
    report({"set": "pairs by hand", "examples": len(by_hand)})
    kept_ready = len(ready) // 20
    held += ready[:kept_ready]
    learned += ready[kept_ready:] + by_hand
    return learned, held

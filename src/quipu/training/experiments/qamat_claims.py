"""The claims of the QAMAT paper, re-tested at small size on a world whose answers are known: ``quipu bench claims``.

Memory: every fact of a micro-world, in one phrasing. Trained: examples and questions of seven tenths of the documents.
Asked: the facts of the other documents, whose entities no training text holds, in phrasings that no training has (in
"edits" also in those of training). Every row has the same base, batches and steps; each is trained once a seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from quipu.corpus.passages import split
from quipu.errors import SettingsError
from quipu.evaluation.microworld import make
from quipu.evaluation.microworld.world import read_rows
from quipu.models.encoder import Encoder
from quipu.records import Document, QAPair, Span
from quipu.storage.store import Store
from quipu.text import exact_match
from quipu.training.base import device, half_precision
from quipu.training.qamat.data import ExampleFiles, MemoryExample, asked, mine, write_examples
from quipu.training.qamat.hops import mine_chains
from quipu.training.qamat.memory import embed
from quipu.training.qamat.steps import Said, answers
from quipu.training.qamat.train import QamatRecipe, load, run

Report = Callable[[dict[str, Any]], None]
_TOGETHER = 16
_K_HOPS = 4  # the pairs of the first hop stand in front of X in every block of the second


@dataclass(frozen=True, slots=True)
class ClaimSettings:
    """Size of the world and of each training."""

    work: Path
    documents: int = 600
    seeds: int = 3
    steps: int = 100  # of each pre-training stage
    tuning: int = 60
    batch: int = 16
    negatives: int = 3
    supervised: float = 1.0  # see ``steps.Ways``: so few steps do not train a retriever otherwise
    mixed: float = 0.5  # of pre-training, see ``steps.Ways``: else the answer of the first entry is copied
    per_block: int = 1  # of tuning: a small reader learns to choose among pairs sooner when each stands apart
    k: int = 8
    asked: int = 300
    base: str = "minilm"
    layers: int | None = 2
    decoder: dict[str, Any] = field(default_factory=lambda: {"layers": 1, "inner": 768, "vocabulary": 3000})


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a claim's table: mean and spread over seeds."""

    claim: str
    name: str
    em: float
    em_error: float
    recall: float


def prepare(settings: ClaimSettings) -> None:
    """World, memory, examples and questions under ``work``; what is there stays.

    ``edited.quipu`` has the same questions with the answer of the next pair of the same relation. SettingsError where
    ``work`` was made with other settings, whose models would be taken for this run's.
    """
    work, own = settings.work, settings.work / "settings.json"
    chosen = {name: value for name, value in asdict(settings).items() if name not in ("work", "seeds")}
    if own.exists() and json.loads(own.read_text(encoding="utf-8")) != chosen:
        raise SettingsError(f"{work} was made with other settings ({own}); name another folder")
    work.mkdir(parents=True, exist_ok=True)
    own.write_text(json.dumps(chosen) + "\n", encoding="utf-8")
    if (work / "asked.jsonl").exists():
        return
    if not (work / "world").exists():
        make(work / "world", settings.documents, 0, two_hop=2 * settings.documents)
    encoder = Encoder()
    first: dict[tuple[str, ...], dict[str, Any]] = {}
    later: list[dict[str, Any]] = []
    for row in read_rows(work / "world" / "questions-train.jsonl"):
        if first.setdefault(tuple(row["chain"]), row) is not row:
            later.append(row)
    names = sorted({row["document"] for row in first.values()})
    held = {name for at, name in enumerate(names) if at % 10 < 3}
    with Store.create(work / "memory.quipu", width=encoder.width, models={encoder.name: encoder.sha256}) as store:
        known = {}
        for name in names:
            text = (work / "world" / name).read_text(encoding="utf-8")
            known[name] = Document.make(name, Path(name).stem, text)
        for document in known.values():
            store.add_documents([document], split(document))
        pairs = [
            QAPair.make(
                row["question"], row["answer"][0], document_id=known[row["document"]].id, span=Span(*row["span"])
            )
            for row in first.values()
        ]
        texts = [pair.question for pair in pairs]
        store.add(pairs, encoder.encode(texts), texts)
        rows = {pair.id: row for row, pair in store.pairs()}
        places = {fact: rows[pair.id] for (fact,), pair in zip(first, pairs, strict=True)}
        _edited(work / "edited.quipu", list(first.values()), encoder)
        found = mine(store, negatives=settings.negatives)
        out = {known[name].id for name in held}
        trained = {row for row, pair in store.pairs() if pair.document_id not in out}
        write_examples(work / "examples.jsonl", (item for item in found if set(item.positives) <= trained))
        hops = [
            row for row in read_rows(work / "world" / "two-hop.jsonl") if all(fact in places for fact in row["chain"])
        ]
        labels, right = [], 0
        for row in hops:
            mined = mine_chains(store, row["question"], row["answer"], limit=1)
            labels.append(mined)
            right += bool(mined) and (mined[0].first, mined[0].last) == tuple(places[fact] for fact in row["chain"])
        counts = {"questions": len(hops), "with a chain": sum(map(bool, labels)), "with the right one": right}
        (work / "mined.json").write_text(json.dumps(counts) + "\n", encoding="utf-8")
    tuned = [asked(row["question"], row["answer"]) for row in later if row["document"] not in held]
    write_examples(work / "tuned.jsonl", tuned)
    others = [asked(row["question"], row["answer"]) for row in later if row["document"] in held]
    write_examples(work / "named.jsonl", others[:: max(1, len(others) // settings.asked)])
    for name, wanted in (("hops-train", False), ("hops-asked", True)):
        part = [
            replace(
                asked(row["question"], row["answer"], [chain.first for chain in mined]),
                positives=tuple(chain.last for chain in mined),
            )
            for row, mined in zip(hops, labels, strict=True)
            if any(hop["document"] in held for hop in row["hops"]) == wanted
        ]  # fmt: skip
        write_examples(work / f"{name}.jsonl", part)
    unseen = [row for row in read_rows(work / "world" / "questions-test.jsonl") if row["document"] in held]
    step = max(1, len(unseen) // settings.asked)
    write_examples(
        work / "asked.jsonl",
        [replace(asked(row["question"], row["answer"]), positives=(places[row["chain"][0]],)) for row in unseen[::step]
         if row["chain"][0] in places],
    )  # fmt: skip


def _edited(path: Path, rows: Sequence[dict[str, Any]], encoder: Encoder) -> None:
    groups: dict[str, list[str]] = {}
    for row in rows:
        groups.setdefault(row["relation"], []).append(row["answer"][0])
    at = dict.fromkeys(groups, 0)
    pairs = []
    for row in rows:
        answers = groups[row["relation"]]
        at[row["relation"]] += 1
        following = (answers[(at[row["relation"]] + ahead) % len(answers)] for ahead in range(len(answers)))
        other = next((answer for answer in following if answer != row["answer"][0]), row["answer"][0])
        pairs.append(QAPair.make(row["question"], other))
    texts = [pair.question for pair in pairs]
    with Store.create(path, width=encoder.width, models={encoder.name: encoder.sha256}) as store:
        store.add(pairs, encoder.encode(texts), texts)


def trained(
    settings: ClaimSettings, name: str, stages: Sequence[str], seed: int, report: Report, *,
    limit: int | None = None, questions: int | None = None, files: str = "tuned", hops: int = 1,
    k: int | None = None, **ways: Any,
) -> Path:  # fmt: skip
    """A model after ``stages`` and fine-tuning; stages that another row of the same seed has had are not run twice.

    ``limit``: so many examples of pre-training; ``questions``: so many of fine-tuning, which reads ``k`` pairs.
    """
    base, work = settings.base, settings.work
    made = (
        f"{seed}-{'n' if ways.get('neural', True) else ''}{'d' if ways.get('discrete', True) else ''}-{limit or 'all'}"
    )
    for at, stage in enumerate([*stages, "finetune"]):
        made += f"-{stage}" if stage != "finetune" else f"-{name}"
        folder = work / "runs" / made
        if not (folder / "hf" / "qamat.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            tuning = stage == "finetune"
            if not tuning and not (folder / "examples.jsonl").exists():
                (folder / "examples.jsonl").symlink_to((work / "examples.jsonl").resolve())
            recipe = QamatRecipe(
                folder, work / "memory.quipu", stage=stage, base=base,
                examples=(work / f"{files}.jsonl",) if tuning else (), batch=settings.batch,
                limit=questions if tuning else limit, layers=settings.layers if at == 0 else None, seed=seed,
                ways={"scale": 0.1, "x_length": 48, **ways, **(
                    {"k": k or settings.k, "per_block": settings.per_block, "hops": hops} if tuning else
                    {"k": 4 if stage == "in_batch" else settings.k, "supervised": settings.supervised,
                     "mixed": settings.mixed}
                )},
                decoder=settings.decoder,
                loop={"steps": settings.tuning if tuning else settings.steps, "encoder_rate": 0.2, "report_every": 50,
                      "learning_rate": 5e-4 if tuning else 1e-3},
            )  # fmt: skip
            run(recipe, report)
        base = str(folder / "hf")
    return Path(base)


@dataclass(frozen=True, slots=True)
class Figures:
    """In per cent: EM, an accepted answer among the pairs of the last hop, EM of the best pair's answer."""

    em: float
    recall: float
    lookup: float


def measure(
    settings: ClaimSettings, folder: Path, *, questions: str = "asked", share: float = 1.0, k: int | None = None
) -> Figures:
    """Ask a checkpoint the held-out questions with ``share`` of the memory and ``k`` pairs."""
    items, said = _said(settings, folder, questions, share, k)
    exact = [exact_match(answer.text, item.answers) for answer, item in zip(said, items, strict=True)]
    there = [
        any(exact_match(pair.answer, item.answers) for pair in answer.hops[-1])
        for answer, item in zip(said, items, strict=True)
    ]
    best = [exact_match(answer.hops[-1][0].answer, item.answers) for answer, item in zip(said, items, strict=True)]
    return Figures(*(100 * float(np.mean(values)) for values in (exact, there, best)))


def _said(
    settings: ClaimSettings, folder: Path, questions: str, share: float = 1.0, k: int | None = None,
    read: str = "memory",
) -> tuple[list[MemoryExample], list[Said]]:  # fmt: skip
    """The questions, and what a checkpoint says to them from the pairs of the memory that is ``read``."""
    reader, frozen, ways = load(folder)
    reader.to(device())
    ways = replace(ways, k=k or ways.k)
    items = list(ExampleFiles([settings.work / f"{questions}.jsonl"])[: settings.asked])
    said = []
    path = settings.work / "memory.quipu"
    with Store.open(path, read_only=True) as store, Store.open(path.with_stem(read), read_only=True) as other:
        keys = folder.parent / f"asked-{share}"
        memory = embed(
            frozen.to(device()),
            store,
            keys,
            device(),
            values=ways.neural and not ways.discrete,
            share=share,
            cosine=ways.cosine,
        )
        for first in range(0, len(items), _TOGETHER):
            some = [item.question for item in items[first : first + _TOGETHER]]
            with half_precision():
                said += answers(reader, other, memory, some, ways)
    return items, said


def edits(settings: ClaimSettings, folder: Path) -> Figures:
    """Of the questions answered rightly: the answer after every pair was edited. EM is against the new answers.

    ``recall``: the old answer was said all the same.
    """
    items, before = _said(settings, folder, "asked")
    _, after = _said(settings, folder, "asked", read="edited")
    with Store.open(settings.work / "edited.quipu", read_only=True) as store:
        new = store.pairs_by_rows([item.positives[0] for item in items])
    known = [
        (answer.text, pair.answer, item.answers)
        for item, old, answer, pair in zip(items, before, after, new, strict=True)
        if exact_match(old.text, item.answers) and pair is not None and not exact_match(pair.answer, item.answers)
    ]
    followed = [exact_match(text, [wanted]) for text, wanted, _ in known]
    kept = [exact_match(text, old) for text, _, old in known]
    return Figures(*(100 * float(np.mean(values)) if known else 0.0 for values in (followed, kept, followed)))


# The claims, and the rows of each that the paper puts in this order.
CLAIMS = {
    "stages": ("in batch, then global", "in batch only", "global only"),
    "integration": ("neural and discrete", "neural only"),
    "k": ("20", "10", "1"),
    "memory": ("100%", "30%", "10%"),
    "examples": ("100%", "30%", "10%"),
    "data": ("QAMAT, 10%", "RePAQ, 10%"),
    "hops": ("2 hops", "1 hop"),
    "edits": ("followed", "old answer kept"),
}


def verdict(claim: str, rows: Sequence[Row]) -> str:
    """Whether the rows of a claim stand in the paper's order, each above the next by more than both standard errors."""
    known = {row.name: row for row in rows if row.claim == claim}
    order = [known[name] for name in CLAIMS[claim]]

    def above(one: Row, other: Row) -> bool:
        return one.em - other.em > (one.em_error**2 + other.em_error**2) ** 0.5

    if all(above(one, other) for one, other in pairwise(order)):
        return "holds"
    return "holds in part" if above(order[0], order[-1]) else "does not hold at this size"


def claims(settings: ClaimSettings, only: Sequence[str] = (), report: Report = lambda line: None) -> list[Row]:
    """The rows of each claim (all of ``CLAIMS`` where none is named), trained and measured.

    RePAQ is the best pair's answer by the same model's retriever.
    """
    prepare(settings)
    rows: list[Row] = []

    def add(claim: str, name: str, once: Callable[[int], Figures], metric: str = "em") -> None:
        found = [once(seed) for seed in range(settings.seeds)]
        em = np.array([getattr(item, metric) for item in found])
        error = float(em.std(ddof=1) / len(em) ** 0.5) if len(em) > 1 else 0.0
        recall = float(np.mean([item.recall for item in found]))
        rows.append(Row(claim, name, float(em.mean()), error, recall))
        report({"claim": claim, "row": name, "EM": rows[-1].em, "recall": recall})

    def both(seed: int) -> Path:
        return trained(settings, "tuned", ("in_batch", "global"), seed, report)

    wanted = only or CLAIMS
    if "stages" in wanted:
        for name, stages in (("in batch, then global", ("in_batch", "global")), ("in batch only", ("in_batch",)),
                             ("global only", ("global",)), ("neither", ())):  # fmt: skip
            add("stages", name, lambda seed, stages=stages: measure(  # type: ignore[misc]
                settings, trained(settings, "tuned", stages, seed, report)))  # fmt: skip
    if "integration" in wanted:
        for name, ways in (("neural and discrete", {}), ("neural only", {"discrete": False}),
                           ("discrete only", {"neural": False})):  # fmt: skip
            add("integration", name, lambda seed, ways=ways: measure(  # type: ignore[misc]
                settings, trained(settings, "tuned", ("in_batch", "global"), seed, report, **ways)))  # fmt: skip
    if "k" in wanted:
        for k in (1, 10, 20, 30):
            add("k", str(k), lambda seed, k=k: measure(settings, both(seed), k=k))  # type: ignore[misc]
    if "memory" in wanted:
        for share in (0.1, 0.3, 1.0):
            add("memory", f"{share:.0%}", lambda seed, share=share: measure(  # type: ignore[misc]
                settings, both(seed), share=share))  # fmt: skip
    if "examples" in wanted:
        count = len(ExampleFiles([settings.work / "examples.jsonl"]))
        for share in (0.1, 0.3, 1.0):
            limit = None if share == 1.0 else max(1, round(share * count))
            add("examples", f"{share:.0%}", lambda seed, limit=limit: measure(  # type: ignore[misc]
                settings, trained(settings, "tuned", ("in_batch", "global"), seed, report, limit=limit)))  # fmt: skip
    if "data" in wanted:
        count = len(ExampleFiles([settings.work / "tuned.jsonl"]))
        for share in (0.1, 0.3, 1.0):
            limit = None if share == 1.0 else max(1, round(share * count))
            name = "tuned" if limit is None else f"tuned{limit}"
            once = cache(lambda seed, limit=limit, name=name: measure(
                settings, trained(settings, name, ("in_batch", "global"), seed, report, questions=limit)))  # fmt: skip
            for system, metric in (("QAMAT", "em"), ("RePAQ", "lookup")):
                add("data", f"{system}, {share:.0%}", once, metric)
    if "hops" in wanted:
        for hops in (1, 2):
            add("hops", f"{hops} hop{'s' * (hops > 1)}", lambda seed, hops=hops: measure(  # type: ignore[misc]
                settings, trained(settings, f"hops{hops}", ("in_batch", "global"), seed, report, files="hops-train",
                                  hops=hops, k=_K_HOPS, supervised=settings.supervised),
                questions="hops-asked"))  # fmt: skip
    if "edits" in wanted:
        for name, file in (("new names", "named"), ("new names in new phrasings", "asked")):
            add("edits", name, lambda seed, file=file: measure(settings, both(seed), questions=file))  # type: ignore[misc]
        edited = cache(lambda seed: edits(settings, both(seed)))
        for name, metric in (("followed", "em"), ("old answer kept", "recall")):
            add("edits", name, edited, metric)
    return rows


def draw(rows: Sequence[Row], path: Path) -> None:
    """A plot a claim: EM with its standard error."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(row.claim for row in rows))
    across = min(4, len(names))
    down = -(-len(names) // across)
    figure, axes = pyplot.subplots(down, across, figsize=(3.2 * across, 2.6 * down), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        some = [row for row in rows if row.claim == name]
        places = range(len(some))
        axis.barh(places, [row.em for row in some], xerr=[row.em_error for row in some], color="0.75", capsize=3)
        axis.set_yticks(places, [row.name for row in some], fontsize=7)
        axis.invert_yaxis()
        axis.set_title(f"{name}: {verdict(name, rows)}", fontsize=9)
        axis.set_xlabel("EM, %", fontsize=7)
        axis.set_xlim(0, 100)
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)

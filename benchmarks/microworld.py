"""The micro-world measured: coverage, precision, the filter's mistakes, duplicates, spans, EM and recall@k.

    python benchmarks/microworld.py --work FOLDER [--documents 2000] [--seed 0] [--questions 3000]

Makes the world of the seed (unless FOLDER/world is there), builds its documents into a memory (unless
FOLDER/memory.quipu is there), judges every kept pair by the hidden table, and asks unseen phrasings. The filter is
judged on ``--filter-passages`` passages, whose pairs are all recorded before the filter sees them.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import quipu
from common import Models, built, documents_of, passages_of, say, stored_pairs, timed
from quipu.errors import InputError
from quipu.evaluation import report
from quipu.evaluation.metrics import exact_match, mean_score
from quipu.evaluation.microworld import (
    World,
    coverage,
    duplicates,
    filter_quality,
    make,
    pair_precision,
    span_truth,
)
from quipu.evaluation.report import Report
from quipu.evaluation.tasks import open_domain
from quipu.generate.pipeline import GenerateSettings, generate
from quipu.memory.store import Store
from quipu.records import Answer, Example, Passage, QAPair, Span

COLUMNS = ("EM", "F1", "recall@1", "recall@5", "recall@10", "recall@50", "questions/s", "p50 ms", "p95 ms")


class RecordingWriter:
    """The writer, with a note of all it wrote: the pairs before any filter."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self.written: list[tuple[str, Span, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def write(self, texts: Sequence[str], spans: Sequence[Sequence[Span]], **settings: Any) -> Any:
        """As the writer does; text, span and question of each are kept."""
        made = self._writer.write(texts, spans, **settings)
        for text, of_text, of_spans in zip(texts, spans, made, strict=True):
            for span, questions in zip(of_text, of_spans, strict=True):
                self.written += [(text, span, item.question) for item in questions]
        return made


def asked(memory: quipu.Memory, rows: Sequence[Mapping[str, Any]], **options: Any) -> list[Answer]:
    """What look-up says to the questions of rows."""
    return memory.ask_many([row["question"] for row in rows], method="lookup", **options)


def filter_pairs(passages: Sequence[Passage], models: Models, seed: int) -> tuple[list[QAPair], set[str]]:
    """All pairs that reached the local filter, and the ids of those that it kept."""
    writer = RecordingWriter(models.writer)
    local: dict[str, bool] = {}
    for start in range(0, len(passages), 32):
        made = generate(
            passages[start : start + 32], extractor=writer, writer=writer, reader=models.reader,
            encoder=models.encoder, settings=GenerateSettings(seed=seed), is_known=lambda question, answer: None,
        )  # fmt: skip
        local |= {verdict.pair_id: verdict.kept for verdict in made.verdicts if verdict.stage == "local"}
    place = {passage.text: passage for passage in passages}
    pairs: dict[str, QAPair] = {}
    for text, span, question in writer.written:
        passage = place[text]
        if question.strip() and text[span.start : span.end].strip():
            pair = QAPair.make(
                question, text[span.start : span.end], document_id=passage.document_id,
                span=span.shifted(passage.span.start), origin="generated",
            )  # fmt: skip
            pairs[pair.id] = pair
    before = [pair for pair in pairs.values() if pair.id in local]
    if local and len(before) < len(local) // 2:
        raise InputError(f"only {len(before)} of {len(local)} verdicts belong to a recorded pair: the ids have changed")
    return before, {pair_id for pair_id, kept in local.items() if kept}


def twins(memory: Any, world: World, limit: int) -> list[Report]:
    """Near-twins: the right answer, and the other one's answer given instead."""
    reports = []
    for kind in ("name", "relation"):
        rows = [row for row in world.questions("twins") if row["kind"] == kind][:limit]
        if not rows:
            continue
        answers = asked(memory, rows, min_probability=0.0)
        said = [answer.text or "" for answer in answers]
        right = [exact_match(text, row["answer"]) for text, row in zip(said, rows, strict=True)]
        other = [exact_match(text, [row["twin_answer"]]) for text, row in zip(said, rows, strict=True)]
        held = [float(answer.text is None) for answer in asked(memory, rows)]
        given = [value for value, back in zip(other, held, strict=True) if not back]
        scores = (
            mean_score("EM", right, scale=100), mean_score("the twin's answer, %", other, scale=100),
            mean_score("held back, %", held, scale=100), mean_score("of those given the twin's, %", given, scale=100),
        )  # fmt: skip
        reports.append(Report("twins", f"twins by {kind}", scores))
    return reports


def removal(path: Path, world: World, rows: Sequence[dict[str, Any]], seed: int) -> dict[str, Any]:
    """A tenth of the documents removed from a copy: EM of their facts, of facts never stored, and of all others."""
    documents = sorted({row["document"] for row in rows})
    gone = set(random.Random(seed).sample(documents, len(documents) // 10))
    never = list(world.questions("unanswerable"))[: len(rows)]
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "copy.quipu"
        shutil.copytree(path, copy)
        with quipu.open(copy) as memory:
            before = _right(memory, rows)
            stored = {document.source: document.id for document in memory.store.documents()}
            for name in gone:
                memory.remove(document=next(i for source, i in stored.items() if source.endswith(name)))
            after = _right(memory, rows)
            refused = [answer.text is None for answer in asked(memory, never)]
            lost = [row for row in rows if row["document"] in gone]
            held = [answer.text is None for answer in asked(memory, lost)]
            answered = [answer.text is not None for answer in asked(memory, rows)]
    of_gone = [row["document"] in gone for row in rows]

    def em(values: list[float], wanted: bool) -> float:
        picked = [value for value, is_gone in zip(values, of_gone, strict=True) if is_gone == wanted]
        return 100 * sum(picked) / max(1, len(picked))

    return {
        "EM of removed facts, before": em(before, True), "EM of removed facts, after": em(after, True),
        "EM of all others, before": em(before, False), "EM of all others, after": em(after, False),
        "refused: removed facts, %": 100 * sum(held) / max(1, len(held)),
        "refused: facts never stored, %": 100 * sum(refused) / max(1, len(refused)),
        "answered of all asked, %": 100 * sum(answered) / len(answered),
    }  # fmt: skip


def _right(memory: Any, rows: Sequence[dict[str, Any]]) -> list[float]:
    said = asked(memory, rows, min_probability=0.0)
    return [exact_match(answer.text or "", row["answer"]) for answer, row in zip(said, rows, strict=True)]


def main() -> None:
    """Run everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--documents", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--questions", type=int, default=3000, help="unseen phrasings to ask")
    parser.add_argument("--filter-passages", type=int, default=640)
    parser.add_argument("--encoder", help="name or folder; the one that ships by default")
    parser.add_argument("--writer")
    parser.add_argument("--reader")
    options = parser.parse_args()
    folder, path = options.work / "world", options.work / "memory.quipu"
    if not folder.exists():
        make(folder, options.documents, options.seed)
    world = World.load(folder)
    models = Models.load(options.encoder, options.writer, options.reader)
    figures: dict[str, Any] = {"documents": len(world.by_document), "facts": len(world.facts)}
    memory, seconds = built(folder / "documents", path, models, options.seed)
    if seconds is not None:
        figures["build, seconds"] = seconds
    with Store.open(path, read_only=True) as store:
        documents = documents_of(store)
        world.bind(documents.values())
        pairs = stored_pairs(store)
        passages = passages_of(store)
    figures |= _pair_figures(world, pairs, {id: document.text for id, document in documents.items()})
    figures["passages"] = len(passages)
    step = max(1, len(passages) // options.filter_passages)
    (before, kept), _ = timed("filter", lambda: filter_pairs(passages[::step], models, options.seed))
    figures |= _filter_figures(world, before, kept)

    rows = list(world.questions("questions-test"))
    count = min(options.questions, len(rows))
    sample = [rows[i * len(rows) // count] for i in range(count)]
    examples = [Example(row["id"], row["question"], tuple(row["answer"])) for row in sample]
    hops = [Example(r["id"], r["question"], tuple(r["answer"])) for r in world.questions("two-hop")][: len(examples)]
    with memory:
        unseen, _ = timed("unseen phrasings", lambda: open_domain.evaluate(memory, examples))
        alone, _ = timed("retriever alone", lambda: open_domain.evaluate(memory, examples, rerank=False))
        hopped, _ = timed("two hops", lambda: open_domain.evaluate(memory, hops))
        pairs_of_twins = twins(memory, world, options.questions)
    figures |= removal(path, world, sample, options.seed)
    reports = [
        Report("micro-world", "unseen phrasings, retriever alone", alone.scores),
        Report("micro-world", "unseen phrasings", unseen.scores),
        Report("micro-world", "two hops, asked as one", hopped.scores),
    ]
    print(report.command())
    print(report.figures("Micro-world", figures), "\n")
    print(report.table(reports, COLUMNS), "\n")
    print(report.table(pairs_of_twins, ("EM", "the twin's answer, %", "held back, %", "of those given the twin's, %")))
    report.save(options.work / "microworld.json", [*reports, *pairs_of_twins], figures)
    say(f"saved {options.work / 'microworld.json'}")


def _pair_figures(world: World, pairs: list[QAPair], texts: dict[str, str]) -> dict[str, Any]:
    covered = coverage(world, pairs)
    precision = pair_precision(world, pairs)
    double = duplicates(pairs)
    made: dict[str, Any] = {
        "pairs": len(pairs),
        "facts covered by a kept pair, %": 100 * covered.share,
        "facts covered by a pair judged right, %": 100 * covered.covered_right / max(1, covered.facts),
        "precision of kept pairs, %": 100 * precision.value,
        "the same, nameless questions counted as wrong, %": 100 * precision.named,
        "kept pairs right": precision.right,
        "kept pairs wrong": precision.wrong,
        "kept pairs undecided (no fact of the table)": precision.undecided,
        "duplicates, %": 100 * double.share,
        "of these exact": double.exact,
        "of these paraphrases at one span": double.paraphrases,
        "spans that equal their answer": span_truth(texts, pairs),
    }
    return made | {f"pairs, {reason}": count for reason, count in precision.reasons.items()}


def _filter_figures(world: World, before: list[QAPair], kept: set[str]) -> dict[str, Any]:
    quality = filter_quality(world, before, kept)
    return {
        "filter: pairs judged before it": quality.wrong_before + quality.right_before,
        "filter: wrong pairs cut, %": 100 * quality.wrong_cut_share,
        "filter: right pairs lost, %": 100 * quality.right_lost_share,
    }


if __name__ == "__main__":
    main()

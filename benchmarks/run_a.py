"""Real run A: SQuAD's development half, built into a memory and asked its own questions, beside other systems.

    python benchmarks/run_a.py --squad DATA/squad/dev-half-v2.0.json.gz \
        --others DATA/squad/other-half-passages.jsonl.gz --work FOLDER --base-encoder FOLDER

One run on one machine prints and saves (FOLDER/run_a.json) the whole table: the build, the extractor, the filter,
quipu's look-up, its keys by cloze, by the writer's question and by both, passage search with the same reader on the
best five passages (BM25, untuned encoder), and look-up by BM25 and by the untuned encoder over the stored questions.
``--base-encoder`` is a model folder of the untuned encoder; without it its two rows are left out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import (
    KeyTexts,
    Models,
    built,
    folder_bytes,
    local_filter,
    passages_of,
    read_lines,
    say,
    stored_pairs,
    timed,
)
from quipu.evaluation import report
from quipu.evaluation.baselines.bm25 import BM25
from quipu.evaluation.baselines.dense import Dense
from quipu.evaluation.baselines.systems import PassageReader, QuestionLookup
from quipu.evaluation.metrics import latencies, mean_score, normalize_answer
from quipu.evaluation.report import Report
from quipu.evaluation.task import System
from quipu.evaluation.task import run as ask_all
from quipu.evaluation.tasks import open_domain
from quipu.generate.answers import candidates
from quipu.memory.store import Store
from quipu.models.encoder import Encoder
from quipu.records import Example, Score

LIMIT = 25  # candidates a passage
COLUMNS = ("EM", "F1", "recall@1", "recall@5", "recall@10", "recall@50", "passage_recall@5", "p50 ms", "p95 ms")


def paragraphs(squad: Path, others: Path) -> list[dict[str, str]]:
    """One row a paragraph, whole: the paragraphs with questions, then the passages without."""
    rows = []
    articles = next(iter(read_lines(squad)))["data"]
    texts = [(article["title"], part["context"]) for article in articles for part in article["paragraphs"]]
    texts += [(row["title"], row["text"]) for row in read_lines(others)]
    for number, (title, text) in enumerate(texts):
        rows.append({"id": f"{number:04d}", "title": title.replace("_", " "), "text": text})
    return rows


def extractor_recall(examples: list[Example], writer: Any, limit: int) -> Score:
    """Share of questions with a gold answer, equal after normalisation, among the candidates of their whole paragraph.

    Paragraphs are longer than the passages of a memory, so this is the harder figure: ``limit`` a paragraph.
    """
    texts = sorted({example.passages[0] for example in examples})
    found: dict[str, set[str]] = {}
    for start in range(0, len(texts), 32):
        batch = texts[start : start + 32]
        for text, spans in zip(batch, candidates(batch, writer, limit=limit), strict=True):
            found[text] = {normalize_answer(candidate.text) for candidate in spans}
    held = [
        float(any(normalize_answer(answer) in found[example.passages[0]] for answer in example.answers))
        for example in examples
    ]
    return mean_score(f"gold answers among {limit} candidates, whole paragraph, %", held, scale=100)


def window_recall(examples: list[Example], store: Store, writer: Any, limit: int) -> tuple[Score, float]:
    """The same over the memory's own passages, ``limit`` each; and the mean number of candidates a passage."""
    by_text = {document.text: document.id for document in store.documents()}
    found: dict[str, set[str]] = {}
    passages = passages_of(store)
    total = 0
    for start in range(0, len(passages), 32):
        batch = passages[start : start + 32]
        spans = candidates([passage.text for passage in batch], writer, limit=limit)
        for passage, of_one in zip(batch, spans, strict=True):
            total += len(of_one)
            found.setdefault(passage.document_id, set()).update(normalize_answer(item.text) for item in of_one)
    held = [
        float(any(normalize_answer(a) in found[by_text[example.passages[0]]] for a in example.answers))
        for example in examples
    ]
    return mean_score(f"gold answers among {limit} candidates a passage, %", held, scale=100), total / len(passages)


def row(task: open_domain.OpenDomain, system: System, questions: list[str], sample: int) -> Report:
    """All questions in one call, then ``sample`` of them one by one for the time of one."""
    made, _ = timed(system.name, lambda: ask_all(task, system))
    times = latencies(lambda question: system.predict([question]), questions[:sample], time.perf_counter)
    return Report(made.task, made.system, (*made.scores, *open_domain.timing(times)))


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--squad", type=Path, required=True)
    parser.add_argument("--others", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--encoder", help="name or folder; the one that ships by default")
    parser.add_argument("--writer")
    parser.add_argument("--reader")
    parser.add_argument("--base-encoder", help="folder of the untuned encoder")
    parser.add_argument("--filter", default="local", choices=("local", "global"), help="of the memory's pairs")
    parser.add_argument("--short", action="store_true", help="only quipu's own rows")
    parser.add_argument("--questions", type=int, help="only so many questions, for a trial")
    parser.add_argument("--paragraphs", type=int, help="only so many paragraphs, for a trial")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    models = Models.load(options.encoder, options.writer, options.reader)

    rows = paragraphs(options.squad, options.others)[: options.paragraphs]
    documents, path = options.work / "documents.jsonl", options.work / f"{options.filter}.quipu"
    documents.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in rows), encoding="utf-8")
    texts = {line["text"] for line in rows}
    examples = [e for e in open_domain.read_examples(options.squad) if e.passages[0] in texts][: options.questions]
    memory, seconds = built(documents, path, models, filter=options.filter)
    questions = [example.question for example in examples]
    task = open_domain.OpenDomain(examples, "SQuAD development half")
    figures: dict[str, Any] = {"paragraphs": len(rows), "questions": len(examples)}
    with memory:
        alone, _ = timed("retriever alone", lambda: open_domain.evaluate(memory, examples, k=50, rerank=False))
        look_up, _ = timed("with reranker", lambda: open_domain.evaluate(memory, examples, k=50))
    with Store.open(path, read_only=True) as store:
        figures |= _build_figures(store, path, seconds)
        recall, width = window_recall(examples, store, models.writer, LIMIT)
        whole = extractor_recall(examples, models.writer, LIMIT)
        for score in (recall, whole):
            figures[score.metric] = f"{report.show(score)}"
        figures["candidates a passage"] = width
        reports = [
            Report(task.name, "quipu look-up, retriever alone", alone.scores),
            Report(task.name, "quipu look-up with reranker", look_up.scores),
        ]
        for system in _systems(options, models, store) if not options.short else []:
            reports.append(row(task, system(), questions, open_domain.LATENCY_SAMPLE))
    figures["look-up questions/s, all in one call"] = look_up["questions/s"].value
    print(report.command())
    print(report.figures("Real run A", figures), "\n")
    print(report.table(reports, COLUMNS))
    report.save(options.work / f"run_a-{options.filter}.json", reports, figures)
    say(f"saved {options.work}")


def _build_figures(store: Store, path: Path, seconds: float | None) -> dict[str, Any]:
    counts = store.counts()
    kept, dropped = local_filter(path)
    made: dict[str, Any] = {"passages": counts["passages"], "pairs": counts["pairs"]}
    made["pairs a passage"] = counts["pairs"] / counts["passages"]
    made["questions generated"] = kept + dropped
    made["questions that survive the filter, %"] = 100 * kept / max(1, kept + dropped)
    if seconds is not None:
        made["build, passages/s"] = counts["passages"] / seconds
    made["bytes a pair (whole folder)"] = folder_bytes(path) / max(1, counts["pairs"])
    return made | {f"verdicts: {reason}": count for reason, count in store.verdict_counts().items()}


def _systems(options: argparse.Namespace, models: Models, store: Store) -> list[Callable[[], System]]:
    """The other rows; each is made when its turn comes, so that only one index is in memory."""
    pairs = stored_pairs(store)
    passages = passages_of(store)
    answers = [pair.answer for pair in pairs]
    asked = [pair.question for pair in pairs]
    bare = [passage.text for passage in passages]
    titled = [f"{passage.title}. {passage.text}" for passage in passages]
    keys = KeyTexts(store)

    def by_key(kind: str) -> System:
        texts = [keys.of(pair, kind) for pair in pairs]
        return QuestionLookup(f"look-up, keys: {kind}", Dense(models.encoder, texts), answers)

    systems: list[Callable[[], System]] = [
        lambda: by_key("cloze"),
        lambda: by_key("question"),
        lambda: by_key("both"),
        lambda: PassageReader("BM25 passages + reader on 5", BM25(titled), bare, models.reader),
        lambda: QuestionLookup("look-up by BM25 over questions", BM25(asked), answers),
    ]
    if options.base_encoder:
        base = Encoder.from_pretrained(options.base_encoder)
        systems += [
            lambda: PassageReader("untuned encoder passages + reader on 5", Dense(base, titled), bare, models.reader),
            lambda: QuestionLookup("look-up by the untuned encoder", Dense(base, asked), answers),
        ]
    return systems


if __name__ == "__main__":
    main()

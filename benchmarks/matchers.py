"""One system that matches questions with stored questions, in a process and an environment of its own.

    python matchers.py sentence-transformers|txtai|quipu|quipu-reranked WORK

``side_by_side.py`` calls it. WORK holds pairs.jsonl, questions.jsonl, twins.jsonl, the folder of all-MiniLM-L6-v2 as
"model", and for quipu a memory of the same pairs. Prints one JSON object.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Ask = Callable[[Sequence[str]], list[str]]
Similar = Callable[[Sequence[str], Sequence[str]], list[float]]


def sentence_transformers(work: Path, pairs: list[dict[str, str]]) -> tuple[Ask, Similar]:
    """The usual dozen lines: encode, exact inner product."""
    import faiss
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(work / "model"))
    index = faiss.IndexFlatIP(model.get_sentence_embedding_dimension())
    index.add(model.encode([pair["question"] for pair in pairs], normalize_embeddings=True, batch_size=64))

    def ask(questions: Sequence[str]) -> list[str]:
        _, rows = index.search(model.encode(list(questions), normalize_embeddings=True, batch_size=64), 1)
        return [pairs[row]["answer"] for row in rows[:, 0]]

    def similar(left: Sequence[str], right: Sequence[str]) -> list[float]:
        vectors = [model.encode(list(side), normalize_embeddings=True) for side in (left, right)]
        return (vectors[0] * vectors[1]).sum(axis=1).tolist()

    return ask, similar


def txtai(work: Path, pairs: list[dict[str, str]]) -> tuple[Ask, Similar]:
    """An embeddings index with its defaults."""
    from txtai import Embeddings

    index = Embeddings(path=str(work / "model"))
    index.index((row, pair["question"], None) for row, pair in enumerate(pairs))

    def ask(questions: Sequence[str]) -> list[str]:
        if len(questions) == 1:
            return [pairs[index.search(questions[0], 1)[0][0]]["answer"]]
        return [pairs[found[0][0]]["answer"] for found in index.batchsearch(list(questions), 1)]

    def similar(left: Sequence[str], right: Sequence[str]) -> list[float]:
        vectors = [index.batchtransform(list(side)) for side in (left, right)]
        return [float(sum(a * b for a, b in zip(x, y, strict=True))) for x, y in zip(*vectors, strict=True)]

    return ask, similar


def quipu(work: Path, pairs: list[dict[str, str]], rerank: bool) -> tuple[Ask, None]:
    """The memory, nothing held back."""
    import quipu as library

    memory = library.open(work / "memory.quipu", read_only=True)

    def ask(questions: Sequence[str]) -> list[str]:
        said = memory.ask_many(questions, method="lookup", rerank=rerank, min_probability=0)
        return [item.text or "" for item in said]

    return ask, None


def private_megabytes() -> float:
    """Private memory of this process."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M)) / 1e3


def main() -> None:
    """Build, ask one by one, ask all at once, score the twins."""
    system, work = sys.argv[1], Path(sys.argv[2])
    read: Callable[[str], list[Any]] = lambda name: [json.loads(line) for line in (work / name).open(encoding="utf-8")]  # noqa: E731
    pairs, questions, twins = read("pairs.jsonl"), read("questions.jsonl"), read("twins.jsonl")
    start = time.perf_counter()
    if system.startswith("quipu"):
        ask, similar = quipu(work, [], system == "quipu-reranked")
        del pairs
    else:
        ask, similar = {"sentence-transformers": sentence_transformers, "txtai": txtai}[system](work, pairs)
    result: dict[str, Any] = {"load_seconds": time.perf_counter() - start}
    for question in questions[:20]:
        ask([question])
    result["private_mb"] = private_megabytes()
    result["milliseconds"] = []
    for question in questions[:500]:
        start = time.perf_counter()
        ask([question])
        result["milliseconds"].append(1000 * (time.perf_counter() - start))
    start = time.perf_counter()
    result["answers"] = ask(questions)
    result["per_second"] = len(questions) / (time.perf_counter() - start)
    if similar is not None:
        for kind in ("same", "twins"):
            rows = [(text, item["question"]) for item in twins for text in item[kind]]
            result[kind] = similar([asked for asked, _ in rows], [stored for _, stored in rows])
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""The public sets that quipu's models are trained on, by name, from the folder that holds them all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from quipu.datasets import contexts, mrqa, squad, written
from quipu.datasets import fairytaleqa as tales
from quipu.datasets.contexts import Asked, Context
from quipu.datasets.io import open_text, read_json, read_jsonl
from quipu.errors import InputError, SettingsError

# The sets that share one layout: a passage a line with its article as group.
LAYOUT = {
    "squad_train_parts": "squad_train_parts/train.jsonl.gz",
    "squad_train_sentences": "squad_train_sentences/train.jsonl.gz",
    "squadshifts_new_wiki": "squadshifts/new_wiki.jsonl.gz",
    "squadshifts_reddit": "squadshifts/reddit.jsonl.gz",
    "squadshifts_amazon": "squadshifts/amazon.jsonl.gz",
    "timeqa": "timeqa/passages.jsonl.gz",
    "onestopqa": "onestopqa/passages.jsonl.gz",
    "bioasq": "bioasq/passages.jsonl.gz",
    "tatqa": "tatqa/passages.jsonl.gz",
    "quoref_contrast": "quoref_contrast/passages.jsonl.gz",
    "ropes_contrast": "ropes_contrast/passages.jsonl.gz",
    "selqa": "selqa/passages.jsonl.gz",
}
_BLOCK = 24  # lines of squad_qg that are taken for one section
_LEAST_WORDS = 30  # of an entry of the Factbook that is prose


def named(data: Path, name: str) -> list[Context]:
    """The contexts of a public set in the folder ``data``; SettingsError where there is none of that name."""
    if name in LAYOUT:
        return contexts.read(data / LAYOUT[name])
    if name not in PUBLISHED:
        raise SettingsError(f"{name!r} is no set; known are {', '.join(sorted([*LAYOUT, *PUBLISHED]))}")
    return PUBLISHED[name](data)


def read_contexts(path: Path) -> list[Context]:
    """Contexts of a file: SQuAD JSON, MRQA JSONL, JSONL of contexts, or of written pairs that are ``kept``."""
    first = _first(path)
    if "data" in first:
        return squad.contexts(squad.paragraphs(path), path.stem)
    if "header" in first or "qas" in first:
        return mrqa.contexts(path)
    if "t" in first and "q" in first:
        return [made for passage in written.read(path) if (made := written.context_of(passage)).asked]
    return contexts.read(path)


def unanswerable(path: Path) -> list[tuple[str, str]]:
    """Questions of a SQuAD 2.0 file that its passage does not answer, with the passage; none of other files."""
    if "data" not in _first(path):
        return []
    return [
        (item.text.strip(), part.text)
        for part in squad.paragraphs(path)
        for item in part.questions
        if item.impossible
    ]  # fmt: skip


def _first(path: Path) -> dict[str, object]:
    """The object that a file begins with: the first line of JSONL, the whole of JSON."""
    with open_text(path) as file:
        try:
            row = json.loads(file.readline() if path.name.removesuffix(".gz").endswith(".jsonl") else file.read())
        except ValueError as error:
            raise InputError(f"{path}: the first line is not JSON ({error}); give SQuAD JSON or JSONL") from error
    if not isinstance(row, dict):
        raise InputError(f"{path}: neither SQuAD, MRQA nor contexts of quipu (no JSON object)")
    return row


def qamr(data: Path) -> list[Context]:
    """QAMR: crowd questions on single sentences, nearly every span of a sentence asked for."""
    by_sentence: dict[tuple[str, str], dict[Asked, None]] = {}
    for name in ("dev", "test"):
        for row in read_jsonl(data / "qamr" / f"{name}.jsonl.gz"):
            group = ":".join(row["id"].split(":")[:3])
            start = row["answer_start"]
            asked = Asked(row["question"].strip(), start, start + len(row["answer"]))
            by_sentence.setdefault((group, row["context"]), {})[asked] = None
    return [Context(group, text, tuple(asked), "qamr") for (group, text), asked in by_sentence.items()]


def squad_qg(data: Path) -> list[Context]:
    """Sentences of SQuAD articles with people's questions, answers unmarked; the file is in order of the articles."""
    by_sentence: dict[str, dict[Asked, None]] = {}
    for row in read_jsonl(data / "squad_qg" / "pairs.jsonl.gz"):
        by_sentence.setdefault(_joined(row["sentence"]), {})[Asked(_joined(row["question"]))] = None
    # Neighbours in the file are neighbours in an article; a block stands for a section.
    return [
        Context(f"squad_qg:{index // _BLOCK}", text, tuple(asked), "squad_qg")
        for index, (text, asked) in enumerate(by_sentence.items())
    ]


def fairytaleqa(data: Path) -> list[Context]:
    """FairytaleQA, training stories: questions whose answer stands in their section word for word."""
    return tales.contexts(data / tales.TRAIN)


def policyqa(data: Path) -> list[Context]:
    """PolicyQA: questions on privacy policies."""
    return squad.contexts(squad.paragraphs(data / "policyqa" / "dev.json.gz"), "policyqa")


def musique_steps(data: Path) -> list[Context]:
    """The single-hop steps of MuSiQue training questions that are whole questions, with their paragraphs."""
    found = []
    for row in read_json(data / "musique" / "train-100.json.gz"):
        for step in row["question_decomposition"]:
            if "#" in step["question"] or ">>" in step["question"]:
                continue
            text = row["paragraphs"][step["paragraph_support_idx"]]["paragraph_text"]
            start = text.find(step["answer"])
            if start >= 0:
                asked = Asked(step["question"], start, start + len(step["answer"]))
                found.append(Context(row["id"], text, (asked,), "musique"))
    return found


PUBLISHED: dict[str, Callable[[Path], list[Context]]] = {
    "qamr": qamr, "squad_qg": squad_qg, "fairytaleqa": fairytaleqa, "policyqa": policyqa,
    "musique_steps": musique_steps,
}  # fmt: skip


def prose(data: Path) -> list[str]:
    """Paragraphs without questions, for warm-up and for the rounds in which the models ask themselves."""
    return [*(text for _, _, text in articles(data)), *(text for _, text in squad.other_half(data))]


def articles(data: Path) -> Iterator[tuple[str, str, str]]:
    """Paragraphs without questions: (set, title, text) of 2WikiMultihopQA's corpus, OpenStax and the Factbook."""
    for row in read_json(data / "2wiki" / "corpus.json.gz"):
        yield "2wiki", row["title"], row["text"]
    for row in read_jsonl(data / "openstax_anthropology" / "sections.jsonl.gz"):
        for text in row["paragraphs"]:
            yield "openstax", row["title"], text
    for row in read_jsonl(data / "factbook" / "factbook.jsonl.gz"):
        names = row["data"].get("Government", {}).get("Country name", {})
        title = str(names.get("conventional short form", {}).get("text", ""))
        for section in row["data"].values():
            for item in section.values():
                text = re.sub(r"<[^>]+>", " ", str(item.get("text", ""))) if isinstance(item, dict) else ""
                if len(text.split()) >= _LEAST_WORDS:
                    yield "factbook", title if title != "none" else "", " ".join(text.split())


def _joined(text: str) -> str:
    """Undo the publisher's tokenisation of punctuation as far as it can be told."""
    text = re.sub(r"\s+([,.;:?!%)])", r"\1", text.replace(" -- ", "–").replace("``", '"').replace("''", '"'))
    text = re.sub(r'" ([^"]+) "', r'"\1"', re.sub(r"([($]) ", r"\1", text))
    return re.sub(r" '(s|t|re|ve|ll|d|m)\b", r"'\1", text).strip()

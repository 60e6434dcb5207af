"""The public sets that the small models are trained on, read from their publishers' formats.

A ``Context`` is a sentence or a paragraph with the questions that people asked about it. Sentences are joined to
pseudo-passages at training time (``compose``), since quipu works on passages of about 100 words.
"""

from __future__ import annotations

import io
import json
import random
import re
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from quipu.corpus.lines import unpacked
from quipu.errors import InputError, SettingsError
from quipu.training.written import WrittenPassage, parse

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
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+")
# Sources whose groups are titles of articles or stories, worth showing to a model together with the passage.
_TITLED = {
    "squad_train_parts", "squadshifts_new_wiki", "timeqa_human", "onestopqa", "quoref_contrast", "fairytaleqa",
    "selqa_sentence",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A human question; ``start`` and ``end`` are characters of the context, or -1 where the answer is unmarked.

    ``answer``: the answer in free words, of a question whose answer is no span.
    """

    question: str
    start: int = -1
    end: int = -1
    answer: str = ""

    def shifted(self, by: int) -> Asked:
        """The same question about a text with ``by`` characters put in front."""
        return self if self.start < 0 else replace(self, start=self.start + by, end=self.end + by)


@dataclass(frozen=True, slots=True)
class Context:
    """A text with its questions; contexts of one ``group`` come from one article, in order."""

    group: str
    text: str
    asked: tuple[Asked, ...]
    source: str


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8, compressed by gzip or not."""
    if not path.exists():
        raise InputError(f"{path}: training data not found; set `data` in the recipe to the folder that holds it")
    with unpacked(path) as file:
        yield io.TextIOWrapper(file, encoding="utf-8")


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """One object a line."""
    with open_text(path) as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def read_contexts(path: Path) -> list[Context]:
    """Contexts of a file: SQuAD JSON, MRQA JSONL, JSONL of contexts, or of written pairs that are ``kept``."""
    with open_text(path) as file:
        try:
            first = json.loads(file.readline() if path.name.removesuffix(".gz").endswith(".jsonl") else file.read())
        except ValueError as error:
            raise InputError(f"{path}: the first line is not JSON ({error}); give SQuAD JSON or JSONL") from error
    if "data" in first:
        return squad_json(path, path.stem)
    if "header" in first or "qas" in first:
        return mrqa(path)
    if "t" in first and "q" in first:
        return [context for passage in written(path) if (context := written_context(passage)).asked]
    try:
        return [
            Context(row["group"], row["text"], tuple(Asked(*item) for item in row["asked"]), row["source"])
            for row in read_jsonl(path)
        ]
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: neither SQuAD, MRQA nor contexts of quipu ({error!r} in a line)") from error


def written(path: Path) -> Iterator[WrittenPassage]:
    """The passages of a file of written pairs, line by line; FormatError where a line is none."""
    for number, row in enumerate(read_jsonl(path), start=1):
        yield parse(row, f"{path}, line {number}")


def written_context(passage: WrittenPassage) -> Context:
    """A passage with those of its written questions that are ``kept``; its title, or else its beginning, as group."""
    asked = tuple(Asked(pair.question, pair.start, pair.end) for pair in passage.kept())
    group = passage.title or f"{passage.source}:{passage.text[:60]}"
    return Context(group, passage.text, asked, f"written_{passage.source}")


def named(data: Path, name: str) -> list[Context]:
    """The contexts of a public set in the folder ``data``; SettingsError where there is none of that name."""
    if name in LAYOUT:
        return read_contexts(data / LAYOUT[name])
    if name not in PUBLISHED:
        raise SettingsError(f"{name!r} is no set; known are {', '.join(sorted([*LAYOUT, *PUBLISHED]))}")
    return PUBLISHED[name](data)


def title_of(context: Context) -> str:
    """The title of a context's article; "" where its group is none."""
    if context.source not in _TITLED or context.group.startswith("p:"):
        return ""
    separators = r"[-_\s]+" if context.source == "fairytaleqa" else r"[_\s]+"
    return re.sub(separators, " ", urllib.parse.unquote(context.group)).strip()


def unanswerable(path: Path) -> list[tuple[str, str]]:
    """Questions of a SQuAD 2.0 file that its passage does not answer, with the passage; none of other files."""
    with open_text(path) as file:
        content = json.loads(file.readline() if path.name.removesuffix(".gz").endswith(".jsonl") else file.read())
    return [
        (item["question"].strip(), paragraph["context"])
        for article in content.get("data", [])
        for paragraph in article["paragraphs"]
        for item in paragraph["qas"]
        if item.get("is_impossible")
    ]


def mrqa(path: Path) -> list[Context]:
    """MRQA JSONL: a header line, then contexts with "qas"; the first detected span of each question is its answer."""
    found: list[Context] = []
    for row in read_jsonl(path):
        if "header" in row:
            continue
        asked = []
        for item in row["qas"]:
            spans = [tuple(span) for answer in item.get("detected_answers", []) for span in answer["char_spans"]]
            start, last = spans[0] if spans else (-1, -2)
            asked.append(Asked(item["question"].strip(), start, last + 1))
        found.append(Context(f"{path.stem}:{len(found)}", row["context"], tuple(asked), path.stem))
    return found


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
    block = 24  # neighbours in the file are neighbours in an article; a block stands for a section
    return [
        Context(f"squad_qg:{index // block}", text, tuple(asked), "squad_qg")
        for index, (text, asked) in enumerate(by_sentence.items())
    ]


def fairytaleqa(data: Path, name: str = "train") -> list[Context]:
    """FairytaleQA sections with the questions whose answer stands in the section word for word."""
    by_section: dict[tuple[str, str], dict[Asked, None]] = {}
    for row in read_jsonl(data / "fairytaleqa" / f"{name}.jsonl.gz"):
        asked = by_section.setdefault((row["story"], row["context"]), {})
        for answer in row["answers"]:
            start = row["context"].lower().find(answer.lower().strip(" ."))
            if start >= 0 and len(answer.split()) <= 12:
                asked[Asked(row["question"], start, start + len(answer.strip(" .")))] = None
                break
    return [Context(story, text, tuple(asked), "fairytaleqa") for (story, text), asked in by_section.items() if asked]


def squad_json(path: Path, source: str) -> list[Context]:
    """SQuAD's JSON: answerable questions only (PolicyQA is published in it)."""
    with open_text(path) as file:
        articles = json.load(file)["data"]
    found = []
    for article in articles:
        for paragraph in article["paragraphs"]:
            asked = []
            for item in paragraph["qas"]:
                for answer in item["answers"][:1]:
                    start = answer["answer_start"]
                    if paragraph["context"][start : start + len(answer["text"])] == answer["text"]:
                        asked.append(Asked(item["question"], start, start + len(answer["text"])))
            if asked:
                found.append(Context(article["title"], paragraph["context"], tuple(dict.fromkeys(asked)), source))
    return found


def policyqa(data: Path) -> list[Context]:
    """PolicyQA: questions on privacy policies."""
    return squad_json(data / "policyqa" / "dev.json.gz", "policyqa")


def musique_steps(data: Path) -> list[Context]:
    """The single-hop steps of MuSiQue training questions that are whole questions, with their paragraphs."""
    with open_text(data / "musique" / "train-100.json.gz") as file:
        rows = json.load(file)
    found = []
    for row in rows:
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
    texts = [text for _, _, text in articles(data)]
    texts.extend(row["text"] for row in read_jsonl(data / "squad" / "other-half-passages.jsonl.gz"))
    return texts


def articles(data: Path) -> Iterator[tuple[str, str, str]]:
    """Paragraphs without questions: (set, title, text) of 2WikiMultihopQA's corpus, OpenStax and the Factbook."""
    with open_text(data / "2wiki" / "corpus.json.gz") as file:
        rows = json.load(file)
    for row in rows:
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
                if len(text.split()) >= 30:
                    yield "factbook", title if title != "none" else "", " ".join(text.split())


def compose(contexts: Sequence[Context], index: int, words: int, rng: random.Random) -> Context:
    """A pseudo-passage of about ``words`` words around ``contexts[index]``: neighbours of its group, in order."""
    first = last = index
    length = len(contexts[index].text.split())
    while length < words:
        before = first > 0 and contexts[first - 1].group == contexts[index].group
        after = last + 1 < len(contexts) and contexts[last + 1].group == contexts[index].group
        if not before and not after:
            break
        if before and (not after or rng.random() < 0.5):
            first -= 1
            length += len(contexts[first].text.split())
        else:
            last += 1
            length += len(contexts[last].text.split())
    text = ""
    asked: list[Asked] = []
    for context in contexts[first : last + 1]:
        offset = len(text) + 1 if text else 0
        text = f"{text} {context.text}" if text else context.text
        asked.extend(item.shifted(offset) for item in context.asked)
    return Context(contexts[index].group, text, tuple(asked), contexts[index].source)


def _joined(text: str) -> str:
    """Undo the publisher's tokenisation of punctuation as far as it can be told."""
    text = re.sub(r"\s+([,.;:?!%)])", r"\1", text.replace(" -- ", "–").replace("``", '"').replace("''", '"'))
    text = re.sub(r'" ([^"]+) "', r'"\1"', re.sub(r"([($]) ", r"\1", text))
    return re.sub(r" '(s|t|re|ve|ll|d|m)\b", r"'\1", text).strip()


def cut(context: Context, words: int, rng: random.Random) -> Context:
    """A window of about ``words`` words of a long context, with the questions whose answers lie inside it."""
    marks = [match.start() for match in re.finditer(r"\S+", context.text)]
    if len(marks) <= words * 1.4:
        return context
    first = rng.randrange(len(marks) - words)
    begin = marks[first]
    end = marks[first + words] if first + words < len(marks) else len(context.text)
    inside = tuple(
        replace(asked, start=asked.start - begin, end=asked.end - begin)
        for asked in context.asked
        if begin <= asked.start and asked.end <= end
    )
    return Context(context.group, context.text[begin:end], inside, context.source)


def sentence_around(text: str, start: int, end: int) -> str:
    """The sentence that holds the span: from the last sentence end before it to the first after it."""
    left = max((match.end() for match in _SENTENCE_END.finditer(text, 0, start)), default=0)
    right = _SENTENCE_END.search(text, end)
    return text[left : right.end() if right else None].strip()

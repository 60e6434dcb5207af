"""Ready pairs from other people's files, streamed: CSV and its relatives, JSON lines, JSON; plain or gzip.

A table's first row names the columns of questions and answers, in any case and several languages; its separator is the
one with which both names stand there. JSON lines and lists hold an object a pair, as NQ-open, PAQ, WebQuestions and
SQuAD do, and what services for questions and answers export.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from quipu.corpus.lines import LONGEST_LINE, Lines, characters
from quipu.corpus.separated import SEPARATORS, cells, rows
from quipu.errors import InputError
from quipu.records import QAPair
from quipu.text import LONGEST_QUESTION, from_json, is_json, is_unicode, why_not_json

Numbered = tuple[int, QAPair | str]
"""The line of the file on which a pair begins, and the pair, or the reason why there is none."""

LONGEST_ANSWER = 100_000  # characters
LONGEST_FILE = 64_000_000  # characters of JSON that is not written a pair a line
_TOO_LONG = f"longer than {LONGEST_LINE:,} characters"

_QUESTION = (
    "question", "questions", "question text", "qtext", "query", "prompt", "q", "frage", "fragen", "pregunta", "domanda",
    "vraag", "pergunta", "fråga", "instruction", "input",
)  # fmt: skip
_ANSWER = (
    "answer", "answers", "answer text", "short answer", "best answer", "correct answer", "response", "responses",
    "reply", "a", "output", "completion", "antwort", "antworten", "réponse", "reponse", "respuesta", "risposta",
    "antwoord", "resposta", "svar", "content", "text",
)  # fmt: skip
_NESTED = ("data", "paragraphs", "qas", "questions", "pairs", "rows", "items", "examples", "entries", "faq", "faqs")
_WITHIN = ("text", "value", "answer", "content")  # keys of an answer that is itself an object
_DEEPEST = 5  # levels of lists in an object: SQuAD has three
_NEXT_ENTRY = re.compile(r"\}\s*,\s*(?=\{)")
_BETWEEN = re.compile(r"[\s,]*")


def read_pairs(path: Path) -> Iterator[Numbered]:
    """Each pair of a file with its line, or in its place why the row gives none; the first answer is the answer.

    InputError, with the file's name, where the file as a whole cannot be used: missing, not text, without such
    columns, or broken at a place after which no row can be told from another.
    """
    path = Path(path)
    lines = Lines(path)
    while (first := lines.ahead()) is not None and not first.strip():
        lines.skip(1)
    kind = Path(path.name.lower().removesuffix(".gz")).suffix
    begins = (first or "").lstrip()[:1]
    if kind in (".jsonl", ".ndjson"):
        yield from _json_lines(lines)
    elif kind in (".csv", ".tsv", ".tab") or (kind != ".json" and begins not in ("{", "[")):
        yield from _table(path, lines)
    elif begins == "[":
        yield from _json_list(path)
    elif begins == "{" and not is_json(first or ""):
        yield from _json_object(path)
    else:
        yield from _json_lines(lines)


def _json_lines(lines: Lines) -> Iterator[Numbered]:
    for number, line in lines:
        if line is None:
            yield number, _TOO_LONG
        elif line.strip():
            try:
                row = from_json(line)
            except ValueError as error:
                yield number, str(error)
            else:
                yield from ((number, made) for made in _of(row))


def _whole(path: Path) -> str:
    """All the text of a JSON file that is not written a pair a line."""
    parts: list[str] = []
    length = 0
    for block in characters(path):
        parts.append(block)
        length += len(block)
        if length > LONGEST_FILE:
            raise InputError(f"{path}: more than {LONGEST_FILE:,} characters of JSON; write one pair a line (.jsonl)")
    return "".join(parts)


def _json_object(path: Path) -> Iterator[Numbered]:
    """The pairs of a file that is one object; each has the line of its question."""
    text = _whole(path)
    try:
        row = from_json(text)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    at, line = 0, 1
    for made in _of(row):
        if isinstance(made, QAPair):
            written = (json.dumps(made.question)[1:-1], json.dumps(made.question, ensure_ascii=False)[1:-1])
            found = max(text.find(words, at) for words in written)
            if found >= 0:
                line += text.count("\n", at, found)
                at = found
        yield line, made


def _json_list(path: Path) -> Iterator[Numbered]:
    """The entries of a list, one at a time; after a broken one the next that begins an object is taken."""
    text = _whole(path)
    decode = json.JSONDecoder().raw_decode
    at, line, number = text.index("[") + 1, 1 + text.count("\n", 0, text.index("[")), 0
    while True:
        following = _BETWEEN.match(text, at)
        assert following is not None  # it matches everywhere
        line += text.count("\n", at, following.end())
        at = following.end()
        if text.startswith("]", at):
            return
        if at == len(text):
            raise InputError(f"{path}, line {line}: the list does not end; the file is not whole")
        number += 1
        try:
            row, end = decode(text, at)
        except (ValueError, RecursionError) as error:
            yield line, f"entry {number}: {why_not_json(error)}"
            after = _NEXT_ENTRY.search(text, at)
            if after is None:
                raise InputError(f"{path}, line {line}: no entry can be read after entry {number}") from error
            end = after.end()
        else:
            yield from ((line, f"entry {number}: {made}" if isinstance(made, str) else made) for made in _of(row))
        line += text.count("\n", at, end)
        at = end


def _of(row: Any, depth: int = 0) -> Iterator[QAPair | str]:
    """The pair of a record; of one that holds lists of records in place of a question, theirs."""
    if not isinstance(row, dict):
        yield "not an object with a question and an answer"
        return
    fields = {_plain(name): value for name, value in row.items()}
    question = _first(fields, _QUESTION)
    nested = [fields[name] for name in _NESTED if isinstance(fields.get(name), list)]
    if nested and not isinstance(_value(question), str) and depth < _DEEPEST:
        for item in nested[0]:
            yield from _of(item, depth + 1)
        return
    yield _made(_value(question), _value(_first(fields, _ANSWER)))


def _first(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The value of the first of ``names`` that has one."""
    return next((fields[name] for name in names if fields.get(name) not in (None, "", [], {})), None)


def _value(value: Any) -> Any:
    """The first of several values, and the text of an object."""
    for _ in range(_DEEPEST):
        if isinstance(value, list):
            value = next((item for item in value if item not in (None, "")), None)
        elif isinstance(value, dict):
            value = _first({_plain(name): item for name, item in value.items()}, _WITHIN)
    return value


def _table(path: Path, lines: Lines) -> Iterator[Numbered]:
    separators = SEPARATORS
    told = re.fullmatch(r"sep=(.)\s*", lines.ahead() or "")  # a line of Excel's own
    if told:
        separators = told[1]
        lines.skip(1)
    head = lines.ahead() or ""
    for separator in separators:
        names, used = cells(head, separator)
        if (columns := _named(names)) is not None:
            lines.skip(1 + used)
            break
    else:
        found = ", ".join(name.strip() for name in re.split(r"[,;\t|]", head[:1000]) if name.strip())
        raise InputError(
            f'{path}: columns "question" and "answer" are needed in the first row, found {found[:200] or "none"}'
        )
    at_question, at_answer = columns
    for number, row in rows(lines, separator, len(names)):
        if row is None:
            yield number, _TOO_LONG
        elif any(cell.strip() for cell in row[len(names) :]):
            yield number, f"{len(row)} cells, {len(names)} in the first row; a cell with {separator!r} needs quotes"
        else:
            row += [""] * (len(names) - len(row))
            yield number, _made(row[at_question], row[at_answer])


def _named(names: Sequence[str]) -> tuple[int, int] | None:
    """The columns of question and answer."""
    plain = [_plain(name) for name in names]
    found = [next((plain.index(name) for name in known if name in plain), None) for known in (_QUESTION, _ANSWER)]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _plain(name: str) -> str:
    """A column's name as it is compared: "Question_Text:" is "question text"."""
    return " ".join(re.findall(r"[^\W_]+", name.casefold()))


def _made(question: Any, answer: Any) -> QAPair | str:
    """A pair, or why these two are none."""
    if isinstance(answer, bool):
        answer = "yes" if answer else "no"
    elif isinstance(answer, int) or (isinstance(answer, float) and math.isfinite(answer)):
        answer = str(answer)
    for what, text, longest in (("question", question, LONGEST_QUESTION), ("answer", answer, LONGEST_ANSWER)):
        if not isinstance(text, str) or not text.strip():
            return f"no {what}"
        if len(text) > longest:
            return f"{what} of {len(text):,} characters; {longest:,} are allowed"
        if not is_unicode(text):
            return f"the {what} is not Unicode text (a lone surrogate)"
        if "\ufffd" in text:
            return f"the {what} holds a character that cannot be read in the encoding of the file"
    return QAPair.make(question, answer, origin="imported")

"""Word pieces back to a question that people read: casing from the passage, spaces mended, one question mark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

_NO_SPACE_BEFORE = re.compile(r"\s+([,.;:?!%)\]}]|'(?:s|t|re|ve|ll|d|m)\b)")
_NO_SPACE_AFTER = re.compile(r"([(\[{$£€#])\s+")
_TIGHT = re.compile(r"(?<=\w)\s*([-–/'’])\s*(?=\w)")


def surface(tokenizer: Tokenizer, pieces: NDArray[np.int64] | Sequence[int], casing: Mapping[str, str]) -> str:
    """The question of lower-case word pieces; ``casing`` says how the passage writes a word (see ``casing_of``)."""
    words: list[str] = []
    for piece in pieces:
        token = tokenizer.id_to_token(int(piece)) or ""
        if token.startswith("##") and words:
            words[-1] += token[2:]
        else:
            words.append(token.removeprefix("##"))
    line = " ".join(casing.get(word, word) for word in words)
    for pattern in (_NO_SPACE_BEFORE, _NO_SPACE_AFTER, _TIGHT):
        line = pattern.sub(r"\1", line)
    line = line.strip(" ?.,;:")
    return line[:1].upper() + line[1:] + "?" if line else ""


def casing_of(encoding: Encoding, text: str) -> dict[str, str]:
    """Lower-case words of the passage to how they are written there; sentence starts do not make a name."""
    spans: dict[int, tuple[int, int]] = {}
    for word, (left, right) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is not None:
            spans[word] = (min(left, spans.get(word, (left, right))[0]), right)
    forms: dict[str, str] = {}
    for left, right in spans.values():
        form = text[left:right]
        opens = not text[:left].rstrip() or text[:left].rstrip()[-1] in ".?!:\n"
        key = form.lower()
        if form == key or (key in forms and opens):
            forms[key] = forms[key] if key in forms and forms[key] != key and opens else form
        elif not opens or form[1:] != form[1:].lower() or key not in _COMMON:
            forms.setdefault(key, form)
    return forms


_COMMON = frozenset(
    [
        "a",
        "an",
        "the",
        "this",
        "that",
        "these",
        "those",
        "it",
        "its",
        "he",
        "she",
        "they",
        "we",
        "i",
        "you",
        "his",
        "her",
        "their",
        "our",
        "in",
        "on",
        "at",
        "of",
        "for",
        "from",
        "with",
        "by",
        "as",
        "to",
        "and",
        "but",
        "or",
        "nor",
        "so",
        "yet",
        "if",
        "when",
        "while",
        "where",
        "after",
        "before",
        "since",
        "although",
        "though",
        "because",
        "however",
        "there",
        "here",
        "then",
        "many",
        "most",
        "some",
        "several",
        "all",
        "both",
        "each",
        "every",
        "no",
        "not",
        "only",
        "also",
        "among",
        "between",
        "during",
        "under",
        "over",
        "about",
        "into",
        "through",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "has",
        "have",
        "had",
        "do",
        "does",
        "did",
        "can",
        "could",
        "may",
        "might",
        "will",
        "would",
        "should",
        "must",
        "who",
        "what",
        "which",
        "how",
        "why",
    ]
)

"""Word pieces back to a question that people read: casing from the passage, spaces mended, one question mark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from quipu.text import FUNCTION_WORDS

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
    """Lower-case words of the passage to how they are written there; a sentence's start is weak evidence."""
    spans: dict[int, tuple[int, int]] = {}
    for word, (left, right) in zip(encoding.word_ids, encoding.offsets, strict=True):
        if word is not None:
            spans[word] = (min(left, spans.get(word, (left, right))[0]), right)
    forms: dict[str, str] = {}
    at_start: dict[str, str] = {}
    for left, right in spans.values():
        form = text[left:right]
        key = form.lower()
        before = text[:left].rstrip()
        opens = not before or before[-1] in ".?!:"
        if key in FUNCTION_WORDS:
            continue
        if form == key:
            forms[key] = form  # written small somewhere: no name
        elif not opens or form[1:] != form[1:].lower():
            forms.setdefault(key, form)
        else:
            at_start.setdefault(key, form)
    for key, form in at_start.items():  # seen only where a sentence begins: a name more often than not
        forms.setdefault(key, form)
    return forms

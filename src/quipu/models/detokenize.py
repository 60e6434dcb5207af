"""Word pieces back to a question that people read: casing from the passage, spaces mended, one question mark."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from quipu.language.english import FUNCTION_WORDS

_MENDS = (
    (re.compile(r"\s+([,.;:?!%)\]}])"), r"\1"),
    (re.compile(r"([(\[{$£€#])\s+"), r"\1"),
    (re.compile(r"(?<=\w)\s*([-–/])\s*(?=\w)"), r"\1"),
    (re.compile(r"(?<=\w)\s*(['’])\s*(?=(?:s|t|re|ve|ll|d|m)\b)|(?<=\b\w)\s*(['’])\s*(?=\w)"), r"\1\2"),
    (re.compile(r"(?<=s)\s+(['’])(?=\s)"), r"\1"),
    (re.compile(r'"\s*([^"]*?)\s*"'), r'"\1"'),
)
_LONGEST = 8  # words and marks that the passage writes without a space, looked for as one


def written(tokenizer: Tokenizer, pieces: NDArray[np.int64] | Sequence[int], casing: Mapping[str, str]) -> str:
    """The text of lower-case word pieces, as ``casing`` writes its words."""
    words: list[str] = []
    for piece in pieces:
        token = tokenizer.id_to_token(int(piece)) or ""
        if token.startswith("##") and words:
            words[-1] += token[2:]
        else:
            words.append(token.removeprefix("##"))
    line = " ".join(_written(words, casing))
    for pattern, mended in _MENDS:
        line = pattern.sub(mended, line)
    return line.strip()


def _written(words: Sequence[str], casing: Mapping[str, str]) -> Iterator[str]:
    """The words as the passage writes them, the longest run that it writes without a space first."""
    at = 0
    while at < len(words):
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            known = casing.get(" ".join(words[at : at + length]))
            if known is not None or length == 1:
                yield words[at] if known is None else known
                at += length
                break


def casing_of(encoding: Encoding, text: str) -> dict[str, str]:
    """Words of the passage, as word pieces spell them, to how they are written there.

    A sentence's start is weak evidence for a capital. What stands without a space between ("7,000", "U.S.", "O'Brien")
    is there as one, under its parts with spaces between.
    """
    spans: dict[int, tuple[int, int, str]] = {}
    for word, token, (left, right) in zip(encoding.word_ids, encoding.tokens, encoding.offsets, strict=True):
        if word is not None:
            start, _, spelt = spans.get(word, (left, right, ""))
            spans[word] = (min(left, start), right, spelt + token.removeprefix("##"))
    forms: dict[str, str] = {}
    at_start: dict[str, str] = {}
    for left, right, key in spans.values():
        form = text[left:right]
        before = text[:left].rstrip()
        opens = not before or before[-1] in ".?!:"
        if key in FUNCTION_WORDS:
            continue
        if form == form.lower():
            forms[key] = form  # written small somewhere: no name
        elif not opens or form[1:] != form[1:].lower():
            forms.setdefault(key, form)
        else:
            at_start.setdefault(key, form)
    for key, form in at_start.items():  # seen only where a sentence begins: a name more often than not
        forms.setdefault(key, form)
    return {**_joined(list(spans.values()), forms), **forms}


def _joined(words: Sequence[tuple[int, int, str]], forms: Mapping[str, str]) -> dict[str, str]:
    """Runs of words without a space between, without the marks at their ends."""
    found: dict[str, str] = {}
    first = 0
    for at in range(1, len(words) + 1):
        if at < len(words) and words[at][0] == words[at - 1][1]:
            continue
        run = [key for _, _, key in words[first:at]]
        first = at
        while run and not run[0][:1].isalnum():
            run.pop(0)
        while run and not run[-1][-1:].isalnum():
            run.pop()
        if 1 < len(run) <= _LONGEST:
            found[" ".join(run)] = "".join(forms.get(key, key) for key in run)
    return found

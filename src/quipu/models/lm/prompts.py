"""What the language model is given: token ids of passages and of prompts, with markers that no text can hold.

passage   TITLE, a line break, TEXT      write   <write> SPAN <written> -> " QUESTION" <end>
read      <read> QUESTION <answer>  ->  " ANSWER" <end>, or <nothing> <end> where nothing answers
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer

MARKERS = {
    "end": "<|im_end|>",
    "write": "<jupyter_start>",
    "written": "<jupyter_text>",
    "read": "<jupyter_code>",
    "answer": "<jupyter_output>",
    "nothing": "<empty_output>",
}
LONGEST_QUESTION = 96  # tokens; more is cut off
LONGEST_SPAN = 64
LEFT, RIGHT = 5, 3  # words around a span that stands more than once


class Prompts:
    """Encodes what a person gave. Markers that stand in it as text stay text."""

    def __init__(self, tokenizer: Tokenizer, markers: Mapping[str, int]) -> None:
        """``markers``: role -> token id. The tokenizer's settings are changed."""
        self.markers = dict(markers)
        self._tokenizer = tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = True
        self._special = {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text."""
        return list(self._tokenizer.encode(clean(text), add_special_tokens=False).ids)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Characters of each token of plain text."""
        return list(self._tokenizer.encode(clean(text), add_special_tokens=False).offsets)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of what the model said, without markers."""
        said = [token for token in ids if token not in self._special]
        return str(self._tokenizer.decode(said, skip_special_tokens=False)).replace("�", "").strip()

    def prefix(self, text: str, title: str | None = None) -> list[int]:
        """A passage with its title; an empty one is a line break, since something must be read."""
        return self.encode(f"{title}\n{text}" if title else text) or self.encode("\n")

    def writing(self, text: str, start: int, end: int) -> list[int]:
        """Asks for a question about characters ``start`` to ``end`` of ``text``."""
        return [self.markers["write"], *self.encode(place(text, start, end))[:LONGEST_SPAN], self.markers["written"]]

    def reading(self, question: str) -> list[int]:
        """Asks for the answer to a question."""
        words = " ".join(question.split())
        return [self.markers["read"], *self.encode(words)[:LONGEST_QUESTION], self.markers["answer"]]

    def said(self, text: str) -> list[int]:
        """What the model would have said: the text after a space, and the end; "" stands for "nothing answers"."""
        words = " ".join(text.split())
        return [*(self.encode(" " + words) if words else [self.markers["nothing"]]), self.markers["end"]]

    def with_markers(self, text: str) -> list[int]:
        """Token ids of a text in which ``{role}`` stands for a marker: for calibration, never for what a person
        gave."""
        found: list[int] = []
        for part in re.split(r"(\{[a-z]+\})", text):
            role = part[1:-1]
            found += [self.markers[role]] if part[:1] == "{" and role in self.markers else self.encode(part)
        return found


def clean(text: str) -> str:
    """The text with a question mark for each lone surrogate, which no tokenizer takes; offsets stay."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def pair_line(question: str, answer: str) -> str:
    """A stored pair as it is read among others, a line for each."""
    return " ".join(f"{question} {answer}".split())


def place(text: str, start: int, end: int) -> str:
    """A span as the writer is given it: alone where it stands once, else with the words around it."""
    span = text[start:end]
    if text.count(span) == 1:
        return span
    left, right = text[:start].split()[-LEFT:], text[end:].split()[:RIGHT]
    return f"{' '.join(left)} [{span}] {' '.join(right)}"

"""A question as a safe FTS5 expression: quoted words joined by OR, frequent ones left out where rare ones remain."""

from __future__ import annotations

import re
import sqlite3
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_STOP = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "from",
        "by",
        "with",
        "and",
        "or",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "did",
        "do",
        "does",
        "has",
        "have",
        "had",
        "what",
        "which",
        "who",
        "whom",
        "whose",
        "when",
        "where",
        "why",
        "how",
        "that",
        "this",
        "these",
        "those",
        "it",
        "its",
        "as",
        "into",
        "than",
        "then",
        "there",
        "their",
        "his",
        "her",
    ]
)
_TOO_FREQUENT = 0.05  # share of the pairs; such a word costs a long list and says little
_ENOUGH = 3  # rarer words that must remain before a frequent one is left out
_MOST = 32  # words of a question that are searched


def match_expression(connection: sqlite3.Connection, question: str) -> str:
    """The expression for ``words MATCH ?``; "" where the question holds no word."""
    words = list(dict.fromkeys(_WORD.findall(_plain(question))))
    content = [word for word in words if word not in _STOP] or words
    content = content[: 4 * _MOST]
    if not content:
        return ""
    marks = ",".join("?" * len(content))
    seen = dict(connection.execute(f"SELECT term, doc FROM terms WHERE term IN ({marks})", content))
    total = connection.execute("SELECT count(*) FROM pairs").fetchone()[0] if len(content) > _ENOUGH else 0
    known = sorted((word for word in content if word in seen), key=lambda word: (seen[word], word))
    kept = [word for at, word in enumerate(known) if at < _ENOUGH or seen[word] <= _TOO_FREQUENT * total][:_MOST]
    return " OR ".join(f'"{word}"' for word in kept)


def _plain(text: str) -> str:
    """Lower case without diacritics, as the FTS5 tokenizer sees it."""
    split = unicodedata.normalize("NFD", text.lower())
    return unicodedata.normalize("NFC", "".join(letter for letter in split if unicodedata.category(letter) != "Mn"))

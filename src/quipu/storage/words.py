"""A question as a safe FTS5 expression: quoted words joined by OR, frequent ones left out where rare ones remain."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence

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
_TOO_FREQUENT = 0.005  # share of the pairs; such a word costs a long list and says little
_SHORT = 250  # rows of a word that is never too frequent, however small the memory
_ENOUGH = 3  # rarer words that must remain before a frequent one is left out
_FEW = 2  # of these, how many are searched however frequent they are
_ROWS = 4000  # rows of all words together that a search may score, about 2 ms
_MOST = 32  # words of a question that are searched


def match_expression(connection: sqlite3.Connection, question: str) -> str:
    """The expression for ``words MATCH ?``; "" where the question holds no word that a pair holds.

    The rarest words are taken first. A frequent one is left out where three rarer ones remain, or where the lists of
    all words together would grow too long.
    """
    content = content_words(question)
    if not content:
        return ""
    # the last row number: as good as the count of pairs here, and found at once
    total = connection.execute("SELECT max(row) FROM pairs").fetchone()[0] or 0
    return " OR ".join(map(quoted, chosen_words(seen_in(connection, content), total)))


def content_words(question: str) -> list[str]:
    """The words of a question that may be searched for, each once."""
    words = list(dict.fromkeys(_WORD.findall(_plain(question))))
    return ([word for word in words if word not in _STOP] or words)[: 4 * _MOST]


def seen_in(connection: sqlite3.Connection, words: Sequence[str]) -> dict[str, int]:
    """How many pairs of a record hold each of these words; those that none holds are missing."""
    marks = ",".join("?" * len(words))
    return dict(connection.execute(f"SELECT term, doc FROM terms WHERE term IN ({marks})", list(words)))


def chosen_words(seen: Mapping[str, int], total: int) -> list[str]:
    """The words that are searched for, of those that so many of ``total`` pairs hold."""
    longest = max(_SHORT, _TOO_FREQUENT * total)
    kept: list[str] = []
    rows = 0
    for word in sorted(seen, key=lambda word: (seen[word], word))[:_MOST]:
        rows += seen[word]
        if len(kept) >= _FEW and (rows > _ROWS or (len(kept) >= _ENOUGH and seen[word] > longest)):
            break
        kept.append(word)
    return kept


def quoted(word: str) -> str:
    """A word that FTS5 takes for nothing else."""
    return f'"{word}"'


def quoted_words(question: str) -> list[str]:
    """Its words of content, quoted, without a look at how frequent they are."""
    return [quoted(word) for word in content_words(question)[:_MOST]]


def _plain(text: str) -> str:
    """Lower case without diacritics, as the FTS5 tokenizer sees it."""
    split = unicodedata.normalize("NFD", text.lower())
    return unicodedata.normalize("NFC", "".join(letter for letter in split if unicodedata.category(letter) != "Mn"))

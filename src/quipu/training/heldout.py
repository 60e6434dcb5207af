"""One article in ten of every set stays out of training: probabilities are fitted on questions that no model learned.

The split is a function of names alone, so it is the same for every model and every run.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence

from quipu.datasets.contexts import Context

# A group of these is a passage, a sentence or a block of a file whose article is not known; one held out could share
# its article with one that is not. In squad_train_parts only the groups that begin with "p:" are of this kind.
NO_ARTICLE = frozenset({"squad_train_sentences", "squad_qg"})
WINDOW = 6  # words; a shorter text may stand in another by chance


def held_out(dataset: str, group: str) -> bool:
    """Whether the contexts of ``group`` (an article) of ``dataset`` (``Context.source``) are kept from training."""
    if dataset in NO_ARTICLE or (dataset == "squad_train_parts" and group.startswith("p:")):
        return False
    return hashlib.sha256(f"{dataset}\n{group}".encode()).digest()[0] % 10 == 0


def split(contexts: Iterable[Context]) -> tuple[list[Context], list[Context]]:
    """Contexts to learn from, and those that are held out."""
    learned: list[Context] = []
    held: list[Context] = []
    for context in contexts:
        (held if held_out(context.source, context.group) else learned).append(context)
    return learned, held


class Overlap:
    """What stands in held-out contexts too: sets share passages and questions with one another."""

    def __init__(self, held: Iterable[Context]) -> None:
        kept = list(held)
        texts = dict.fromkeys(normalized(context.text) for context in kept)
        self._texts = "\n".join(texts)
        self._windows = {window for text in texts for window in _windows(text.split())}
        self._questions = {normalized(asked.question) for context in kept for asked in context.asked}

    def text(self, text: str) -> bool:
        """Whether a text of six words or more stands in a held-out one, case and punctuation aside."""
        own = normalized(text)
        return next(_windows(own.split()), None) in self._windows and own in self._texts

    def question(self, question: str) -> bool:
        """Whether a question is one of the held-out ones, case and punctuation aside."""
        return normalized(question) in self._questions

    def without(self, contexts: Iterable[Context]) -> list[Context]:
        """The contexts that stand in no held-out one, without questions that are also asked there."""
        return [
            Context(
                context.group,
                context.text,
                tuple(asked for asked in context.asked if not self.question(asked.question)),
                context.source,
            )
            for context in contexts
            if not self.text(context.text)
        ]


def _windows(words: Sequence[str]) -> Iterator[str]:
    return (" ".join(words[at : at + WINDOW]) for at in range(len(words) - WINDOW + 1))


def normalized(text: str) -> str:
    """Lower case, runs of other than letters and digits as one space."""
    return re.sub(r"[\W_]+", " ", text.lower()).strip()

"""Questions that look answerable and are not, so that the model learns to say that nothing answers."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from quipu.datasets.contexts import Context, sentence_around
from quipu.evaluation.twins.rules import names_of, twin

_KINDS = ("entity", "number", "date")
_NEAR = 4  # contexts before and after
_SAME_ARTICLE = 0.7  # share of questions from the same article, where there are any


def neighbour_question(contexts: Sequence[Context], at: int, passage: str, rng: random.Random) -> list[str]:
    """A question about another context: near ``contexts[at]`` in the same article, or anywhere; [] where none is found.

    ``passage``: what the question is put to; a context that stands in it is not taken.
    """
    near = [
        other
        for other in contexts[max(0, at - _NEAR) : at + _NEAR + 1]
        if other.group == contexts[at].group and other.asked and other.text not in passage
    ]
    other = rng.choice(near) if near and rng.random() < _SAME_ARTICLE else rng.choice(contexts)
    if not other.asked or other.text in passage:
        return []
    question = rng.choice(other.asked).question
    return [] if any(question == asked.question for asked in contexts[at].asked) else [question]


def twin_question(context: Context, rng: random.Random) -> list[str]:
    """One of the context's questions with a name, number or date that makes it ask for something that is not there.

    A name is exchanged for one of the same passage that the answer's sentence does not hold; [] where no rule fits.
    """
    marked = [item for item in context.asked if item.start >= 0]
    if not marked:
        return []
    item = rng.choice(marked)
    sentence = sentence_around(context.text, item.start, item.end)
    names = [name for name in names_of(context.text) if name not in sentence]
    for kind in rng.sample(_KINDS, len(_KINDS)):
        made = twin(item.question, kind, rng, names)
        if made is not None and (kind == "entity" or not _stands(made, item.question, sentence)):
            return [made]
    return []


def _stands(made: str, question: str, sentence: str) -> bool:
    """Whether a word that the change brought in stands in the answer's sentence: then it may be answered after all."""
    new = set(re.findall(r"\w+", made)) - set(re.findall(r"\w+", question))
    return bool(new & set(re.findall(r"\w+", sentence)))

"""Features of the best stored pair for a question: what speaks for its answer and what against it.

A cosine cannot tell a question from its near-twin, and scores of two questions do not compare. So the probability is
read from features: the retriever's score and its margin over other answers, the reranker's log-odds and their margin,
how far the candidates agree, names and numbers that stand on one side only, and what the filter thought of the pair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from quipu.language.english import FUNCTION_WORDS
from quipu.language.opposites import opposed
from quipu.records import Hit
from quipu.text import normalize_answer

FEATURES = (
    "similarity", "similarity_margin", "agreement", "rerank", "rerank_margin", "numbers_missing", "names_missing",
    "words_missing", "words_unasked", "numbers_unasked", "question_word", "negation", "filter", "unfiltered",
    "answer_asked", "opposites", "order",
)  # fmt: skip
_CLIP = 8.0
_UNRELATED = 0.2  # similarity of two questions about different things: candidates that a small memory lacks count so
_MARGIN = 0.5  # a greater distance to other answers says no more: in a memory of few pairs there is nothing else
_NUMBER = re.compile(r"\d[\d.,]*\d|\d")
NAME = re.compile(r"(?<!^)\b[A-Z][\w'’-]+")
_WORD = re.compile(r"[^\W_]+")
_NEGATION = re.compile(r"\b(?:not|never|no|without|except|nor)\b|n't\b", re.I)
ASKED = re.compile(r"\b(who|whom|whose|when|where|why|how many|how much|how|which|what)\b", re.I)
_GENERAL = {"which", "what", "how"}


def features(
    question: str, hits: Sequence[Hit], logits: Sequence[float], best: int, context: str = "", compared: int = 10
) -> tuple[float, ...]:
    """What ``FEATURES`` names, of the answer of ``hits[best]``.

    logits: the reranker's, one a hit (zeros where there is none); context: the passage and title around the best pair;
    compared: how many candidates count for the agreement; a memory of one pair does not agree with itself.
    """
    hit = hits[best]
    answer = _normal(hit.pair.answer)
    others = [place for place, other in enumerate(hits) if _normal(other.pair.answer) != answer]
    near = range(min(compared, len(hits)))
    lacking = compared - len(near)
    scores = [min(_CLIP, logits[place]) + 10.0 * hits[place].score for place in (best, *near)]
    weights = np.exp([*scores, *[10.0 * _UNRELATED] * lacking])
    same = [True, *(place not in others for place in near), *[False] * lacking]
    stored = f"{hit.pair.question} {hit.pair.answer}"
    around = f"{stored} {context}"
    asked_words, stored_words = content_words(question), content_words(hit.pair.question)
    score = hit.pair.filter_score
    return (
        hit.score,
        min(_MARGIN, hit.score - max((hits[place].score for place in others), default=0.0)),
        float(weights[same].sum() / weights.sum()),
        float(np.clip(logits[best], -_CLIP, _CLIP)),
        float(np.clip(logits[best] - max((logits[place] for place in others), default=-_CLIP), -_CLIP, _CLIP)),
        _missing(numbers(question), numbers(stored)),
        _missing({name.lower() for name in NAME.findall(question)}, content_words(around)),
        _missing(asked_words, content_words(around)),
        _missing(stored_words, asked_words),
        _missing(numbers(hit.pair.question), numbers(question)),
        float(_other_word(question, hit.pair.question)),
        float(negated(question) != negated(hit.pair.question)),
        0.0 if score is None else float(np.clip(score, 0.0, 1.0)),
        float(score is None),
        float(bool(answer) and set(answer.split()) <= set(_normal(question).split())),
        float(opposed(question, hit.pair.question)),
        _disorder(question, hit.pair.question),
    )


def content_words(text: str) -> set[str]:
    """Lower-case words and numbers that are no function words, their plural and verb endings cut."""
    return {_stem(word) for word in _WORD.findall(text.lower()) if word not in FUNCTION_WORDS}


def numbers(text: str) -> set[str]:
    """The numbers of a text, without thousands' commas."""
    return {number.replace(",", "") for number in _NUMBER.findall(text)}


def names(question: str, answer: str) -> bool:
    """Whether every word of the answer stands in the question: "How long is the Suez Canal?" does not ask for it."""
    words = normalize_answer(answer).split()
    return bool(words) and set(words) <= set(normalize_answer(question).split())


def negated(text: str) -> bool:
    """Whether a text denies something."""
    return _NEGATION.search(text) is not None


def _disorder(asked: str, stored: str) -> float:
    """Share of pairs of common words that stand in the other order: who beat whom, from where to where."""
    places = {word: at for at, word in enumerate(_stem(word) for word in _WORD.findall(stored.lower()))}
    there = [_stem(word) for word in _WORD.findall(asked.lower()) if word not in FUNCTION_WORDS]
    common = [places[word] for word in dict.fromkeys(there) if word in places]
    pairs = len(common) * (len(common) - 1) // 2
    return sum(a > b for at, a in enumerate(common) for b in common[at + 1 :]) / pairs if pairs else 0.0


def _missing(wanted: set[str], there: set[str]) -> float:
    """Share of ``wanted`` that is not ``there``."""
    return len(wanted - there) / len(wanted) if wanted else 0.0


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _normal(text: str) -> str:
    return normalize_answer(text) or text.strip()


def _other_word(asked: str, stored: str) -> bool:
    """Whether the two ask with different question words; "which" and "what" go with everything."""
    left, right = ASKED.search(asked), ASKED.search(stored)
    if left is None or right is None:
        return False
    one, other = left.group().lower(), right.group().lower()
    return one != other and one not in _GENERAL and other not in _GENERAL

"""How likely is the best stored pair's answer right? Features of what was found, a stored curve, a threshold.

A cosine cannot tell a question from its near-twin, and scores of two questions do not compare. So the probability is
read from features: the retriever's score and its margin over other answers, the reranker's log-odds and their margin,
how far the candidates agree, names and numbers that stand on one side only, and what the filter thought of the pair.
The weights were fitted by ``quipu.evaluation.calibration``; here is arithmetic only.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quipu.answering.opposites import opposed
from quipu.errors import FormatError
from quipu.records import Hit
from quipu.text import FUNCTION_WORDS, normalize_answer

Features = NDArray[np.float64]

FEATURES = (
    "similarity", "similarity_margin", "agreement", "rerank", "rerank_margin", "numbers_missing", "names_missing",
    "words_missing", "words_unasked", "numbers_unasked", "question_word", "negation", "filter", "unfiltered",
    "answer_asked", "opposites", "order",
)  # fmt: skip
LOOKED_AT = 10  # candidates whose answers are compared
_CLIP = 8.0
_READ = 16.0
_NUMBER = re.compile(r"\d[\d.,]*\d|\d")
_NAME = re.compile(r"(?<!^)\b[A-Z][\w'’-]+")
_WORD = re.compile(r"[^\W_]+")
_NEGATION = re.compile(r"\b(?:not|never|no|without|except|nor)\b|n't\b", re.I)
_ASKED = re.compile(r"\b(who|whom|whose|when|where|why|how many|how much|how|which|what)\b", re.I)
_GENERAL = {"which", "what", "how"}


def features(question: str, hits: Sequence[Hit], logits: Sequence[float], best: int, context: str = "") -> Features:
    """What ``FEATURES`` names (F,), of the answer of ``hits[best]``.

    logits: the reranker's, one a hit (zeros where there is none); context: the passage and title around the best pair.
    """
    hit = hits[best]
    answer = _normal(hit.pair.answer)
    others = [place for place, other in enumerate(hits) if _normal(other.pair.answer) != answer]
    near = range(min(LOOKED_AT, len(hits)))
    weights = np.exp([min(_CLIP, logits[place]) + 10.0 * hits[place].score for place in (best, *near)])
    same = [True, *(place not in others for place in near)]
    stored = f"{hit.pair.question} {hit.pair.answer}"
    around = f"{stored} {context}"
    asked_words, stored_words = content_words(question), content_words(hit.pair.question)
    score = hit.pair.filter_score
    return np.array(
        [
            hit.score,
            hit.score - max((hits[place].score for place in others), default=0.0),
            float(weights[same].sum() / weights.sum()),
            float(np.clip(logits[best], -_CLIP, _CLIP)),
            float(np.clip(logits[best] - max((logits[place] for place in others), default=-_CLIP), -_CLIP, _CLIP)),
            _missing(numbers(question), numbers(stored)),
            _missing({name.lower() for name in _NAME.findall(question)}, content_words(around)),
            _missing(asked_words, content_words(around)),
            _missing(stored_words, asked_words),
            _missing(numbers(hit.pair.question), numbers(question)),
            float(_other_word(question, hit.pair.question)),
            float(bool(_NEGATION.search(question)) != bool(_NEGATION.search(hit.pair.question))),
            0.0 if score is None else float(np.clip(score, 0.0, 1.0)),
            float(score is None),
            float(bool(answer) and set(answer.split()) <= set(_normal(question).split())),
            float(opposed(question, hit.pair.question)),
            _disorder(question, hit.pair.question),
        ]
    )


def content_words(text: str) -> set[str]:
    """Lower-case words and numbers that are no function words, their plural and verb endings cut."""
    return {_stem(word) for word in _WORD.findall(text.lower()) if word not in FUNCTION_WORDS}


def numbers(text: str) -> set[str]:
    """The numbers of a text, without thousands' commas."""
    return {number.replace(",", "") for number in _NUMBER.findall(text)}


@dataclass(frozen=True, slots=True)
class Blend:
    """What the retriever and a second model say of one candidate, as log-odds that it answers.

    Weights of the retriever's score (10 times what it is above 0.5), of the other model's log-odds, and a constant:
    ``read`` where the reader read the pair's sentence, ``reranked`` where the reranker read a pair that has none;
    ``alone``, without the second, for all others.
    """

    read: tuple[float, float, float]
    reranked: tuple[float, float, float]
    alone: tuple[float, float]

    def logit(self, score: float, reranked: float | None, judged: float | None) -> float:
        """Of a candidate; None for what no model said."""
        similar = 10.0 * (score - 0.5)
        if judged is not None:
            a, b, c = self.read
            return a * similar + b * max(-_READ, min(_READ, judged)) + c
        if reranked is not None:
            a, b, c = self.reranked
            return a * similar + b * max(-_CLIP, min(_CLIP, reranked)) + c
        a, c = self.alone
        return a * similar + c


PLAIN = Blend((2.0, 0.5, 0.0), (0.0, 1.0, 0.0), (2.0, 0.0))  # until one is fitted


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights over standardised ``FEATURES``, a monotone curve over the result, and the threshold of answering."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    curve: tuple[tuple[float, float], ...]  # (raw probability, probability), ascending
    threshold: float
    target_precision: float | None
    models: Mapping[str, str]  # encoder and reranker, name -> sha256: scores of others do not compare
    fitted_on: str
    blend: Blend = PLAIN

    def probability(self, found: Features) -> Features:
        """Of rows of features (n, F): probabilities (n,)."""
        raw = self.raw(found)
        xs, ys = zip(*self.curve, strict=True)
        return np.asarray(np.interp(raw, xs, ys), dtype=np.float64)

    def raw(self, found: Features) -> Features:
        """Before the curve: the logistic function of the weighted features."""
        standard = (np.atleast_2d(found) - np.array(self.mean)) / np.array(self.scale)
        logit = np.clip(standard @ np.array(self.weights) + self.bias, -30.0, 30.0)
        probability: Features = 1.0 / (1.0 + np.exp(-logit))
        return probability

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary, with the features' names."""
        return {"features": list(FEATURES), **asdict(self), "models": dict(self.models)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str) -> Calibration:
        """What ``to_json`` gave; FormatError where it is something else or of other features."""
        try:
            if tuple(value["features"]) != FEATURES:
                raise ValueError("it was fitted on other features")
            mean, scale, weights = (
                tuple(float(number) for number in value[key]) for key in ("mean", "scale", "weights")
            )
            made = cls(
                mean, scale, weights,
                float(value["bias"]),
                tuple((float(left), float(right)) for left, right in value["curve"]),
                float(value["threshold"]),
                None if value["target_precision"] is None else float(value["target_precision"]),
                {str(name): str(digest) for name, digest in value["models"].items()},
                str(value["fitted_on"]),
                _blend(value["blend"]),
            )  # fmt: skip
            if any(len(row) != len(FEATURES) for row in (made.mean, made.scale, made.weights)) or not made.curve:
                raise ValueError("its rows are of the wrong length")
            figures = [*made.mean, *made.scale, *made.weights, made.bias, made.threshold, *sum(made.curve, ())]
            figures += [*made.blend.read, *made.blend.reranked, *made.blend.alone]
            if not all(map(math.isfinite, figures)) or not all(made.scale):
                raise ValueError("it holds a number that is none")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{where}: not a calibration ({error}); run: quipu calibrate MEMORY") from error
        return made


def _blend(value: Mapping[str, Any]) -> Blend:
    a, b, c = (float(number) for number in value["read"])
    d, e, f = (float(number) for number in value["reranked"])
    g, h = (float(number) for number in value["alone"])
    return Blend((a, b, c), (d, e, f), (g, h))


@functools.cache
def shipped(path: Path) -> Calibration | None:
    """The calibration in a file; None where there is none."""
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path}: not JSON ({error}); install quipu again") from error
    return Calibration.from_json(value, str(path))


def reason_to_abstain(question: str, hit: Hit, found: Features) -> str:
    """Why an answer is not trusted, in words: what of the question the stored pair lacks, or what is against it."""
    of = dict(zip(FEATURES, found.tolist(), strict=True))
    missing = numbers(question) - numbers(f"{hit.pair.question} {hit.pair.answer}")
    if of["similarity"] >= 0.5 and missing:
        return f"a number differs: nothing stored speaks of {', '.join(sorted(missing))}"
    if of["similarity"] >= 0.5 and of["names_missing"] > 0:
        stored = content_words(f"{hit.pair.question} {hit.pair.answer}")
        lacking = [name for name in _NAME.findall(question) if not content_words(name) <= stored]
        return f"a name differs: the nearest pair does not speak of {', '.join(dict.fromkeys(lacking)) or 'it'}"
    if of["similarity"] < 0.5:
        return "nothing similar is stored"
    if of["agreement"] < 0.5:
        return "the candidates disagree"
    return "what is stored is similar, but asks for something else"


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
    left, right = _ASKED.search(asked), _ASKED.search(stored)
    if left is None or right is None:
        return False
    one, other = left.group().lower(), right.group().lower()
    return one != other and one not in _GENERAL and other not in _GENERAL

"""Text rules that several rooms share: SQuAD's normalisation, token F1, JSON from outside, sentence boundaries."""

from __future__ import annotations

import json
import math
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from quipu.errors import InputError

LONGEST_QUESTION = 10_000
"""Characters of a question that is asked or stored: the models read the first few hundred words of a text."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """SQuAD's normalisation: lower-case, drop ASCII punctuation, drop a/an/the, collapse white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def is_unicode(text: str) -> bool:
    """Whether every character can be stored: JSON and file names can hold lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_question(question: object) -> None:
    """InputError where this cannot be asked: no text, empty, longer than ``LONGEST_QUESTION``, or not Unicode."""
    if not isinstance(question, str):
        raise InputError(f"a question must be text, not {type(question).__name__}")
    if not question.strip():
        raise InputError("a question is empty")
    if len(question) > LONGEST_QUESTION:
        raise InputError(f"a question of {len(question):,} characters; {LONGEST_QUESTION:,} are allowed")
    if not is_unicode(question) or "\ufffd" in question:
        raise InputError("a question is not Unicode text")


def check_questions(questions: Sequence[str]) -> None:
    """``check_question`` for each; a single text in place of a list of them is an InputError too."""
    if isinstance(questions, str):
        raise InputError("many questions are a list of texts, not one text")
    for question in questions:
        check_question(question)


def from_json(text: str) -> Any:
    """The value that ``text`` writes; ValueError, whose text is the reason, for all that Python's reader raises."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(why_not_json(error)) from error


def is_json(text: str) -> bool:
    """Whether ``from_json`` takes the text."""
    try:
        from_json(text)
    except ValueError:
        return False
    return True


def why_not_json(error: ValueError | RecursionError) -> str:
    """In a few words why Python's reader of JSON refused a text."""
    if isinstance(error, json.JSONDecodeError):
        place = f"line {error.lineno}, column {error.colno}" if error.lineno > 1 else f"column {error.colno}"
        return f"not JSON ({error.msg[:1].lower()}{error.msg[1:]}, {place})"
    if isinstance(error, RecursionError):
        return "JSON that is nested too deeply"
    return "JSON with a number of too many digits"


def finite(value: Any) -> Any:
    """A value for JSON, which has no infinite numbers: they are None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def exact_match(prediction: str, answers: Iterable[str]) -> float:
    """1.0 if the normalised prediction equals one of the normalised gold answers, else 0.0."""
    normal = normalize_answer(prediction)
    return float(any(normal == normalize_answer(answer) for answer in answers))


def token_f1(prediction: str, answer: str) -> float:
    """Overlap of the two bags of normalised tokens; 1.0 when both are empty, 0.0 when one is (SQuAD 2.0)."""
    left, right = normalize_answer(prediction).split(), normalize_answer(answer).split()
    if not left or not right:
        return float(left == right)
    common = sum((Counter(left) & Counter(right)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(left), common / len(right)
    return 2 * precision * recall / (precision + recall)


def best_f1(prediction: str, answers: Iterable[str]) -> float:
    """Token F1 against the gold answer that fits best; 0.0 where there is none."""
    return max((token_f1(prediction, answer) for answer in answers), default=0.0)

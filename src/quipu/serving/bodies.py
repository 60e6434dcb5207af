"""The bodies that clients send: what is taken of them, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from quipu.errors import InputError
from quipu.serving.settings import LONGEST_QUESTION
from quipu.text import check_question, is_unicode

ASKED = "Who obtained the concession for the canal?"
"""The question of the examples."""
QUESTIONS = 64
"""Questions in one request."""
PAIRS = 100
"""Pairs in one request."""
GROWN = 400
"""Questions in one request to grow."""


def check_text(text: str) -> str:
    """The text; ValueError where it is empty, or cannot be stored."""
    if "\x00" in text or not is_unicode(text):
        raise ValueError("holds a NUL character or a lone surrogate")
    if not text.strip():
        raise ValueError("is empty")
    return text


def _question(text: str) -> str:
    try:
        check_question(check_text(text))
    except InputError as error:
        raise ValueError(str(error)) from None
    return text


def _note(text: str) -> str:
    return check_text(text) if text else text


Question = Annotated[str, Field(max_length=LONGEST_QUESTION, examples=[ASKED]), AfterValidator(_question)]
AnswerText = Annotated[str, Field(max_length=10_000, examples=["Ferdinand de Lesseps"]), AfterValidator(check_text)]


class Given(BaseModel):
    """What clients send: nothing that is not known, no number as text."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class AskRequest(Given):
    """One question, or a list of them, with what ``quipu ask`` takes as options."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"question": ASKED}, {"questions": [ASKED], "k": 20}]})

    question: Question | None = None
    questions: Annotated[list[Question], Field(min_length=1, max_length=QUESTIONS)] | None = None
    k: Annotated[int, Field(ge=1, le=200, description="Stored pairs to look at.")] | None = None
    method: Annotated[
        Literal["cascade", "lookup", "passage", "read", "hops", "chain", "span"],
        Field(description="The step that answers; a cascade takes them from cheap to dear."),
    ] = "cascade"
    rerank: Annotated[bool, Field(description="Let the reranker choose among the pairs found.")] = False
    min_probability: (
        Annotated[float, Field(ge=0, le=1, description="Hold back answers that are less probable; 0 shows all.")] | None
    ) = None
    precision: (
        Annotated[float, Field(gt=0, lt=1, description="Instead: how many of the answers given are to be right.")]
        | None
    ) = None
    budget_ms: (
        Annotated[float, Field(gt=0, le=600_000, description="Milliseconds for a question, its wait in the queue too.")]
        | None
    ) = None
    prefer: (
        Annotated[
            Literal["newest", "both", "first"],
            Field(description="Where sources disagree: answer as the newest or the first does, or with both."),
        ]
        | None
    ) = None
    explain: Annotated[bool, Field(description="Say every step that was taken, in `tried`.")] = True

    @model_validator(mode="after")
    def _one_of_each(self) -> AskRequest:
        if (self.question is None) == (self.questions is None):
            raise ValueError("give question or questions, one of the two")
        if self.precision is not None and self.min_probability is not None:
            raise ValueError("give precision or min_probability, not both")
        if self.budget_ms is not None and self.method != "cascade":
            raise ValueError("a budget_ms is for the method cascade only")
        return self

    @property
    def asked(self) -> Sequence[str]:
        """The questions."""
        return self.questions if self.questions is not None else [self.question or ""]


class SearchRequest(Given):
    """A question whose nearest stored pairs are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"question": ASKED, "k": 5}]})

    question: Question
    k: Annotated[int, Field(ge=1, le=200, description="How many pairs.")] = 10
    method: Annotated[
        Literal["vector", "words", "both"], Field(description="By meaning, by words, or by both, fused.")
    ] = "both"


class Verdict(Given):
    """What somebody says of an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"answer_id": "WyJjYW5hbCJd.5f2b8c1e", "verdict": "wrong", "expected": "Ferdinand de Lesseps"}]
        }
    )

    answer_id: Annotated[str, Field(max_length=100_000, description="As the answer has it.")]
    verdict: Annotated[
        Literal["right", "wrong", "useless"],
        Field(description="A wrong answer never returns to its question; one that is useless is only counted."),
    ]
    expected: Annotated[AnswerText, Field(description="The answer that would have been right.")] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Verdict:
        if self.expected is not None and self.verdict == "right":
            raise ValueError("an answer that is right is the one that was expected; leave expected out")
        return self


class NewPair(Given):
    """A question with its answer."""

    question: Question
    answer: AnswerText


class NewPairs(Given):
    """Pairs to remember."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"pairs": [{"question": "Who signs?", "answer": "The office"}]}]}
    )

    pairs: Annotated[list[NewPair], Field(min_length=1, max_length=PAIRS)]


class PairChange(Given):
    """What a pair is to say from now on; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"answer": "Ferdinand de Lesseps, in 1854"}]})

    question: Question | None = None
    answer: AnswerText | None = None

    @model_validator(mode="after")
    def _something(self) -> PairChange:
        if self.question is None and self.answer is None:
            raise ValueError("give a question, an answer, or both")
        return self


class ReviewDecision(Given):
    """What somebody decides about a pair, as it was shown in ``version``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"decision": "edit", "version": "5f2b8c1e9d3a4b67", "answer": "Ferdinand de Lesseps"},
                {"decision": "undo"},
            ]
        }
    )

    decision: Annotated[
        Literal["accept", "reject", "edit", "undo"],
        Field(description="`undo` takes back the last decision about the pair, by the id that it has since."),
    ]
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="As the queue gave it.")] | None = None
    question: Question | None = None
    answer: AnswerText | None = None
    note: Annotated[str, Field(max_length=2_000), AfterValidator(_note)] = ""

    @model_validator(mode="after")
    def _as_decided(self) -> ReviewDecision:
        if (self.decision == "undo") != (self.version is None):
            raise ValueError("a decision needs the version that was shown; undo takes none")
        if (self.decision == "edit") != (self.question is not None or self.answer is not None):
            raise ValueError("an edit needs a question, an answer, or both; another decision takes none")
        return self


class GrowRequest(Given):
    """Questions that had no answer; without them, those of this memory in the server's own log."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"questions": [ASKED]}, {}]})

    questions: Annotated[list[Question], Field(min_length=1, max_length=GROWN)] | None = None

"""What clients of OpenAI's API send: what is read of it, and what is refused because it is not done here."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from quipu.serving.bodies import Question, check_text
from quipu.serving.problems import Problem

EMBEDDINGS = 256
"""Texts in one request."""
TASK = "### Task:"
"""How the prompts begin that Open WebUI sends beside those of its users: for titles, tags, searches, next questions."""
_CONTEXT = "</context>"
_IGNORED = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_MOST_IGNORED = 32
_QUESTION = TypeAdapter(Question)


class Sent(BaseModel):
    """Clients send many parameters of language models; those that are not known here are noted and change nothing."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)

    @property
    def ignored(self) -> str:
        """Their names, for the header ``X-Quipu-Ignored``."""
        given = self.model_extra or {}
        names = sorted(name for name, value in given.items() if value is not None and _IGNORED.fullmatch(name))
        return ", ".join(names[:_MOST_IGNORED])


class Message(Sent):
    """One message of a conversation; only the last one of the user is read."""

    role: str
    content: Any = None


class ResponseFormat(Sent):
    """The form of the answer: text is the only one."""

    type: str


class StreamOptions(Sent):
    """What a stream holds beside the answer."""

    include_usage: bool | None = None


class ChatRequest(Sent):
    """The body of ``/v1/chat/completions``."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    audio: Any = None

    def check(self) -> None:
        """Problem where something is asked for that would not be in the response."""
        refused = {
            "n": (self.n is not None and self.n != 1, "there is one answer to a question"),
            "tools": (bool(self.tools), "no tool is called"),
            "functions": (bool(self.functions), "no function is called"),
            "response_format": (self.response_format is not None and self.response_format.type != "text",
                                "an answer is text"),
            "logprobs": (bool(self.logprobs), "an answer has one probability, in quipu.probability"),
            "top_logprobs": (bool(self.top_logprobs), "an answer has one probability, in quipu.probability"),
            "modalities": (bool(self.modalities) and self.modalities != ["text"], "an answer is text"),
            "audio": (self.audio is not None, "an answer is text"),
        }  # fmt: skip
        for param, (is_asked, why) in refused.items():
            if is_asked:
                raise Problem("unsupported", f"{param}: not supported, {why}", param=param)

    @property
    def prompt(self) -> str:
        """The text of the user's last message. Problem where there is none, or where it is more than text."""
        for number, message in reversed(list(enumerate(self.messages))):
            if message.role == "user":
                return _text_of(message.content, f"messages[{number}].content")
        raise Problem("invalid", "messages: there is none of the user", param="messages")


def question_in(prompt: str) -> str | None:
    """The question of a prompt; None of one that a program sends for its own ends. Problem where it cannot be asked.

    Where Open WebUI puts documents before a question, the question is what follows them.
    """
    if prompt.lstrip().startswith(TASK):
        _, context, prompt = prompt.rpartition(_CONTEXT)
        if not context or not prompt.strip():
            return None
    try:
        return _QUESTION.validate_python(prompt.strip())
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise Problem("invalid", f"messages: the user's last message: {said}", param="messages") from None


class EmbeddingRequest(Sent):
    """The body of ``/v1/embeddings``."""

    model: str
    input: Any
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None

    @property
    def texts(self) -> list[str]:
        """The texts. Problem where there is none, too many, or something else."""
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise Problem("invalid", "input: a text or a list of texts is needed; numbers of tokens are not taken",
                          param="input")  # fmt: skip
        if not 1 <= len(texts) <= EMBEDDINGS:
            raise Problem("invalid", f"input: {len(texts):,} texts; 1 to {EMBEDDINGS} are taken at once", param="input")
        for number, text in enumerate(texts):
            try:
                check_text(text)
            except ValueError as error:
                raise Problem("invalid", f"input[{number}]: {error}", param=f"input[{number}]") from None
        return texts


def _text_of(content: Any, where: str) -> str:
    """Of a text, or of a list of parts that are all texts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise Problem("invalid", f"{where}: a text is needed", param=where)
    texts = []
    for number, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text":
            raise Problem("unsupported_content", f"{where}[{number}]: only text can be asked, no {str(kind)[:40]}",
                          param=f"{where}[{number}]")  # fmt: skip
        if not isinstance(part.get("text"), str):
            raise Problem("invalid", f"{where}[{number}].text: a text is needed", param=f"{where}[{number}].text")
        texts.append(part["text"])
    return "\n".join(texts)

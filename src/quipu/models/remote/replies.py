"""What a server sends back: the text, why it ended, what it used; and the JSON that may stand anywhere in a text."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from quipu.text import from_json, is_unicode

REFUSED = "refused by the model"
UNREADABLE = "unreadable reply"
_MOST = 200_000  # characters of a text in which JSON is looked for
_OPENINGS = 64  # braces that are tried
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model said. ``tokens_in`` and ``tokens_out``: None where the server did not count."""

    text: str
    cut_off: bool
    refused: bool
    tokens_in: int | None
    tokens_out: int | None


def reply_of(body: str) -> Reply:
    """The reply in a body of ``/chat/completions``; ValueError, whose text is the reason, where it is none."""
    value = from_json(body)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise ValueError("no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise ValueError("no message")
    finish, refusal = choices[0].get("finish_reason"), message.get("refusal")
    usage = value.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(
        _text(message.get("content")),
        finish == "length",
        finish == "content_filter" or (isinstance(refusal, str) and bool(refusal)),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
    )


def json_in(text: str) -> dict[str, Any]:
    """The object that a text is, or that stands in it: fenced, after thoughts, or between sentences.

    ValueError where there is none.
    """
    text = _THOUGHT.sub("", text[:_MOST]).strip()
    if not is_unicode(text):
        raise ValueError("not Unicode text")
    decoder, at = json.JSONDecoder(), text.find("{")
    for _ in range(_OPENINGS):
        if at < 0:
            break
        try:
            found, _ = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        if isinstance(found, dict):
            return found
        at = text.find("{", at + 1)
    raise ValueError("no JSON object")


def _text(content: object) -> str:
    """A message's content: a text, or parts of which some are texts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text")
        return "".join(part for part in parts if isinstance(part, str))
    return ""


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 40 else None

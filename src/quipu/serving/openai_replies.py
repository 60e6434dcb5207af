"""Answers as OpenAI's API gives them: content, citations, completions, the events of a stream, errors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from quipu.serving.settings import ChatSources
from quipu.text import finite

BACKGROUND = "{}"
"""To a prompt of a program for its own ends: it asks for JSON, and finds that nothing was made."""
_SHOWN = ("text", "abstained", "probability", "route", "reason", "evidence", "answer_id")


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said to a question: content, the places that it cites, and what quipu knows beyond that."""

    content: str
    annotations: Sequence[Mapping[str, Any]] = ()
    quipu: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any], sources: ChatSources, links: Sequence[str | None]) -> Reply:
        """Of an answer as ``ask`` gives it; ``links``: the address of each piece of evidence, None where it has none.

        A citation spans the line of its source, and where there are no such lines the answer.
        """
        shown = {name: answer[name] for name in _SHOWN}
        if answer["text"] is None:
            return cls(f"I do not know: {answer['reason']}", (), shown)
        content, found = answer["text"], []
        lines: dict[str, tuple[int, int]] = {}
        for place, link in zip(answer["evidence"], links, strict=True):
            line = _source(place)
            if line is None:
                continue
            if sources == "append" and line not in lines:
                content += "\n" if lines else "\n\n"
                lines[line] = len(content), len(content) + len(line)
                content += line
            start, end = lines.get(line, (0, len(answer["text"])))
            if link is not None:
                cited = {"start_index": start, "end_index": end, "title": _title(place), "url": link}
                found.append({"type": "url_citation", "url_citation": cited})
        return cls(content, found, shown)


@dataclass(frozen=True, slots=True)
class Completion:
    """A reply with what stands around it. ``created`` in seconds since 1970; tokens are those of the encoder."""

    id: str
    created: int
    model: str
    fingerprint: str
    reply: Reply
    prompt_tokens: int
    completion_tokens: int

    def whole(self) -> dict[str, Any]:
        """A ``chat.completion``."""
        message = {
            "role": "assistant", "content": self.reply.content, "refusal": None,
            "annotations": list(self.reply.annotations),
        }  # fmt: skip
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return self._framed("chat.completion", [choice]) | {"usage": self._usage()} | self._quipu()

    def events(self, *, usage: bool) -> Iterator[str]:
        """Server-sent events of ``chat.completion.chunk`` objects: role, content, end, with ``usage`` the tokens."""
        said = {"content": self.reply.content, "annotations": list(self.reply.annotations)}
        for delta, reason in (({"role": "assistant", "content": ""}, None), (said, None), ({}, "stop")):
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
            chunk = self._framed("chat.completion.chunk", [choice]) | ({"usage": None} if usage else {})
            yield _event(chunk | (self._quipu() if reason else {}))
        if usage:
            yield _event(self._framed("chat.completion.chunk", []) | {"usage": self._usage()})
        yield "data: [DONE]\n\n"

    def _framed(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": self.id, "object": kind, "created": self.created, "model": self.model,
            "system_fingerprint": self.fingerprint, "choices": choices,
        }  # fmt: skip

    def _usage(self) -> dict[str, int]:
        asked, said = self.prompt_tokens, self.completion_tokens
        return {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}

    def _quipu(self) -> dict[str, Any]:
        return {} if self.reply.quipu is None else {"quipu": dict(self.reply.quipu)}


def link_of(public_url: str, memory: str, place: Mapping[str, Any], document: str | None) -> str | None:
    """The address of a place, by the id of its document; None where it is no span of one."""
    if document is None or place["start"] is None:
        return None
    span = f"start={place['start']}&end={place['end']}"
    return f"{public_url.rstrip('/')}/api/v1/{quote(memory, safe='')}/documents/{document}/text?{span}"


def _source(place: Mapping[str, Any]) -> str | None:
    """The line that names a source; None where an answer stands in no document."""
    if place["document"] is None:
        return None
    if place["quote"]:
        return f'Source: {_title(place)}, "{" ".join(place["quote"].split())}"'
    return f"Source: {_title(place)}" + (f", line {place['line']}" if place["line"] else "")


def _title(place: Mapping[str, Any]) -> str:
    return " ".join((place["title"] or os.path.basename(place["document"])).split())


def _event(chunk: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(finite(dict(chunk)), allow_nan=False)}\n\n"

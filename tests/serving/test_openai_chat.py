"""OpenAI's API, asked by OpenAI's own client over a real connection."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
import uvicorn

openai = pytest.importorskip("openai")

from openai import OpenAI
from tests.full_memory import ASKED
from tests.handmade import WordEncoder
from tests.serving.conftest import READER, opened, refusing, wait
from tests.serving.test_api import timeless

from quipu.models.encoder import Encoder
from quipu.serving.app import Server
from quipu.serving.protocol import BoundedProtocol
from quipu.serving.settings import ServeSettings

PIER = ASKED[1]
LOOKUP = "harbour:lookup"
TITLE = """### Task:
Generate a concise title summarizing the chat history.
### Output:
JSON format: { "title": "your concise title here" }
### Chat History:
<chat_history>
USER: How long is pier 3?
</chat_history>"""
WITH_DOCUMENTS = """### Task:
Respond to the user query using the provided context, incorporating inline citations.
<context>
<source id="1">Pier 3 is a mile long.</source>
</context>

How long is pier 3?"""


class Listening(Server):
    url: str


@contextmanager
def listening(path: Path, settings: ServeSettings | None = None, reader: str = "") -> Iterator[Listening]:
    """A server on a free port."""
    server = Listening([path], settings, environment={"QUIPU_TOKEN": reader}, opener=opened)
    config = uvicorn.Config(server.app, log_config=None, lifespan="on", http=BoundedProtocol, ws="none")
    running = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as free:
        server.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        thread = threading.Thread(target=running.run, kwargs={"sockets": [free]})
        thread.start()
        try:
            wait(lambda: running.started and server.engine.why_not_ready is None, 120)
            yield server
        finally:
            running.should_exit = True
            thread.join()


def client_of(server: Listening, key: str = "none") -> OpenAI:
    """To be closed: a connection that is left open is told of in the test that runs when it is collected."""
    return OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=120)


@pytest.fixture(scope="module")
def server(memory: Path) -> Iterator[Listening]:
    with listening(memory, ServeSettings(rate=1e6, burst=100_000), reader=READER) as found:
        yield found


@pytest.fixture(scope="module")
def client(server: Listening) -> Iterator[OpenAI]:
    with client_of(server, READER) as found:
        yield found


def say(client: OpenAI, text: Any, model: str = LOOKUP, **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


def test_memories_are_models(client: OpenAI, memory: Path) -> None:
    """A list without ids, or with times in milliseconds, is an empty menu, or one from the year 58,000."""
    [found] = client.models.list().data
    assert (found.id, found.object, found.owned_by) == ("harbour", "model", "quipu")
    assert abs(found.created - (memory / "manifest.json").stat().st_mtime) <= 1
    assert client.models.retrieve("harbour").id == "harbour"
    assert client.models.retrieve(LOOKUP).id == LOOKUP
    for unknown in ("nothing", "harbour:magic", "nothing:lookup", "harbour:"):
        with pytest.raises(openai.NotFoundError) as error:
            client.models.retrieve(unknown)
        assert error.value.code == "model_not_found" and error.value.param == "model"


def test_an_answer_is_that_of_the_memory(client: OpenAI, memory: Path) -> None:
    """Content, source, probability and tokens; a client that shows only the content shows the source too."""
    before = int(time.time())
    found = say(client, PIER)
    with opened(memory) as direct:
        known = direct.ask(PIER, method="lookup")
    [choice] = found.choices
    assert choice.message.content == '22 metres\n\nSource: Pier 3, "22 metres"'
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert choice.message.annotations == []  # nobody reaches this server by a public address
    assert (found.object, found.model, found.system_fingerprint) == ("chat.completion", LOOKUP, "fp_words")
    assert before <= found.created <= time.time()
    assert (found.usage.prompt_tokens, found.usage.completion_tokens, found.usage.total_tokens) == (5, 7, 12)
    own = found.quipu
    assert own["route"] == "lookup" and own["answer_id"] and own["reason"] == known.reason
    shown = json.loads(json.dumps(timeless(known.to_json())))
    assert {name: own[name] for name in ("text", "probability", "evidence")} == {
        name: shown[name] for name in ("text", "probability", "evidence")
    }
    assert say(client, ASKED[2]).choices[0].message.content == "7 rooms\n\nSource: ready.csv, line 9"


def test_only_the_last_question_counts(client: OpenAI) -> None:
    """What was said before must neither be answered nor refused; parts of a text are one text."""
    messages: list[Any] = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}]},
        {"role": "user", "content": [{"type": "text", "text": "How long"}, {"type": "text", "text": "is pier 3?"}]},
        {"role": "assistant", "content": None, "tool_calls": []},
    ]
    found: Any = client.chat.completions.create(model=LOOKUP, messages=messages)
    assert found.quipu["text"] == "22 metres"


def test_a_refusal_says_so(client: OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal that reads like an answer is taken for one."""
    monkeypatch.setattr("quipu.memory.Memory.ask_many", refusing)
    found = say(client, "Who was the king?")
    assert found.choices[0].message.content == "I do not know: nothing stored is near enough"
    assert found.quipu["abstained"] is True and found.quipu["text"] is None


def test_a_stream_is_the_answer_in_pieces(client: OpenAI) -> None:
    """Role first, then content, then the end; the tokens only where they are asked for."""
    whole = say(client, PIER)
    chunks = list(say(client, PIER, stream=True, stream_options={"include_usage": True}))
    *said, usage = chunks
    assert [chunk.choices[0].finish_reason for chunk in said] == [None, None, "stop"]
    assert said[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in said) == whole.choices[0].message.content
    assert usage.choices == [] and usage.usage == whole.usage
    assert {chunk.usage for chunk in said} == {None}
    assert len({chunk.id for chunk in chunks}) == 1 and {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert said[-1].quipu["text"] == "22 metres"
    assert len(list(say(client, PIER, stream=True))) == 3


def test_a_stream_is_server_sent_events(server: Listening) -> None:
    """Clients of other makers read the bytes themselves."""
    body = {"model": "harbour", "messages": [{"role": "user", "content": PIER}], "stream": True}
    response = httpx2.post(
        f"{server.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {READER}"}, timeout=120
    )
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    *events, end = response.text.split("\n\n")
    assert end == "" and events[-1] == "data: [DONE]"
    assert all(json.loads(event.removeprefix("data: "))["id"].startswith("chatcmpl-") for event in events[:-1])


def test_what_changes_nothing_is_named(client: OpenAI) -> None:
    """Somebody who sets a temperature is to see that it does nothing; a name must not become a header of its own."""
    raw = client.chat.completions.with_raw_response.create(
        model=LOOKUP, messages=[{"role": "user", "content": PIER}], temperature=0.3, top_p=0.5, seed=1, max_tokens=5,
        n=1, tools=[], extra_body={"x\r\ny: z": 1, "stop": None, "min_p": 0.1},
    )  # fmt: skip
    assert raw.headers["x-quipu-ignored"] == "max_tokens, min_p, seed, temperature, top_p"
    assert "x-quipu-ignored" not in client.chat.completions.with_raw_response.create(
        model=LOOKUP, messages=[{"role": "user", "content": PIER}]
    ).headers  # fmt: skip


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("more", "code", "param"),
    [
        ({"n": 2}, "unsupported", "n"),
        ({"tools": [TOOL]}, "unsupported", "tools"),
        ({"extra_body": {"functions": [{"name": "f"}]}}, "unsupported", "functions"),
        ({"response_format": {"type": "json_object"}}, "unsupported", "response_format"),
        ({"logprobs": True}, "unsupported", "logprobs"),
        ({"top_logprobs": 2}, "unsupported", "top_logprobs"),
        ({"modalities": ["text", "audio"]}, "unsupported", "modalities"),
        ({"messages": []}, "invalid", "messages"),
        ({"messages": [{"role": "system", "content": "x"}]}, "invalid", "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "invalid", "messages"),
        ({"messages": [{"role": "user", "content": "x" * 2_001}]}, "invalid", "messages"),
        ({"messages": [{"role": "user", "content": None}]}, "invalid", "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "invalid", "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "unsupported_content", "messages[0].content[0]"),
        ({"messages": [{"content": "x"}]}, "invalid", "messages[0].role"),
        ({"extra_body": {"stream": "yes"}}, "invalid", "stream"),
    ],
)
def test_what_is_not_done_is_refused_by_name(client: OpenAI, more: dict[str, Any], code: str, param: str) -> None:
    """An ignored tool or format gives a program an answer that it cannot read; it must be an error, and say which."""
    given = {"messages": [{"role": "user", "content": PIER}], **more}
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(model=LOOKUP, **given)
    assert (error.value.code, error.value.param, error.value.type) == (code, param, "invalid_request_error")
    assert error.value.body["message"]


def test_errors_are_those_of_the_client(server: Listening, client: OpenAI, memory: Path) -> None:
    """A client that does not know an error tries again without an end, or shows the bytes."""
    with client_of(server, "wrong") as stranger, pytest.raises(openai.AuthenticationError) as wrong:
        stranger.models.list()
    assert wrong.value.code == "unauthorized" and wrong.value.request_id
    with pytest.raises(openai.NotFoundError) as unknown:
        say(client, PIER, model="nothing")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError) as route:
        client.files.list()
    assert set(route.value.response.json()["error"]) == {"message", "type", "param", "code"}
    bad = httpx2.post(
        f"{server.url}/v1/embeddings", content=b"{",
        headers={"authorization": f"Bearer {READER}", "content-type": "application/json"},
    )  # fmt: skip
    assert bad.status_code == 400 and bad.json()["error"]["code"] == "not_json"
    get = httpx2.get(f"{server.url}/v1/chat/completions", headers={"authorization": f"Bearer {READER}"})
    assert get.status_code == 405 and get.json()["error"]["code"] == "method_not_allowed"
    with listening(memory, ServeSettings(rate=0.001, burst=1), reader=READER) as slow, client_of(slow, READER) as once:
        once.models.list()
        with pytest.raises(openai.RateLimitError) as limited:
            once.models.list()
        assert limited.value.type == "rate_limit_error" and int(limited.value.response.headers["retry-after"]) > 1


def test_prompts_of_programs_are_no_questions(memory: Path, tmp_path: Path) -> None:
    """Open WebUI asks for titles and tags of every conversation: answered, they spoil its menus and what grow reads."""
    log = tmp_path / "asked.jsonl"
    with listening(memory, ServeSettings(question_log=log)) as server, client_of(server) as client:
        assert json.loads(say(client, TITLE).choices[0].message.content) == {}
        assert list(say(client, TITLE, stream=True))[1].choices[0].delta.content == "{}"
        assert log.read_text() == ""
        found = say(client, WITH_DOCUMENTS)
        assert found.quipu["text"] == "22 metres"
        assert json.loads(log.read_text())["question"] == PIER
        text = httpx2.get(f"{server.url}/metrics").text
    assert 'quipu_background_prompts_total{memory="harbour"} 2.0' in text
    assert re.search(r'quipu_answers_total\{[^}]*outcome="answered"[^}]*\} 1.0', text)


def test_citations_point_into_the_content(memory: Path) -> None:
    """An index that is one off marks the wrong words as cited; the address must be that of the very span."""
    settings = ServeSettings(public_url="https://answers.example.org/q/")
    for sources, marked in (("append", 'Source: Pier 3, "22 metres"'), ("none", "22 metres")):
        served = replace(settings, chat_sources=sources)
        with listening(memory, served, reader=READER) as server, client_of(server, READER) as client:
            message = say(client, PIER).choices[0].message
            [found] = message.annotations
            cited = found.url_citation
            assert message.content[cited.start_index : cited.end_index] == marked
            assert (message.content == marked) is (sources == "none")
            assert (found.type, cited.title) == ("url_citation", "Pier 3")
            public, path = cited.url.split("/q/", 1)
            assert public == "https://answers.example.org"
            piece = httpx2.get(
                f"{server.url}/{path}",
                headers={"authorization": f"Bearer {READER}"},
            ).json()
            assert piece["text"] == "22 metres"


def test_embeddings_are_the_encoders(client: OpenAI) -> None:
    """As numbers and as bytes, in order: the client asks for bytes unless it is told otherwise."""
    texts = ["How long is pier 3?", "boats", "What of house 7?"]
    known = WordEncoder().encode(texts)
    for form in ({}, {"encoding_format": "float"}, {"encoding_format": "base64", "dimensions": 64}):
        found = client.embeddings.create(model="harbour", input=texts, **form)
        assert [item.index for item in found.data] == [0, 1, 2]
        rows = [item.embedding for item in found.data]
        if form.get("encoding_format") == "base64":
            rows = [np.frombuffer(base64.b64decode(row), "<f4") for row in rows]
        np.testing.assert_allclose(rows, known, atol=1e-6)
        assert found.usage.prompt_tokens == found.usage.total_tokens == 10
    assert len(client.embeddings.create(model="harbour", input="boats").data) == 1


@pytest.mark.parametrize(
    ("given", "code", "param"),
    [
        ({"input": []}, "invalid", "input"),
        ({"input": [1, 2]}, "invalid", "input"),
        ({"input": [[1, 2]]}, "invalid", "input"),
        ({"input": ["a", ""]}, "invalid", "input[1]"),
        ({"input": ["a"] * 257}, "invalid", "input"),
        ({"input": "a", "dimensions": 32}, "unsupported", "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, "invalid", "encoding_format"),
    ],
)
def test_what_cannot_be_embedded_is_refused(client: OpenAI, given: dict[str, Any], code: str, param: str) -> None:
    """A vector of something else is found by nobody, and nobody sees why."""
    with pytest.raises(openai.BadRequestError) as error:
        client.embeddings.create(model="harbour", **given)
    assert (error.value.code, error.value.param) == (code, param)
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model=LOOKUP, input="a")


def test_tokens_are_counted_and_no_text_is_cut_off(memory: Path) -> None:
    """The end of a text that is too long would be missing from its vector without a sign."""
    from quipu.models.bundle import Models
    from quipu.serving.openai_chat import Embedding
    from quipu.serving.problems import Problem

    encoder = Encoder("quipu-small/encoder")
    assert encoder.count(["", "the canal", "word " * 200]) == [2, 4, 202]
    with opened(memory) as direct:
        direct._models = Models(encoder)
        [(key, tokens)] = Embedding().run(direct, ["the canal"], None)
        assert key.shape == (encoder.width,) and tokens == 4
        with pytest.raises(Problem, match="202 tokens; the encoder reads 128"):
            Embedding().run(direct, ["the canal", "word " * 200], None)

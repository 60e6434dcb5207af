"""Whose key goes where, and which settings can be: a wrong answer here gives a secret or money away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quipu.errors import SettingsError
from quipu.models.remote.prompts import Dialect, key, to_write
from quipu.models.remote.settings import LlmSettings, key_of
from quipu.records import Span

OPENAI = "https://api.openai.com/v1"


def settings(url: str = OPENAI, **others: Any) -> LlmSettings:
    return LlmSettings(url=url, model="m", **others)


def test_openais_key_goes_to_openai_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody's server would get a working key of somebody who only tried a local model."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("OTHER", "other")
    assert key_of(settings()) == "sk-1"
    for url in ("https://api.openai.com.evil.example/v1", "https://evil.example/api.openai.com", "http://localhost/v1"):
        assert key_of(settings(url)) is None
        with pytest.raises(SettingsError, match="OPENAI_API_KEY goes to"):
            key_of(settings(url, key_env="OPENAI_API_KEY"))
        assert key_of(settings(url, key_env="OTHER")) == "other"
    assert key_of(settings("http://api.openai.com/v1", insecure=True)) is None


@pytest.mark.parametrize("value", ["", "two words", "caf\u00e9", "line\nbreak"])
def test_a_key_that_cannot_be_is_refused_without_being_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line break would forge a header; a missing variable would show only as an error of the server."""
    monkeypatch.setenv("MY_KEY", value)
    with pytest.raises(SettingsError) as error:
        key_of(settings(key_env="MY_KEY"))
    assert "MY_KEY" in str(error.value) and (not value or value not in str(error.value))


def test_a_key_in_place_of_its_variable_is_not_repeated() -> None:
    """Whoever pastes the key itself would find it in the error, the log and the manifest."""
    with pytest.raises(SettingsError) as error:
        settings(key_env="sk-proj-abc-123")
    assert "abc" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://10.0.0.7:8000/v1", "unencrypted"),
        ("http://localhost.evil.example/v1", "unencrypted"),
        ("https://user:secret@host/v1", "no user"),
        ("https://host/v1?api-key=secret", "no user"),
        ("file:///etc/passwd", "not a URL"),
        ("https://", "not a URL"),
        ("https://host:port/v1", "not a URL"),
        ("host/v1", "not a URL"),
    ],
)
def test_an_address_that_must_not_be_used_is_refused(url: str, why: str) -> None:
    """Passages over open networks, secrets in the manifest."""
    with pytest.raises(SettingsError, match=why) as error:
        settings(url)
    assert "secret" not in str(error.value)


def test_http_is_for_this_machine_or_whoever_says_so() -> None:
    """A local model must need no certificate."""
    for url in ("http://localhost:11434/v1", "http://127.0.0.1:8000/v1", "http://[::1]:8000/v1"):
        settings(url)
    settings("http://10.0.0.7:8000/v1", insecure=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_cost": 1.0}, {"max_cost": 1.0, "price_in": 1.0}, {"price_in": -1.0}, {"price_in": float("nan")},
        {"concurrency": 0}, {"max_tokens": 0}, {"timeout": 0.0}, {"timeout": float("nan")}, {"roles": ()},
        {"roles": ("poet",)}, {"on_error": "weep"},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    """A budget without prices would never be reached."""
    with pytest.raises(SettingsError):
        settings(**wrong)


def test_a_file_and_options_are_one(tmp_path: Path) -> None:
    """An option must win over the file; a misspelt name in the file must not be passed over."""
    file = tmp_path / "llm.toml"
    file.write_text('url = "https://host/v1"\nmodel = "a"\nroles = ["judge", "writer"]\nmax_tokens = 9\n')
    found = LlmSettings.of({"model": "b"}, file)
    assert (found.model, found.url, found.roles, found.max_tokens) == ("b", "https://host/v1", ("writer", "judge"), 9)
    assert LlmSettings.of({"model": "b", "url": OPENAI, "roles": "reader, writer"}).roles == ("writer", "reader")
    file.write_text('url = "https://host/v1"\nmodel = "a"\napi_key = "x"\n')
    with pytest.raises(SettingsError, match="api_key"):
        LlmSettings.of({}, file)
    with pytest.raises(SettingsError, match="--llm-url"):
        LlmSettings.of({"model": "b"})


def test_a_call_is_known_by_all_that_is_said() -> None:
    """A key that misses something gives the reply to another question; one with too much pays twice."""
    call = to_write("One. Two.", "T", [Span(0, 4), Span(5, 9)], 3, ("d", "p"))
    elsewhere = to_write("One. Two.", "T", [Span(0, 4), Span(5, 9)], 3, ("e", "q"))
    body = call.body("m", Dialect())
    assert key(settings(), body) == key(settings(OPENAI + "/"), elsewhere.body("m", Dialect()))
    others = [
        key(settings("https://host/v1"), body),
        key(settings(), call.body("n", Dialect())),
        key(settings(), call.body("m", Dialect("json_object"))),
        key(settings(), to_write("One. Two!", "T", [Span(0, 4), Span(5, 9)], 3, ("d", "p")).body("m", Dialect())),
        key(settings(), to_write("One. Two.", "T", [Span(0, 4), Span(5, 9)], 2, ("d", "p")).body("m", Dialect())),
        key(settings(), call.repaired("x", "y").body("m", Dialect())),
    ]
    assert len({key(settings(), body), *others}) == 1 + len(others)

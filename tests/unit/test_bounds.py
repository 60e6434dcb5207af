"""What a user gives has bounds, and what is beyond them is an error in one line, not a foreign traceback."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.handmade import models

import quipu
from quipu.building.growing import refused_in
from quipu.errors import InputError, SettingsError
from quipu.records import QAPair
from quipu.settings import read_toml
from quipu.text import LONGEST_QUESTION, from_json


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[quipu.Memory]:
    """Three ready pairs."""
    (tmp_path / "notes.txt").write_text("Norma was first sung in 1831 in Milan.\n", encoding="utf-8")
    with quipu.build([tmp_path / "notes.txt"], tmp_path / "m.quipu", **models()) as made:
        made.add([QAPair.make(f"Who composed opera {number}?", f"Composer {number}") for number in range(3)])
        yield made


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (None, "must be text, not NoneType"), (5, "must be text, not int"), ("  ", "empty"),
        ("who " * 1_000_000, "4,000,000 characters"), ("half \ud800", "not Unicode"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(memory: quipu.Memory, question: object, words: str) -> None:
    """A megabyte took 18 seconds and 785 MB; None a traceback out of the tokenizer."""
    for ask in (memory.ask, memory.search):
        with pytest.raises(InputError, match=words):
            ask(question)  # type: ignore[operator]
    with pytest.raises(InputError, match="a list of texts"):
        memory.ask_many("Who composed Norma?")
    assert memory.ask("who " * (LONGEST_QUESTION // 4), method="lookup").question


def test_k_is_at_most_the_number_of_pairs(memory: quipu.Memory) -> None:
    """A thousand million places were reserved for four pairs: 7.5 GB."""
    tracemalloc.start()
    for method in ("vector", "words", "both"):
        assert len(memory.search("Who composed opera 1?", 1_000_000_000, method=method)) <= 4  # type: ignore[arg-type]
    assert memory.ask("Who composed opera 1?", k=1_000_000_000, method="lookup", min_probability=0).text
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000
    for ask in (memory.ask, memory.search):
        with pytest.raises(InputError, match="k must be 1 or more"):
            ask("Who?", k=0)


def test_search_fuses_meaning_and_words_as_the_command_does(memory: quipu.Memory) -> None:
    """The same question gave other pairs in Python than on the command line."""
    assert memory.search("Who composed opera 1?", 4) == memory.search("Who composed opera 1?", 4, method="both")


def test_a_closed_memory_says_so(memory: quipu.Memory) -> None:
    """Whatever was loaded before; closing twice is no error."""
    memory.ask("Who composed opera 1?", method="lookup")
    memory.close()
    memory.close()
    for use in (
        lambda: memory.ask("Who composed opera 1?"), lambda: memory.search("Who?"), lambda: memory.info(),
        lambda: memory.add([QAPair.make("a?", "b")]), lambda: memory.why("a"), lambda: memory.remove(pair="a"),
        lambda: memory.store,
    ):  # fmt: skip
        with pytest.raises(InputError, match="was closed; open it again"):
            use()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[" * 100_000, "too deeply"), ('{"question": "a?", "text": ' + "9" * 5000 + "}", "too many digits"),
        ("[1, 2]", "not an answer"), ('{"question": "a?"}', "text"), ("nothing", "not JSON"),
    ],
)  # fmt: skip
def test_a_spoilt_log_is_an_error_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    """Logs are cut, mixed and edited."""
    (tmp_path / "log").write_text('{"question": "a?", "text": null}\n' + line, encoding="utf-8")
    with pytest.raises(InputError, match=f"log, line 2: .*{words}"):
        list(refused_in(tmp_path / "log"))


@pytest.mark.parametrize("text", ["seed = " + "9" * 5000, "seed = " + "[" * 5000, "seed =", "\x00"])
def test_a_spoilt_recipe_is_a_settings_error(tmp_path: Path, text: str) -> None:
    """Python's reader of TOML has no error of its own for long numbers and deep lists."""
    (tmp_path / "recipe.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape("recipe.toml: not valid TOML")):
        read_toml(tmp_path / "recipe.toml")


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "{", "nan, really", '{"a": ' * 20_000])
def test_json_from_outside_fails_in_one_way(text: str) -> None:
    """RecursionError is no ValueError, and was not caught."""
    with pytest.raises(ValueError, match="JSON"):
        from_json(text)

"""The table of verbs stands in for modules that are not imported, and must say what they say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from quipu.cli.main import run
from quipu.cli.verbs import FORMER, VERBS, Verbs


def test_the_table_says_what_the_docstrings_say() -> None:
    """Help in two places drifts apart."""
    commands = Verbs(name="quipu").commands
    for name, (_, line) in VERBS.items():
        assert commands[name].name == name
        help_text = " ".join((commands[name].help or "").split("\n\n")[0].split())
        assert help_text.startswith(line), help_text


@pytest.mark.parametrize(("former", "word"), FORMER.items())
def test_a_former_word_is_understood_and_named(former: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A script written for the last version would end with "no such command", or never learn of the new word."""
    assert run([former, "--help"]) == 0
    said = capsys.readouterr()
    assert said.out.split()[:3] == ["Usage:", "quipu", word]
    assert said.err.count("\n") == 1 and f"`quipu {former}` is called `quipu {word}` now" in said.err
    assert run([word, "--help"]) == 0
    assert capsys.readouterr() == (said.out, "")
    assert run(["--help"]) == 0
    assert former not in capsys.readouterr().out.split()


def test_help_and_a_verb_load_no_other_verb() -> None:
    """Every question asked from a shell would wait for the options of thirty verbs."""
    code = (
        "import sys\nfrom quipu.cli.main import run\nrun(sys.argv[1:])\n"
        "print([name for name in sys.modules if name.startswith('quipu.cli.')], file=sys.stderr)"
    )
    loaded = {"quipu.cli.main", "quipu.cli.terminal", "quipu.cli.verbs"}
    shared = {f"quipu.cli.{name}" for name in ("memory", "options", "llm_options")}
    for arguments, more in ((["--help"], set()), (["info", "--help"], shared)):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        assert loaded <= set(eval(done.stderr)) <= loaded | more

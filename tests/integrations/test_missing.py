"""Without a framework: one line that says how to install it."""

from __future__ import annotations

import subprocess
import sys

import pytest


def test_a_missing_framework_is_named_with_its_extra() -> None:
    """An ImportError of a package that the user never heard of does not say which extra brings it."""
    code = (
        "import importlib, sys\n"
        "from quipu.errors import MissingExtra\n"
        "for framework, module in zip(('langchain_core', 'llama_index', 'haystack'),"
        " ('langchain', 'llama_index', 'haystack')):\n"
        "    sys.modules[framework] = None\n"
        "    try: importlib.import_module('quipu.integrations.' + module)\n"
        "    except MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == [
        f"pip install 'quipu-qa[{extra}]'" for extra in ("langchain", "llama-index", "haystack")
    ], done.stdout + done.stderr


def test_a_missing_package_of_data_sets_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs can be read from rows without it; a Dataset cannot be made."""
    from quipu.errors import MissingExtra
    from quipu.integrations.datasets import to_dataset

    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'quipu-qa\[datasets\]'"):
        to_dataset(object())  # type: ignore[arg-type]

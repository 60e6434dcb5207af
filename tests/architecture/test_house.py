"""The rules of the house: who imports whom, what a bare import costs, and that generated pages are fresh."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "quipu").rglob("*.py"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def beside_python(name: str) -> str:
    """The command of that name in the running environment."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} is not installed in this environment")
    return found


def test_rooms_import_only_from_the_floors_below() -> None:
    """One import upwards, and a user who wants the store alone gets the models, or the base install needs torch."""
    result = run(beside_python("lint-imports"), "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_bare_import_loads_nothing_heavy() -> None:
    """A heavy import at the top of any module would slow every script and every --help by up to a second."""
    code = (
        "import sys, quipu, quipu.cli.main\n"
        "heavy = ['torch', 'transformers', 'faiss', 'onnxruntime', 'pyarrow', 'fastapi', 'ray', 'sklearn', 'numpy',"
        " 'pypdfium2', 'lxml', 'rich', 'langchain_core', 'llama_index', 'haystack', 'datasets', 'pydantic',"
        " 'quipu.integrations', 'quipu.showing', 'httpx2', 'asyncio']\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    result = run(sys.executable, "-c", code)
    assert result.stdout.strip() == "[]", result.stdout + result.stderr


def test_the_public_names_are_there_and_open_does_not_shadow() -> None:
    """``from quipu import *`` must not replace the built-in open in a user's notebook."""
    code = (
        "import quipu\n"
        "assert 'open' not in quipu.__all__\n"
        "names = 'build open Memory Passage QAPair Span Hit Evidence Answer QuipuError'\n"
        "for name in names.split():\n"
        "    assert getattr(quipu, name) is not None, name\n"
    )
    result = run(sys.executable, "-c", code)
    assert result.returncode == 0, result.stderr


def test_help_is_quick() -> None:
    """Whoever types --help should not wait; processor time, so that a busy machine does not fail the test."""
    command = beside_python("quipu")
    times = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run(command, "--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) <= 0.25, times


def test_docs_of_the_command_line_are_fresh() -> None:
    """A stale docs/cli.md tells users options that do not exist."""
    result = run(sys.executable, "docs/make_cli.py", "--check")
    assert result.returncode == 0, result.stderr


def test_docs_do_not_depend_on_the_width_of_the_terminal() -> None:
    """Otherwise the page is stale on every machine with a wider window."""
    result = subprocess.run(
        [sys.executable, "docs/make_cli.py", "--check"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "TERMINAL_WIDTH": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_the_base_install_needs_no_torch() -> None:
    """A base dependency on torch would turn a small install into gigabytes."""
    required = importlib.metadata.requires("quipu-qa") or []
    base = [line for line in required if "extra ==" not in line]
    names = {re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0].lower() for line in base}
    assert names
    assert names.isdisjoint({"torch", "transformers", "pyarrow", "scikit-learn", "matplotlib", "sentence-transformers"})


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_a_module_prints_only_in_the_cli_and_never_pickles(path: Path) -> None:
    """A print inside the library spoils the output of --json; a pickle in a shared memory could run foreign code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    room = path.relative_to(ROOT / "src" / "quipu").parts[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print" or room == "cli", f"line {node.lineno}: print"
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {item.name.split(".")[0] for item in node.names}
            module = node.module if isinstance(node, ast.ImportFrom) else None
            assert names.isdisjoint({"pickle", "joblib", "dill"}) and module not in {"pickle", "joblib", "dill"}
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False, f"line {node.value.lineno}"


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_path_of_the_architecture_page_is_there() -> None:
    """A page that names files of another time sends whoever wants to change something into the void."""
    code = re.findall(r"`([^`]+)`", ARCHITECTURE)
    paths = [item for item in code if re.fullmatch(r"[a-z_][a-z_0-9/]*(/|\.(py|toml|txt))", item)]
    known = {path.name for path in SOURCES}
    bases = (ROOT, ROOT / "src" / "quipu")
    lost = [path for path in paths if not any((base / path).exists() for base in bases) and path not in known]
    assert len(paths) > 40 and not lost, lost


def test_every_name_of_the_architecture_page_stands_in_its_file() -> None:
    """A function that moved on is looked for in vain where the page says it is."""
    named = re.findall(r"`(\w+)` in `([\w/]+\.py)`", ARCHITECTURE)
    for name, path in named:
        text = (ROOT / "src" / "quipu" / path).read_text(encoding="utf-8")
        assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), f"{name} is not in {path}"
    assert len(named) > 8


@pytest.mark.parametrize("what", ["the threshold of abstaining", "the removal of a vector", "the resuming of a build"])
def test_the_architecture_page_says_where_it_is(what: str) -> None:
    """Of the three behaviours that are spread over files, whoever asks must find each in one line."""
    assert re.search(rf"^\| {what} \| .*`\w[\w/]+\.py`.* \|$", ARCHITECTURE, re.MULTILINE)


def test_the_architecture_page_names_every_room() -> None:
    """A new room that the page leaves out has no floor for whoever reads it."""
    rooms = {path.relative_to(ROOT / "src" / "quipu").parts[0].removesuffix(".py") for path in SOURCES}
    floors = "\n".join(line for line in ARCHITECTURE.splitlines() if line.startswith("| "))
    assert {room for room in rooms if not room.startswith("__")} - set(re.findall(r"`(\w+)`", floors)) == set()

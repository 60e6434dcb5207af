"""A small memory about a canal, built once by the installed command."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Quipu = Callable[..., subprocess.CompletedProcess[str]]

CANAL = """The Suez Canal

The Suez Canal is an artificial waterway in Egypt. It was opened on 17 November 1869, after ten years of work. The
French diplomat Ferdinand de Lesseps led the company that dug it. The canal connects the Mediterranean Sea with the Red
Sea and is 193 kilometres long.
"""
TOWER = """# The Eiffel Tower

The Eiffel Tower stands on the Champ de Mars in Paris. It was built by the company of Gustave Eiffel for the World's
Fair of 1889. The tower is 330 metres tall and weighs about 10,100 tonnes.
"""


@pytest.fixture(scope="session")
def quipu() -> Quipu:
    """Run the installed command; it must never show a traceback."""
    command = shutil.which("quipu", path=str(Path(sys.executable).parent))
    assert command is not None, "quipu is not installed in this environment"

    def run(*arguments: str | Path, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [command, *map(str, arguments)],
            input=stdin,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two documents that can be read and one file that cannot."""
    folder = tmp_path_factory.mktemp("canal") / "docs"
    folder.mkdir()
    (folder / "suez.txt").write_text(CANAL, encoding="utf-8")
    (folder / "eiffel.md").write_text(TOWER, encoding="utf-8")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 this is no PDF")
    return folder


@pytest.fixture(scope="session")
def built(quipu: Quipu, documents: Path) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The memory of those documents and what its build printed."""
    memory = documents.parent / "docs.quipu"
    done = quipu("build", documents, "-o", memory, "--json")
    assert done.returncode == 0, done.stderr
    return memory, done


@pytest.fixture(scope="session")
def ready(quipu: Quipu, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory of ready pairs alone, which needs no model to write any."""
    folder = tmp_path_factory.mktemp("ready")
    (folder / "pairs.csv").write_text("question,answer\nWho keeps the lock gates?,the harbour office\n", "utf-8")
    assert quipu("build", "--pairs", folder / "pairs.csv", "-o", folder / "ready.quipu").returncode == 0
    return folder / "ready.quipu"


@pytest.fixture
def memory(built: tuple[Path, object], tmp_path: Path) -> Path:
    """A copy of the memory that a test may change."""
    return Path(shutil.copytree(built[0], tmp_path / "docs.quipu"))

"""What newcomers copy from the documentation runs as it stands, and prints what the pages say.

One memory is built, by the first page; the others ask it, in the order of ``run_pages.PAGES``.
"""

from __future__ import annotations

import json
import re
import sys
from difflib import SequenceMatcher, unified_diff
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import run_notebook
from make_site import gather
from run_pages import PAGES, comparable, prepare, run_page

TORCH = ("tutorials/encoder.md",)
ALIKE = 0.8  # of the lines of a page: on another processor an answer near its threshold may be held back


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of all pages."""
    path = tmp_path_factory.mktemp("pages")
    prepare(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs_and_prints_what_it_shows(folder: Path, page: str) -> None:
    """A renamed option, or an answer that a new model does not give any more, would live on where people copy from."""
    if page in TORCH:
        pytest.importorskip("torch")
    runs = [run for run in run_page(page, folder) if run.shown is not None]
    printed = [line for run in runs for line in comparable(run.printed)]
    shown = [line for run in runs for line in comparable(run.shown or "")]
    alike = SequenceMatcher(None, printed, shown, autojunk=False).ratio() if shown else 1.0
    assert alike >= ALIKE, "\n".join(unified_diff(shown, printed, "shown", "printed", lineterm=""))


@pytest.mark.slow
def test_the_notebook_prints_what_it_shows(tmp_path: Path) -> None:
    """Nobody runs a notebook again before it is published: a cell that fails, or an old answer, would stay in it."""
    notebook = json.loads(run_notebook.NOTEBOOK.read_text(encoding="utf-8"))
    cells = run_notebook.code_cells(notebook)
    shown = [line for cell in cells for line in comparable(run_notebook.shown(cell))]
    printed = [line for text in run_notebook.printed(notebook, tmp_path) for line in comparable(text)]
    alike = SequenceMatcher(None, printed, shown, autojunk=False).ratio()
    assert alike >= 0.9, "\n".join(unified_diff(shown, printed, "shown", "printed", lineterm=""))  # all but one line
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))


def test_what_differs_between_machines_is_not_compared() -> None:
    """A mask that is too wide would let a wrong answer pass; one that is too narrow fails on every other machine."""
    text = "193 kilometres    probability 0.78, 1,037.9 ms\n  asked as  How long? [bb3c23bbf2d1]"
    other = "193 kilometres  probability 0.81, 2.1 ms\n  asked as  How long? [0123456789ab]"
    assert comparable(text) == comparable(other)
    assert comparable(text) != comparable(text.replace("193", "139"))
    assert comparable(text) != comparable(text.replace("How long", "How wide"))


def test_every_fenced_block_of_the_pages_is_run_or_is_output() -> None:
    """A block in another language, or a page that is not listed, would be copied by people and run by nobody."""
    for path in [*(ROOT / "docs" / "tutorials").glob("*.md"), *(ROOT / "docs" / page for page in PAGES)]:
        assert str(path.relative_to(ROOT / "docs")) in PAGES
        languages = re.findall(r"^```(\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert set(languages) <= {"sh", "python", "text", "console"}
        for block in re.findall(r"^```console\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
            assert block.startswith("$ pip install 'quipu-qa[") or block.startswith("$ pip install quipu-qa")


def test_the_files_that_pages_name_are_there() -> None:
    """A recipe or module that moved would be looked for in vain by whoever wants the papers' tables."""
    for path in (ROOT / "docs").rglob("*.md"):
        if path.name == "log.md":  # tells of files of its day
            continue
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"`(?:quipu train |python )?((?:recipes|benchmarks)/[\w./-]+)`", text):
            assert (ROOT / name).exists(), f"{path.name}: {name}"
        if path.name == "architecture.md":
            rooms = [room.name for room in (ROOT / "src" / "quipu").iterdir() if room.is_dir()]
            for name in re.findall(r"`((?:" + "|".join(rooms) + r")/[\w./]*)`", text):
                assert (ROOT / "src" / "quipu" / name).exists(), f"{path.name}: {name}"


def test_links_between_pages_lead_somewhere(tmp_path: Path) -> None:
    """In the repository and on the site, where pages of the root stand beside the others, or a reader meets a 404."""
    gather(tmp_path / "site")
    for base in (ROOT / "docs", tmp_path / "site"):
        for path in base.rglob("*.md"):
            for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
                # what the site alone has, named on pages of docs/ as it is there
                alone = (
                    {"results.md", "changelog.md", "contributing.md", "notice.md"} if base == ROOT / "docs" else set()
                )
                assert (path.parent / link).exists() or Path(link).name in alone, f"{path}: {link}"

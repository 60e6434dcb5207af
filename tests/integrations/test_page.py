"""docs/integrations.md runs as it stands and prints what it shows."""

from __future__ import annotations

import sys
from difflib import SequenceMatcher, unified_diff
from pathlib import Path

import pytest

WHY = "the frameworks are not installed here: make test-integrations"
for framework in ("langchain_core", "llama_index.core", "haystack", "datasets"):
    pytest.importorskip(framework, reason=WHY)

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

from run_pages import comparable, prepare, run_page


@pytest.mark.slow
def test_the_page_runs_and_prints_what_it_shows(tmp_path: Path) -> None:
    """A renamed option of ours, or a class that moved in a framework, would live on where people copy from."""
    prepare(tmp_path)
    runs = [run for run in run_page("integrations.md", tmp_path) if run.shown is not None]
    printed = [line for run in runs for line in comparable(run.printed)]
    shown = [line for run in runs for line in comparable(run.shown or "")]
    alike = SequenceMatcher(None, printed, shown, autojunk=False).ratio()
    assert alike >= 0.8, "\n".join(unified_diff(shown, printed, "shown", "printed", lineterm=""))

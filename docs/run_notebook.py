"""Run the code cells of docs/quipu.ipynb and write what they print into it: ``python docs/run_notebook.py``.

Without Jupyter: the cells run one after another in a process of their own, in a folder with ``examples/`` beside it.
The test of the notebook runs them in the same way and compares.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from run_pages import DOCS, prepare

NOTEBOOK = DOCS / "quipu.ipynb"
# Standard input: a list of cells; standard output: what each printed.
_DRIVER = """
import contextlib, io, json, sys
names, printed = {"__name__": "__main__"}, []
for cell in json.load(sys.stdin):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(cell, "<cell>", "exec"), names)
    printed.append(out.getvalue())
json.dump(printed, sys.stdout)
"""


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The cells that run, in their order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def shown(cell: dict[str, Any]) -> str:
    """What a cell's output says that it printed."""
    return "".join(line for output in cell["outputs"] for line in output["text"])


def printed(notebook: dict[str, Any], folder: Path) -> list[str]:
    """What each code cell prints, run in ``folder``/docs; RuntimeError with the traceback of one that fails."""
    prepare(folder)
    (folder / "docs").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER], input=json.dumps(["".join(cell["source"]) for cell in code_cells(notebook)]),
        cwd=folder / "docs", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{NOTEBOOK.name}: {done.stderr}")
    return list(json.loads(done.stdout))


def main() -> int:
    """Run the notebook and write it."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        texts = printed(notebook, Path(folder))
    for count, (cell, text) in enumerate(zip(code_cells(notebook), texts, strict=True), start=1):
        lines = text.splitlines(keepends=True)
        cell["execution_count"] = count
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": lines}] if lines else []
    NOTEBOOK.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

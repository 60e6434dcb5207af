"""Gather the pages of the documentation in a folder, for ``make site``: ``python docs/make_site.py FOLDER``.

Most stand in ``docs/``. Those at the root (results, changelog, how to contribute) keep their place for people who read
the repository; here they come beside the others, and links between the two are turned to where the pages are.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# pages of the root, and what they are called here
AT_ROOT = {
    "BENCHMARKS.md": "results.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md", "CODE_OF_CONDUCT.md": "conduct.md", "NOTICE": "notice.md",
}  # fmt: skip
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def gather(folder: Path) -> None:
    """Write every page and picture into ``folder``, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in sorted((ROOT / "docs").rglob("*")):
        target = folder / path.relative_to(ROOT / "docs")
        if path.suffix == ".md":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(turned(path.read_text(encoding="utf-8"), path, target, folder), encoding="utf-8")
        elif path.suffix in (".svg", ".png", ".json", ".ipynb"):
            shutil.copy(path, target)
    for name, here in AT_ROOT.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        if name == "NOTICE":
            text = f"# Notice\n\n```text\n{text}```\n"
        (folder / here).write_text(turned(text, ROOT / name, folder / here, folder), encoding="utf-8")


def turned(text: str, source: Path, target: Path, folder: Path) -> str:
    """The text of ``source`` with its links to other pages as they are from ``target``."""

    def turn(link: re.Match[str]) -> str:
        path = (source.parent / link.group(1)).resolve()
        name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
        there = folder / AT_ROOT[name] if name in AT_ROOT else None
        if there is None and path.is_relative_to(ROOT / "docs"):
            there = folder / path.relative_to(ROOT / "docs")
        if there is None:
            return link.group(0)
        return f"]({os.path.relpath(there, target.parent)}{link.group(2) or ''})"

    return _LINK.sub(turn, text)


if __name__ == "__main__":
    gather(Path(sys.argv[1]))

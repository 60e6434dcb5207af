"""What a new user waits for: size and time of the base install, the first answer, and ``--help``.

    python benchmarks/cold_start.py [--runs 9] [--venv FOLDER] [--json]

Makes a fresh virtual environment, installs this checkout without extras, builds a memory of the example documents, and
starts the installed command ``--runs`` times for each figure: for a question that look-up answers, and for one that no
step of the cascade does, so that all models are loaded. Printed are medians with the lowest and the highest.
``--venv`` keeps and reuses the environment; then the install is not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
QUESTIONS = {"first_answer": "Who won the first Tour de France?", "all_steps": "Who is the president of Argentina?"}
# As a user has it: modules are compiled once, not at every start.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def timed(*command: str | Path) -> float:
    """Wall seconds of a command that must succeed."""
    start = time.perf_counter()
    quiet = subprocess.DEVNULL
    subprocess.run([str(part) for part in command], check=True, stdout=quiet, stderr=quiet, env=ENVIRONMENT)
    return time.perf_counter() - start


def megabytes(folder: Path) -> float:
    """Bytes of all files under ``folder``, in millions; links are not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def install(folder: Path) -> dict[str, float]:
    """Make the environment and install quipu without extras; pip itself does not count."""
    venv.create(folder, with_pip=True)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    before = megabytes(site)
    seconds = timed(folder / "bin" / "python", "-m", "pip", "install", "--quiet", ROOT)
    return {"install_seconds": seconds, "install_megabytes": megabytes(site) - before}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--venv", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[str, float | list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="quipu-cold-") as temporary:
        folder = options.venv or Path(temporary) / "venv"
        if not (folder / "bin" / "quipu").exists():
            figures.update(install(folder))
        command, memory = folder / "bin" / "quipu", Path(temporary) / "examples.quipu"
        packages = subprocess.run(
            [str(folder / "bin" / "python"), "-m", "pip", "list", "--format=json"], check=True, capture_output=True
        )
        figures["packages"] = len(json.loads(packages.stdout)) - 1
        timed(command, "build", ROOT / "examples", "-o", memory)
        figures["help_seconds"] = [timed(command, "--help") for _ in range(options.runs)]
        for name, question in QUESTIONS.items():
            figures[f"{name}_seconds"] = [timed(command, "ask", memory, question) for _ in range(options.runs)]
    if options.json:
        print(json.dumps(figures))
        return
    for key, value in figures.items():
        if isinstance(value, list):
            print(
                f"| {key.replace('_', ' ')} | {median(value):.3f} (lowest {min(value):.3f}, highest {max(value):.3f}) |"
            )
        else:
            print(f"| {key.replace('_', ' ')} | {value:,.1f} |")


if __name__ == "__main__":
    main()

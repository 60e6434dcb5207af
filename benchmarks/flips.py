"""One changed bit in a file of a memory: is whatever it changes of what is read noticed?

    python benchmarks/run.py flips

300 copies of a small memory with rows in every table, in each one bit of records.sqlite, manifest.json, index.faiss or
index.json changed, rarely among the zeros that fill a record's pages. A change is noticed where ``verify`` finds a
problem or the memory does not open; all rows, the manifest, lookups and searches are compared with those of the sound
memory. Counted are changes that ``verify`` does not notice, and exceptions that are not quipu's own, of ``verify`` and
of whoever asks the changed memory. ``--seed``: other bits.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from common import say
from figures import Figure, Result
from quipu.errors import QuipuError
from quipu.records import Score
from quipu.storage.verify import verify

# isort: split
from tests.full_memory import asked, made, stored

FLIPS = 300
SHARES = {"records.sqlite": 6, "manifest.json": 2, "index.faiss": 1, "index.json": 1}
_HEADER = 100  # bytes of SQLite's own


@dataclass(slots=True)
class Seen:
    """What became of the copies; the lists say where."""

    flips: int = 0
    noticed: int = 0
    changed: int = 0
    unnoticed: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    of_file: Counter[str] = field(default_factory=Counter)


def place(chance: random.Random, name: str, data: bytes | bytearray) -> int:
    """A byte; in the record one in ten of the header, and rarely inside the zeros that fill pages."""
    if name.endswith(".sqlite") and chance.random() < 0.1:
        return chance.randrange(_HEADER)
    for _ in range(9):
        at = chance.randrange(len(data))
        if any(data[max(0, at - 4) : at + 4]):
            break
    return at


def flip(sound: Path, path: Path, name: str, chance: random.Random) -> str:
    """A copy at ``path`` with one bit changed; where."""
    shutil.copytree(sound, path)
    data = bytearray((path / name).read_bytes())
    at, bit = place(chance, name, data), chance.randrange(8)
    data[at] ^= 1 << bit
    (path / name).write_bytes(data)
    return f"{name}: bit {bit} of byte {at}"


def looked_at(seen: Seen, path: Path, where: str, before: tuple[object, object]) -> None:
    """Verify and read one copy."""
    seen.flips += 1
    try:
        noticed = bool(verify(path).problems)
    except QuipuError:
        noticed = True
    except Exception as error:
        noticed = True
        seen.foreign.append(f"{where}: verify: {error!r}")
    seen.noticed += noticed
    try:
        answers = asked(path)
    except QuipuError:
        answers = None
    except Exception as error:
        answers = None
        seen.foreign.append(f"{where}: asking: {error!r}")
    try:
        rows = stored(path)
    except Exception:  # whoever reads rows without quipu's promises has SQLite's own errors
        rows = None
    if (rows, answers) == before:
        return
    seen.changed += 1
    seen.of_file[where.partition(":")[0]] += 1
    if not noticed:
        seen.unnoticed.append(f"{where}: {'answers' if rows == before[0] else 'rows'}")


def outcome(count: int, seed: int) -> Seen:
    """Make the memory, and change copies of it."""
    chance, seen = random.Random(seed), Seen()
    with tempfile.TemporaryDirectory(prefix="quipu-flips-") as folder:
        sound, copy = made(Path(folder) / "m"), Path(folder) / "copy"
        before = stored(sound), asked(sound)
        names = [name for name, share in SHARES.items() for _ in range(share)]
        for number in range(count):
            where = flip(sound, copy, names[number % len(names)], chance)
            looked_at(seen, copy, where, before)
            shutil.rmtree(copy)
            if number % 50 == 49:
                say(f"  {number + 1} bits, {seen.noticed} noticed, {len(seen.unnoticed)} changes unnoticed")
    return seen


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.set_defaults(limit=FLIPS)
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> Result:
    """Change and count."""
    seen = outcome(options.limit, options.seed)
    bad = {"changes unnoticed": len(seen.unnoticed), "foreign tracebacks": len(seen.foreign)}
    figures = [Figure("memory", Score(name, value, seen.flips, None, False), 0.0) for name, value in bad.items()]
    figures += [
        Figure("memory", Score("bits that change what is read", seen.changed, seen.flips)),
        Figure("memory", Score("noticed", seen.noticed, seen.flips)),
    ]
    details = {"unnoticed": seen.unnoticed, "foreign": seen.foreign, "changed": dict(seen.of_file)}
    title = f"Changed bits: {seen.flips} copies of a memory, one bit of one file changed in each"
    for line in (*seen.unnoticed, *seen.foreign):
        say(f"  {line}")
    return Result.now("flips", title, figures, details=details)

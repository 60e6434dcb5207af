"""A disk that refuses in the middle: one clear line, nothing committed is lost, and the same work ends well later."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quipu.storage.store import Store
from quipu.storage.verify import verify

CHILD = """
import resource, sys, signal
from pathlib import Path
import numpy as np
from quipu.cli import main
from quipu.storage.index import Index
from quipu.storage.store import Store
from quipu.records import QAPair

path, limit, batches = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

def fill(*args, **kwargs):
    with Store.open(path) as store:
        for batch in range(batches):
            pairs = [QAPair.make(f"Question {batch} {n}? " + "x" * 500, f"{batch}") for n in range(50)]
            keys = np.eye(8, dtype=np.float32)[np.arange(50) % 8]
            store.add(pairs, keys, [pair.question for pair in pairs])
            print(batch, flush=True)
        Index.rebuild(store)
    return 0

class Command:
    main = staticmethod(fill)

main.typer.main.get_command = lambda app: Command
sys.exit(main.run([]))
"""
BATCHES = 30


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Two megabytes in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting a small disk needs root; the limit on file sizes is tested in its place")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(path: Path, limit: int = 0) -> tuple[int, str, int]:
    """Add the batches; the exit code, what was said on stderr, and how many batches were acknowledged."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(limit), str(BATCHES)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr, len(done.stdout.splitlines())


def check(path: Path, code: int, said: str, acknowledged: int) -> None:
    """The promises after a refusal."""
    assert code == 2, said
    assert len(said.splitlines()) == 1 and str(path) in said and "Traceback" not in said
    with Store.open(path, read_only=True) as store:
        count = store.count()
        assert count % 50 == 0 and count >= 50 * acknowledged
    assert verify(path).problems == []


@pytest.mark.parametrize("limit", [60_000, 300_000, 500_000, 900_000])
def test_a_limit_on_file_sizes(tmp_path: Path, limit: int) -> None:
    """The same as a full disk where nothing can be mounted: the write fails in the middle of a batch."""
    path = tmp_path / "m"
    Store.create(path, width=8, models={}).close()
    check(path, *fill(path, limit))
    assert fill(path)[0] == 0
    finished(path)


def test_a_full_disk(small_disk: Path) -> None:
    """With no room left a reader must still find everything, and room must be all that is needed to go on."""
    path = small_disk / "m"
    Store.create(path, width=8, models={}).close()
    (small_disk / "others").write_bytes(b"x" * 600_000)
    check(path, *fill(path))
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    assert fill(path)[0] == 0
    finished(path)


def finished(path: Path) -> None:
    """Every pair once."""
    assert verify(path, repair=True).ok and verify(path).problems == []
    with Store.open(path, read_only=True) as store:
        questions = [pair.question for _, pair in store.pairs()]
        assert len(questions) == len(set(questions)) == 50 * BATCHES
        assert len(np.concatenate([rows for rows, _ in store.vectors()])) == 50 * BATCHES

"""The API as its description has it: what schemathesis makes of it is never answered by a 500."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("schemathesis")

from tests.serving.conftest import ADMIN, ROOT, serving

from quipu.serving import changes
from quipu.serving.settings import ServeSettings


def test_every_answer_is_described(memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 500 for what a client did wrong, a status or a field that no client expects; benchmarks/ asks 1,000 times."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import schemathesis_api

    monkeypatch.setattr(changes, "WAIT", 0.05)  # the jobs of this test are done by nobody
    path = Path(shutil.copytree(memory, tmp_path / "harbour.quipu"))
    settings = ServeSettings(writable=True, rate=1e9, burst=1_000_000_000)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with serving(path, settings, admin=ADMIN, command=command) as client:
        statuses, faults = schemathesis_api.fuzz(client, 100)
    assert faults == []
    assert statuses[200] > 10 and statuses[422] > 10 and statuses[202] > 3

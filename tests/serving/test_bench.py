"""``quipu bench serve`` on a server of this process: every run is made, and its bounds are judged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from tests.handmade import WordEncoder
from tests.serving.conftest import Ran
from tests.serving.test_client import listening

from quipu import api
from quipu.errors import ServerError
from quipu.evaluation import served, served_process
from quipu.evaluation.bounds import Bound, Run
from quipu.evaluation.served_process import Load, ServerProcess


@contextmanager
def serving_here(memory: Path) -> Iterator[ServerProcess]:
    """A server of this process, as if it were in one of its own."""
    with listening(memory) as url:
        parts = urlsplit(url)
        yield ServerProcess(SimpleNamespace(pid=1), str(parts.hostname), int(parts.port or 0), "harbour")  # type: ignore[arg-type]


@pytest.fixture
def started(memory: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The options of the servers that are begun, each in this process over the handmade memory."""
    found: list[tuple[str, ...]] = []

    def serving(_: Load, *options: str, **__: object) -> AbstractContextManager[ServerProcess]:
        found.append(options)
        return serving_here(memory)

    real = api.open
    monkeypatch.setattr(api, "open", lambda path, **_: real(path, read_only=True, encoder=WordEncoder()))
    monkeypatch.setattr(served, "serving", serving)
    monkeypatch.setattr(ServerProcess, "resident", lambda _: 1_000_000)
    for name, fewer in {"CONNECTIONS": 40, "MANY": 60, "SLOW": 20, "CLIENTS": 8, "_DIRECT": 30}.items():
        monkeypatch.setattr(served, name, fewer)
    for change in ("added", "killed"):  # real processes, which take a minute
        monkeypatch.setattr(served, change, lambda load, rate, change=change: Run(change, {"rate": rate}))
    return found


def test_every_run_is_made(
    memory: Path, started: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, quipu: Callable[..., Ran]
) -> None:
    """A run that measures nothing, or a bound that nobody looks at, holds for good."""
    monkeypatch.setattr("os.getloadavg", lambda: (0.6, 0.0, 0.0))
    monkeypatch.setitem(served.BATCHES, "look-up, reranked", ({"method": "lookup", "k": 3}, 1.5))
    code, _, said = quipu("bench", "serve", memory, "--method", "lookup")
    assert code == 2 and "--anyway" in said and not started
    code, printed, said = quipu("bench", "serve", memory, "--method", "lookup", "--seconds", 1, "--anyway", "--json")
    assert code == 0, said
    runs = {run["name"]: run for run in json.loads(printed)["runs"]}
    assert list(runs) == [
        "direct", "one client", "most", "steady", "same answers", "knee", "overload", "slow senders", "micro-batching",
        "added", "killed",
    ]  # fmt: skip
    assert started == [(), ("--batch", "1")]
    for name in list(runs)[1:8]:
        assert runs[name]["figures"]["answered"] and runs[name]["figures"]["errors"] == 0, runs[name]
    bounds = {name: {bound["name"] for bound in run["bounds"]} for name, run in runs.items()}
    assert all(bounds[name] for name in list(runs)[1:9] if name != "most")
    assert bounds["overload"] >= {"memory grown, MB", "p99 of refusals, ms", "answers by the most"}
    assert runs["same answers"]["bounds"][0]["reached"] and runs["same answers"]["figures"]["compared"] > 20
    assert len(runs["micro-batching"]["figures"]) == 4 and all(runs["micro-batching"]["figures"].values())
    assert runs["added"]["figures"]["rate"] == pytest.approx(runs["most"]["figures"]["answers_per_second"] / 2)


def test_what_is_not_measured_reaches_no_bound() -> None:
    """A server that answers nothing has no slow answer either."""
    cases = [(3.0, 3.0, False, True), (3.1, 3.0, False, False), (0.9, 0.9, True, True), (0.8, 0.9, True, False)]
    for value, limit, at_least, reached in cases:
        assert Bound("x", value, limit, at_least).reached is reached
    for at_least in (False, True):
        assert not Bound("x", float("inf"), 3.0, at_least).reached
    assert Bound("x", float("inf"), 3.0).to_json()["value"] is None


def test_another_answer_is_noticed() -> None:
    """The comparison of a server's answers with direct ones must see each thing that a user does."""
    one = {"text": "a", "route": "lookup", "reason": "r", "pair": None, "evidence": [], "elsewhere": [],
           "probability": 0.5, "milliseconds": 1.0}  # fmt: skip
    assert served.is_same(one, one | {"milliseconds": 2.0, "probability": 0.50001, "answer_id": "x"})
    for other in ({"text": "b"}, {"text": None}, {"probability": 0.51}, {"probability": None}, {"evidence": [{}]}):
        assert not served.is_same(one, one | other)
    assert served.is_same(one | {"probability": None}, one | {"probability": None})


def test_load_goes_on_beside_something_else(memory: Path) -> None:
    """A client that ends sooner than what it stands beside measures an idle server."""
    load = Load(memory, ["How long is pier 3?"], options=(("method", "lookup"),))
    with serving_here(memory) as server:
        with served_process.Beside(server.plan(load, 0.2, 2, 20.0)) as beside:
            while beside.seconds < 0.3:
                time.sleep(0.01)
        assert beside.seconds >= 0.4 and {came.status for came in beside.came} == {200}


def test_a_server_without_its_models_ends(memory: Path) -> None:
    """One that stays, and is never ready, is waited for in vain by whoever started it."""
    with pytest.raises(ServerError, match="ended before it was ready"), served_process.serving(Load(memory, ["?"])):
        pass

"""The program that runs benchmarks: what it writes must be enough to measure again."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from quipu.datasets.sources import sources
from quipu.records import Score

ROOT = Path(__file__).parents[3]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, which is a script and in no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.delitem(sys.modules, "run", raising=False)
    import run

    return run


@pytest.fixture
def toy(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A benchmark that reads one set and finds ``options.bad`` things that must not be."""
    from figures import Figure, Result

    module = ModuleType("toy")
    module.__doc__ = "A toy."
    module.arguments = lambda parser: parser.add_argument("--bad", type=int, default=0)  # type: ignore[attr-defined]
    module.run = lambda options: Result.now(  # type: ignore[attr-defined]
        "toy", "Toy", [Figure("it", Score("bad", options.bad, 1, None, False), 0.0)]
    )
    monkeypatch.setitem(sys.modules, "toy", module)
    monkeypatch.setitem(program.BENCHMARKS, "toy", program.Benchmark("toy", ("squad/*",)))
    return module


def test_a_result_says_how_it_was_made(
    program: ModuleType, toy: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the hash of the data and the command a figure cannot be had again."""
    (tmp_path / "data" / "squad").mkdir(parents=True)
    (tmp_path / "data" / "squad" / "a.json").write_bytes(b"abc")
    words = ["--data", str(tmp_path / "data"), "--results", str(tmp_path / "out")]
    assert program.main(["toy", *words]) == 0
    found = json.loads((tmp_path / "out" / "toy.json").read_text())
    # the sha256 of "abc", from FIPS 180-2
    assert found["data"] == {"squad/a.json": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    assert found["command"] == "python benchmarks/run.py toy --data DATA"
    assert found["versions"]["quipu"] and found["machine"]["cores"] and found["date"]
    assert "| bad | 0 (goal 0) |" in capsys.readouterr().out
    assert program.main(["toy", *words, "--bad", "2"]) == 1


def test_what_is_missing_is_said_before_anything_runs(
    program: ModuleType, toy: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typing error or a set that is not there must not show after an hour."""
    assert program.main(["toy", "--data", str(tmp_path)]) == 2
    assert "squad/*: no such data; name its folder with --data" in capsys.readouterr().err
    assert program.main(["toi"]) == 2 and "toi: no benchmark; see --list" in capsys.readouterr().err
    assert program.main([]) == 2


def test_every_benchmark_is_listed_and_its_data_are_known(
    program: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """A module that no name reaches cannot be run; a set without a home cannot be got."""
    assert program.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(program.BENCHMARKS) and all(len(line.split()) > 3 for line in lines)
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "\ndef run(" in path.read_text("utf-8")}
    assert scripts == {item.module for item in program.BENCHMARKS.values()}
    folders = {pattern.split("/")[0] for item in program.BENCHMARKS.values() for pattern in item.data}
    assert folders - {"*"} <= set(sources())

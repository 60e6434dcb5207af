"""The benchmarks of robustness count what they say: an operation that is killed, and a sound memory that is changed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.full_memory import asked, made, stored

from quipu.storage.verify import verify

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmarks are scripts and no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_a_lost_and_a_half_document_are_counted(tmp_path: Path) -> None:
    """A benchmark that never finds anything proves nothing."""
    from disturbed import State

    before = State({"a": frozenset({"old"})}, {"1": frozenset({"p", "q"})}, frozenset({("1", "q", "a")}))
    after = State({"a": frozenset({"new"})}, {"2": frozenset({"r"})}, frozenset({("2", "q", "b")}))
    assert not list(before.half(before, after, True)) and not list(after.half(before, after, True))
    assert len(list(State().half(before, after, False))) == 1  # the file is gone
    half = State({"a": frozenset({"old"})}, {"1": frozenset({"p"})}, before.pairs)
    assert list(half.half(before, after, False)) == ["document 1 has 1 passages"]
    assert len(list(half.half(before, after, True))) == 2


def test_a_changed_row_is_seen_and_noticed(tmp_path: Path) -> None:
    """The same: a bit inside a text must change what is read, and verify must say so."""
    import flips

    sound, seen = made(tmp_path / "m"), flips.Seen()
    data = (sound / "records.sqlite").read_bytes()
    before = stored(sound), asked(sound)
    chance = random.Random(1)
    assert flips.flip(sound, tmp_path / "copy", "manifest.json", chance).startswith("manifest.json: bit ")
    (tmp_path / "copy" / "manifest.json").write_bytes((sound / "manifest.json").read_bytes())
    (tmp_path / "copy" / "records.sqlite").write_bytes(data.replace(b"The pier is 8 metres", b"The pier is 9 metres"))
    flips.looked_at(seen, tmp_path / "copy", "records.sqlite: here", before)
    assert (seen.flips, seen.noticed, seen.changed, seen.unnoticed, seen.foreign) == (1, 1, 1, [], [])
    assert verify(sound).problems == []

"""What a memory will cost, from a few of its passages that are built."""

from __future__ import annotations

from pathlib import Path

import pytest

from quipu.evaluation import estimate

SENTENCE = "The harbour of Aldwick was dug by prisoners between 1841 and 1846, and a lighthouse stands beside it today."


def test_time_is_a_range_around_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One figure, of a probe that is not the user's text, was half of the true time."""
    (tmp_path / "long.txt").write_text("\n\n".join(f"{SENTENCE} It is number {at}." * 5 for at in range(40)), "utf-8")
    built: list[list[str]] = []

    def measured(texts: list[str]) -> list[tuple[float, float]]:
        built.append(texts)
        return [(2.0, 3.0), (4.0, 5.0)]

    monkeypatch.setattr(estimate, "_built", measured)
    found = estimate.of_documents([tmp_path])
    assert found.documents == 1 and found.passages >= 40
    assert len(built) == 1 and len(set(built[0])) == estimate.PROBE_PASSAGES
    assert any("number 3" in text or "number 2" in text for text in built[0])  # not only of the beginning
    assert found.pairs == 4 * found.passages
    assert found.build_seconds == pytest.approx(3 * found.passages, rel=0.2)
    assert found.build_seconds_least < 2 * found.passages + 5
    assert found.build_seconds_most > 4 * found.passages


def test_documents_without_a_passage_cost_nothing(tmp_path: Path) -> None:
    """No model is run for them."""
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    found = estimate.of_documents([tmp_path])
    assert (found.documents, found.passages, found.pairs) == (0, 0, 0)

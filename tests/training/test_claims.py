"""What is made of a claim's figures."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from quipu.training.qamat.claims import Row, verdict

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        (((90, 1), (80, 1), (20, 1)), "holds"),
        (((90, 3), (86, 3), (20, 1)), "holds in part"),  # 4 apart, both errors together 4.2
        (((90, 1), (20, 1), (80, 1)), "holds in part"),
        (((50, 1), (20, 1), (80, 1)), "does not hold at this size"),
        (((50, 0), (50, 0), (50, 0)), "does not hold at this size"),
    ],
)
def test_a_claim_holds_where_its_rows_stand_in_order(figures: tuple[tuple[float, float], ...], said: str) -> None:
    names = ("in batch, then global", "in batch only", "global only")
    rows = [Row("stages", name, em, error, 0, 0) for name, (em, error) in zip(names, figures, strict=True)]
    assert verdict("stages", [*rows[::-1], Row("hops", "1 hop", 1, 1, 1, 1)]) == said

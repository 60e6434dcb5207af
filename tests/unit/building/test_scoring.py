"""The score of a pair: its arithmetic by hand, and the direction in which each sign of quality moves it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from quipu.building.scoring import WEIGHTS, Evidence, chance, features
from quipu.building.wording import wording

TEXT = "Lesseps dug the Suez Canal in ten years. Verdi wrote Aida."
GOOD = Evidence(
    question=-0.05, answer=-0.01, nothing=1e-4, expected=-1.8, generated=False, anchored=False,
    wording=wording("Who dug the Suez Canal?", "Lesseps", TEXT),
)  # fmt: skip


def test_the_score_is_the_weighted_sum() -> None:
    """A weight without a feature, or a feature without a weight, is a slip of the pen that nothing else shows."""
    found = features(GOOD)
    assert set(found) == set(WEIGHTS)
    by_hand = (
        0.46
        + 5.46 * -0.05
        + 0.55 * -0.01
        - 0.84 * math.log(1e-4 / (1 - 1e-4)) / 9
        + 1.55 * -0.2
        + 0.54 * 2 / 3
        + 0.08 * 3 / 12
        + 0.20 * 3 / 8
        + 0.59 / 6
        + 0.17
    )  # two names (Suez, Canal), the longest other word is "dug", three words say something, no part is unseen
    assert chance(GOOD) == pytest.approx(1 / (1 + math.exp(-by_hand)))


@pytest.mark.parametrize(
    "worse",
    [
        replace(GOOD, question=-0.8), replace(GOOD, answer=-0.9), replace(GOOD, nothing=0.6),
        replace(GOOD, wording=replace(GOOD.wording, unseen=0.8)),
        replace(GOOD, expected=-8.0),
        replace(GOOD, wording=replace(GOOD.wording, mismatch=True)),
        replace(GOOD, wording=replace(GOOD.wording, names=0)),
    ],
)  # fmt: skip
def test_each_bad_sign_lowers_it(worse: Evidence) -> None:
    """A wrong sign of one weight would keep what it is there to drop."""
    assert chance(worse) < chance(GOOD)


def test_extreme_values_are_bounded() -> None:
    """A probability of exactly 0 or 1 must not stop a build or decide alone."""
    for nothing in (0.0, 1.0):
        assert 0 < chance(replace(GOOD, nothing=nothing, question=-1e9, answer=-1e9, expected=-1e9)) < 1

"""A world with known answers: seeded documents from a hidden table, so that coverage and precision are exact."""

from quipu.evaluation.microworld.judge import (
    coverage,
    duplicates,
    filter_quality,
    judge,
    pair_precision,
    span_truth,
)
from quipu.evaluation.microworld.world import World, WorldSummary, make

__all__ = [
    "World",
    "WorldSummary",
    "coverage",
    "duplicates",
    "filter_quality",
    "judge",
    "make",
    "pair_precision",
    "span_truth",
]

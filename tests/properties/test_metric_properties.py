"""Bounds and symmetries of the metrics that hold for any text."""

from hypothesis import given
from hypothesis import strategies as st

from quipu.evaluation import metrics
from quipu.text import token_f1

TEXT = st.text(alphabet="the canal 1869,.-'Ää", max_size=30)


@given(TEXT, TEXT)
def test_f1_is_symmetric_and_bounded(left: str, right: str) -> None:
    """F1 outside 0..1, or one that depends on the order, would make means meaningless."""
    assert 0.0 <= token_f1(left, right) == token_f1(right, left) <= 1.0
    assert token_f1(left, left) == 1.0


@given(TEXT, st.lists(TEXT, min_size=1, max_size=4))
def test_em_never_exceeds_f1_and_more_answers_never_hurt(said: str, answers: list[str]) -> None:
    """An exact match with F1 below 1 would show two different normalisations."""
    assert metrics.exact_match(said, answers) <= metrics.best_f1(said, answers)
    assert metrics.best_f1(said, answers[:1]) <= metrics.best_f1(said, answers)


@given(st.lists(st.one_of(st.none(), st.integers(1, 60)), min_size=1, max_size=30))
def test_recall_grows_with_k(ranks: list[int | None]) -> None:
    """Recall@50 below recall@10 cannot be."""
    values = [metrics.recall_at(k, ranks) for k in (1, 5, 10, 50)]
    assert values == sorted(values) and values[0] >= 0.0 and values[-1] <= 1.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_percentiles_lie_between_the_extremes(values: list[float]) -> None:
    """p50 above p95 would mean that the sort is missing."""
    half, most = metrics.percentile(values, 0.5), metrics.percentile(values, 0.95)
    assert min(values) <= half <= most <= max(values)

"""Long passages in windows."""

from hypothesis import given
from hypothesis import strategies as st

from quipu.models.lm.windows import fitting, windows
from quipu.records import Span


def characters(text: str) -> list[tuple[int, int]]:
    return [(at, at + 1) for at in range(len(text))]


def test_a_short_text_is_one_window() -> None:
    assert windows("abc", characters("abc"), 3, 1) == [Span(0, 3)]
    assert windows("", [], 3, 1) == [Span(0, 0)]


def test_windows_begin_and_end_at_blanks() -> None:
    text = "aa bb cc dd ee ff"
    found = [text[span.start : span.end] for span in windows(text, characters(text), 8, 4)]
    assert found == ["aa bb ", "bb cc dd ", "cc dd ee ", "ee ff"]


@given(st.text("ab \n", max_size=300), st.integers(5, 60), st.integers(0, 4))
def test_every_character_stands_in_a_window(text: str, room: int, stride: int) -> None:
    found = windows(text, characters(text), room, stride)
    covered = {at for span in found for at in range(span.start, span.end)}
    assert covered == set(range(len(text)))
    assert all(span.end - span.start <= room + 40 for span in found)


def test_the_fitting_window_holds_the_span_with_room_around_it() -> None:
    found = [Span(0, 50), Span(30, 80), Span(60, 110)]
    assert fitting(found, Span(35, 40)) == 0
    assert fitting(found, Span(44, 48)) == 1
    assert fitting(found, Span(70, 75)) == 2
    assert fitting(found, Span(0, 100)) in (0, 1)

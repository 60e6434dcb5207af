"""Progress, durations and tables: what a person reads while waiting and after."""

from __future__ import annotations

import json

import pytest

from quipu.cli.terminal import Meter, duration, plain_progress, print_json, print_table, shortened


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rate_and_time_left_count_from_the_first_event() -> None:
    """A resumed build that counts the batches of yesterday would promise an end that never comes."""
    clock = Clock()
    meter = Meter(clock)
    assert meter.line({"stage": "generate", "done": 900, "total": 1000}) == "900/1,000"
    clock.now += 10
    assert meter.line({"stage": "generate", "done": 920, "total": 1000}) == "920/1,000 · 2.0/s · 40 s left"


def test_a_new_stage_starts_its_own_clock() -> None:
    """Otherwise the slow reading of files spoils the rate of the generation after it."""
    clock = Clock()
    meter = Meter(clock)
    meter.line({"stage": "read", "done": 0, "total": 2})
    clock.now += 100
    meter.line({"stage": "generate", "done": 0, "total": 10})
    clock.now += 5
    assert meter.line({"stage": "generate", "done": 5, "total": 10}) == "5/10 · 1.0/s · 5 s left"


def test_counters_follow_the_numbers() -> None:
    """Pairs kept and dropped by reason are the figures that tell whether a build goes well."""
    line = Meter(Clock()).line(
        {"stage": "generate", "done": 1, "total": 4, "unit": "passages", "kept": 1234, "reader answered otherwise": 5}
    )
    assert line == "1/4 passages · kept 1,234 · reader answered otherwise 5"


def test_plain_progress_writes_seldom_and_always_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """A log of a nightly build must not hold one line a batch, nor end in the middle."""
    clock = Clock()
    report = plain_progress(clock)
    for done in range(1, 101):
        clock.now += 0.1
        report({"stage": "generate", "done": done, "total": 100})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[-1].startswith("quipu: generate 100/100")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"), (59.6, "1 min 00 s")],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    """The edges between units are where such functions say "60 s" or "0 min"."""
    assert duration(seconds) == words


def test_tables_align_numbers_right_and_keep_one_line_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """An answer with a line break in it would tear the table apart."""
    print_table([(1, 0.5, "1869"), (10, 12.25, "the Suez\nCanal")], head=("rank", "score", "answer"))
    assert capsys.readouterr().out.splitlines() == [
        "rank   score  answer",
        "   1   0.500  1869",
        "  10  12.250  the Suez Canal",
    ]


def test_json_keeps_letters_readable_and_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts read one object a line; people read Åland, not escapes."""
    print_json({"answer": "Åland\nislands"})
    out = capsys.readouterr().out
    assert "Åland" in out
    assert out.count("\n") == 1
    assert json.loads(out) == {"answer": "Åland\nislands"}


def test_shortened_never_exceeds_the_width() -> None:
    """The mark of omission counts as a character too."""
    assert shortened("the  Suez \n Canal", 20) == "the Suez Canal"
    assert shortened("the Suez Canal", 9) == "the Suez…"

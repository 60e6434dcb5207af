"""BENCHMARKS.md and the README's tables are made from JSON: a missed goal must be seen, a stale page too."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import pytest

from quipu.cli.demo import Question, tally
from quipu.errors import InputError
from quipu.records import Answer, Score

ROOT = Path(__file__).parents[3]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the benchmarks, which are scripts and no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import figures

    return figures


@pytest.fixture
def report(figures: ModuleType) -> ModuleType:
    """The script that makes the pages."""
    import report

    return report


def result(figures: ModuleType, name: str = "cascade") -> object:
    """A result with a goal that was reached, one that was missed, and a figure without a goal."""
    made = [
        figures.Figure("cascade", Score("EM", 70.0, 600, 1.9), 68.0),
        figures.Figure("cascade", Score("p50 ms", 400.0, 200, None, False), 350.0),
        figures.Figure("read", Score("EM", 61.25, 600, 2.0)),
    ]
    return figures.Result(
        name, "Every way", "python benchmarks/run.py cascade", "2026-11-30", {"cores": 2}, {}, tuple(made)
    )


def test_a_goal_is_reached_from_the_side_that_is_better(figures: ModuleType) -> None:
    """Milliseconds must be at most their goal, shares at least theirs; equality reaches it."""
    high, low = Score("EM", 68.0, 10), Score("p50 ms", 350.0, 10, None, False)
    assert figures.Figure("x", high, 68.0).reached and not figures.Figure("x", high, 68.1).reached
    assert figures.Figure("x", low, 350.0).reached and not figures.Figure("x", low, 349.0).reached
    assert figures.Figure("x", high).reached is None


def test_a_share_has_the_binomial_error(figures: ModuleType) -> None:
    """By hand: 30 of 40 are 75 %, and the root of .75 * .25 / 40 is .0685."""
    made = figures.share("x", "right, %", 30, 40).score
    assert (made.value, made.n) == (75.0, 40)
    assert made.stderr == pytest.approx(6.847, abs=1e-3)


def test_a_result_comes_back_from_its_file(figures: ModuleType, tmp_path: Path) -> None:
    """What was measured must not change on its way through JSON; another file is refused."""
    before = result(figures)
    before.write(tmp_path / "cascade.json")  # type: ignore[attr-defined]
    assert figures.Result.read(tmp_path / "cascade.json") == before
    (tmp_path / "other.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no result of a benchmark"):
        figures.Result.read(tmp_path / "other.json")


def test_missed_goals_are_shown_as_missed(figures: ModuleType, report: ModuleType) -> None:
    """A page that hides them would be advertising."""
    page = report.benchmarks([result(figures)])
    assert "1 of 2 reached." in page
    assert "| cascade | cascade | EM | 70.0 ± 1.9 | at least 68 | reached |" in page
    assert "| cascade | cascade | p50 ms | 400 | at most 350 | **missed** |" in page
    assert "| read | 61.2 ± 2.0 |" in page
    assert "`python benchmarks/run.py cascade`" in page


def test_the_readme_changes_between_its_marks_alone(figures: ModuleType, report: ModuleType) -> None:
    """Regions without a result stay as they are; the text around them is nobody's to change."""
    regions = "\n".join(f"before {name}\n{report.MARK.format(name, 'old')}\nafter" for name in report.REGIONS)
    made = report.readme(regions, [result(figures)])
    assert "| cascade | 70.0 ± 1.9 |" in made
    assert made.count("old") == len(report.REGIONS) - 1
    assert made.count("before") == made.count("after") == len(report.REGIONS)
    with pytest.raises(InputError, match="no region"):
        report.readme("nothing", [result(figures)])


def test_the_readme_counts_the_demo_as_the_demo_does(figures: ModuleType, report: ModuleType) -> None:
    """The README would show another last line than the command prints; and a left-out row must be seen to be one."""
    rows = [[f"Q{n}?", "yes", "0.90", "a.md"] for n in range(12)]
    made = [
        figures.Figure("demo", Score("answered rightly", 1, 2)),
        figures.Figure("demo", Score("others refused", 1, 1)),
    ]
    found = figures.Result("demo", "", "", "", {}, {}, tuple(made), details={"rows": rows})
    lines = report.demo({"demo": found}).splitlines()
    assert [line.split()[0] for line in lines[2:-2]] == ["Q0?", "Q1?", "Q2?", "Q3?", "Q4?", "...", "Q10?", "Q11?"]
    asked = [Question("Q0?", ("yes",)), Question("Q1?", ("yes",)), Question("Q2?", ())]
    texts = ("yes", "no", None)
    said = [Answer(item.text, text, 1.0, 0.9, (), "lookup", "", 1.0) for item, text in zip(asked, texts, strict=True)]
    assert lines[-2] == tally(asked, said)


def test_the_picture_places_by_logarithm_and_draws_one_standard_error(report: ModuleType) -> None:
    """A point beside its figure would be seen by nobody. By hand: 100 ms is half way between 10 and 1,000."""
    from chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Point, chart

    made = chart([Point("a < b", 100.0, 50.0, 10.0), Point("slow", 1000.0, 100.0, 0.0), Point("quick", 10.0, 0.0, 0.0)])
    circles = re.findall(r"<circle cx='([\d.]+)' cy='([\d.]+)'", made)
    middle, high = (LEFT + WIDTH - RIGHT) / 2, (HEIGHT - BOTTOM - TOP) / 10
    assert [(float(x), float(y)) for x, y in circles] == [
        (middle, (TOP + HEIGHT - BOTTOM) / 2), (WIDTH - RIGHT, TOP), (LEFT, HEIGHT - BOTTOM),
    ]  # fmt: skip
    y = (TOP + HEIGHT - BOTTOM) / 2
    assert f"M{middle:.1f} {y - high:.1f}V{y + high:.1f}" in made
    assert "a &lt; b" in made and "a < b" not in made


def test_a_figure_that_nothing_measured_is_found(figures: ModuleType, report: ModuleType, tmp_path: Path) -> None:
    """A number typed into a page by hand stays there when the next measurement says something else."""
    results, docs = tmp_path / "results", tmp_path / "docs"
    docs.mkdir()
    result(figures).write(results / "cascade.json")  # type: ignore[attr-defined]
    rows = "| system | EM | p50 ms | of |\n|---|---|---|---|\n"
    (tmp_path / "README.md").write_text(f"Floor 7 of 2026.\n\n{rows}| cascade | 70.0 ± 1.9 | 400 | 600 |\n")
    (docs / "log.md").write_text(f"{rows}| another | 12.3 | 1 | 2 |\n")
    (docs / "a.md").write_text("It takes up to 64 files.\n\n| suffix | size |\n|---|---|\n| `.a 9.9` | 150 words |\n")
    assert report.unmeasured(tmp_path, results) == []
    (docs / "a.md").write_text(f"In prose 61.2 ± 2.1.\n{rows}| read | 61.3 | 4,000 | 5 |\n\n| a | b |\n| 70 | 8 % |\n")
    assert [line.split(" is in")[0] for line in report.unmeasured(tmp_path, results)] == [
        "docs/a.md, line 1: 2.1", "docs/a.md, line 4: 4,000", "docs/a.md, line 7: 8",
    ]  # fmt: skip


def test_the_pages_have_only_figures_that_were_measured(report: ModuleType) -> None:
    """README, BENCHMARKS.md and docs/ of this very repository."""
    assert report.unmeasured() == []


def test_every_committed_result_can_be_read(report: ModuleType) -> None:
    """A file that was edited by hand would break the next report."""
    found = report.results()
    assert found
    assert all(item.figures and item.command and item.date for item in found)
    assert all((ROOT / "benchmarks" / "results" / f"{item.name}.json").is_file() for item in found)

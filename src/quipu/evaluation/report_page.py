"""A memory's report as one HTML page: no script, nothing from elsewhere, the same bytes for the same facts.

Words of documents are escaped, and stand in ``bdi`` so that what turns the direction of writing ends with them. The
page's own policy forbids scripts and requests, should anything slip through.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources

from quipu.evaluation.metrics import wilson
from quipu.evaluation.report import show
from quipu.evaluation.report_charts import Point, bar, curve, histogram
from quipu.evaluation.report_facts import BINS, CUT, Asked, Facts
from quipu.places import located

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_STYLE = resources.files("quipu.evaluation").joinpath("report.css").read_text(encoding="utf-8")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(name: str, facts: Facts, command: str, questions: str = "") -> str:
    """The whole page. ``name``: of the memory; ``command``: what made it; ``questions``: of their file, its hash."""
    sections = [
        _section("What it holds", _holds(facts)),
        _section("Passages and their pairs", _coverage(facts)),
        _section("Pairs that were dropped", _dropped(facts)),
        _section("The barest passages", _barest(facts)),
        _section("How surely the pairs were read back", _scores(facts)),
        _section("Answers to labelled questions", _answers(facts, questions)),
        _section("Sources that disagree", _conflicts(facts)),
        _section("Marked answers", _marked(facts)),
        _section("Reviewed pairs", _reviewed(facts)),
        _section("Models and settings", _models(facts)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_attribute(name)}: report</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{_text(name)}</h1>\n"
        f'<p class="quiet"><code>{_text(command, 2_000)}</code></p>\n'
        f"{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def _holds(facts: Facts) -> str:
    counts = facts.info["counts"]
    rows: list[tuple[str, object]] = [(name, count) for name, count in counts.items() if name != "verdicts"]
    rows += [(f"{origin} pairs", count) for origin, count in facts.origins.items()]
    rows += [(f"megabytes of {name}", f"{size / 1e6:.1f}") for name, size in sorted(facts.bytes.items())]
    said = "" if facts.info["finished"] else "<p>Its build, or an addition to it, was interrupted.</p>"
    return said + _facts("counts", rows)


def _coverage(facts: Facts) -> str:
    total = facts.total
    if not total["passages"]:
        return _nothing("It holds no passages, only ready pairs.")
    share = total["bare"] / total["passages"]
    said = (
        f"<p>{total['bare']:,} of {_count(total['passages'], 'passage')} ({share:.1%}) have no pair. Of "
        f"{_count(total['made'], 'pair')} that were made {total['kept']:,} were kept.</p>"
    )
    rows = [
        (_text(name), _number(item.passages), _number(item.bare), _number(item.made), _number(item.kept),
         bar(1 - item.bare / item.passages))
        for name, item in facts.documents
    ]  # fmt: skip
    more = _nothing(f"And {_count(facts.others, 'document')} more.") if facts.others else ""
    head = ("document", "passages", "without a pair", "made", "kept", "with a pair")
    return said + _table("by document, those with the most bare passages first", head, rows) + more


def _dropped(facts: Facts) -> str:
    if not facts.dropped:
        return _nothing("None.")
    total = sum(facts.dropped.values())
    rows = [(_text(reason), _number(count), bar(count / total)) for reason, count in facts.dropped.items()]
    return _table(f"{total:,} by reason", ("reason", "pairs", "share"), rows)


def _barest(facts: Facts) -> str:
    if not facts.barest:
        return _nothing("None.")
    rows = []
    for row in facts.barest:
        where = f"{row['document']}, from character {row['start']:,}"
        passage = f'{_text(row["text"])}<br><span class="quiet">{_text(where)}</span>'
        rows.append((_number(row["kept"]), _number(row["made"]), passage))
    return _table("the fewest pairs first", ("kept", "made", "passage"), rows)


def _scores(facts: Facts) -> str:
    n = sum(facts.filter_scores)
    if not n:
        return _nothing("No pair was written and read back: none has a score.")
    drawn = histogram(
        f"Scores of {n:,} stored pairs by the reader that read them back", {"": facts.filter_scores}, "score"
    )
    figures = _bins("scores", {"pairs": facts.filter_scores})
    return f"<p>{_count(n, 'stored pair')} with a score of the filter.</p>{drawn}{figures}"


def _answers(facts: Facts, questions: str) -> str:
    if facts.unasked:
        return _nothing(f"They were not asked: {facts.unasked}")
    if facts.asked is None:
        return _nothing("None were given (--questions FILE).")
    asked = facts.asked
    rows = [
        (_text(score.metric), _text(show(score)), _number(score.n)) for score in asked.report.scores
    ]  # fmt: skip
    rows += _latency(asked)
    n = len(asked.said)
    found = asked.histogram()
    drawn = histogram(f"Probabilities of {n:,} answers, right and wrong ones", found, "probability")
    key = '<p><svg class="key one" aria-hidden="true" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>right '
    key += '<svg class="key two" aria-hidden="true" viewBox="0 0 1 1"><rect width="1" height="1"/></svg>wrong</p>'
    risk, reliable = asked.risk(), asked.reliability()
    risky = curve(f"Risk over coverage of {n:,} questions", risk, "share answered", "share wrong")
    title = f"Reliability of {n:,} probabilities"
    trusted = curve(title, reliable, "probability", "share right", diagonal=True)
    parts = [
        f"<p>{_count(n, 'question')} of {_text(questions)}. Shares are per cent, AURC and ECE from 0 to 1, each with "
        "its standard error.</p>",
        _table("measures", ("measure", "value", "n"), rows),
        f'<div class="side"><div><h3>Probability</h3>{key}{drawn}{_bins("probabilities", found)}</div>',
        f"<div><h3>Risk and coverage</h3>{risky}{_points('risk', risk, 'answered', 'wrong')}</div>",
        f"<div><h3>Reliability</h3>{trusted}{_points('reliability', reliable, 'probability', 'right')}</div></div>",
    ]
    return "".join(parts)


def _latency(asked: Asked) -> list[tuple[str, str, str]]:
    if asked.milliseconds is None:
        return []
    return [
        (_text(f"latency, {name}"), _text(f"{value:.1f} ms"), _number(asked.timed))
        for name, value in zip(("median", "95th percentile"), asked.milliseconds, strict=True)
    ]


def _conflicts(facts: Facts) -> str:
    if not facts.conflicts:
        return _nothing("None were found.")
    rows = []
    for item in facts.conflicts:
        sides = []
        for side in item.sides:
            place = side.evidence.place
            where = located(side.evidence.document, page=place.page, line=place.line, headings=place.headings)
            date = "" if side.date is None else f", {side.date.text}"
            sides.append(f'{_text(side.text)}<br><span class="quiet">{_text(where + date)}</span>')
        rows.append((_text(item.question), *sides))
    more = _nothing(f"And {facts.more_conflicts:,} more: quipu conflicts MEMORY") if facts.more_conflicts else ""
    title = (
        f"{_count(len(rows) + facts.more_conflicts, 'question')} with two answers, the newer first where it is known"
    )
    return _table(title, ("question", "one source", "another"), rows) + more


def _marked(facts: Facts) -> str:
    marked = facts.info["marked"]
    n = marked["right"] + marked["wrong"]
    if not n:
        return _nothing("None.")
    rows = [(_text(question), _text(answer)) for question, answer in facts.wrong]
    said = f"<p>{marked['right']:,} of {_count(n, 'marked answer')} are right, {marked['wrong']:,} wrong.</p>"
    return said + (_table("marked wrong", ("question", "answer"), rows) if rows else "")


def _reviewed(facts: Facts) -> str:
    known = [(name.replace("_", " "), count) for name, count in facts.reviews.items() if count and name != "sample"]
    sample = facts.sample
    if not known and not sample.n:
        return _nothing("None.")
    rows = []
    for name, count in (("well-formed", sample.well_formed), ("right", sample.right)):
        low, high = wilson(count, sample.n)
        rows.append((_text(name), _number(sample.n), _number(f"{count / max(1, sample.n):.3f}"),
                     _number(f"{low:.3f} to {high:.3f}")))  # fmt: skip
    title = "a sample of pairs, judged blindly, with 95 % intervals"
    judged = _table(title, ("", "n", "share", "interval"), rows) if sample.n else ""
    return judged + (_facts("decisions", known) if known else "")


def _models(facts: Facts) -> str:
    models = [(name, f"<code>{_text(digest)}</code>") for name, digest in sorted(facts.info["models"].items())]
    rows = [(_text(name), digest) for name, digest in models]
    settings = sorted((name, value) for name, value in facts.info["settings"].items() if value is not None)
    calibrated = facts.info["calibration"]
    if calibrated is not None:
        settings += [(f"calibration: {name.replace('_', ' ')}", value) for name, value in calibrated.items()]
    return _table("models", ("model", "sha256"), rows) + _facts("settings", settings)


def _points(title: str, points: Iterable[Point], across: str, up: str) -> str:
    rows = [
        (_number(f"{point.x:.2f}"), _number(point.n), _number(f"{point.y:.3f}"),
         _number(f"{point.low:.3f} to {point.high:.3f}"))
        for point in points
    ]  # fmt: skip
    return _table(f"{title}, with 95 % intervals", (across, "n", up, "interval"), rows)


def _bins(title: str, series: Mapping[str, Sequence[int]]) -> str:
    """The figures of a histogram, parts without any left out."""
    rows = [
        (_number(f"{at / BINS:.2f} to {(at + 1) / BINS:.2f}"), *map(_number, counts))
        for at, counts in enumerate(zip(*series.values(), strict=True))
        if any(counts)
    ]
    return f"<details><summary>Figures</summary>{_table(title, ('from, to', *series), rows)}</details>"


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{_text(title)}</h2>\n{content}\n</section>\n"


def _facts(title: str, rows: Iterable[tuple[str, object]]) -> str:
    cells = [(_text(name), _number(value)) for name, value in rows]
    return _table(title, ("", "value"), cells)


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells that are HTML; numbers stand right, and what heads them. ``title``: no other table has it."""
    every = list(rows)
    right = [cell.startswith(_RIGHT) for cell in every[0]] if every else [False] * len(head)
    top = "".join(_headed(name, number) for name, number in zip(head, right, strict=True))
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in every)
    region = f'<div class="wide" tabindex="0" role="region" aria-label="{_attribute(title)}">'
    caption = f"<caption>{_text(title)}</caption>"
    return f"{region}<table>{caption}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _headed(name: str, number: bool) -> str:
    if not name:
        return "<td></td>"
    return f'<th scope="col"{_NUMBER if number else ""}>{_text(name)}</th>'


_NUMBER = ' class="number"'
_RIGHT = "\x00"  # begins a cell with a number; escaped text never holds it


def _cell(content: str) -> str:
    if content.startswith(_RIGHT):
        return f"<td{_NUMBER}>{content[1:]}</td>"
    return f"<td>{content}</td>"


def _number(value: object) -> str:
    return _RIGHT + _text(f"{value:,}" if type(value) is int else value)


def _nothing(words: str) -> str:
    return f'<p class="quiet">{_text(words)}</p>'


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _text(words: object, most: int = CUT) -> str:
    """Words as HTML, on one line and cut, whatever they hold."""
    line = " ".join(_CONTROLS.sub(" ", str(words)).split())
    return f"<bdi>{html.escape(line if len(line) <= most else line[: most - 1].rstrip() + '…')}</bdi>"


def _attribute(words: str) -> str:
    """The same within an attribute or a title, which take no tags."""
    return _text(words).removeprefix("<bdi>").removesuffix("</bdi>")

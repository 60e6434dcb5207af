"""The neighbours suite: what it promises, what counts as right, and its figures by hand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from quipu.evaluation.metrics import passage_holds
from quipu.evaluation.neighbours.suite import ANSWERABLE, KINDS, Neighbour, documents, suite
from quipu.evaluation.tasks.neighbours import ask_all, evaluate, wrong
from quipu.language.english import FUNCTION_WORDS
from quipu.records import Answer
from quipu.text import normalize_answer

MANUALS = Path(__file__).parents[3] / "recipes" / "small" / "manuals"


def test_every_document_has_its_questions_and_the_answers_stand_there() -> None:
    """An accepted answer that the document does not hold would count every right answer as wrong."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in documents()}
    items = suite()
    assert len(texts) == 20 and len(items) == len({item.question for item in items}) == 400
    assert all(250 <= len(text.split()) <= 500 for text in texts.values())
    counts = Counter((item.document, item.kind == ANSWERABLE) for item in items)
    assert set(counts.values()) == {10} and set(texts) == {name for name, _ in counts}
    assert min(Counter(item.kind for item in items).values()) >= 20
    for item in items:
        assert bool(item.answers) == (item.kind == ANSWERABLE) and item.kind in (ANSWERABLE, *KINDS), item
        assert not item.answers or passage_holds(texts[item.document], item.answers), item
    assert [item for item in items if item.document == documents()[0].name] == suite(1)


def test_questions_are_not_in_the_documents_words() -> None:
    """Of a question whose words all stand in one sentence, lookup would be measured on what it copied."""
    for path in documents():
        lines = [_words(line) for line in path.read_text(encoding="utf-8").replace(". ", "\n").splitlines()]
        copied = [
            item.question for item in suite() if item.document == path.name and item.answers
            for line in lines if len(_words(item.question)) > 2 and _words(item.question) <= line
        ]  # fmt: skip
        assert len(copied) <= 2, copied


def test_nothing_is_shared_with_what_probabilities_are_fitted_on() -> None:
    """Thresholds that were chosen on these questions would look better than they are."""
    lines = (MANUALS / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    asked = {normalize_answer(json.loads(line)["question"]) for line in lines}
    assert len(asked) > 200 and not asked & {normalize_answer(item.question) for item in suite()}
    known = {
        sentence for path in MANUALS.iterdir() if path.name != "questions.jsonl"
        for sentence in _sentences(path)
    }  # fmt: skip
    assert known and not any(known & set(_sentences(path)) for path in documents())
    assert not {path.stem for path in documents()} & {path.stem for path in MANUALS.iterdir()}


def test_what_counts_as_right() -> None:
    item = Neighbour("By when?", ("30 April", "the end of April"), ANSWERABLE, "x.md")
    for said in ("30 April", "by 30 April", "no later than 30 April", "end of April"):
        assert item.right(said), said
    for said in ("April", "30 Apri", "1 May", "30 April or when the roof of it has been mended again"):
        assert not item.right(said), said
    assert not Neighbour("Why?", (), "roles", "x.md").right("because")


def test_figures_by_hand() -> None:
    """Of four answerable two are right, one wrong and one held back; of two next door one is answered."""
    items = [Neighbour(f"{at}?", ("yes",), ANSWERABLE, "x.md") for at in range(4)]
    items += [Neighbour("4?", (), "roles", "x.md"), Neighbour("5?", (), "entity", "x.md")]
    said = dict(zip("012345", ("yes", "yes", "no", None, None, "yes"), strict=True))

    def ask(questions: Sequence[str]) -> list[Answer]:
        return [
            Answer(question, said[question[0]], 1.0, 0.1 * int(question[0]), (), "lookup", "", 0.0)
            for question in questions
        ]

    done: list[tuple[int, int]] = []
    asked = ask_all(items, ask, lambda *counts: done.append(counts))
    report = evaluate(asked)
    assert done == [(6, 6)] and report["next door answered"].value == 50.0
    assert [report[f"answerable {name}"].value for name in ("answered rightly", "answered wrongly", "held back")] == [
        50.0, 25.0, 25.0,
    ]  # fmt: skip
    assert report["next door: roles"].value == 0.0 and report["next door: entity"].value == 100.0
    assert report.get("next door: section") is None
    assert [row.item.question for row in wrong(asked)] == ["5?", "2?"]
    assert wrong(asked)[0].to_json()["probability"] == pytest.approx(0.5)


def _words(text: str) -> set[str]:
    return set(normalize_answer(text).split()) - FUNCTION_WORDS


def _sentences(path: Path) -> list[str]:
    """Of five words and more, normalised."""
    parts = path.read_text(encoding="utf-8").replace(". ", "\n").splitlines()
    return [normal for part in parts if len((normal := normalize_answer(part)).split()) >= 5]

"""The sets that the shipped fit asks: what is left out has no answer, halves share no story, and runs are alike."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from quipu.training.calibration.data import HELD, SETS, Wanted, question_id


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode(), 1) if path.suffix == ".gz" else text.encode())


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    """Forty stories, sixty sections of Wikipedia, two hundred trivia questions and thirty of two documents."""
    data = tmp_path / "data"
    write(data / "fairytaleqa" / "val.jsonl.gz", [
        {"story": f"tale-{at}", "context": f"King {at} ate {at} pies.", "question": f"What did king {at} eat?",
         "answers": [f"{at} pies"] if kind else ["He was hungry"]}
        for at in range(40) for kind in (0, 1)
    ])  # fmt: skip
    write(data / "selqa" / "passages.jsonl.gz", [
        {"group": f"Article {at // 2}", "text": f"It rained. Town {at} has {at} bridges.", "source": "selqa_sentence",
         "asked": [[f"How many bridges has town {at}?", 11, 11 + len(f"Town {at} has {at} bridges.")]]}
        for at in range(60)
    ])  # fmt: skip
    write(tmp_path / "answers.jsonl", [
        {"question": question_id(f"How many bridges has town {at}?"), "answers": [f"{at} bridges"]}
        for at in range(60) if at % 3
    ])  # fmt: skip
    for at in range(20):
        (tmp_path / "manuals").mkdir(exist_ok=True)
        (tmp_path / "manuals" / f"pump-{at}.md").write_text(f"# Pump {at}\n\nIt lifts {at} litres.")
    write(tmp_path / "manuals" / "questions.jsonl", [
        {"question": f"How much does pump {at} {verb}?", "answers": answers, "document": f"pump-{at}.md"}
        for at in range(20) for verb, answers in (("lift", [f"{at} litres"]), ("weigh", []))
    ])  # fmt: skip
    (tmp_path / "faqs").mkdir()
    write(tmp_path / "faqs" / "pairs.jsonl", [
        {"question": f"How do I open gate {at}?", "answer": f"With key {at}.", "group": f"gate-{at}"} for at in range(9)
    ])  # fmt: skip
    write(tmp_path / "faqs" / "questions.jsonl", [
        {"question": f"How do I {verb} gate {at}?", "answers": answers, "group": f"gate-{at}"}
        for at in range(9) for verb, answers in (("unlock", [f"With key {at}."]), ("close", []))
    ])  # fmt: skip
    write(data / "opentriviaqa" / "questions.jsonl.gz", [
        {"question": f"Which was the {at}th river that Mary Stone crossed?", "answer": f"River {at}"}
        for at in range(200)
    ])  # fmt: skip
    hotpot = [
        {"question": f"Who led the band of song {at}?", "answer": f"Anna {at}", "type": "bridge",
         "supporting_facts": [[f"Song {at}", 0], [f"Band {at}", 0]],
         "context": [[f"Song {at}", [f"Song {at} is by band {at}."]], [f"Band {at}", [f"Anna {at} led it."]],
                     [f"Cat {at}", ["Cats sleep."]], [f"Dog {at}", ["Dogs bark."]]]}
        for at in range(30)
    ]  # fmt: skip
    for name in ("hotpotqa/train-100.json.gz", "2wiki/train-500.jsonl.gz", "musique/train-100.json.gz"):
        write(data / name, hotpot)
    return Wanted(
        data, tmp_path / "run", tmp_path / "answers.jsonl", tmp_path / "manuals", tmp_path / "faqs", 60, 90, 3
    )


@pytest.mark.parametrize("name", [*SETS, *HELD])
def test_questions_about_what_is_left_out_have_no_answer(name: str, wanted: Wanted) -> None:
    made = {**SETS, **HELD}[name](wanted)
    assert 10 < len(made.questions) <= max(wanted.questions, 30)
    if made.pairs is not None:
        texts = made.pairs.read_text(encoding="utf-8")
    elif made.documents[0].is_dir():
        texts = " ".join(file.read_text(encoding="utf-8") for file in sorted(made.documents[0].rglob("*.txt")))
    else:
        texts = " ".join(file.read_text(encoding="utf-8") for file in made.documents)
    answered = [item for item in made.questions if item.answers]
    assert all(any(answer in texts for answer in item.answers) for item in answered)
    assert len(answered) < len(made.questions) or name in HELD
    again = {**SETS, **HELD}[name](wanted)
    assert again.questions == made.questions


def test_the_halves_of_the_stories_are_apart(wanted: Wanted) -> None:
    fitted = {item.group for item in SETS["fairytales"](wanted).questions}
    held = {item.group for item in HELD["fairytales-held"](wanted).questions}
    assert fitted and held and not fitted & held


def test_multi_hop_questions_bring_the_paragraphs_that_they_need(wanted: Wanted) -> None:
    made = SETS["two-documents"](wanted)
    assert made.settings == {"questions_per_passage": 2}
    titles = {json.loads(line)["title"] for line in made.documents[0].read_text(encoding="utf-8").splitlines()}
    assert sum(title.startswith("Song") for title in titles) == sum(title.startswith("Band") for title in titles)
    assert not any(title.startswith("Dog") for title in titles), "one paragraph more each, no further"


def test_of_sentences_only_what_was_marked_is_asked(wanted: Wanted) -> None:
    """Any word of a sentence would count as right, and probabilities would promise too much."""
    made = SETS["selqa"](wanted)
    answered = [item for item in made.questions if item.answers]
    assert answered and all(item.right(item.answers[0]) and not item.right("Town") for item in answered)
    assert not any(f"town {at}?" in item.question for item in answered for at in range(0, 60, 3))

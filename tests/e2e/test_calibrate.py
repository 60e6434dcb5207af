"""Calibration: fitted on labels and on the memory's own pairs, kept in the memory, and used by every question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.handmade import WordEncoder

pytest.importorskip("sklearn")

import quipu
from quipu.api import open as open_memory
from quipu.calibration.questions import Asked, labelled
from quipu.calibration.self_questions import self_questions
from quipu.calibration.shipped import fit_shipped
from quipu.cli.main import run
from quipu.errors import InputError
from quipu.evaluation.tasks import selective
from quipu.models.protocols import MemoryReading
from quipu.records import Example

RIVERS = [
    f"{name}{end}"
    for name in ("Al", "Bre", "Cor", "Dun", "Es", "Fal", "Gor")
    for end in ("na", "mir", "tor", "vel", "ost", "ack")
]


class First:
    """Reads the answer of the best pair; surer of it the more words of the question the pair has."""

    name, k, sentence = "first", 3, False

    def read(self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]]) -> list[MemoryReading]:
        found = []
        for question, row in zip(questions, pairs, strict=True):
            asked, stored = set(question.lower().split()), set(row[0][0].lower().split())
            found.append(MemoryReading(row[0][1], 4.0 * (len(asked & stored) / len(asked) - 1.0), 0))
        return found


@pytest.fixture
def memory(tmp_path: Path) -> quipu.Memory:
    """A length for each of 42 invented rivers, and a colour for every other one."""
    quipu.build([], tmp_path / "m", pairs=_pairs(tmp_path), encoder=WordEncoder()).close()
    return opened(tmp_path / "m")


def opened(path: Path, read_only: bool = False) -> quipu.Memory:
    return open_memory(path, read_only=read_only, encoder=WordEncoder(), memory_reader=First())


def _pairs(folder: Path) -> Path:
    rows = [
        {"question": f"How long is the river {name} in Norway?", "answer": f"{100 + n} km"}
        for n, name in enumerate(RIVERS)
    ]
    rows += [
        {"question": f"What colour has the water of the {name}?", "answer": f"shade {n}"}
        for n, name in enumerate(RIVERS[::2])
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "pairs.jsonl"


def asked() -> list[Example]:
    """Half with an answer in the memory, half about rivers that it does not hold."""
    known = [
        Example(f"k{n}", f"how long is the {name} river in Norway", (f"{100 + n} km",)) for n, name in enumerate(RIVERS)
    ]
    unknown = [Example(f"u{n}", f"how long is the {name[::-1]} river in Norway", ()) for n, name in enumerate(RIVERS)]
    return known + unknown


def test_labels_set_a_threshold_that_every_question_uses(memory: quipu.Memory) -> None:
    unknown_river = "how long is the rotroc river in Norway"
    with memory:
        before = memory.ask(unknown_river)
        assert before.text is not None and before.probability is None, "unfitted models hold nothing back"
        assert memory.own_calibration() is None and memory.info()["calibration"] is None
        result = quipu.calibrate(memory, asked(), target_precision=0.9)
        assert result["reached"] and result["questions"] == 84 and result["right"] == pytest.approx(0.5, abs=0.05)
        assert result["precision"] >= 0.9 and result["answered"] > 0.3 and result["ece"] < 0.1
        facts = memory.info()["calibration"]
        assert facts == {
            "threshold": result["threshold"], "target_precision": 0.9, "fitted_on": "84 labelled questions",
            "own": True,
        }  # fmt: skip
        path = memory.path
    with opened(path, read_only=True) as again:
        known, unknown = again.ask(asked()[3].question), again.ask(unknown_river)
        assert known.text == "103 km" and known.probability is not None and known.probability > 0.8
        assert unknown.text is None and unknown.evidence and unknown.probability < known.probability
        assert {step.route for step in unknown.tried} == {"lookup", "read", "chain"}
        assert again.ask(unknown_river, min_probability=0.0).text is not None
        promise = again.promised(0.9)
        assert promise.fitted_on == "84 labelled questions" and 0.2 < (promise.answered or 0.0) < 0.8
        answers = again.ask_many([item.question for item in asked()], precision=0.9)
        given = [answer for answer in answers if answer.text is not None]
        assert len(given) == pytest.approx(84 * (promise.answered or 0.0), abs=1)
        assert all((answer.probability or 0.0) >= promise.probability for answer in given)
        with pytest.raises(InputError, match="not both"):
            again.ask(unknown_river, precision=0.9, min_probability=0.9)
        report, said = selective.evaluate(again, asked(), method="cascade")
        assert report["precision"].value >= 90.0 and report["refused of unanswerable"].value > 60.0
        assert len(said) == 84 and 0 <= report["ECE"].value < 0.15 and report["AURC"].value < 0.3
        steps = selective.by_step(again, asked())
        assert set(steps) == {"lookup", "read", "to read", "chain", "to chain"}
        assert all(len(row) == 84 for row in steps.values())
        alone, both = (next(item for item in steps[name] if item.right) for name in ("lookup", "to read"))
        assert 0 < alone.probability < 1 and 0 < both.probability < 1
        surest = {row.system: row["precision at 20% answered"].value for row in selective.step_reports(steps)}
        assert surest["to read"] > 80.0 and set(surest) == set(steps)
        selective.plot(path.parent / "curve.svg", said, "rivers", steps)
        drawn = (path.parent / "curve.svg").read_text()
        assert drawn.lstrip().startswith("<?xml") and "to read, AURC" in drawn
        with pytest.raises(InputError, match="written as"):
            selective.plot(path.parent / "curve.doc", said)
        with pytest.raises(InputError, match="between 0 and 1"):
            again.ask("x", min_probability=2.0)
        with pytest.raises(InputError, match="reading only"):
            quipu.calibrate(again, asked(), target_precision=0.9)


def test_scorers_are_for_the_models_that_they_were_fitted_for(memory: quipu.Memory) -> None:
    class Other(First):
        name = "other"

    with memory:
        quipu.calibrate(memory, asked(), target_precision=0.9)
        assert memory.answerer.fitted("read") is not None and memory.answerer.fitted("lookup") is not None
        path = memory.path
    with quipu.open(path, encoder=WordEncoder(), memory_reader=Other()) as other:
        assert other.answerer.fitted("read") is None and other.answerer.fitted("lookup") is not None
        assert "read" not in list(other.answerer.steps()), "a step without a probability is not taken"


def test_what_cannot_be_reached_leaves_the_memory_as_it_was(memory: quipu.Memory) -> None:
    """Two thirds of the labels are wrong on purpose: no threshold is right nineteen times of twenty."""
    with memory:
        quipu.calibrate(memory, asked(), target_precision=0.9)
        before = memory.own_calibration()
        wrong = [
            Example(item.id, item.question, item.answers if at % 3 == 0 else ("nothing like it",))
            for at, item in enumerate(asked())
        ]
        result = quipu.calibrate(memory, wrong, target_precision=0.95)
        assert not result["reached"] and result["best_precision"] < 0.95
        assert memory.own_calibration() == before and memory.ask(asked()[3].question).text == "103 km"
        anything = quipu.calibrate(memory, wrong, target_precision=None)
        assert anything["reached"] and memory.own_calibration() != before


def test_a_memory_can_ask_itself(memory: quipu.Memory) -> None:
    """Nobody has labels on the first day: reworded questions are right, twins and left-out pairs mostly wrong."""
    with memory:
        own = self_questions(memory, 63, seed=1)
        assert {item.group for item in own.questions} == {"reworded", "twin", "left out"} and len(own.questions) == 63
        assert all(bool(item.answers) == (item.group != "twin") for item in own.questions)
        assert all((item.without is None) == (item.group != "left out") for item in own.questions)
        assert self_questions(memory, 63, seed=1) == own
        result = quipu.calibrate(memory, target_precision=0.8, count=63)
        assert result["reached"] and result["precision"] >= 0.8
        assert {row["scorer"] for row in result["steps"]} >= {"lookup", "read"}, "every step that can be taken"
        kept = memory.own_calibration()
        assert kept is not None and "itself" in kept.fitted_on and kept.target_precision == 0.8
    (memory.path.parent / "one.csv").write_text("question,answer\nHow deep is it?,3 m\n")
    one = quipu.build([], memory.path.parent / "one", pairs=memory.path.parent / "one.csv", encoder=WordEncoder())
    with one:
        one.remove(document=str(memory.path.parent / "one.csv"))
        with pytest.raises(InputError, match="no pairs"):
            quipu.calibrate(one)


def test_what_ships_is_fitted_on_records_that_are_kept(
    memory: quipu.Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed run asks only what it had not asked; a second fit of the same models asks nothing."""
    with memory:
        sets = [Asked(memory, labelled(asked()), "rivers")]
        first = fit_shipped(sets, [], tmp_path, precision=0.8)
        (records,) = tmp_path.glob("rivers-*[!t].jsonl")
        lines = records.read_text().splitlines(keepends=True)
        assert len(lines) == 84
        records.write_text("".join(lines[:50]) + lines[50][:30])
        batches: list[int] = []
        propose = memory.answerer.propose

        def counted(name: str, questions: Sequence[str], *rest: Any, **options: Any) -> Any:
            batches.append(len(questions))
            return propose(name, questions, *rest, **options)

        monkeypatch.setattr(memory.answerer, "propose", counted)
        assert fit_shipped(sets, [], tmp_path, precision=0.8).to_json() == first.to_json()
        assert set(batches) == {32, 2}, "the 34 that were lost"
        assert records.read_text() == "".join(lines)
        batches.clear()
        again = fit_shipped(sets, sets, tmp_path, precision=0.8)
        assert again.to_json() == first.to_json() and not batches
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [(row["set"], row.get("held")) for row in figures["sets"]] == [
        ("rivers", None), ("all", None), ("rivers", True),
    ]  # fmt: skip
    assert figures["sets"][-1]["questions"] == 84 and figures["precision"] == 0.8


def test_marked_answers_calibrate_the_memory(memory: quipu.Memory, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers that were marked as wrong are not found any more: fitted on what is found now, they would not count."""
    examples = asked()
    with memory:
        answers = memory.ask_many([item.question for item in examples], method="lookup")
        for example, answer in zip(examples[:50], answers[:50], strict=False):
            memory.mark(answer, answer.text in example.answers)
        with pytest.raises(InputError, match="42 answers are marked right and 8 wrong; 20 of each are needed"):
            quipu.calibrate(memory, from_feedback=True)
        for answer in answers[50:]:
            memory.mark(answer, False)
        with pytest.raises(InputError, match="not on both"):
            quipu.calibrate(memory, examples, from_feedback=True)
        assert memory.own_calibration() is None
        result = quipu.calibrate(memory, target_precision=1.0, from_feedback=True)
        assert result["reached"] and result["fitted_on"] == "84 questions with marked answers"
        assert result["questions"] == 84 and result["right"] == pytest.approx(0.5, abs=0.05)
        known, unknown = memory.ask(examples[3].question), memory.ask("how long is the norpol river in Norway")
        assert known.text == "103 km" and (known.probability or 0) > 0.8 and unknown.text is None
        path = memory.path
    assert run(["calibrate", str(path), "--from-feedback", "--questions", "x.jsonl"]) == 2
    capsys.readouterr()


def test_the_command_line(
    memory: quipu.Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = memory.path
    memory.close()
    monkeypatch.setattr("quipu.open", lambda path, read_only=False, **_: opened(path, read_only))
    rows = [{"question": item.question, "answer": list(item.answers)} for item in asked()]
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["calibrate", str(path), "--questions", str(questions), "--target-precision", "0.9"]) == 0
    assert "lookup" in capsys.readouterr().out
    assert run(["info", str(path)]) == 0
    assert "84 labelled questions" in capsys.readouterr().out
    assert run(["ask", str(path), asked()[3].question, "--precision", "0.8", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["text"] == "103 km" and "of 84 labelled questions" in said.err
    assert run(["ask", str(path), "--precision", "1", "How long is it?"]) == 2
    assert "out of reach" in capsys.readouterr().err
    threshold = json.loads((path / "manifest.json").read_text())["calibration"]["floor"]
    for row in rows[::2]:
        row["answer"] = ["nothing like it"]
    questions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(["calibrate", str(path), "--questions", str(questions), "--json"]) == 1
    said = capsys.readouterr()
    assert "out of reach" in said.err and json.loads(said.out)["reached"] is False
    assert json.loads((path / "manifest.json").read_text())["calibration"]["floor"] == threshold
    (tmp_path / "q.jsonl").write_text("")
    assert run(["calibrate", str(path), "--questions", str(tmp_path / "q.jsonl")]) == 2
    assert "q.jsonl" in capsys.readouterr().err

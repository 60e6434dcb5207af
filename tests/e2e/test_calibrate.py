"""Calibration: fitted on labels and on the memory's own pairs, kept in the memory, and used by every question."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.handmade import WordEncoder

pytest.importorskip("sklearn")

import quipu
from quipu.answering.probability import FEATURES
from quipu.cli.main import run
from quipu.errors import InputError
from quipu.evaluation.calibration import Labelled, fit, of_itself, threshold_for
from quipu.evaluation.tasks import selective
from quipu.records import Example

RIVERS = [
    f"{name}{end}"
    for name in ("Al", "Bre", "Cor", "Dun", "Es", "Fal", "Gor")
    for end in ("na", "mir", "tor", "vel", "ost", "ack")
]


@pytest.fixture
def memory(tmp_path: Path) -> quipu.Memory:
    """A length for each of 42 invented rivers, and a colour for every other one."""
    made = quipu.build([], tmp_path / "m", pairs=_pairs(tmp_path), encoder=WordEncoder())
    return made


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
    with memory:
        assert memory.calibration() is None and memory.ask("how long is the anla river in Norway").text is not None
        result = quipu.calibrate(memory, asked(), target_precision=0.9)
        assert result["questions"] == 84 and result["right"] == pytest.approx(0.5, abs=0.05)
        assert result["precision"] >= 0.9 and result["answered"] > 0.3 and result["ece"] < 0.1
        path = memory.path
    with quipu.open(path, read_only=True, encoder=WordEncoder()) as again:
        known, unknown = again.ask(asked()[3].question), again.ask("how long is the rotroc river in Norway")
        assert known.text == "103 km" and known.probability is not None and known.probability > 0.8
        assert unknown.text is None and unknown.evidence and unknown.probability < known.probability
        assert again.ask("how long is the rotroc river in Norway", min_probability=0.0).text is not None
        report, said = selective.evaluate(again, asked())
        assert report["precision"].value >= 90.0 and report["refused of unanswerable"].value > 60.0
        by_steps, _ = selective.evaluate(again, asked(), method="cascade")
        assert by_steps.system.startswith("cascade") and by_steps["answered"].value >= report["answered"].value
        assert len(said) == 84 and 0 <= report["ECE"].value < 0.15 and report["AURC"].value < 0.3
        with pytest.raises(InputError, match="between 0 and 1"):
            again.ask("x", min_probability=2.0)
        with pytest.raises(InputError, match="reading only"):
            quipu.calibrate(again, asked())
    with quipu.open(path, encoder=WordEncoder("words")) as same:
        assert same.calibration() is not None


def test_a_memory_can_ask_itself(memory: quipu.Memory) -> None:
    """Nobody has labels on the first day: reworded questions are right, twins and left-out pairs mostly wrong."""
    with memory:
        data = of_itself(memory, 63, seed=1)
        kinds = np.array(data.kinds)
        assert set(kinds) == {"reworded", "twin", "left out"} and len(data) == 63
        assert data.right[kinds == "reworded"].mean() > 0.8 and not data.right[kinds == "twin"].any()
        assert data.right[kinds == "left out"].mean() < 0.2
        assert of_itself(memory, 63, seed=1).right.tolist() == data.right.tolist()
        result = quipu.calibrate(memory, target_precision=0.9, count=63)
        assert result["precision"] is None or result["precision"] >= 0.8
        kept = memory.calibration()
        assert kept is not None and "itself" in kept.fitted_on and kept.target_precision == 0.9
    empty = quipu.build([], memory.path.parent / "none", pairs=_empty(memory.path.parent), encoder=WordEncoder())
    with empty, pytest.raises(InputError, match="no pairs"):
        quipu.calibrate(empty)


def _empty(folder: Path) -> Path:
    (folder / "none.csv").write_text("question,answer\n")
    return folder / "none.csv"


def synthetic(count: int, seed: int = 0) -> Labelled:
    """Right with a probability that is the logistic function of the first two features."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, len(FEATURES)))
    truth = 1 / (1 + np.exp(-(2.0 * rows[:, 0] - 1.0 * rows[:, 1])))
    return Labelled(rows, rng.random(count) < truth, ("asked",) * count)


def test_the_fit_finds_the_weights_and_says_what_is_true() -> None:
    data, fresh = synthetic(3000), synthetic(3000, 1)
    made = fit(data, models={"e": "1"}, fitted_on="numbers", target_precision=0.9)
    weights = np.array(made.weights) / np.array(made.scale)
    assert weights[:2] == pytest.approx([2.0, -1.0], abs=0.2) and np.abs(weights[2:]).max() < 0.2
    said = made.probability(fresh.features)
    bins = np.array_split(np.argsort(said), 10)
    assert max(abs(said[part].mean() - fresh.right[part].mean()) for part in bins) < 0.08
    assert fresh.right[said >= made.threshold].mean() > 0.86
    assert np.all(np.diff([y for _, y in made.curve]) >= 0) and np.all(np.diff([x for x, _ in made.curve]) > 0)


def test_few_labels_bend_what_ships_and_too_few_are_refused() -> None:
    base = fit(synthetic(3000), models={"e": "1"}, fitted_on="numbers", target_precision=None)
    bent = fit(synthetic(100, 2), models={"e": "1"}, fitted_on="few", base=base)
    ratio = np.array(bent.weights) / np.array(base.weights)
    assert np.allclose(ratio, ratio[0]) and ratio[0] > 0
    with pytest.raises(InputError, match="too few"):
        fit(synthetic(30), models={"e": "1"}, fitted_on="few")
    everything = synthetic(100)
    with pytest.raises(InputError, match="5 of them"):
        fit(Labelled(everything.features, np.ones(100, dtype=bool), everything.kinds), models={}, fitted_on="all right")


def test_the_threshold_by_hand() -> None:
    """Of the surest four three are right, of five four: at 80 % five are answered, at 90 % none of at least four."""
    probabilities, right = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), np.array([1, 1, 0, 1, 1, 0], dtype=bool)
    assert threshold_for(probabilities, right, 0.8, least=4) == 0.5
    assert threshold_for(probabilities, right, 0.9, least=4) == 1.01
    assert threshold_for(probabilities, right, 0.9, least=1) == 0.8
    tied = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert threshold_for(tied, right, 0.6, least=1) == 0.9 and threshold_for(tied, right, 0.7, least=1) == 1.01


def test_the_command_line(memory: quipu.Memory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another encoder than the one that ships needs the Python API; the plot and the errors are the command's."""
    with memory:
        quipu.calibrate(memory, asked())
        report, said = selective.evaluate(memory, asked())
        selective.plot(tmp_path / "curve.svg", said, "rivers")
        assert (tmp_path / "curve.svg").read_text().lstrip().startswith("<?xml")
        with pytest.raises(InputError, match="written as"):
            selective.plot(tmp_path / "curve.doc", said)
        assert "AURC" in report.text()
    (tmp_path / "q.jsonl").write_text("")
    assert run(["calibrate", str(tmp_path / "m"), "--questions", str(tmp_path / "q.jsonl")]) == 2
    assert "q.jsonl" in capsys.readouterr().err

"""Reading, chains and the cascade through ``Memory.ask`` and the command, on pairs made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.handmade import WordEncoder, models

import quipu
from quipu.answering import chain, read
from quipu.answering.chain import rewritten
from quipu.answering.probability import FEATURES, Calibration
from quipu.errors import FormatError, InputError
from quipu.evaluation.tasks.compare import compare
from quipu.models.protocols import MemoryReading
from quipu.records import Example

PAIRS = [
    ("Where did Fortune take tea plants?", "India"),
    ("What is the capital of India?", "Delhi"),
    ("What is the capital of France?", "Paris"),
    ("Who opened the canal with music?", "Verdi"),
    ("When was the canal opened?", "1869"),
]
TWO_HOPS = "What is the capital of the land where Fortune took tea plants?"
LINKS = {
    "weights": {**dict.fromkeys(chain.FEATURES, 0.0), "bridged": 4.0, "in_first": 2.0, "in_last": 2.0, "alone": 1.0},
    "slope": 1.0, "shift": -5.0, "threshold": 0.5,
}  # fmt: skip
ODDS = {"weights": {**dict.fromkeys(read.FEATURES, 0.0), "stored": 4.0}, "slope": 1.0, "shift": -2.0, "threshold": 0.5}


class Second:
    """Reads the second pair that it is given; says a word of its own where the question asks why."""

    name, k, sentence = "second", 3, False

    def __init__(self, read: object = ODDS, chain: object = LINKS) -> None:
        self.fitted = {name: item for name, item in (("read", read), ("chain", chain)) if item is not None}

    def read(self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]]) -> list[MemoryReading]:
        found = []
        for question, row in zip(questions, pairs, strict=True):
            own = question.startswith("Why") or len(row) < 2
            found.append(MemoryReading("because", -1.0, None) if own else MemoryReading(row[1][1], -0.5, 1))
        return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = tmp_path / "pairs.jsonl"
    rows.write_text("\n".join(json.dumps({"question": q, "answer": [a]}) for q, a in PAIRS), encoding="utf-8")
    quipu.build([], tmp_path / "m.quipu", pairs=rows, **models()).close()
    return tmp_path / "m.quipu"


def opened(path: Path, reader: object) -> quipu.Memory:
    return quipu.open(path, read_only=True, encoder=WordEncoder(), memory_reader=reader)  # type: ignore[arg-type]


def test_a_chain_goes_from_pair_to_pair_and_shows_both(path: Path) -> None:
    with opened(path, Second()) as memory:
        answer = memory.ask(TWO_HOPS, method="chain")
        assert (answer.text, answer.route) == ("Delhi", "chain")
        assert [item.pair.answer for item in answer.evidence if item.pair] == ["India", "Delhi"]
        one = memory.ask("When was the canal opened?", method="chain", min_probability=0)
        assert one.text == "1869" and len(one.evidence) == 1
        assert rewritten("Where is it?", "India") == "Where is it India?"


def test_a_chain_with_a_pair_removed_falls(path: Path) -> None:
    with quipu.open(path, encoder=WordEncoder()) as memory:
        memory.remove(pair=memory.search("Where did Fortune take tea plants?", 1)[0].pair.id)
    with opened(path, Second()) as memory:
        assert memory.ask(TWO_HOPS, method="chain").text is None


def test_what_was_read_comes_with_its_pairs_the_used_one_first(path: Path) -> None:
    with opened(path, Second()) as memory:
        answer = memory.ask("When was the canal opened?", method="read")
        assert answer.route == "read" and answer.probability == pytest.approx(0.8808, abs=1e-4)
        assert len(answer.evidence) == 3 and answer.evidence[0].pair is not None
        assert answer.evidence[0].pair.answer == answer.text and "generated" not in answer.reason
        made = memory.ask("Why was the canal opened?", method="read", min_probability=0)
        assert made.text == "because" and "generated" in made.reason
        held = memory.ask("Why was the canal opened?", method="read")
        assert held.text is None and held.held == "because"


def test_what_a_memory_was_calibrated_for_holds_for_every_step(path: Path) -> None:
    """The reader's own bar is .5, and it is .88 sure."""
    asked = [Example(str(at), question, (answer,)) for at, (question, answer) in enumerate(PAIRS)]
    with quipu.open(path, encoder=WordEncoder(), memory_reader=Second()) as memory:
        none = (0.0,) * len(FEATURES)
        for bar, answers in ((0.4, True), (0.95, False)):
            curve = Calibration(
                none, (1.0,) * len(none), none, 0.0, ((0.0, 0.0), (1.0, 1.0)), bar, None, memory.model_hashes(), "hand"
            )
            memory.keep_calibration(curve)
            assert (memory.ask(asked[0].question, method="read").text is not None) == answers


def test_a_cascade_searches_for_a_question_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look-up, reading and the first hop look at the same pairs; only the rewritten questions are searched anew."""
    searched: list[str] = []
    with opened(path, Second()) as memory:
        search, alone = memory.search_many, memory.ask(TWO_HOPS, method="chain")

        def counted(questions: Sequence[str], k: int = 10, **options: object) -> object:
            searched.extend(questions)
            return search(questions, k, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(memory, "search_many", counted)
        monkeypatch.setattr(memory, "steps", lambda rerank: ["chain", "read"])
        answer = memory.ask(TWO_HOPS)
        assert (answer.text, answer.evidence) == (alone.text, alone.evidence)
        memory.ask("Why Peking?")
        assert searched.count(TWO_HOPS) == searched.count("Why Peking?") == 1


def test_missing_readers_and_weights_say_what_to_do(path: Path) -> None:
    with opened(path, Second(read=None, chain=None)) as memory:
        assert memory.ask("When?", method="read").probability is None
        with pytest.raises(InputError, match="knows no chains"):
            memory.ask("When?", method="chain")
    with opened(path, Second(read={"weights": {}})) as memory, pytest.raises(FormatError, match="not whole"):
        memory.ask("When?", method="read")
    with opened(path, Second(chain={"weights": {}})) as memory, pytest.raises(FormatError, match="not whole"):
        memory.ask("When?", method="chain")


def test_compare_puts_all_ways_beside_each_other(path: Path) -> None:
    examples = [Example(str(at), question, (answer,)) for at, (question, answer) in enumerate(PAIRS)]
    with opened(path, Second()) as memory:
        reports = compare(memory, examples, ["lookup", "chain", "read", "closed-book", "read-shuffled", "read-random"])
        figures = {report.system: report["EM"].value for report in reports}
        assert figures["lookup"] == 100.0 and figures["closed-book"] == 0.0
        assert figures["read"] < 100.0  # it reads the second pair
        words = {report.system: report["words read"].value for report in reports}
        assert words["lookup"] == 0.0 and words["read"] > 10
        assert words["read-random"] > 10 and {"read-random", "read-shuffled"} <= set(figures)
        with pytest.raises(InputError, match="'magic' is unknown"):
            compare(memory, examples, ["magic"])

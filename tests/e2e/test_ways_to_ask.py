"""Reading, chains and the cascade through ``Memory.ask`` and the command, on pairs made by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.handmade import WordEncoder, models

import quipu
from quipu.answering.scoring import Calibration, LinearScorer, Odds
from quipu.answering.steps import chain, read_pairs
from quipu.answering.steps.chain import rewritten
from quipu.answering.steps.lookup import FEATURES
from quipu.errors import InputError, SettingsError
from quipu.evaluation.tasks.compare import compare
from quipu.models.bundle import VERIFIER
from quipu.models.folders import bundled_sha256
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
BRIDGED = {"bridged": 4.0, "in_first": 2.0, "in_last": 2.0, "alone": 1.0}
MODELS = {"words": "words", "second": "second", "verifier": str(bundled_sha256(VERIFIER))}


def scorer(names: Sequence[str], weights: dict[str, float], shift: float, *models: str) -> LinearScorer:
    return LinearScorer(
        tuple(names), tuple(weights.get(name, 0.0) for name in names), Odds(1.0, shift),
        models={name: MODELS[name] for name in models},
    )  # fmt: skip


SCORERS = {
    "lookup": scorer(FEATURES, {"similarity": 10.0}, -9.0, "words", "verifier"),
    "chain": scorer(chain.FEATURES, BRIDGED, -5.0, "words"),
    "read": scorer(read_pairs.FEATURES, {"stored": 4.0}, -2.0, "words", "second", "verifier"),
}


class Second:
    """Reads the second pair that it is given; says a word of its own where the question asks why."""

    name, k, sentence = "second", 3, False

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


def opened(path: Path, scorers: dict[str, LinearScorer] | None = None, floor: float = 0.0) -> quipu.Memory:
    """With scorers in its manifest, all of them unless told otherwise."""
    with quipu.open(path, encoder=WordEncoder()) as memory:
        memory.keep_calibration(Calibration(SCORERS if scorers is None else scorers, "by hand", floor=floor))
    return quipu.open(path, read_only=True, encoder=WordEncoder(), memory_reader=Second())


def test_a_chain_goes_from_pair_to_pair_and_shows_both(path: Path) -> None:
    with opened(path) as memory:
        answer = memory.ask(TWO_HOPS, method="chain")
        assert (answer.text, answer.route) == ("Delhi", "chain")
        assert [item.pair.answer for item in answer.evidence if item.pair] == ["India", "Delhi"]
        one = memory.ask("When was the canal opened?", method="chain", min_probability=0)
        assert one.text == "1869" and len(one.evidence) == 1
        assert rewritten("Where is it?", "India") == "Where is it India?"


def test_a_chain_with_a_pair_removed_falls(path: Path) -> None:
    with quipu.open(path, encoder=WordEncoder()) as memory:
        memory.remove(pair=memory.search("Where did Fortune take tea plants?", 1)[0].pair.id)
    with opened(path) as memory:
        assert memory.ask(TWO_HOPS, method="chain").text is None


def test_what_was_read_comes_with_its_pairs_the_used_one_first(path: Path) -> None:
    with opened(path) as memory:
        answer = memory.ask("When was the canal opened?", method="read")
        assert answer.route == "read" and answer.probability == pytest.approx(0.8808, abs=1e-4)
        assert len(answer.evidence) == 3 and answer.evidence[0].pair is not None and not answer.generated
        assert answer.evidence[0].pair.answer == answer.text and "generated" not in answer.reason
        made = memory.ask("Why was the canal opened?", method="read", min_probability=0)
        assert made.text == "because" and "generated" in made.reason and made.generated
        held = memory.ask("Why was the canal opened?", method="read")
        assert held.text is None and held.held == "because"


def test_what_a_memory_was_calibrated_for_holds_for_every_step(path: Path) -> None:
    """The scorer's own bar is .5, and it is .88 sure."""
    for floor, answers in ((0.4, True), (0.95, False)):
        with opened(path, floor=floor) as memory:
            assert (memory.ask(PAIRS[0][0], method="read").text is not None) == answers


def test_a_cascade_searches_for_a_question_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lookup, reading and the first hop look at the same pairs; only the rewritten questions are searched anew."""
    searched: list[str] = []
    with opened(path) as memory:
        alone = memory.ask(TWO_HOPS, method="chain")
        search = memory.answerer._search

        def counted(questions: Sequence[str], k: int) -> object:
            searched.extend(questions)
            return search(questions, k)

        monkeypatch.setattr(memory.answerer, "_search", counted)
        monkeypatch.setattr(memory.answerer, "steps", lambda rerank, budget: ["lookup", "chain", "read"])
        answer = memory.ask(TWO_HOPS)
        assert (answer.text, answer.evidence) == (alone.text, alone.evidence)
        memory.ask("Why Peking?")
        assert searched.count(TWO_HOPS) == searched.count("Why Peking?") == 1


def test_without_fitted_weights_nothing_is_held_back(path: Path) -> None:
    with opened(path, {}) as memory:
        for method in ("lookup", "read", "chain", "cascade"):
            answer = memory.ask("When was the canal opened?", method=method)  # type: ignore[arg-type]
            assert answer.probability is None and (answer.text is not None or method == "chain"), method
        assert list(memory.answerer.steps()) == ["lookup"]


def test_weights_for_other_models_do_not_serve(path: Path) -> None:
    foreign = {name: scorer(item.features, {}, 0.0, "words", "verifier") for name, item in SCORERS.items()}
    with opened(path, foreign) as memory:
        assert memory.ask("When was the canal opened?", method="lookup").probability == 0.5
        assert memory.ask("When was the canal opened?", method="read").probability is None


def test_settings_are_kept_in_the_memory_and_replaced_where_it_is_opened(path: Path) -> None:
    with quipu.open(path, encoder=WordEncoder()) as memory:
        memory.keep_settings(memory.settings.changed({"k": 2}, "here"))
    with quipu.open(path, read_only=True, encoder=WordEncoder(), settings={"first_hop": 7}) as memory:
        assert (memory.settings.k, memory.settings.first_hop) == (2, 7)
        assert len(memory.answerer.find(["canal"])[0].hits) == 2  # type: ignore[union-attr]
    with pytest.raises(SettingsError, match="did you mean"):
        quipu.open(path, read_only=True, encoder=WordEncoder(), settings={"first_hops": 7})
    quipu.open(path, encoder=WordEncoder()).close()  # the failed opening let go of it


def test_compare_puts_all_ways_beside_each_other(path: Path) -> None:
    examples = [Example(str(at), question, (answer,)) for at, (question, answer) in enumerate(PAIRS)]
    with opened(path) as memory:
        reports = compare(memory, examples, ["lookup", "chain", "read", "closed-book", "read-shuffled", "read-random"])
        figures = {report.system: report["EM"].value for report in reports}
        assert figures["lookup"] == 100.0 and figures["closed-book"] == 0.0
        assert figures["read"] < 100.0  # it reads the second pair
        words = {report.system: report["words read"].value for report in reports}
        assert words["lookup"] == 0.0 and words["read"] > 10
        assert words["read-random"] > 10 and {"read-random", "read-shuffled"} <= set(figures)
        with pytest.raises(InputError, match="'magic' is unknown"):
            compare(memory, examples, ["magic"])

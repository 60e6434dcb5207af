"""Several memories that are asked as one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.handmade import WIDTH, WordEncoder

import quipu
from quipu.errors import InputError
from quipu.records import Answer, Document, Passage, QAPair, Span
from quipu.storage.passage_vectors import PassageTokens, put, search_ids
from quipu.storage.store import Store

PLACES = ("harbour", "market", "tower", "bridge", "garden", "school", "mill", "station")
ASKED = [f"How long is the {place}?" for place in PLACES[:3]] + ["When was the old mill built?", "Which tower leans?"]


def document_of(number: int, answer: str = "") -> tuple[Document, list[Passage], list[QAPair]]:
    """A document about one place, with its passage and two pairs."""
    place = PLACES[number % len(PLACES)]
    long = answer or f"{100 + 7 * number}"
    year = str(1800 + number)
    and_the_mill = "and the mill " * (number % 3)  # texts of different lengths
    text = f"The {place} is {long} metres long. The old {place} {and_the_mill}was built in {year}."
    document = Document.make(f"docs/{number}.txt", place, text)
    at = {said: Span(text.index(said), text.index(said) + len(said)) for said in (long, year)}
    pairs = [
        QAPair.make(question, said, document_id=document.id, span=at[said], origin="generated")
        for question, said in ((f"How long is the {place}?", long), (f"When was the old {place} built?", year))
    ]
    return document, [Passage.make(document, Span(0, len(text)))], pairs


def memory_of(path: Path, numbers: Sequence[int], answers: dict[int, str] | None = None) -> Path:
    """A memory of some of the documents."""
    encoder = WordEncoder()
    with Store.create(path, width=WIDTH, models={encoder.name: encoder.name}) as store:
        for number in numbers:
            document, passages, pairs = document_of(number, (answers or {}).get(number, ""))
            store.add_documents([document], passages)
            questions = [pair.question for pair in pairs]
            store.add(pairs, encoder.encode(questions), questions)
            tokens = [PassageTokens(np.zeros((1, 4), np.uint8), np.array([[0, 3]], np.int32)) for _ in passages]
            put(store, passages, encoder.encode([passage.text for passage in passages]), tokens)
        store.journal_mark("finished")
    return path


def answers(path: Path | list[Path]) -> list[Answer]:
    """What is answered to every question, however unsure."""
    with quipu.open(path, read_only=True, encoder=WordEncoder()) as memory:
        return memory.ask_many(ASKED, method="lookup", min_probability=0.0)


@pytest.mark.parametrize("seed", range(2))
def test_a_memory_in_parts_answers_as_the_whole(tmp_path: Path, seed: int) -> None:
    """Else parts are searched one by one, or ranked by counts that hold within one part alone."""
    chance = random.Random(seed)
    parts = chance.randrange(2, 5)
    cut: list[list[int]] = [[] for _ in range(parts)]
    for number in range(len(PLACES)):
        chance.choice(cut).append(number)
    whole = memory_of(tmp_path / "whole", range(len(PLACES)))
    several = [memory_of(tmp_path / f"part{at}", some) for at, some in enumerate(cut)]
    for one, other in zip(answers(whole), answers(several), strict=True):
        assert (one.text, one.route, one.reason) == (other.text, other.route, other.reason)
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.probability == pytest.approx(other.probability, abs=1e-4)
        assert one.elsewhere == other.elsewhere
        homes = [f"{path}: {one.evidence[0].document}" for path in several]
        assert other.evidence[0].document in homes
        assert replace(one.evidence[0], document="") == replace(other.evidence[0], document="")
    with (
        quipu.open(whole, read_only=True, encoder=WordEncoder()) as single,
        quipu.open(several, read_only=True, encoder=WordEncoder()) as joined,
    ):
        for question in ASKED:
            for method in ("words", "vector"):
                expected = {hit.pair.id: hit.score for hit in single.search(question, 16, method=method)}
                found = {hit.pair.id: hit.score for hit in joined.search(question, 16, method=method)}
                assert found == pytest.approx(expected, abs=1e-5)
            assert dict(search_ids(joined.store, question, 8)) == pytest.approx(
                dict(search_ids(single.store, question, 8)), abs=1e-5
            )


def test_memories_that_disagree_are_a_conflict(tmp_path: Path) -> None:
    """Else the surest memory is believed and nobody learns that another says otherwise."""
    several = [memory_of(tmp_path / "old", [0, 1]), memory_of(tmp_path / "new", [8], {8: "333"})]  # the harbour
    answer = answers(several)[0]
    assert {answer.text, answer.elsewhere[0].text} == {"100 metres", "333 metres"}
    assert {answer.evidence[0].document, answer.elsewhere[0].evidence.document} == {
        f"{several[0]}: docs/0.txt", f"{several[1]}: docs/8.txt",
    }  # fmt: skip


def test_a_pair_in_two_memories_is_found_once(tmp_path: Path) -> None:
    """Else a memory and its copy crowd everything else out of the nearest pairs."""
    several = [memory_of(tmp_path / "one", [0, 1, 2]), memory_of(tmp_path / "two", [0, 1, 3])]
    with quipu.open(several, read_only=True, encoder=WordEncoder()) as memory:
        for method in ("vector", "words", "both"):
            found = [hit.pair.id for hit in memory.search("How long is the harbour?", 8, method=method)]
            assert len(found) == len(set(found))
        assert len(memory.search("How long is the harbour?", 8, method="vector")) == 8  # of four documents


def test_what_does_not_compare_is_refused(tmp_path: Path) -> None:
    """Else similarities of two encoders are mixed, one memory is counted twice, or a mark goes nowhere."""
    one, two = memory_of(tmp_path / "one", [0]), memory_of(tmp_path / "two", [1])
    with Store.create(tmp_path / "other", width=WIDTH, models={"letters": "letters"}) as store:
        store.journal_mark("finished")
    with pytest.raises(InputError, match=r"keys do not compare.*quipu reencode"):
        quipu.open([one, tmp_path / "other"])
    with pytest.raises(InputError, match="named twice"):
        quipu.open([one, tmp_path / "two" / ".." / "one"])
    with quipu.open([one, two], encoder=WordEncoder()) as memory:
        with pytest.raises(InputError, match="can only be asked together"):
            memory.mark_text("How?", "7", right=False)
        with pytest.raises(InputError, match="open one alone"):
            memory.info()

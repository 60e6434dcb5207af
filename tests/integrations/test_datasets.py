"""Hugging Face datasets: pairs out as rows, rows in as pairs with their contexts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.handmade import WordEncoder, models

import quipu
from quipu.building.cited import Cited
from quipu.errors import InputError
from quipu.integrations.datasets import pairs_from, to_dataset
from quipu.memory import Memory
from quipu.records import QAPair

TEXT = "The mole is 90 metres long. Its lamp was lit in 1907, and its bell is of 1907 too."
SQUAD: list[dict[str, Any]] = [
    {"title": "Mole", "context": TEXT, "question": "How long is the mole?",
     "answers": {"text": ["90 metres", "90"], "answer_start": [12, 12]}},
    {"title": "Mole", "context": TEXT, "question": "When was the bell cast?",
     "answers": {"text": ["1907"], "answer_start": [73]}},
    {"title": "Mole", "context": TEXT, "question": "Who built it?", "answers": {"text": [], "answer_start": []}},
]  # fmt: skip


def test_rows_in_squads_columns_become_pairs_with_evidence(tmp_path: Path) -> None:
    """The second 1907 is meant; the first, found by searching, would be another fact's evidence."""
    with quipu.build([], tmp_path / "m.quipu", pairs=pairs_from(SQUAD, source="moles"), **models()) as memory:
        assert memory.info()["counts"] == {"documents": 1, "passages": 1, "pairs": 2, "verdicts": 0}
        assert memory.report.asked == 0  # nothing is generated from a context
        answer = memory.ask("When was the bell cast?", method="lookup", min_probability=0.0)
        first = answer.evidence[0]
        assert (answer.text, first.quote, first.document) == ("1907", "1907", "dataset:moles")
        assert first.passage is not None and first.passage.title == "Mole"
        assert (first.span.start, first.span.end) == (73, 77)
        assert memory.verify().problems == []


def test_a_data_set_is_no_file_that_a_sync_could_miss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name looks like a path: taken for a file that is gone, its pairs went with `quipu sync --delete`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.md").write_text("The pier is 7 metres long.\n")
    with quipu.build([], tmp_path / "m.quipu", pairs=pairs_from(SQUAD), **models()) as memory:
        memory.sync([tmp_path / "a.md"])
        memory.sync([tmp_path], delete=True, max_delete="100%")
        assert {row["name"]: row["state"] for row in memory.documents()}["dataset:dataset"] == ""
        assert memory.search("How long is the mole?", 1)[0].pair.answer == "90 metres"
        memory.remove(document="dataset:dataset")
        assert [Path(row["name"]).name for row in memory.documents()] == ["a.md"]


def test_the_same_rows_again_add_nothing(tmp_path: Path) -> None:
    """A build that was interrupted is given the data set from its beginning."""
    path = tmp_path / "m.quipu"
    with pytest.raises(KeyboardInterrupt):
        quipu.build([], path, pairs=_interrupted(), **models())
    with quipu.build([], path, pairs=pairs_from(SQUAD), **models()) as memory:
        assert memory.info()["counts"] == {"documents": 1, "passages": 1, "pairs": 2, "verdicts": 0}


def _interrupted() -> Any:
    yield from pairs_from(SQUAD[:1] * 600)  # over one batch
    raise KeyboardInterrupt


def test_other_columns_are_named() -> None:
    """What is in other columns must not be guessed: a guess takes an explanation for the answer."""
    rows = [
        {"q": "How long?", "a": "90 metres", "text": TEXT, "at": 12},
        {"q": "Which?", "a": ["x", "y"], "text": TEXT},
    ]
    found = list(pairs_from(rows[:1], question="q", answer="a", context="text", start="at", title=None, source="s"))
    assert found == [Cited("How long?", "90 metres", TEXT, 12, "s")]
    (pair,) = pairs_from(rows[1:], question="q", answer="a", context="text")  # nowhere in the context: a pair alone
    assert isinstance(pair, QAPair) and pair.answer == "x"
    assert [type(item) for item in pairs_from(SQUAD, context=None)] == [QAPair, QAPair]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"question": "Who?"}], "row 0: no column 'answers'; there are question"),
        ([SQUAD[0], {**SQUAD[0], "question": 7}], "row 1: a question and an answer are texts"),
        ([{**SQUAD[0], "answers": {"text": [3]}}], "row 0: a question and an answer are texts"),
        ([{**SQUAD[0], "answers": " "}], "a pair needs a question and an answer"),
    ],
)
def test_rows_that_are_none_are_named(rows: list[dict[str, Any]], said: str) -> None:
    """Left out in silence, half a data set would be missing and nobody would know."""
    with pytest.raises(InputError, match=said):
        list(pairs_from(rows))


def test_a_dataset_has_every_pair_and_comes_back_the_same(memory: Memory, tmp_path: Path) -> None:
    """Columns that the way back does not understand would lose the evidence."""
    datasets = pytest.importorskip("datasets", reason="the frameworks are not installed here: make test-integrations")
    dataset = to_dataset(memory)
    assert isinstance(dataset, datasets.Dataset) and dataset.num_rows == memory.info()["counts"]["pairs"]
    for row in dataset:
        start = row["answers"]["answer_start"][0]
        assert row["context"][start:].startswith(row["answers"]["text"][0]) or start == -1
        assert (start == -1) == (row["start"] is None)
    streamed = dataset.to_iterable_dataset()
    with quipu.build([], tmp_path / "m.quipu", pairs=pairs_from(streamed), encoder=WordEncoder()) as again:
        assert {(pair.question, pair.answer) for _, pair in again.store.pairs()} == {
            (pair.question, pair.answer) for _, pair in memory.store.pairs()
        }
        assert {passage.text for passage in again.store.passages()} <= {
            passage.text for passage in memory.store.passages()
        }

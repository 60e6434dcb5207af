"""Multi-hop questions from their publishers' files to a memory of their paragraphs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from quipu.datasets.multihop import read
from quipu.errors import InputError
from quipu.storage.store import Store
from quipu.training.jobs.hop_memory import HopsRecipe, run

pytestmark = pytest.mark.torch
WIKI = {
    "_id": "1", "type": "comparison", "question": "Who was born first, Ada or Bo?", "answer": "Bo",
    "supporting_facts": [["Ada", 0], ["Bo", 0], ["Ada", 1]],
    "context": [["Ada", ["Ada was born in 1901. ", " She sang."]], ["Bo", ["Bo was born in 1899."]], ["Cleo", ["x"]]],
}  # fmt: skip
MUSIQUE = {
    "id": "2hop__1_2", "question": "Who built the church of Ada's town?", "answer": "Bo", "answer_aliases": ["B."],
    "paragraphs": [{"title": "Ada", "paragraph_text": "Ada lived in Alby.", "is_supporting": True},
                   {"title": "Alby", "paragraph_text": "Bo built the church.", "is_supporting": True},
                   {"title": "Cleo", "paragraph_text": "x", "is_supporting": False}],
}  # fmt: skip


def test_the_three_layouts(tmp_path: Path) -> None:
    lines = tmp_path / "wiki.jsonl.gz"
    without = {key: value for key, value in WIKI.items() if key != "context"}
    lines.write_bytes(gzip.compress("\n".join(map(json.dumps, (WIKI, without))).encode()))
    (item,) = read(lines)
    assert (item.answers, item.kind, item.needed) == (("Bo",), "comparison", {"Ada", "Bo"})
    assert item.paragraphs[0] == ("Ada", "Ada was born in 1901. She sang.") and len(item.paragraphs) == 3
    whole = tmp_path / "musique.json"
    whole.write_text(json.dumps([MUSIQUE, {**MUSIQUE, "id": "3hop1__1_2_3"}]))
    (item,) = read(whole)
    assert item.answers == ("Bo", "B.") and item.needed == {"Ada", "Alby"}
    for text in ("no JSON", '[{"context": 4}]', "[3]"):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(InputError, match="neither HotpotQA"):
            read(tmp_path / "bad.json")


def test_a_memory_of_the_paragraphs_of_the_questions(tmp_path: Path) -> None:
    files = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    files[0].write_text("\n".join(json.dumps({**WIKI, "question": f"{number}?"}) for number in range(4)))
    files[1].write_text(json.dumps(MUSIQUE))
    path = run(HopsRecipe(tmp_path / "run", files, limit=2))
    asked = [json.loads(line) for line in (tmp_path / "run" / "questions.jsonl").read_text().splitlines()]
    assert [row["question"] for row in asked] == ["0?", "2?", MUSIQUE["question"]]
    assert asked[2]["needed"] == ["Ada", "Alby"] and asked[2]["answers"] == ["Bo", "B."]
    with Store.open(path, read_only=True) as store:
        assert {document.title for document in store.documents()} == {"Ada", "Bo", "Alby", "Cleo"}
        assert store.counts()["documents"] == 5  # "Ada" of either set
        assert store.title(next(store.documents()).id) == "Ada" and store.title("none") == ""

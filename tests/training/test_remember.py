"""People's questions about a memory, and composed questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

import quipu
from quipu.models.encoder import Encoder
from quipu.records import Document, Passage, QAPair, Span
from quipu.storage.store import Store
from quipu.text import exact_match
from quipu.training.jobs.compose import ComposeRecipe
from quipu.training.jobs.compose import run as compose
from quipu.training.jobs.question_memory import RememberRecipe, run
from quipu.training.qamat.data import ExampleFiles
from quipu.training.reranker.data import held_out

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
TEXTS = [
    "Robert Fortune took tea plants to India in 1848.",
    "The great capital of India is Delhi, where Lutyens built a palace.",
    "Ferdinand de Lesseps opened the canal in 1869.",
    "Venice made glass on Murano for many centuries.",
]
ASKED = {
    "India": ("Where did Robert Fortune take tea plants?", "To which land did Fortune bring tea plants?"),
    "Delhi": ("What is the great capital of India?", "Which city is the capital of India?"),
    "1869": ("When did Lesseps open the canal?", "In what year was the canal opened by Lesseps?"),
    "Murano": ("Where did Venice make glass?", "On which island was the glass of Venice made?"),
}


def contexts(path: Path) -> Path:
    """A passage of each text, with all questions that it answers and one whose answer nobody marked."""
    with path.open("w") as file:
        for at, text in enumerate(TEXTS):
            asked = [[question, text.index(answer), text.index(answer) + len(answer)]
                     for answer, questions in ASKED.items() if answer in text and not (at == 1 and answer == "India")
                     for question in questions]  # fmt: skip
            row = {"group": str(at), "text": text, "source": "test", "asked": [*asked, ["Who?", -1, -1]]}
            file.write(json.dumps(row) + "\n")
    return path


def test_peoples_questions_of_a_memory_that_is_built_of_their_passages(tmp_path: Path) -> None:
    recipe = RememberRecipe(tmp_path, (contexts(tmp_path / "c.jsonl"),), held=0.0, k=3)
    run(recipe)
    asked = {item.question: item.answers for item in ExampleFiles([tmp_path / "questions.jsonl"])}
    assert asked and all(question in ASKED[answers[0]] for question, answers in asked.items())  # "Who?" has no answer
    assert not len(ExampleFiles([tmp_path / "held.jsonl"]))
    with quipu.open(tmp_path / "memory.quipu", read_only=True) as memory:
        assert {document.text for document in memory.store.documents()} == set(TEXTS)
        for questions in ASKED.values():
            for question in questions:
                hits = memory.search(question, 3)
                found = any(exact_match(hit.pair.answer, [answer]) for hit in hits
                            for answer, known in ASKED.items() if question in known)  # fmt: skip
                assert (question in asked) == found


def test_held_out_passages_are_in_the_memory_and_in_no_question(tmp_path: Path) -> None:
    run(RememberRecipe(tmp_path, (contexts(tmp_path / "c.jsonl"),), held=1.0))
    held = {item.question for item in ExampleFiles([tmp_path / "held.jsonl"])}
    every = {question for questions in ASKED.values() for question in questions}
    assert len(ExampleFiles([tmp_path / "questions.jsonl"])) == 0
    assert held == {question for question in every if held_out(question)}  # the reranker was trained on the others


def test_a_question_that_names_what_another_pair_answers(tmp_path: Path) -> None:
    path = tmp_path / "memory.quipu"
    encoder = Encoder()
    with Store.create(path, width=encoder.width, models={encoder.name: encoder.sha256}) as store:
        for at, text in enumerate(TEXTS):
            document = Document.make(f"passage-{at}", "", text)
            store.add_documents([document], [Passage.make(document, Span(0, len(text)))])
            for answer, questions in ASKED.items():
                if answer in text and not (at == 1 and answer == "India"):
                    span = Span(text.index(answer), text.index(answer) + len(answer))
                    made = [QAPair.make(question, answer, document_id=document.id, span=span) for question in questions]
                    store.add(made, encoder.encode(questions), questions)
    folder = compose(ComposeRecipe(path, tmp_path / "c", checked=False, test=0.0))
    rows_of = [json.loads(line) for name in ("train", "test") for line in (folder / f"{name}.jsonl").open()]
    assert rows_of and all(row["answers"] == ["Delhi"] and row["kind"] == "bridge" for row in rows_of)
    assert len(ExampleFiles([folder / "examples.jsonl"])) == len((folder / "train.jsonl").read_text().splitlines())

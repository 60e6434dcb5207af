"""Haystack: components in a pipeline, kept in YAML without a token, filters that say no to what they do not know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("haystack", reason="the frameworks are not installed here: make test-integrations")

from haystack import Pipeline
from haystack.utils import Secret
from tests.integrations.conftest import ASKED

from quipu.errors import InputError
from quipu.integrations.haystack import QuipuAnswerer, QuipuRetriever
from quipu.memory import Memory

PASSWORD = "a token that nobody may read"


def only(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def test_both_run_in_a_pipeline(memory: Memory) -> None:
    """A wrong name or type of an output is only found when a pipeline is put together."""
    pipeline = Pipeline()
    pipeline.add_component("pairs", QuipuRetriever(memory, top_k=3))
    pipeline.add_component("answer", QuipuAnswerer(memory, min_probability=0.0))
    said = pipeline.run({"pairs": {"query": "What of house 7?", "top_k": 2}, "answer": {"query": ASKED}})
    assert [len(said["pairs"]["documents"]), said["pairs"]["documents"][0].content] == [2, "What of house 7?\n7 rooms"]
    assert said["answer"]["answers"][0].data == "22 metres"


@pytest.mark.usefixtures("sure")
def test_an_answer_has_offsets_and_its_probability_as_score(memory: Memory) -> None:
    """document_offset counts in the document, context_offset in the passage; one for the other marks nonsense."""
    (answer,) = QuipuAnswerer(memory).run(ASKED)["answers"]
    (document,) = memory.store.find_documents(answer.document.meta["document"])
    text, offset, within = memory.store.document(document).text, answer.document_offset, answer.context_offset
    assert text[offset.start : offset.end] == answer.context[within.start : within.end] == answer.data == "22 metres"
    assert answer.score == answer.meta["probability"] == 0.75
    assert type(answer).from_dict(answer.to_dict()).data == answer.data


@pytest.mark.usefixtures("refusing")
def test_a_refusal_is_no_answer(memory: Memory) -> None:
    """An answer with a low score would be taken for one by the component behind it."""
    assert QuipuAnswerer(memory).run(ASKED) == {"answers": []}


def test_filters_find_what_they_ask_for_however_deep(memory: Memory) -> None:
    """A filter that looks at the best pairs only finds none where the wanted one is far from the question."""
    retriever = QuipuRetriever(memory, top_k=50)
    every = {item.id: item for item in retriever.run(ASKED)["documents"]}
    assert len(every) == memory.info()["counts"]["pairs"]

    def ids(filters: dict[str, Any], top_k: int = 50) -> set[str]:
        return {item.id for item in retriever.run(ASKED, filters=filters, top_k=top_k)["documents"]}

    imported = {name for name, item in every.items() if item.meta["origin"] == "imported"}
    assert ids(only("meta.origin", "==", "imported")) == imported and len(imported) == 20
    assert ids(only("origin", "not in", ["imported"])) == set(every) - imported
    document = next(item.meta["document"] for item in every.values() if item.meta["origin"] == "generated")
    of_it = {name for name, item in every.items() if item.meta["document"] == document}
    assert ids(only("document", "==", document)) == of_it
    both = {"operator": "OR", "conditions": [only("document", "==", document), only("origin", "==", "imported")]}
    assert ids(both) == of_it | imported
    assert ids({"operator": "NOT", "conditions": [both]}) == set(every) - of_it - imported
    (right,) = ids(only("state", "==", "right"))
    assert every[right].content == "What of house 3?\n3 rooms"
    (ambiguous,) = ids(only("meta.state", "in", ["ambiguous"]), top_k=1)
    assert memory.why(ambiguous)["ambiguous"] is not None


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        (only("origin", "like", "imported"), "must be one of ==, !=, in, not in, not 'like'"),
        (only("meta.colour", "==", "red"), "document, origin, state, not by 'meta.colour'"),
        ({"operator": "XOR", "conditions": []}, "joined by AND, OR, NOT, not by 'XOR'"),
        ({"operator": "AND", "conditions": [only("origin", ">", "a")]}, "not '>'"),
        ({"operator": "AND"}, "a list of filters"),
        (only("origin", "in", "imported"), "a list of values"),
    ],
)
def test_filters_that_are_not_known_are_refused(memory: Memory, filters: dict[str, Any], said: str) -> None:
    """Ignored, they would let everything through: pairs of a document that somebody meant to leave out."""
    with pytest.raises(InputError, match=said):
        QuipuRetriever(memory).run(ASKED, filters=filters)
    with pytest.raises(InputError, match=said):
        QuipuRetriever(memory, filters=filters)


def test_yaml_brings_back_the_same_and_holds_no_token(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in a pipeline's YAML is read by whoever reads the repository that it is kept in."""
    monkeypatch.setenv("QUIPU_SECRET_OF_TEST", PASSWORD)
    token = Secret.from_env_var("QUIPU_SECRET_OF_TEST", strict=False)
    pipeline = Pipeline()
    pipeline.add_component("pairs", QuipuRetriever(folder, top_k=7, filters=only("origin", "==", "imported")))
    pipeline.add_component("answer", QuipuAnswerer(url=url, token=token, min_probability=0.2))
    kept = pipeline.dumps()
    assert PASSWORD not in kept and "QUIPU_SECRET_OF_TEST" in kept
    again = Pipeline.loads(kept, allowed_modules=["quipu.integrations.haystack"])
    assert again.dumps() == kept
    with pytest.raises(InputError, match="a token is named, not given"):
        QuipuAnswerer(url=url, token=Secret.from_token(PASSWORD))


def test_a_server_answers_a_component(url: str) -> None:
    """The token's variable must reach the request, and a server's pairs have no state to filter by."""
    token = Secret.from_env_var(["QUIPU_NO_SUCH", "QUIPU_TEST_TOKEN"])
    assert QuipuAnswerer(url=url, token=token, min_probability=0.0).run(ASKED)["answers"][0].data == "22 metres"
    retriever = QuipuRetriever(url=url, token=token, top_k=1)
    assert retriever.run("What of house 7?")["documents"][0].content == "What of house 7?\n7 rooms"
    with pytest.raises(InputError, match="only pairs of a memory's folder can be filtered"):
        retriever.run(ASKED, filters=only("origin", "==", "imported"))

"""LlamaIndex: nodes with their places, answers with their probability, refusals as its own engines say them."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("llama_index.core", reason="the frameworks are not installed here: make test-integrations")

from tests.integrations.conftest import ASKED

from quipu.errors import InputError
from quipu.integrations.llama_index import QuipuQueryEngine, QuipuRetriever
from quipu.memory import Memory


def test_a_node_says_where_it_stands(memory: Memory) -> None:
    """LlamaIndex joins nodes of one document by ref_doc_id and puts them in order by their characters."""
    found = QuipuRetriever(memory, k=2, what="passages").retrieve(ASKED)
    assert [item.score for item in found] == sorted((item.score for item in found), reverse=True)
    for item in found:
        (document,) = memory.store.find_documents(item.node.ref_doc_id)
        text = memory.store.document(document).text
        assert text[item.node.start_char_idx : item.node.end_char_idx] == item.node.get_content()


def test_pairs_are_nodes_sync_and_async(memory: Memory) -> None:
    """LlamaIndex calls the blocking method in its event loop unless an async one is there; both must agree."""
    retriever = QuipuRetriever(memory, k=3)
    found = retriever.retrieve("What of house 7?")
    assert (found[0].node.get_content(), len(found)) == ("What of house 7?\n7 rooms", 3)
    assert asyncio.run(retriever.aretrieve("What of house 7?")) == found


@pytest.mark.usefixtures("sure")
def test_the_engine_gives_the_answer_with_its_sources(memory: Memory) -> None:
    """An answer without its nodes cannot be shown with a source."""
    response = QuipuQueryEngine(memory).query(ASKED)
    assert (str(response), response.metadata["probability"]) == ("22 metres", 0.75)
    first = response.source_nodes[0].node
    assert (first.ref_doc_id or "").endswith("3.md") and first.metadata["quote"] == "22 metres"
    assert str(asyncio.run(QuipuQueryEngine(memory).aquery(ASKED))) == "22 metres"


@pytest.mark.usefixtures("refusing")
def test_a_refusal_is_an_empty_response(memory: Memory) -> None:
    """The answer that was held back, or the word "None", would be shown to a user as the answer."""
    response = QuipuQueryEngine(memory).query(ASKED)
    assert str(response) == "Empty Response"
    assert (response.metadata["probability"], response.metadata["held"]) == (0.3, "21")


def test_a_server_and_bad_input(url: str) -> None:
    """The same class for a server; what a server cannot give is said before the first question."""
    (first, *_) = QuipuRetriever(url=url, token_env="QUIPU_TEST_TOKEN", k=2).retrieve("What of house 7?")
    assert first.node.get_content() == "What of house 7?\n7 rooms"
    engine = QuipuQueryEngine(url=url, token_env="QUIPU_TEST_TOKEN", min_probability=0.0)
    assert str(engine.query(ASKED)) == "22 metres"
    with pytest.raises(InputError, match="name the memory's folder"):
        QuipuRetriever(url=url, what="passages")
    with pytest.raises(InputError, match="one of the two"):
        QuipuQueryEngine()

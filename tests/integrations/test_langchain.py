"""LangChain: its own suite for retrievers, and what its documents say."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

WHY = "the frameworks are not installed here: make test-integrations"
pytest.importorskip("langchain_core", reason=WHY)
pytest.importorskip("langchain_tests", reason=WHY)

from langchain_core.runnables import ConfigurableField, RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests
from tests.integrations.conftest import ASKED

from quipu.errors import InputError, ServerError
from quipu.integrations.langchain import QuipuRetriever
from quipu.memory import Memory


class TestAsLangChainTestsRetrievers(RetrieversIntegrationTests):
    """Their suite; a framework's change of what a retriever is would else be met by users first."""

    @pytest.fixture(autouse=True)
    def _memory(self, memory: Memory) -> None:
        self.memory = memory

    @property
    def retriever_constructor(self) -> type[QuipuRetriever]:
        return QuipuRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"memory": self.memory, "k": 2}

    @property
    def retriever_query_example(self) -> str:
        return ASKED


@pytest.mark.parametrize("what", ["pairs", "passages", "answer"])
def test_a_documents_place_is_the_place_in_the_file(memory: Memory, what: Any) -> None:
    """Offsets of the passage in place of the document's would mark another word in what a reader opens."""
    found = QuipuRetriever(memory, what=what, k=3, min_probability=0.0).invoke(ASKED)
    placed = [item for item in found if item.metadata["start"] is not None]
    assert placed
    for item in placed:
        (document,) = memory.store.find_documents(item.metadata["document"])
        text = memory.store.document(document).text[item.metadata["start"] : item.metadata["end"]]
        expected = {"pairs": item.metadata["quote"], "passages": item.page_content, "answer": item.page_content}
        assert text == expected[what]


def test_a_pairs_id_leads_to_why(memory: Memory) -> None:
    """An id that is not the pair's could not be looked up, marked or removed."""
    first = QuipuRetriever(memory, k=1).invoke("What of house 7?")[0]
    known = memory.why(first.id or "")
    assert (known["question"], known["answer"]) == ("What of house 7?", "7 rooms")
    assert first.page_content == "What of house 7?\n7 rooms"


@pytest.mark.usefixtures("refusing")
def test_a_refusal_is_no_document(memory: Memory) -> None:
    """A document that holds the answer that was held back would be read out by the chain behind it."""
    assert QuipuRetriever(memory, what="answer").invoke(ASKED) == []


@pytest.mark.usefixtures("sure")
def test_an_answer_carries_its_probability_alone_and_in_a_chain(memory: Memory) -> None:
    """Without it a chain cannot tell a sure answer from a guess; sync and async must give the same."""
    retriever = QuipuRetriever(memory, what="answer")
    (found,) = retriever.invoke(ASKED)
    assert (found.page_content, found.metadata["probability"], found.metadata["score"]) == ("22 metres", 0.75, 0.75)
    assert asyncio.run(retriever.ainvoke(ASKED)) == [found]
    chain = retriever | RunnableLambda(lambda documents: documents[0].page_content)
    assert chain.batch([ASKED, ASKED]) == ["22 metres", "22 metres"]


def test_what_it_finds_can_be_configured_where_it_is_called(memory: Memory) -> None:
    """LangChain makes another retriever of this one's fields: one that is missing there would ask nobody."""
    retriever = QuipuRetriever(memory, k=3).configurable_fields(k=ConfigurableField(id="many"))
    assert len(retriever.invoke(ASKED)) == 3
    assert len(retriever.invoke(ASKED, {"configurable": {"many": 2}})) == 2


def test_a_server_gives_what_the_folder_gives(memory: Memory, url: str) -> None:
    """Who moves a memory to a server would get other pairs, or their texts without their places."""
    there = QuipuRetriever(url=url, token_env="QUIPU_TEST_TOKEN", k=4).invoke(ASKED)
    here = QuipuRetriever(memory, k=4).invoke(ASKED)
    assert [item.id for item in there] == [item.id for item in here]
    assert [item.page_content for item in there] == [item.page_content for item in here]
    for one, other in zip(there, here, strict=True):
        unknown = {"title", "quote"}
        assert {name: one.metadata[name] for name in one.metadata if name not in unknown} == {
            name: other.metadata[name] for name in other.metadata if name not in unknown
        }
    answers = [
        retriever.invoke(ASKED)
        for retriever in (
            QuipuRetriever(url=url, token_env="QUIPU_TEST_TOKEN", what="answer", min_probability=0.0),
            QuipuRetriever(memory, what="answer", min_probability=0.0),
        )
    ]
    assert answers[0][0].page_content == answers[1][0].page_content
    assert answers[0][0].id == answers[1][0].id


def test_a_token_is_read_from_the_variable_that_is_named(url: str) -> None:
    """A token sent from another variable would go to a server that it is not for; and it must not be shown."""
    with pytest.raises(ServerError, match="a token is needed"):
        QuipuRetriever(url=url, token_env="QUIPU_NO_SUCH").invoke(ASKED)
    assert "reader's token" not in repr(QuipuRetriever(url=url, token_env="QUIPU_TEST_TOKEN"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"what": "words"}, "what must be one of pairs, passages, answer, not 'words'"),
        ({"url": "http://localhost:1/m"}, "one of the two"),
        ({"memory": None}, "one of the two"),
        ({"k": 0}, "1 or more, not 0"),
        ({"memory": None, "url": "ftp://there/m"}, "not the address of a server"),
        ({"memory": None, "url": "http://localhost:1/m", "what": "passages"}, "name the memory's folder"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(memory: Memory, given: dict[str, Any], said: str) -> None:
    """pydantic's report of many lines, or an error at the first question, hides what to change."""
    with pytest.raises(InputError, match=said) as raised:
        QuipuRetriever(**{"memory": memory, **given})
    assert "\n" not in str(raised.value)

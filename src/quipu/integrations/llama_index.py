"""LlamaIndex: ``QuipuRetriever`` gives nodes with scores, ``QuipuQueryEngine`` answers with sources and probability."""

from __future__ import annotations

import asyncio
import os

from quipu.client import TOKEN
from quipu.errors import MissingExtra
from quipu.integrations.sources import Found, Source, What, of_place
from quipu.memory import Memory
from quipu.records import Answer

try:
    from llama_index.core.base.base_query_engine import BaseQueryEngine
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.base.response.schema import Response
    from llama_index.core.callbacks.base import CallbackManager
    from llama_index.core.prompts.mixin import PromptMixinType
    from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
except ImportError as error:
    raise MissingExtra("LlamaIndex's retriever needs llama-index-core: pip install 'quipu-qa[llama-index]'") from error

REFUSED = "Empty Response"
"""What LlamaIndex's own engines say where they found nothing."""


class QuipuRetriever(BaseRetriever):
    """A memory as a retriever: ``retrieve(question)`` gives nodes, best first.

    A node's ``start_char_idx`` and ``end_char_idx`` are characters of the document's text, its ``ref_doc_id`` is the
    document's source. Of a pair they are those of the answer's evidence.
    """

    def __init__(
        self,
        memory: Memory | str | os.PathLike[str] | None = None,
        *,
        url: str | None = None,
        token_env: str = TOKEN,
        k: int = 5,
        what: What = "pairs",
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """As for LangChain: a folder, an open memory, or the ``url`` of one at a server; passages of a folder only."""
        self._source, self._k, self._what = Source(memory, url, token_env), k, what
        self._source.check(what, k)
        super().__init__(callback_manager)

    def close(self) -> None:
        """Let a folder go that was opened here."""
        self._source.close()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [_node(found) for found in self._source.find(self._what, query_bundle.query_str, self._k)]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


class QuipuQueryEngine(BaseQueryEngine):
    """A memory as a query engine: ``query(question)`` gives its answer, with no language model of LlamaIndex's.

    ``response`` is the answer or "Empty Response"; ``source_nodes`` are its evidence; ``metadata`` has probability,
    reason, route, and the answer that was held back.
    """

    def __init__(
        self,
        memory: Memory | str | os.PathLike[str] | None = None,
        *,
        url: str | None = None,
        token_env: str = TOKEN,
        min_probability: float | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        """As ``QuipuRetriever``; ``min_probability``: see ``Memory.ask``."""
        self._source, self._min_probability = Source(memory, url, token_env), min_probability
        super().__init__(callback_manager)

    def close(self) -> None:
        """Let a folder go that was opened here."""
        self._source.close()

    def _query(self, query_bundle: QueryBundle) -> Response:
        return _response(self._source.answer(query_bundle.query_str, min_probability=self._min_probability))

    async def _aquery(self, query_bundle: QueryBundle) -> Response:
        return await asyncio.to_thread(self._query, query_bundle)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def _node(found: Found) -> NodeWithScore:
    document = found.metadata["document"]
    node = TextNode(
        text=found.text, metadata={**found.metadata}, start_char_idx=found.metadata["start"],
        end_char_idx=found.metadata["end"],
        relationships={} if document is None else {NodeRelationship.SOURCE: RelatedNodeInfo(node_id=document)},
        excluded_embed_metadata_keys=list(found.metadata), excluded_llm_metadata_keys=list(found.metadata),
        **({"id_": found.id} if found.id else {}),
    )  # fmt: skip
    return NodeWithScore(node=node, score=found.score)


def _response(answer: Answer) -> Response:
    nodes = [_node(of_place(item, item.score)) for item in answer.evidence]
    said = {
        "probability": answer.probability, "reason": answer.reason, "route": answer.route, "held": answer.held,
    }  # fmt: skip
    return Response(REFUSED if answer.text is None else answer.text, nodes, said)

"""LangChain: ``QuipuRetriever`` gives a memory's pairs, passages or answer as LangChain's documents."""

from __future__ import annotations

import os
from typing import Any

from pydantic import PrivateAttr

from quipu.client import TOKEN
from quipu.errors import MissingExtra
from quipu.integrations.sources import Found, Source, What
from quipu.memory import Memory

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import run_in_executor
except ImportError as error:
    raise MissingExtra("LangChain's retriever needs langchain-core: pip install 'quipu-qa[langchain]'") from error


class QuipuRetriever(BaseRetriever):
    """A memory as a retriever: ``invoke(question)`` gives documents, best first.

    ``what``: "pairs", "passages", or "answer" (one document, none where the memory refuses). A document's ``id`` is
    the pair's or the passage's, its ``metadata`` says document, start, end, quote, probability and more: see
    ``quipu.integrations.sources.Found``.
    """

    memory: Any = None
    url: str | None = None
    token_env: str = TOKEN
    k: int = 5
    what: What = "pairs"
    min_probability: float | None = None
    _source: Source = PrivateAttr()

    def __init__(
        self,
        memory: Memory | str | os.PathLike[str] | None = None,
        *,
        url: str | None = None,
        token_env: str = TOKEN,
        k: int = 5,
        what: What = "pairs",
        min_probability: float | None = None,
        **given: Any,
    ) -> None:
        """Of a folder or an open ``memory``, or of the memory that a server has at ``url``; passages of a folder only.

        ``token_env``: the variable of the environment that holds the server's token. ``min_probability``: see
        ``Memory.ask``; for answers. ``given``: of LangChain's ``BaseRetriever``. InputError for what cannot be.
        """
        source = Source(memory, url, token_env)
        source.check(what, k)
        given |= {"memory": memory, "url": url, "token_env": token_env}
        given |= {"k": k, "what": what, "min_probability": min_probability}
        super().__init__(**given)
        self._source = source

    def close(self) -> None:
        """Let a folder go that was opened here."""
        self._source.close()

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun | None = None, k: int | None = None
    ) -> list[Document]:
        options = {"min_probability": self.min_probability} if self.what == "answer" else {}
        return [_document(item) for item in self._source.find(self.what, query, self.k if k is None else k, **options)]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun | None = None, k: int | None = None
    ) -> list[Document]:
        return await run_in_executor(None, self._get_relevant_documents, query, k=k)


def _document(found: Found) -> Document:
    return Document(id=found.id or None, page_content=found.text, metadata={**found.metadata, "score": found.score})

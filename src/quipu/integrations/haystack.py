"""Haystack: ``QuipuRetriever`` finds pairs or passages, ``QuipuAnswerer`` answers; both can be kept in YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from quipu.client import TOKEN
from quipu.errors import InputError, MissingExtra
from quipu.integrations.sources import Found, Source, What, of_answer
from quipu.memory import Memory
from quipu.records import Answer

try:
    from haystack import component, default_from_dict, default_to_dict
    from haystack.dataclasses import Document, ExtractedAnswer
    from haystack.utils import Secret
    from haystack.utils.auth import EnvVarSecret
    from haystack.utils.filters import document_matches_filter
except ImportError as error:
    raise MissingExtra("Haystack's components need haystack-ai: pip install 'quipu-qa[haystack]'") from error

FIELDS = ("document", "origin", "state")
"""By what pairs can be filtered, each as ``meta.NAME`` too. ``state``: right, wrong (marked), ambiguous or plain."""
_COMPARE = ("==", "!=", "in", "not in")
_JOIN = ("AND", "OR", "NOT")


class _Component:
    """What both components share: whom they ask, and how that is written into YAML."""

    def __init__(
        self, memory: Memory | str | os.PathLike[str] | None, url: str | None, token: Secret | None
    ) -> None:  # fmt: skip
        token = token or Secret.from_env_var(TOKEN, strict=False)
        if not isinstance(token, EnvVarSecret):
            raise InputError("a token is named, not given: token=Secret.from_env_var('QUIPU_TOKEN')")
        names = token.to_dict()["env_vars"]
        self._token = token
        self._source = Source(memory, url, next((name for name in names if os.environ.get(name)), names[0]))

    def _place(self) -> dict[str, Any]:
        path = self._source.path
        return {"memory": None if path is None else str(path), "url": self._source.url, "token": self._token}

    def close(self) -> None:
        """Let a folder go that was opened here."""
        self._source.close()


@component
class QuipuRetriever(_Component):
    """Finds the stored pairs nearest to a query, or the passages that most probably answer it."""

    def __init__(
        self,
        memory: Memory | str | os.PathLike[str] | None = None,
        url: str | None = None,
        token: Secret | None = None,
        top_k: int = 5,
        what: What = "pairs",
        filters: dict[str, Any] | None = None,
    ) -> None:
        """Of a folder or an open ``memory``, or of the memory that a server has at ``url``; passages of a folder only.

        ``token``: ``Secret.from_env_var``, by default of QUIPU_TOKEN; it is never written anywhere. ``filters``: as of
        ``run``. An open memory is written into YAML as its folder.
        """
        if what == "answer":
            raise InputError("answers come from QuipuAnswerer; a retriever finds what='pairs' or what='passages'")
        _Component.__init__(self, memory, url, token)  # Haystack makes another class of this one
        self._source.check(what, top_k)
        self._top_k, self._what, self._filters = top_k, what, filters
        self._check(filters)

    @component.output_types(documents=list[Document])
    def run(self, query: str, filters: dict[str, Any] | None = None, top_k: int | None = None) -> dict[str, Any]:
        """``{"documents": [...]}``, best first.

        ``filters``: Haystack's, of pairs in a folder, by ``FIELDS``; in place of those of the component. InputError
        for an operator or a field that is not known.
        """
        filters = self._filters if filters is None else filters
        self._check(filters)
        k = self._top_k if top_k is None else top_k
        self._source.check(self._what, k)
        if filters:
            wanted = _as_meta(filters)

            def keep(known: Mapping[str, str]) -> bool:
                return document_matches_filter(wanted, Document(id="-", meta=dict(known)))

            found = self._source.pairs(query, k, keep)
        else:
            found = self._source.find(self._what, query, k)
        return {"documents": [_document(item) for item in found]}

    def to_dict(self) -> dict[str, Any]:
        """For YAML: the folder or the address, and the name of the token's variable."""
        return default_to_dict(self, **self._place(), top_k=self._top_k, what=self._what, filters=self._filters)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> QuipuRetriever:
        """What ``to_dict`` gave."""
        return default_from_dict(cls, data)

    def _check(self, filters: Mapping[str, Any] | None) -> None:
        if filters:
            if self._what != "pairs" or self._source.url is not None:
                raise InputError("only pairs of a memory's folder can be filtered")
            check_filters(filters)


@component
class QuipuAnswerer(_Component):
    """Answers a query from a memory, or says nothing where it is not sure enough."""

    def __init__(
        self,
        memory: Memory | str | os.PathLike[str] | None = None,
        url: str | None = None,
        token: Secret | None = None,
        min_probability: float | None = None,
    ) -> None:
        """As ``QuipuRetriever``; ``min_probability``: see ``Memory.ask``."""
        _Component.__init__(self, memory, url, token)  # Haystack makes another class of this one
        self._min_probability = min_probability

    @component.output_types(answers=list[ExtractedAnswer])
    def run(self, query: str) -> dict[str, Any]:
        """``{"answers": [answer]}``, or an empty list where the memory refuses.

        The score is the probability; ``document_offset`` are characters of the document's text, ``context`` is the
        passage and ``context_offset`` characters of it.
        """
        answer = self._source.answer(query, min_probability=self._min_probability)
        return {"answers": [] if answer.text is None else [_extracted(answer)]}

    def to_dict(self) -> dict[str, Any]:
        """For YAML: the folder or the address, and the name of the token's variable."""
        return default_to_dict(self, **self._place(), min_probability=self._min_probability)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> QuipuAnswerer:
        """What ``to_dict`` gave."""
        return default_from_dict(cls, data)


def check_filters(filters: Mapping[str, Any]) -> None:
    """InputError where these are no filters by ``FIELDS`` with operators that are known."""
    operator = filters.get("operator")
    if "field" in filters:
        if str(filters["field"]).removeprefix("meta.") not in FIELDS:
            raise InputError(f"pairs can be filtered by {', '.join(FIELDS)}, not by {filters['field']!r}")
        if operator not in _COMPARE:
            raise InputError(f"the operator of a filter must be one of {', '.join(_COMPARE)}, not {operator!r}")
        if "value" not in filters or (operator in ("in", "not in")) != isinstance(filters["value"], list):
            raise InputError("a filter needs a value, and a list of values for the operators in and not in")
        return
    if operator not in _JOIN:
        raise InputError(f"filters are joined by {', '.join(_JOIN)}, not by {operator!r}")
    conditions = filters.get("conditions")
    if not isinstance(conditions, list) or not all(isinstance(item, Mapping) for item in conditions):
        raise InputError(f"{operator} joins a list of filters, its conditions")
    for item in conditions:
        check_filters(item)


def _as_meta(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters with every field as Haystack names those of a document."""
    if "field" in filters:
        return {**filters, "field": f"meta.{str(filters['field']).removeprefix('meta.')}"}
    return {**filters, "conditions": [_as_meta(item) for item in filters["conditions"]]}


def _document(found: Found) -> Document:
    return Document(id=found.id, content=found.text, score=found.score, meta=found.metadata)


def _extracted(answer: Answer) -> ExtractedAnswer:
    found = of_answer(answer)
    place = found.metadata
    first = answer.evidence[0] if answer.evidence else None
    passage, span = (None, None) if first is None else (first.passage, first.span)
    offset = None if span is None else ExtractedAnswer.Span(span.start, span.end)
    within = None
    if passage is not None and span is not None:
        within = ExtractedAnswer.Span(span.start - passage.span.start, span.end - passage.span.start)
    return ExtractedAnswer(
        query=answer.question, data=answer.text, score=found.score, context=passage.text if passage else None,
        document=None if place["document"] is None else Document(content=passage.text if passage else None, meta=place),
        document_offset=offset, context_offset=within,
        meta={"route": answer.route, "reason": answer.reason, "probability": answer.probability, "pair": found.id},
    )  # fmt: skip

"""What users call: ``build`` and ``open``, which give a ``Memory``."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quipu.answering.session import check_encoder
from quipu.answering.settings import AnswerSettings
from quipu.building.builder import BEGUN_WITH, Builder, Progress, stored_settings
from quipu.building.cited import Cited, add_ready
from quipu.building.documents import add_documents
from quipu.building.generated import make_pairs
from quipu.building.outcome import BuildReport
from quipu.building.pairs import add_pairs_file
from quipu.building.settings import GenerateSettings
from quipu.errors import InputError
from quipu.memory import Memory
from quipu.models.bundle import Models, sha256_of
from quipu.models.protocols import (
    SupportsEncode,
    SupportsRead,
    SupportsReadMany,
    SupportsReadMemory,
    SupportsRerank,
    SupportsWrite,
)
from quipu.models.remote.settings import LlmSettings, key_of
from quipu.records import QAPair
from quipu.settings import from_mapping
from quipu.storage.index import Index
from quipu.storage.joined import open_joined
from quipu.storage.store import Store

if TYPE_CHECKING:
    from quipu.building.external import External


def build(
    documents: Sequence[str | Path] | str | Path,
    path: str | Path,
    *,
    pairs: str | Path | Iterable[QAPair | Cited] | None = None,
    questions_per_passage: int | None = None,
    seed: int = 0,
    strict: bool = False,
    encoder: SupportsEncode | str | Path | None = None,
    writer: SupportsWrite | str | Path | None = None,
    reader: SupportsRead | str | Path | None = None,
    progress: Progress | None = None,
    llm: LlmSettings | None = None,
    **settings: Any,
) -> Memory:
    """Make a memory of documents, ready pairs, or both; ``settings`` are those of ``GenerateSettings``.

    ``pairs``: a file, or pairs one by one, as ``quipu.integrations.datasets.pairs_from`` gives those of a data set.

    A build that was interrupted goes on where it stopped when called again with the same settings. Files that cannot
    be read are listed in ``memory.report.skipped``; with ``strict`` the first one raises ReadError. Raises InputError
    where ``path`` holds a finished memory or something else, and where nothing can be read: no memory is left then.
    ``llm``: an external model that takes over some of the work; RunStopped where its budget is at its end.
    """
    path = Path(path)
    is_new = not path.exists()
    wanted = from_mapping(
        GenerateSettings, {"questions_per_passage": questions_per_passage, "seed": seed, **settings}, "settings"
    )
    models = Models(encoder, writer, reader)
    paths = [documents] if isinstance(documents, str | Path) else list(documents)
    if llm is not None:
        key_of(llm)  # before anything is made
    store = _begun(path, models, wanted, llm)
    external = None
    try:
        external = _external(store, llm)
        builder = Builder(store, models, wanted, progress, llm=external)
        if isinstance(pairs, str | Path):
            add_pairs_file(builder, Path(pairs), strict=strict)
        elif pairs is not None:
            add_ready(builder, pairs)
        add_documents(builder, paths, strict=strict)
        if is_new and _is_empty(store):
            raise InputError(_nothing(builder.report))
        make_pairs(builder)
        store.journal_mark("finished")
    except BaseException:
        empty = is_new and _is_empty(store)
        if external is not None:
            external.close()
        store.close()
        if empty:
            shutil.rmtree(path, ignore_errors=True)
        raise
    return Memory(store, models, builder.report, external)


def open(
    path: str | Path | Sequence[str | Path],
    *,
    read_only: bool = False,
    encoder: SupportsEncode | str | Path | None = None,
    reranker: SupportsRerank | str | Path | None = None,
    memory_reader: SupportsReadMemory | str | Path | None = None,
    language_model: SupportsReadMany | str | Path | None = None,
    settings: AnswerSettings | Mapping[str, Any] | None = None,
    llm: LlmSettings | None = None,
) -> Memory:
    """An existing memory. The encoder is the one that it was built with, unless one is given.

    ``settings``: names and values of ``AnswerSettings`` in place of those that the memory keeps. ``llm``: an external
    model for what is added from now on, and for the method "llm" of asking; a memory never says by itself whom to ask.

    Several paths: one memory that answers from all of them and is only read, see ``quipu.storage.joined``. InputError
    where they were built with different encoders.
    """
    if isinstance(path, str | Path):
        store: Store = Store.open(Path(path), read_only=read_only)
    else:
        store = open_joined([Path(item) for item in path])
    known = store.manifest.get("settings", {})
    models = Models(
        encoder or known.get("encoder"), known.get("writer"), known.get("reader"), reranker, memory_reader,
        language_model,
    )  # fmt: skip
    try:
        memory = Memory(store, models, llm=_external(store, llm))
        if settings is not None:
            memory.settings = (
                settings if isinstance(settings, AnswerSettings) else memory.settings.changed(settings, "settings")
            )
    except BaseException:
        store.close()
        raise
    return memory


def _external(store: Store, llm: LlmSettings | None) -> External | None:
    if llm is None:
        return None
    from quipu.building.external import External  # with what speaks HTTP, which nobody else waits for

    return External(store, llm)


def _is_empty(store: Store) -> bool:
    counts = store.counts()
    return not counts["passages"] and not counts["pairs"]


def _nothing(report: BuildReport) -> str:
    """Why a build came to nothing, in one line."""
    why = "; ".join(f"{item.name}: {item.reason}" for item in report.skipped[:3])
    more = f" and {len(report.skipped) - 3:,} more" if len(report.skipped) > 3 else ""
    return f"nothing to build from: {f'no file can be read ({why}{more})' if why else 'there are no files'}"


def _begun(path: Path, models: Models, settings: GenerateSettings, llm: LlmSettings | None) -> Store:
    """A new store, or the one of an interrupted build with the same settings and encoder."""
    if (path / "manifest.json").exists():
        store = Store.open(path)
        try:
            store.begin_writing()
            Index.bring_up_to_date(store)  # whoever stored the last pairs may have been killed before it made the index
            if store.journal_has("finished"):
                raise InputError(
                    f"{path} is a finished memory; add to it with: quipu add {path} DOCS, or choose another name"
                )
            asked = store.manifest.get("settings", {}).get(BEGUN_WITH)
            if stored_settings(store) != settings or asked != (llm.identity if llm else None):
                raise InputError(f"{path} was begun with other settings; give the same ones, or choose another name")
            check_encoder(store, models.encoder())
        except BaseException:
            store.close()
            raise
        return store
    encoder = models.encoder()
    known = {**settings.to_json(), **models.names, **({BEGUN_WITH: llm.identity} if llm else {})}
    return Store.create(path, width=encoder.width, models={encoder.name: sha256_of(encoder)}, settings=known)

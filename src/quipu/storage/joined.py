"""Several memories as one that is only read: what answers asks it as it asks a ``Store``, and no step knows.

Texts are asked of the memory that holds them: the ids of documents, passages and pairs are hashes of what they are, so
that one that stands in two memories is the same in both, and the first memory's is taken. A pair's row is a joined one:
its row in its memory times the number of memories, plus which of them it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from quipu.errors import InputError
from quipu.records import Answer, Document, Evidence, NearestSentence, Passage, QAPair, Span
from quipu.storage import joined_words
from quipu.storage.index import Ids, Index
from quipu.storage.manifest import REENCODING
from quipu.storage.pairs import Rows, Vectors
from quipu.storage.schema import FORMAT_VERSION
from quipu.storage.store import Store
from quipu.storage.transactions import Transactions
from quipu.storage.words import chosen_words, content_words, quoted, seen_in

KEPT_WHERE_EQUAL = ("settings", "answering", "calibration", "spans")
_HOMES = 100_000  # texts of which it is remembered where they are


class JoinedStore(Store):
    """Several open memories, for reading. What is of one memory alone (``connection``) is an InputError."""

    def __init__(self, members: Sequence[Store]) -> None:
        """InputError where they cannot be asked together: their keys do not compare, or one is of an older format."""
        self._members = tuple(members)
        Transactions.__init__(self, Path(" + ".join(str(member.path) for member in members)), read_only=True)
        paths = [member.path.resolve() for member in members]
        if len(set(paths)) < len(paths):
            raise InputError(f"{self.path}: a memory is named twice")
        for member in members:
            check_format(member)
        self._take_in()
        self._seen = -1
        self._home_of = lru_cache(_HOMES)(self._look_for)

    def _take_in(self) -> None:
        self.manifest = shared_manifest(self._members)
        self.width, self.models = self._members[0].width, dict(self.manifest["models"])

    @property
    def members(self) -> tuple[Store, ...]:
        """The memories, in the order in which they were given."""
        return self._members

    @property
    def connection(self) -> Any:
        """InputError: there is one for each memory."""
        raise InputError(f"{self.path}: several memories can only be asked together; for anything else open one alone")

    @property
    def writing(self) -> bool:
        """Never."""
        return False

    @property
    def format(self) -> int:
        """That of all of them."""
        return FORMAT_VERSION

    def version(self) -> int:
        """Changes when that of a memory does: each only grows."""
        version = sum(member.version() for member in self._members)
        if version != self._seen:
            self._seen = version
            self._home_of.cache_clear()
        return version

    def close(self) -> None:
        """Close every memory."""
        for member in self._members:
            member.close()

    def reread_manifest(self) -> bool:
        """Whether one of them was written by another process; InputError where they do not fit any more."""
        changed = [member.reread_manifest() for member in self._members]
        if any(changed):
            self._take_in()
        return any(changed)

    # where a text is --------------------------------------------------------------------------------------------

    def home(self, document_id: str | None = None, pair_id: str | None = None) -> Store:
        """The memory that holds a document, or the pair where there is no document; the first where none does."""
        if document_id is not None:
            return self._home_of("documents", document_id)
        return self._home_of("pairs", pair_id or "")

    def _look_for(self, table: str, name: str) -> Store:
        query = f"SELECT 1 FROM {table} WHERE id = ?"
        holding = (member for member in self._members if member.connection.execute(query, (name,)).fetchone())
        return next(holding, self._members[0])

    def document(self, document_id: str) -> Document:
        """The document, of the memory that holds it."""
        return self.home(document_id).document(document_id)

    def quote(self, document_id: str, span: Span) -> str:
        """As ``Store.quote``, of the memory that holds the document."""
        return self.home(document_id).quote(document_id, span)

    def title(self, document_id: str) -> str:
        """The title of a document."""
        return self.home(document_id).title(document_id)

    def source(self, document_id: str) -> str:
        """Where a document came from, as its memory says."""
        return self.home(document_id).source(document_id)

    def passage(self, passage_id: str) -> Passage:
        """The passage, of the memory that holds it."""
        return self._home_of("passages", passage_id).passage(passage_id)

    def passage_at(self, document_id: str, span: Span) -> Passage | None:
        """The passage in which the span begins."""
        return self.home(document_id).passage_at(document_id, span)

    def text_at(self, document_id: str, span: Span) -> str:
        """The text of the passage in which the span begins."""
        return self.home(document_id).text_at(document_id, span)

    def passages_where(self, condition: str, values: tuple[object, ...]) -> list[Passage]:
        """Passages of all memories, each once."""
        found: dict[str, Passage] = {}
        for member in self._members:
            for passage in member.passages_where(condition, values):
                found.setdefault(passage.id, passage)
        return list(found.values())

    def count_to_ask(self) -> int:
        """How many passages wait for their pairs."""
        return sum(member.count_to_ask() for member in self._members)

    def journal_has(self, key: str) -> bool:
        """Whether this was committed in all of them, where it says that a build is finished; else in one."""
        return (all if key == "finished" else any)(member.journal_has(key) for member in self._members)

    # pairs ------------------------------------------------------------------------------------------------------

    def pair(self, pair_id: str) -> QAPair:
        """The pair, of the memory that holds it."""
        return self.home(pair_id=pair_id).pair(pair_id)

    def pairs(self, after_row: int = 0) -> Iterator[tuple[int, QAPair]]:
        """Every pair, one memory after the other, with its joined row; always from the first."""
        for at, member in enumerate(self._members):
            for row, pair in member.pairs():
                yield row * len(self._members) + at, pair

    def pairs_by_rows(self, rows: Sequence[int]) -> list[QAPair | None]:
        """The pairs of joined rows, None where one is gone."""
        found: dict[int, QAPair | None] = {}
        for at, member in enumerate(self._members):
            some = [row for row in map(int, rows) if row >= 0 and row % len(self._members) == at]
            pairs = member.pairs_by_rows([row // len(self._members) for row in some])
            found |= dict(zip(some, pairs, strict=True))
        return [found.get(int(row)) for row in rows]

    def key_texts(self, pair_ids: Sequence[str]) -> dict[str, str]:
        """What the keys of these pairs were made of, by id."""
        found: dict[str, str] = {}
        for member in reversed(self._members):
            found |= member.key_texts(pair_ids)
        return found

    def key_text(self, pair_id: str) -> str:
        """The text that the pair's key was made from."""
        return self.home(pair_id=pair_id).key_text(pair_id)

    def count(self) -> int:
        """Pairs in all memories; one that is in two counts twice."""
        return sum(member.count() for member in self._members)

    def counts(self) -> dict[str, int]:
        """Documents, passages, pairs and verdicts of all memories together."""
        every = [member.counts() for member in self._members]
        return {name: sum(item[name] for item in every) for name in every[0]}

    def search_words(self, question: str, k: int) -> tuple[Rows, Vectors]:
        """As ``Store.search_words``, with joined rows; each pair once."""
        connections = [member.connection for member in self._members]
        content = content_words(question)
        seen: dict[str, int] = {}
        for connection in connections:
            for word, count in seen_in(connection, content).items():
                seen[word] = seen.get(word, 0) + count
        words = [quoted(word) for word in chosen_words(seen, sum(member.last_row() for member in self._members))]
        depth = k * len(connections)  # a pair may be in each of them
        found = joined_words.best(connections, "words", words, depth) if words else []
        rows = np.full(depth, -1, dtype=np.int64)
        scores = np.full(depth, -np.inf, dtype=np.float32)
        for place, (score, row, at) in enumerate(found):
            rows[place], scores[place] = row * len(connections) + at, score
        ids, values = self.distinct(rows[None], scores[None], k)
        return ids[0], values[0]

    def search_passage_words(self, words: Sequence[str], k: int) -> list[tuple[str, float]]:
        """As ``Store.search_passage_words``; each passage once."""
        connections = [member.connection for member in self._members]
        found: dict[str, float] = {}
        for score, row, at in joined_words.best(connections, "passage_words", words, k * len(connections)):
            query = "SELECT id FROM passages WHERE row = ?"  # of a passage that is gone its words may still be there
            if (held := connections[at].execute(query, (row,)).fetchone()) is not None:
                found.setdefault(held[0], score)
        return list(found.items())[:k]

    def distinct(self, rows: Ids, scores: Vectors, k: int) -> tuple[Ids, Vectors]:
        """The first ``k`` joined rows of each line (Q, n) whose pairs are not the same; padded with -1 and -inf."""
        names: dict[int, str] = {}
        for at, member in enumerate(self._members):
            some = np.unique(rows[(rows >= 0) & (rows % len(self._members) == at)]) // len(self._members)
            for first in range(0, len(some), 900):
                part = some[first : first + 900].tolist()
                query = f"SELECT row, id FROM pairs WHERE row IN ({','.join('?' * len(part))})"
                for row, name in member.connection.execute(query, part):
                    names[row * len(self._members) + at] = name
        ids = np.full((len(rows), k), -1, dtype=np.int64)
        values = np.full((len(rows), k), -np.inf, dtype=np.float32)
        for line in range(len(rows)):
            kept: dict[str, int] = {}
            for place, row in enumerate(rows[line].tolist()):
                if row in names:
                    kept.setdefault(names[row], place)
            places = list(kept.values())[:k]
            ids[line, : len(places)], values[line, : len(places)] = rows[line][places], scores[line][places]
        return ids, values

    # sources ----------------------------------------------------------------------------------------------------

    def named(self, answer: Answer) -> Answer:
        """The answer, its sources named by their memories too: "FOLDER: DOCUMENT"."""
        elsewhere = tuple(replace(item, evidence=self._named(item.evidence)) for item in answer.elsewhere)
        nearest = None if answer.nearest is None else self._sentence_named(answer.nearest)
        evidence = tuple(map(self._named, answer.evidence))
        return replace(answer, evidence=evidence, elsewhere=elsewhere, nearest=nearest)

    def _named(self, item: Evidence) -> Evidence:
        document = item.passage.document_id if item.passage is not None else None
        if document is None and item.pair is not None:
            document = item.pair.document_id
        home = self.home(document, item.pair.id if item.pair is not None else None)
        return replace(item, document=_name(home, item.document))

    def _sentence_named(self, item: NearestSentence) -> NearestSentence:
        """By the memory in whose document of this name the sentence stands at this place."""
        span = Span(item.start, item.end)
        homes = (
            member
            for member in self._members
            for document in member.find_documents(item.document)
            if " ".join(member.quote(document, span).split()) == item.sentence
        )
        return replace(item, document=_name(next(homes, self._members[0]), item.document))


class JoinedIndex:
    """The indexes of several memories, searched together: the scores are cosines, which compare."""

    def __init__(self, store: JoinedStore) -> None:
        """Load the index of each."""
        self._store = store
        self._parts = [Index.load(member) for member in store.members]

    @property
    def size(self) -> int:
        """Pairs that a search can find; one that is in two memories counts twice."""
        return sum(part.size for part in self._parts)

    def refresh(self) -> None:
        """Take in what was added or removed since."""
        for part in self._parts:
            part.refresh()

    def search(self, query_vectors: Vectors, k: int) -> tuple[Ids, Vectors]:
        """As ``Index.search``, with joined rows; each pair once."""
        rows, scores = [], []
        for at, part in enumerate(self._parts):
            found, values = part.search(query_vectors, k)
            rows.append(np.where(found >= 0, found * len(self._parts) + at, -1))
            scores.append(values)
        every, values = np.concatenate(rows, axis=1), np.concatenate(scores, axis=1)
        order = np.lexsort((every, -values), axis=1)
        every, values = np.take_along_axis(every, order, axis=1), np.take_along_axis(values, order, axis=1)
        return self._store.distinct(every, values, k)


def load_index(store: Store) -> Index | JoinedIndex:
    """The index of a memory, or of several."""
    return JoinedIndex(store) if isinstance(store, JoinedStore) else Index.load(store)


def open_joined(paths: Sequence[Path]) -> JoinedStore:
    """Open several memories; none stays open where one cannot be, or where they do not fit."""
    if not paths:
        raise InputError("name the memories to ask")
    members: list[Store] = []
    try:
        for path in paths:
            members.append(Store.open(path, read_only=True))
        return JoinedStore(members)
    except BaseException:
        for member in members:
            member.close()
        raise


def check_format(store: Store) -> None:
    """InputError for a memory of an older format, whose rows do not stand beside those of this one."""
    if store.format < FORMAT_VERSION:
        raise InputError(
            f"{store.path} was made by an older quipu; make one of this format of it: quipu export {store.path} FILE, "
            "quipu import FILE"
        )


def shared_manifest(stores: Sequence[Store]) -> dict[str, Any]:
    """What several memories say alike. InputError where their keys are of different encoders, or being made anew.

    How to answer, how probable answers are and which encoder read the passages is kept where all that say it agree:
    probabilities that were fitted to the pairs of one memory say nothing of the others' pairs. Then those that ship
    are used, which were fitted to many.
    """
    first = stores[0]
    for store in stores:
        if REENCODING in store.manifest:
            raise InputError(f"{store.path}: making its keys anew was interrupted; run: quipu reencode {store.path}")
        if store.width != first.width or set(store.models.values()) != set(first.models.values()):
            names = [", ".join(item.models) for item in (first, store)]
            raise InputError(
                f"{first.path} was built with the encoder {names[0]}, {store.path} with {names[1]}: their keys do not "
                f"compare. Make them anew with one encoder: quipu reencode {store.path}"
            )
    shared = {"width": first.width, "models": dict(first.models), "format": FORMAT_VERSION}
    for key in KEPT_WHERE_EQUAL:
        said = [store.manifest.get(key) for store in stores]
        if key == "spans":  # a memory of pairs alone says none
            said = [item for item in said if item is not None]
        if said and said[0] is not None and all(item == said[0] for item in said):
            shared[key] = said[0]
    return shared


def _name(home: Store, document: str | None) -> str:
    return f"{home.path}: {document}" if document else str(home.path)

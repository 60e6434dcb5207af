"""A small memory with rows in every table, and all that can be read of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

import quipu
from quipu.answering.scoring import Calibration, bundled
from quipu.answering.session import BUNDLED_CALIBRATION
from quipu.memory import Memory
from quipu.records import QAPair
from quipu.storage.digests import TABLES
from quipu.storage.passage_vectors import PassageTokens, put, search_ids
from quipu.storage.provenance import add_support, drop, mark_ambiguous
from quipu.storage.reviews import Review, former_of, keep_review, sources_of, turn_away
from quipu.storage.store import Store
from tests.handmade import WIDTH, WordEncoder, models

ASKED = ["What number follows pier is?", "How long is pier 3?", "What of house 7?", "Which boats lie there?"]


def made(path: Path) -> Path:
    """The memory of some files and ready pairs beside ``path``, with gaps, settings and a calibration."""
    docs = path.parent / "docs"
    docs.mkdir(parents=True)
    for number in range(6):
        lines = [f"# Pier {number}", f"The pier is {number * 7 + 1} metres long, and the boats are {number * 30 + 3}."]
        lines += [f"- Lamp {n} of the pier was lit in {1900 + 10 * number + n}, and paint was {n}1." for n in range(3)]
        (docs / f"{number}.md").write_text("\n\n".join(lines) + "\n")
    ready = path.parent / "ready.csv"
    ready.write_text("question,answer\n" + "".join(f"What of house {n}?,{n} rooms\n" for n in range(20)))
    with quipu.build([docs], path, pairs=ready, **models()) as memory:  # type: ignore[arg-type]
        store = memory.store
        generated = [pair for _, pair in store.pairs() if pair.span is not None]
        document = next(item for item in store.documents() if item.text)
        add_support(store, [(generated[-1].id, document.id, generated[-1].span)])  # type: ignore[list-item]
        mark_ambiguous(store, [(generated[1].id, generated[2].id)])
        for number, passage in enumerate(store.passages()):
            keys = np.eye(WIDTH, dtype=np.float32)[number : number + 1]
            coded = [PassageTokens(np.full((2, 4), number, np.uint8), np.array([[0, 3], [4, 9]], np.int32))]
            put(store, [passage], keys, coded)
        memory.mark_text("What of house 3?", "3 rooms", True)
        memory.mark_text("What of house 4?", "5 rooms", False)
        keep_reviews(store, *generated[:3])
        keep_call(store, document.id)
        memory.keep_settings(memory.settings.changed({"read_pairs": 7}, "settings"))
        memory.keep_calibration(calibration(0.5))
    return path


def keep_reviews(store: Store, rejected: QAPair, accepted: QAPair, sampled: QAPair) -> None:
    """A decision of each kind that needs no model; the first pair goes."""
    document = rejected.document_id
    former = former_of(store, rejected)
    turn_away(store, rejected, sources_of(store, rejected, former["support"]))
    keep_review(store, Review(accepted.id, "accept", "How?", "7", by="Ana", document=document))
    keep_review(store, Review(rejected.id, "reject", "How?", "7", by="Ben", former=former, document=document))
    keep_review(store, Review(sampled.id, "sample", "How?", "7", True, False, document=document))
    drop(store, [rejected.id])


def keep_call(store: Store, document: str) -> None:
    """A call of a model elsewhere, as a ledger keeps it."""
    with store.transaction():
        store.connection.execute(
            "INSERT INTO calls (key, role, document, model, request_sha256, response, tokens_in, tokens_out, cost,"
            " status, attempts, at) VALUES ('k', 'writer', ?, 'm', 'ab', '{}', 5, 7, 0.25, 'ok', 1, '2026-01-01')",
            (document,),
        )


def calibration(floor: float) -> Calibration:
    """The one that is shipped, with a floor of its own."""
    known = bundled(BUNDLED_CALIBRATION)
    assert known is not None
    return replace(known, floor=floor)


def asked(path: Path) -> object:
    """What users see: files, searches, answers, where pairs come from."""
    with quipu.open(path, read_only=True, encoder=WordEncoder()) as memory:
        return seen(memory)


def seen(memory: Memory) -> object:
    """The same, of an open memory."""
    answers = memory.ask_many(ASKED, method="lookup", min_probability=0.0)
    return (
        list(memory.documents()), memory.search_many(ASKED, 9), memory.search_many(ASKED, 9, method="vector"),
        [replace(answer, milliseconds=0.0, tried=()) for answer in answers],
        [memory.why(hits[0].pair.id) for hits in memory.search_many(ASKED, 1)],
        memory.settings, memory.own_calibration(),
    )  # fmt: skip


def stored(path: Path) -> object:
    """Every row, the manifest, and what words find."""
    with Store.open(path, read_only=True) as store:
        return (
            {key: value for key, value in store.manifest.items() if key != "digest"},
            [store.connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES],
            store.gone().tolist(),
            [store.search_words(words, 5)[0].tolist() for words in ("long 3", "pier", "rooms 12", "boats")],
            [search_ids(store, words, 5) for words in ("pier 3", "lamp long", "metres 22")],
        )

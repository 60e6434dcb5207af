"""What a memory promises over its life: interruptions, additions, other models, reopening. With hand-made models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.handmade import NumberReader, NumberWriter, WordEncoder, models

import quipu
from quipu.errors import InputError, MemoryLocked
from quipu.models.protocols import Written
from quipu.records import QAPair, Span

CANAL = "The canal was opened in 1869. Its length is 193 kilometres."
TEA = "Tea came to India in 1848."


class Interrupted(NumberWriter):
    """Writes for one batch, then is interrupted."""

    calls = 0

    def write(self, texts: Sequence[str], spans: Sequence[Sequence[Span]], **options: Any) -> list[list[list[Written]]]:
        self.calls += 1
        if self.calls > 1:
            raise KeyboardInterrupt
        return super().write(texts, spans, **options)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "canal.txt").write_text(CANAL)
    (folder / "tea.txt").write_text(TEA)
    return folder


@pytest.fixture
def begun(docs: Path, tmp_path: Path) -> Path:
    """A memory whose build was interrupted after the canal."""
    with pytest.raises(KeyboardInterrupt):
        quipu.build([docs], tmp_path / "m", batch=1, encoder=WordEncoder(), writer=Interrupted(), reader=NumberReader())
    return tmp_path / "m"


def answers(memory: quipu.Memory) -> list[str]:
    return sorted(pair.answer for _, pair in memory.store.pairs())


def test_an_interrupted_build_goes_on_with_the_same_settings_only(docs: Path, begun: Path) -> None:
    """Half of a memory made one way and half another answers unevenly, and its manifest would tell a lie."""
    with pytest.raises(InputError, match="other settings"):
        quipu.build([docs], begun, batch=2, **models())
    with pytest.raises(InputError, match="built with the encoder words"):
        quipu.build([docs], begun, batch=1, encoder=WordEncoder("others"), writer=NumberWriter(), reader=NumberReader())
    with quipu.build([docs], begun, batch=1, **models()) as memory:
        found = answers(memory)
        assert {"1869", "193", "1848"} <= set(found) and memory.info()["finished"]
        assert memory.report.documents == 0 and memory.report.passages == 1


def test_a_document_that_changed_during_an_interruption_is_not_kept_twice(docs: Path, begun: Path) -> None:
    """The old year would go on being answered beside the new one, with a quote from a text that nobody has."""
    (docs / "canal.txt").write_text(CANAL.replace("1869", "1871"))
    with quipu.build([docs], begun, batch=1, **models()) as memory:
        assert "1871" in answers(memory) and "1869" not in answers(memory)
        assert memory.store.counts()["documents"] == 2


def test_nothing_is_added_with_another_encoder(docs: Path, tmp_path: Path) -> None:
    """Keys of two encoders in one memory: the added pairs would never be found, and nothing would say so."""
    quipu.build([docs], tmp_path / "m", **models()).close()
    with quipu.open(tmp_path / "m", encoder=WordEncoder("others")) as memory:
        with pytest.raises(InputError, match="built with"):
            memory.add([QAPair.make("Who composed Norma?", "Bellini")])
        (docs / "tea.txt").write_text("Tea came to Japan in 1191.")
        with pytest.raises(InputError, match="built with"):
            memory.add_document(docs / "tea.txt")
        assert "1848" in answers(memory)


def test_rows_of_a_file_with_one_id_do_not_remove_one_another(docs: Path, tmp_path: Path) -> None:
    """In many collections all passages of an article share its id; only the last of them would be remembered."""
    rows = [{"id": "", "text": CANAL}, {"id": "x", "text": TEA}, {"id": "x", "text": "Tea came to Japan in 1191."}]
    file = docs / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with quipu.build([file], tmp_path / "m", **models()) as memory:
        assert {"1869", "1848", "1191"} <= set(answers(memory))
        rows[0]["text"] = CANAL.replace("1869", "1871")
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        memory.add_documents([file])
        assert {"1871", "1848", "1191"} <= set(answers(memory)) and "1869" not in answers(memory)
        assert memory.store.counts()["documents"] == 3


def test_a_memory_is_the_same_after_it_was_closed(docs: Path, tmp_path: Path) -> None:
    """An index or a manifest that is not written at the end would show only on the next day."""
    question = "What number follows came to India in?"
    with quipu.build([docs], tmp_path / "m", seed=3, **models()) as memory:
        before, settings = memory.ask(question), memory.info()["settings"]
        with quipu.open(tmp_path / "m", encoder=WordEncoder()) as other, pytest.raises(MemoryLocked):
            other.add([quipu.QAPair.make("Who?", "Nobody")])
    with quipu.open(tmp_path / "m", read_only=True, encoder=WordEncoder()) as memory:
        after = memory.ask(question)
        assert (after.text, after.score, after.evidence) == (before.text, before.score, before.evidence)
        assert after.text == "1848" and memory.info()["settings"] == settings and settings["seed"] == 3
        assert memory.ask_many([]) == []
        with pytest.raises(InputError, match="reading only"):
            memory.add([QAPair.make("Who composed Norma?", "Bellini")])


def test_a_removed_pair_is_gone_from_both_searches(docs: Path, tmp_path: Path) -> None:
    """Somebody removed it because it was wrong or private: neither the vectors nor the words may bring it back."""
    with quipu.build([docs], tmp_path / "m", **models()) as memory:
        pair = memory.ask("What number follows came to India in?").evidence[0].pair
        assert pair is not None and memory.remove(pair=pair.id) == 1
        for method in ("vector", "words", "both"):
            hits = memory.search("What number follows came to India in?", 10, method=method)  # type: ignore[arg-type]
            assert all(hit.pair.id != pair.id for hit in hits)
            assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        with pytest.raises(InputError, match="no pair"):
            memory.remove(pair=pair.id)


def test_impossible_questions_are_refused(docs: Path, tmp_path: Path) -> None:
    """An empty question has a nearest pair too, and its answer would look like any other."""
    with quipu.build([docs], tmp_path / "m", **models()) as memory:
        with pytest.raises(InputError, match="empty"):
            memory.ask("  ")
        with pytest.raises(InputError, match="k must be"):
            memory.search("When?", 0)
        with pytest.raises(InputError, match="method must be one of cascade, lookup"):
            memory.ask("When?", method="magic")  # type: ignore[arg-type]


def test_a_name_that_cannot_be_stored_is_named_and_left_out(docs: Path, tmp_path: Path) -> None:
    """JSON can hold a lone surrogate: one such row must not end a build of a million others."""
    file = docs / "rows.jsonl"
    half = {"id": "a\ud83d", "text": "Half of 1869."}
    file.write_text(json.dumps(half) + "\n" + json.dumps({"text": TEA}) + "\n")
    with quipu.build([file], tmp_path / "m", **models()) as memory:
        assert answers(memory) == ["1848"]
        assert [(item.name[-3:], "Unicode" in item.reason) for item in memory.report.skipped] == [("#a?", True)]
        with pytest.raises(InputError, match="not Unicode"):
            memory.ask("Who \ud83d?")
    with pytest.raises(InputError, match="must be Unicode"):
        QAPair.make("Who \ud83d?", "Verdi")


def test_the_report_of_a_build_adds_up_with_the_verdicts(docs: Path, tmp_path: Path) -> None:
    """Where a pair went must be answerable: asked = kept + dropped, and every drop has its verdict in the memory."""
    with quipu.build([docs], tmp_path / "m", **models()) as memory:
        report = memory.report.to_json()
        assert report["asked"] == report["kept"] + sum(report["dropped"].values()) > 0
        assert sum(memory.info()["dropped"].values()) == sum(report["dropped"].values())
        for _, pair in memory.store.pairs():
            stages = [verdict.stage for verdict in memory.store.verdicts(pair.id) if verdict.kept]
            assert sorted(stages) == ["dedup", "local", "well_formed"]
            assert pair.document_id and pair.span and memory.store.quote(pair.document_id, pair.span) == pair.answer

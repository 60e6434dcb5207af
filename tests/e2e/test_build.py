"""The whole way with hand-made models: build, ask, update, remove, resume."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from tests.handmade import NumberModel, WordEncoder, models, spoken

import quipu
from quipu.errors import InputError, SettingsError
from quipu.records import QAPair
from quipu.storage.store import Store

CANAL = "The canal was opened in 1869. Its length is 193 kilometres.\n\nThe toll was 200 francs a ton."
TEA = "Tea came to Japan in 1191. Tea came to India in 1848."


def documents(folder: Path) -> Path:
    folder.mkdir()
    (folder / "canal.txt").write_text(CANAL)
    (folder / "tea.txt").write_text(TEA)
    (folder / "song.mp3").write_bytes(b"x")
    return folder


def test_documents_become_answers_with_their_source(tmp_path: Path) -> None:
    """An answer whose quote is not in the document cannot be trusted, however right it looks."""
    docs = documents(tmp_path / "docs")
    with quipu.build([docs], tmp_path / "m", **models()) as memory:
        report = memory.report
        assert report.asked == report.kept + sum(report.dropped.values())
        assert report.kept == 4 and report.dropped["reader found no answer"] > 0
        assert [Path(item.name).name for item in report.skipped] == ["song.mp3"]
        answer = memory.ask("What number follows came to India in?")
        assert answer.text == "1848" and answer.route == "lookup" and answer.probability is None
        evidence = answer.evidence[0]
        assert evidence.span and evidence.passage and evidence.document == (docs / "tea.txt").as_posix()
        assert TEA[evidence.span.start : evidence.span.end] == evidence.quote == "1848"
        assert evidence.passage.text == TEA
        assert answer.to_json()["evidence"][0]["title"] == "tea"
    index = tmp_path / "m" / "index.faiss"
    index.unlink()  # as a kill between the last pair and the index would have left it
    with pytest.raises(InputError, match="finished memory"):
        quipu.build([docs], tmp_path / "m", **models())
    assert index.exists()
    with Store.open(tmp_path / "m") as store, store.transaction():  # or between the last pair and the end
        store.connection.execute("DELETE FROM journal WHERE key = 'finished'")
    index.unlink()
    quipu.build([docs], tmp_path / "m", **models()).close()
    assert index.exists()


def test_a_language_model_is_told_title_and_heading(tmp_path: Path) -> None:
    """ "It lasts 5 years": what lasts stands in the heading above, which is no part of the passage."""
    docs = tmp_path / "docs"
    docs.mkdir()
    body = "The pump holds a pressure for hours. " * 18
    paragraphs = ["# Floor pump", "Buy it.", "## Guarantee", body, f"The hose lasts 2 years. {body}"]
    (docs / "pump.md").write_text("\n\n".join(paragraphs))
    arguments = spoken()
    with quipu.build([docs], tmp_path / "m", **arguments) as memory:
        model = cast(NumberModel, arguments["writer"])
        assert set(model.titles) == {"Floor pump", "Floor pump: Guarantee"}
        (pair,) = [pair for _, pair in memory.store.pairs()]
        assert pair.answer == "2 years" and pair.span is not None
        assert memory.store.quote(str(pair.document_id), pair.span) == "2 years"
        report = memory.report
        assert report.asked == report.kept + sum(report.dropped.values())


def test_a_memory_with_old_settings_opens(tmp_path: Path) -> None:
    """Settings that are new take their defaults; a name that no model bears any more stands for what ships now."""
    quipu.build([documents(tmp_path / "docs")], tmp_path / "m", **models()).close()
    manifest = tmp_path / "m" / "manifest.json"
    stored = json.loads(manifest.read_text())
    for name in ("pair_threshold", "agreement"):
        del stored["settings"][name]
    stored["settings"] |= {"candidates_per_passage": 25, "writer": "quipu-mini/writer", "reader": "quipu-mini/reader"}
    manifest.write_text(json.dumps(stored))
    with quipu.open(tmp_path / "m", encoder=WordEncoder()) as memory:
        assert memory.info()["settings"]["candidates_per_passage"] == 25
        assert memory.add([QAPair.make("Who wrote the opera Aida?", "Verdi")]) == 1


def test_a_changed_document_replaces_exactly_its_own_pairs(tmp_path: Path) -> None:
    """Stale answers of an old version must go, and the pairs of other documents must stay the same rows."""
    docs = documents(tmp_path / "docs")
    with quipu.build([docs], tmp_path / "m", **models()) as memory:
        before = {pair.id for _, pair in memory.store.pairs()}
        (docs / "tea.txt").write_text(TEA.replace("1848", "1849"))
        memory.add_documents([docs])
        after = {pair.answer: pair.id for _, pair in memory.store.pairs()}
        assert sorted(after) == ["1191", "1849", "1869", "193"]
        assert {after["1869"], after["193"]} <= before
        memory.add_document(docs / "tea.txt")
        assert memory.report.documents == 0 and memory.store.count() == 4


def test_removed_documents_are_not_answered_from(tmp_path: Path) -> None:
    """The index still holds removed rows until it is rebuilt; they must not come back as answers."""
    docs = documents(tmp_path / "docs")
    with quipu.build([docs], tmp_path / "m", **models()) as memory:
        memory.ask("What number follows opened in?")
        assert memory.remove(document=(docs / "canal.txt").as_posix()) == 2
        assert {hit.pair.answer for hit in memory.search("opened in", 10)} == {"1191", "1848"}
        memory.remove(document=(docs / "tea.txt").as_posix())
        nothing = memory.ask("What number follows opened in?")
        assert nothing.text is None and nothing.route == "abstain"


def test_ready_pairs_are_remembered_beside_documents(tmp_path: Path) -> None:
    """An imported pair has no document: its evidence must say so and not invent one."""
    docs = documents(tmp_path / "docs")
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("question,answer\nWho wrote the opera Aida?,Verdi\nwho wrote the opera aida,verdi\n")
    with quipu.build([docs], tmp_path / "m", pairs=pairs, **models()) as memory:
        answer = memory.ask("Who wrote the opera Aida?")
        assert answer.text == "Verdi" and answer.evidence[0].passage is None and answer.evidence[0].pair
        assert memory.store.count() == 5
        assert memory.add([QAPair.make("Who composed Norma?", "Bellini")]) == 1
        assert memory.add([QAPair.make("Who composed Norma?", "Bellini")]) == 0
        assert memory.search("Who composed Norma?", 1, method="words")[0].pair.answer == "Bellini"
        assert memory.search("Who composed Norma?", 1, method="both")[0].via == "both"


def test_keys_of_another_encoder_are_refused(tmp_path: Path) -> None:
    """Vectors of two encoders can be compared by arithmetic, and the answers would be noise."""
    quipu.build([documents(tmp_path / "docs")], tmp_path / "m", **models()).close()
    with (
        quipu.open(tmp_path / "m", encoder=WordEncoder("others")) as memory,
        pytest.raises(InputError, match="built with"),
    ):
        memory.ask("When?")


def test_impossible_settings_are_named(tmp_path: Path) -> None:
    """A misspelt setting that is ignored gives a memory that nobody asked for."""
    with pytest.raises(SettingsError, match="did you mean 'filter_threshold'"):
        quipu.build([tmp_path], tmp_path / "m", filter_treshold=0.5, **models())
    with pytest.raises(SettingsError, match="questions per passage"):
        quipu.build([tmp_path], tmp_path / "m", questions_per_passage=0, **models())
    with pytest.raises(InputError, match="no such memory"):
        quipu.open(tmp_path / "nowhere")


BUILD = """
import sys
sys.path.insert(0, sys.argv[1])
import quipu
from tests import handmade
quipu.build([sys.argv[2]], sys.argv[3], batch=4, **getattr(handmade, sys.argv[4])(slow=0.05)).close()
"""


@pytest.mark.parametrize("given", [models, spoken])
def test_an_interrupted_build_ends_with_the_same_pairs(tmp_path: Path, given: Callable[..., dict[str, object]]) -> None:
    """After kill -9 and the same command again nothing may be missing, doubled, or different."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(60):
        (docs / f"ship-{number}.txt").write_text(
            f"Ship {number} left the port in {1800 + number}. It held {number * 7 + 3} tons."
        )
    root = str(Path(__file__).parents[2])
    with quipu.build([docs], tmp_path / "whole", batch=4, **given()) as memory:
        expected = {pair.id for _, pair in memory.store.pairs()}
    rng = random.Random(3)
    command = [sys.executable, "-c", BUILD, root, str(docs), str(tmp_path / "cut"), given.__name__]
    for _ in range(4):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as child:
            time.sleep(rng.uniform(0.6, 1.6))
            child.kill()
    if subprocess.run(command, check=False, capture_output=True).returncode:
        assert quipu.open(tmp_path / "cut", read_only=True).info()["finished"]
    with quipu.open(tmp_path / "cut", read_only=True, encoder=WordEncoder()) as memory:
        assert {pair.id for _, pair in memory.store.pairs()} == expected
        assert memory.store.count() == len(expected) and memory.verify().problems == []

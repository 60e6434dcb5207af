"""One memory for many threads, after a fork, and beside a process that calibrates or writes: the same answers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.handmade import WordEncoder, models

import quipu
from quipu.errors import MemoryLocked
from quipu.models import folders

QUESTIONS = [f"What number follows {word} {n}?" for n in range(6) for word in ("pier", "lamp", "ferry")]


@pytest.fixture
def memory(tmp_path: Path) -> quipu.Memory:
    """A memory of a few documents."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(4):
        lines = [f"Near pier {number} {n * 7} boats lie. Under lamp {n} {n * 11} men wait." for n in range(5)]
        (docs / f"{number}.txt").write_text(" ".join(lines))
    return quipu.build([docs], tmp_path / "m", **models())  # type: ignore[arg-type]


def said(memory: quipu.Memory, method: str = "cascade") -> list[object]:
    """Every answer, but for how long it took."""
    found = [memory.ask(question, method=method, min_probability=0.0) for question in QUESTIONS]  # type: ignore[arg-type]
    return [(replace(answer, milliseconds=0.0, tried=())) for answer in found]


def in_child(work: Callable[[], object], seconds: float = 60) -> object:
    """What ``work`` gives in a forked child, as JSON; a child that hangs is ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        try:
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    end = time.monotonic() + seconds
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, 9)
            os.waitpid(child, 0)
            pytest.fail("the child hangs")
        time.sleep(0.02)
    with os.fdopen(reading) as pipe:
        return json.loads(pipe.read() or "null")


def test_threads_and_forked_children_get_the_same_answers(memory: quipu.Memory) -> None:
    """A web server asks from a pool of threads or of processes; SQLite refused the first, the second hung."""
    with memory:
        alone = said(memory)
        with ThreadPoolExecutor(4) as pool:
            for answers in pool.map(said, [memory] * 4):
                assert answers == alone
        for _ in range(4):
            assert in_child(lambda: repr(said(memory)) == repr(alone))
        assert said(memory) == alone


def test_a_thread_may_write_while_others_ask(memory: quipu.Memory) -> None:
    """An index that grows while it is searched gives rows that do not exist."""
    with memory:
        alone = said(memory)
        with ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(said, memory) for _ in range(4)]
            for number in range(20):
                memory.add([quipu.QAPair.make(f"Of what is house {number}?", "stone")])
            assert all(len(future.result()) == len(alone) for future in asking)
        assert memory.ask("Of what is house 7?", min_probability=0.0).text == "stone"


def test_the_real_encoder_answers_alike_in_threads_and_children(tmp_path: Path) -> None:
    """ONNX Runtime, FAISS and the tokenizer have threads of their own, which do not live in a child."""
    if folders.bundled("quipu-small/encoder") is None:
        pytest.skip("the models do not travel with this checkout")
    (tmp_path / "p.csv").write_text("question,answer\n" + "".join(f"How long is pier {n}?,{n}0 m\n" for n in range(30)))
    with quipu.build([], tmp_path / "m", pairs=tmp_path / "p.csv") as memory:
        asked = [f"What is the length of pier {n}?" for n in range(20)]
        alone = [[hit.pair.answer for hit in hits] for hits in memory.search_many(asked, 3)]

        def again() -> list[list[str]]:
            return [[hit.pair.answer for hit in hits] for hits in memory.search_many(asked, 3)]

        with ThreadPoolExecutor(4) as pool:
            assert [future.result() for future in [pool.submit(again) for _ in range(4)]] == [alone] * 4
        assert [in_child(again) for _ in range(4)] == [alone] * 4


def test_whoever_only_asks_holds_nobody_up(memory: quipu.Memory) -> None:
    """A notebook that has a memory open kept every build and every calibration out of it."""
    path = memory.path
    memory.close()
    with quipu.open(path, encoder=WordEncoder()) as one, quipu.open(path, encoder=WordEncoder()) as other:
        assert said(one) == said(other)
        pair = quipu.QAPair.make("Who keeps the key?", "Ana")
        assert one.add([pair]) == 1
        with pytest.raises(MemoryLocked):
            other.add([quipu.QAPair.make("Who else?", "Ben")])
        assert other.ask("Who keeps the key?", min_probability=0.0).text == "Ana"
        one.close()
        assert other.add([quipu.QAPair.make("Who else?", "Ben")]) == 1


def test_a_child_is_a_process_of_its_own(memory: quipu.Memory) -> None:
    """It must not write under its parent's lock, nor take the lock with it when it ends."""
    with memory:
        memory.add([quipu.QAPair.make("Who keeps the key?", "Ana")])

        def write() -> str:
            try:
                memory.add([quipu.QAPair.make("Who else?", "Ben")])
            except MemoryLocked:
                return "locked"
            return "written"

        assert in_child(write) == "locked"
        with quipu.open(memory.path, encoder=WordEncoder()) as other, pytest.raises(MemoryLocked):
            other.add([quipu.QAPair.make("Who else?", "Ben")])


def test_a_reader_notices_what_another_process_noted(memory: quipu.Memory) -> None:
    """Until it was opened again, it answered by the old threshold and the old settings."""
    path = memory.path
    memory.close()
    with quipu.open(path, read_only=True, encoder=WordEncoder()) as reader:
        before, answerer = said(reader), reader.answerer
        fewer = reader.settings.changed({"read_pairs": 7}, "settings")
        with quipu.open(path, encoder=WordEncoder()) as writer:
            writer.keep_settings(fewer)
        assert len(said(reader)) == len(before)
        assert reader.settings == fewer and reader.answerer is not answerer

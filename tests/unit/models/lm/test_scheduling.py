"""Who works on what: the queue, what is kept, and chance."""

import numpy as np
import pytest

from quipu.models.lm.cache import PrefixCache
from quipu.models.lm.decoding import Branch
from quipu.models.lm.engine import Prefix
from quipu.models.lm.sampling import Nucleus
from quipu.models.lm.scheduling import CAPACITY, Job, Queue


def job(owner: int, tokens: int, branches: int) -> Job:
    return Job(owner, 0, tuple(range(tokens)), [[owner, at] for at in range(branches)], [], [])


def test_few_jobs_are_shared_among_the_streams() -> None:
    queue = Queue([job(at, 10, 5) for at in range(4)], 2)
    assert [len(queue.take(0, 0)) for _ in range(3)] == [2, 2, 0]


def test_short_passages_come_first_and_empty_jobs_never() -> None:
    queue = Queue([job(0, 30, 1), job(1, 10, 1), job(2, 20, 0)], 1)
    assert [item.owner for item in queue.take(0, 0)] == [1, 0]


def test_a_stream_takes_what_it_has_room_for() -> None:
    queue = Queue([job(at, 100, 40) for at in range(6)], 1)
    assert len(queue.take(0, 0)) == CAPACITY // 40
    assert queue.take(CAPACITY - 10, 0) == []
    assert len(queue.take(CAPACITY - 50, 0)) == 1
    assert queue.take(1, 10**6) == []
    assert len(queue.take(0, 10**6)) == 1  # an idle stream must go on


def test_many_branches_are_cut() -> None:
    given = job(0, 10, 2 * CAPACITY + 7)
    pieces = given.cut()
    assert [len(piece.prompts) for piece in pieces] == [CAPACITY, CAPACITY, 7]
    assert [prompt for piece in pieces for prompt in piece.prompts] == given.prompts
    assert [piece.first for piece in pieces] == [0, CAPACITY, 2 * CAPACITY]


def test_what_was_used_longest_ago_leaves_the_cache() -> None:
    kept = [Prefix(np.zeros((2, 1, 1, 16), np.float32), 1) for _ in range(4)]  # 128 bytes each
    cache = PrefixCache(300)
    cache.put((0,), kept[0])
    cache.put((1,), kept[1])
    assert cache.get((0,)) is kept[0]
    cache.put((2,), kept[2])
    assert cache.get((1,)) is None
    assert (cache.get((0,)), cache.get((2,))) == (kept[0], kept[2])
    assert cache.bytes == 256
    PrefixCache(0).put((3,), kept[3])


def test_chance_belongs_to_the_branch() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 50)).astype(np.float32)
    branches = [Branch(key=f"key {at}") for at in range(6)]
    tokens, chances = Nucleus(0.9)(branches, logits)
    for at in range(6):
        one, chance = Nucleus(0.9)([branches[at]], logits[at : at + 1])
        assert (one[0], chance[0]) == (tokens[at], chances[at])
    again, _ = Nucleus(0.9)([Branch(key=f"other {at}") for at in range(6)], logits)
    assert list(again) != list(tokens)


def test_the_nucleus_holds_the_likeliest_and_is_drawn_in_proportion() -> None:
    logits = np.log(np.array([[0.5, 0.3, 0.15, 0.05]], np.float32))
    drawn = [int(Nucleus(0.79)([Branch(key=str(at))], logits)[0][0]) for at in range(2000)]
    assert set(drawn) == {0, 1}
    assert drawn.count(0) / 2000 == pytest.approx(5 / 8, abs=0.03)
    token, chance = Nucleus(1e-9)([Branch()], logits)
    assert (token[0], round(float(chance[0]), 3)) == (0, 0.5)

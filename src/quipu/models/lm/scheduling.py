"""Which passages and prompts are worked on next, by several streams at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

CAPACITY = 64  # branches that decode together in a stream
PREFIX_TOKENS = 2048  # tokens of their passages


@dataclass(frozen=True, slots=True)
class Job:
    """A passage or window (token ids) and the prompts of its branches, which stand from ``first`` on among all of the
    text's. ``forced``: what each is made to say; ``keys``: what chance depends on; either may be empty."""

    owner: int
    first: int
    prefix: tuple[int, ...]
    prompts: list[list[int]]
    forced: list[list[int]]
    keys: list[str]

    def cut(self) -> list[Job]:
        """In pieces that a stream has room for."""
        return [
            Job(
                self.owner, self.first + at, self.prefix, self.prompts[at : at + CAPACITY],
                self.forced[at : at + CAPACITY], self.keys[at : at + CAPACITY],
            )
            for at in range(0, len(self.prompts), CAPACITY)
        ]  # fmt: skip


class Queue:
    """Jobs by the length of their passages, handed out to several streams in equal parts as long as they are few."""

    def __init__(self, jobs: Sequence[Job], streams: int) -> None:
        """Jobs without a prompt are left out."""
        pieces = [piece for job in jobs for piece in job.cut()]
        self._left = sorted(pieces, key=lambda piece: (-len(piece.prefix), piece.owner, piece.first))
        total = sum(len(piece.prompts) for piece in pieces)
        self._part = -(-total // max(1, streams))
        self._lock = Lock()

    def take(self, running: int, tokens: int) -> list[Job]:
        """What a stream with so many branches and tokens of passages takes on; for an idle one at least one job, if any
        is left."""
        taken: list[Job] = []
        room, space = min(CAPACITY - running, self._part), PREFIX_TOKENS - tokens
        with self._lock:
            while self._left:
                job = self._left[-1]
                room, space = room - len(job.prompts), space - len(job.prefix)
                if (room < 0 or space < 0) and (running or taken):
                    break
                taken.append(self._left.pop())
        return taken

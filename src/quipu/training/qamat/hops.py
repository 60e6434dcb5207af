"""What the first hop of QAMAT+ should find, mined by matching strings (Chen et al. 2023, appendix D).

The final pair's answer is the gold answer and its question shares words with the multi-hop question; the pair before it
has an answer that stands in the final pair's question and not in the multi-hop question itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quipu.language.english import FUNCTION_WORDS
from quipu.records import QAPair
from quipu.storage.store import Store
from quipu.text import normalize_answer

LOOKED_AT = 100  # pairs by BM25 that are looked through for either hop


@dataclass(frozen=True, slots=True)
class Chain:
    """Rows of the pairs of two hops, in order; the share of the question's words that they hold together."""

    first: int
    last: int
    overlap: float


def mine_chains(store: Store, question: str, answers: Sequence[str], *, limit: int = 3) -> list[Chain]:
    """The best chains for a question with gold answers, those that hold most of its words first."""
    gold = {normalize_answer(answer) for answer in answers}
    wanted = words(question)
    if not wanted:
        return []
    near = _found(store, question)
    finals = {row: pair for row, pair in near.items() if normalize_answer(pair.answer) in gold}
    for answer in answers:
        more = _found(store, f"{question} {answer}")
        finals |= {row: pair for row, pair in more.items() if normalize_answer(pair.answer) in gold}
    chains: dict[tuple[int, int], Chain] = {}
    plain = f" {normalize_answer(question)} "
    for last, final in finals.items():
        if not words(final.question) & wanted:
            continue
        inside = f" {normalize_answer(final.question)} "
        for first, pair in (near | _found(store, final.question)).items():
            bridge = normalize_answer(pair.answer)
            if first == last or not bridge or f" {bridge} " not in inside or f" {bridge} " in plain:
                continue
            if not words(pair.question) & wanted:
                continue
            held = (words(pair.question) | (words(final.question) - words(pair.answer))) & wanted
            chains[first, last] = Chain(first, last, len(held) / len(wanted))
    return sorted(chains.values(), key=lambda chain: (-chain.overlap, chain.first, chain.last))[:limit]


def words(text: str) -> set[str]:
    """Lower-case words that are no function words."""
    return {word for word in normalize_answer(text).split() if word not in FUNCTION_WORDS}


def _found(store: Store, text: str) -> dict[int, QAPair]:
    rows = [int(row) for row in store.search_words(text, LOOKED_AT)[0] if row >= 0]
    found = zip(rows, store.pairs_by_rows(rows), strict=True)
    return {row: pair for row, pair in found if pair is not None}

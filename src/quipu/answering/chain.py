"""Two hops (QAMAT+, Chen et al. 2023, section 3.4) over stored pairs: hop, rewrite, hop; the chain is the evidence.

The first hop finds pairs that are like the question. Each of them whose answer the question does not name may be a
bridge: the question is asked again with that answer in it, and what comes near it, and speaks of the bridge, may be the
end of the chain. A line of weights, fitted on composed questions, orders the chains and says how probable the best one
is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quipu.answering.linear import Line
from quipu.answering.lookup import evidence_of, names
from quipu.answering.probability import content_words
from quipu.memory.store import Store
from quipu.records import Answer, Evidence, Hit
from quipu.text import normalize_answer

BRIDGES = 8  # first pairs that a second hop starts from
FIRST, SECOND = 20, 10  # pairs that each hop finds
# Of a chain: similarity of its first pair to the question, and of its last to the rewritten one and to the question;
# whether the last pair's question names the bridge; shares of the question's words in the first, the last and either
# pair; of the last question's words that question and bridge lack; whether the question names the answer; how much
# better the last pair is than the best single pair; 1 for a pair alone, with nothing of the above but one hop's.
FEATURES = (
    "first", "last", "direct", "bridged", "in_first", "in_last", "covered", "unasked", "asked", "lead", "alone",
)  # fmt: skip

Search = Callable[[Sequence[str], int], list[list[Hit]]]


@dataclass(frozen=True, slots=True)
class ChainFound:
    """A chain: its pairs in the order of the hops, and its features."""

    hits: tuple[Hit, ...]
    features: tuple[float, ...]


def rewritten(question: str, bridge: str) -> str:
    """The question as the second hop asks it."""
    return f"{question.rstrip(' ?')} {bridge}?"


def find_chains(questions: Sequence[str], search: Search) -> list[list[ChainFound]]:
    """Chains of two pairs, and single pairs, for each question, in no order.

    ``search`` (texts, k) finds the k best pairs of each text; it is called twice, the second time for all bridges.
    """
    near = search(questions, FIRST)
    bridges: list[tuple[int, Hit]] = []
    for at, question in enumerate(questions):
        seen: set[str] = set()
        for hit in near[at]:
            normal = normalize_answer(hit.pair.answer)
            if normal and normal not in seen and not names(question, hit.pair.answer) and len(seen) < BRIDGES:
                seen.add(normal)
                bridges.append((at, hit))
    asked = [rewritten(questions[at], hit.pair.answer) for at, hit in bridges]
    ends = search(asked, SECOND) if asked else []
    found: list[list[ChainFound]] = [
        [ChainFound((hit,), _single(question, hit, row)) for hit in row[:SECOND]]
        for question, row in zip(questions, near, strict=True)
    ]
    for (at, first), row in zip(bridges, ends, strict=True):
        direct = {hit.pair.id: hit.score for hit in near[at]}
        for last in row:
            if last.pair.id != first.pair.id and normalize_answer(last.pair.answer) != normalize_answer(
                first.pair.answer
            ):
                features = _features(questions[at], first, last, direct.get(last.pair.id, 0.0), near[at])
                found[at].append(ChainFound((first, last), features))
    return found


def _single(question: str, hit: Hit, row: Sequence[Hit]) -> tuple[float, ...]:
    words, own = content_words(question), content_words(hit.pair.question)
    share, unasked = _share(words, own), _share(own, own - words)
    asked = float(names(question, hit.pair.answer))
    return (hit.score, 0.0, hit.score, 0.0, share, share, share, unasked, asked, hit.score - row[0].score, 1.0)


def _features(question: str, first: Hit, last: Hit, direct: float, row: Sequence[Hit]) -> tuple[float, ...]:
    words, bridge = content_words(question), content_words(first.pair.answer)
    one, other = content_words(first.pair.question), content_words(last.pair.question)
    inside = re.search(
        rf"(?<!\w){re.escape(normalize_answer(first.pair.answer))}(?!\w)", normalize_answer(last.pair.question)
    )
    return (
        first.score,
        last.score,
        direct,
        float(inside is not None),
        _share(words, one),
        _share(words, other),
        _share(words, one | other),
        _share(other, other - words - bridge),
        float(names(question, last.pair.answer)),
        last.score - row[0].score,
        0.0,
    )


def _share(words: set[str], there: set[str]) -> float:
    """Share of ``words`` that is there."""
    return len(words & there) / len(words) if words else 0.0


def chain(
    question: str, found: Sequence[ChainFound], store: Store, weights: Line, least: float | None = None
) -> Answer:
    """The best chain's last answer, with the pairs of the chain as evidence; ``least``: stands for the threshold.

    Without ``least`` a single pair is no answer: that is what look-up is for.
    """
    if not found:
        return Answer(question, None, 0.0, 0.0, (), "abstain", "the memory holds nothing like it", 0.0)
    scores = [weights.score(item.features) for item in found]
    best = max(range(len(found)), key=lambda at: (scores[at], -at))
    item, score = found[best], scores[best]
    evidence: tuple[Evidence, ...] = tuple(evidence_of(hit, store)[0] for hit in item.hits)
    probability = weights.probability(score)
    text = item.hits[-1].pair.answer
    if probability < (weights.threshold if least is None else least):
        reason = "no chain of pairs leads to an answer clearly enough"
        return Answer(question, None, score, probability, evidence, "abstain", reason, 0.0, text)
    if len(item.hits) == 1 and least is None:
        reason = "one pair is enough, there is no chain"
        return Answer(question, None, score, probability, evidence, "abstain", reason, 0.0, text)
    reason = "two pairs, one after the other" if len(item.hits) == 2 else "one pair is enough"
    return Answer(question, text, score, probability, evidence, "chain", reason, 0.0)

"""Two hops (QAMAT+, Chen et al. 2023, section 3.4) over stored pairs: hop, rewrite, hop; the chain is the evidence.

The first hop finds pairs that are like the question. Each of them whose answer the question does not name may be a
bridge: the question is asked again with that answer in it, and what comes near it, and speaks of the bridge, may be the
end of the chain. Questions that compare two things are answered by ``quipu.answering.steps.compare``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from quipu.answering.features import content_words, names
from quipu.answering.proposal import Context, Nearest, Proposal
from quipu.answering.scoring import unfitted
from quipu.answering.settings import AnswerSettings
from quipu.answering.steps.compare import Compare
from quipu.records import Hit, Route
from quipu.text import normalize_answer

# Of a chain: similarity of its first pair to the question, and of its last to the rewritten one and to the question;
# whether the last pair's question names the bridge; shares of the question's words in the first, the last and either
# pair; of the last question's words that question and bridge lack; whether the question names the answer; how much
# better the last pair is than the best single pair; 1 for a pair alone, with nothing of the above but one hop's.
FEATURES = (
    "first", "last", "direct", "bridged", "in_first", "in_last", "covered", "unasked", "asked", "lead", "alone",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChainFound:
    """A chain: its pairs in the order of the hops, and its features."""

    hits: tuple[Hit, ...]
    features: tuple[float, ...]


class Chain:
    """The end of a chain of two pairs, or what two pairs compared say."""

    NAME: Route = "chain"
    FEATURES = FEATURES
    UNFITTED = unfitted(**dict.fromkeys(FEATURES, 0.0) | {"direct": 4.0, "bridged": 4.0, "covered": 8.0, "lead": 6.0})

    def __init__(self, settings: AnswerSettings, compare: Compare) -> None:
        self._settings, self._compare = settings, compare

    def ready(self) -> str:
        """Always: it needs no model beside the encoder."""
        return ""

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """Comparisons first; of other questions chains of two pairs, and single pairs."""
        proposed = self._compare.propose(questions, context)
        others = [at for at, row in enumerate(proposed) if not row]
        found = find_chains([questions[at] for at in others], context.nearest, self._settings) if others else []
        for at, chains in zip(others, found, strict=True):
            proposed[at] = [Proposal("chain", item.hits[-1].pair.answer, item.features, item.hits) for item in chains]
        return proposed


def rewritten(question: str, bridge: str) -> str:
    """The question as the second hop asks it."""
    return f"{question.rstrip(' ?')} {bridge}?"


def find_chains(questions: Sequence[str], search: Nearest, settings: AnswerSettings) -> list[list[ChainFound]]:
    """Chains of two pairs, and single pairs, for each question, in no order.

    ``search`` is called twice, the second time for all bridges.
    """
    near = search(questions, settings.first_hop)
    bridges: list[tuple[int, Hit]] = []
    for at, question in enumerate(questions):
        seen: set[str] = set()
        for hit in near[at]:
            normal = normalize_answer(hit.pair.answer)
            if normal and normal not in seen and not names(question, hit.pair.answer) and len(seen) < settings.bridges:
                seen.add(normal)
                bridges.append((at, hit))
    asked = [rewritten(questions[at], hit.pair.answer) for at, hit in bridges]
    search.inherit(asked, [questions[at] for at, _ in bridges])
    ends = search(asked, settings.second_hop) if asked else []
    found: list[list[ChainFound]] = [
        [ChainFound((hit,), _single(question, hit, row)) for hit in row[: settings.second_hop]]
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

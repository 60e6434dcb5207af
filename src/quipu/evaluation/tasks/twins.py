"""Near-twins: how often does a scorer take a question for one that is only like it?

A scorer says how well a stored pair answers an asked question. The bar is set where ``coverage`` of the true
paraphrases pass; a *false hit* is a twin that passes too. The bar is one for all kinds, as it would be in use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from quipu.answering.features import features
from quipu.answering.scoring import Calibration, bundled
from quipu.answering.session import BUNDLED_CALIBRATION
from quipu.answering.verifying import Shown, described
from quipu.errors import InputError
from quipu.evaluation.metrics import mean_score
from quipu.evaluation.report import Report, show
from quipu.evaluation.twins.suite import TwinItem
from quipu.models.claims import Claim
from quipu.models.encoder import Encoder
from quipu.models.protocols import SupportsAsk, SupportsEncode, SupportsRerank, SupportsVerify
from quipu.models.reranker import load_reranker
from quipu.models.verifier import Verifier
from quipu.models.word_table import WordSimilarity
from quipu.records import Hit, QAPair, Score
from quipu.text import token_f1

Scores = NDArray[np.float64]
Scorer = Callable[[Sequence[str], Sequence[TwinItem]], Scores]


def by_words(asked: Sequence[str], stored: Sequence[TwinItem]) -> Scores:
    """Token F1 of the two questions."""
    return np.array([token_f1(question, item.question) for question, item in zip(asked, stored, strict=True)])


def by_encoder(encoder: SupportsEncode) -> Scorer:
    """Cosine of the two questions' keys."""

    def score(asked: Sequence[str], stored: Sequence[TwinItem]) -> Scores:
        keys = encoder.encode([item.question for item in stored])
        return np.asarray((encoder.encode(asked) * keys).sum(axis=1), dtype=np.float64)

    return score


def by_retriever(encoder: SupportsEncode) -> Scorer:
    """The score of a search: the asked question as the encoder asks, the stored one as it stores."""

    def score(asked: Sequence[str], stored: Sequence[TwinItem]) -> Scores:
        keys = encoder.encode([item.question for item in stored])
        vectors = encoder.ask(asked) if isinstance(encoder, SupportsAsk) else encoder.encode(asked)
        return np.asarray((vectors * keys).sum(axis=1), dtype=np.float64)

    return score


def by_reranker(reranker: SupportsRerank, similar: Scorer) -> Scorer:
    """The reranker's log-odds for the stored pair alone; ``similar``: the score of the search, which it is told."""

    def score(asked: Sequence[str], stored: Sequence[TwinItem]) -> Scores:
        pairs = [[(item.question, item.answer)] for item in stored]
        found = reranker.rerank(asked, pairs, [[value] for value in similar(asked, stored).tolist()])
        return np.array([float(row[0]) for row in found])

    return score


def by_verifier(verifier: SupportsVerify) -> Scorer:
    """The verifier's log-odds that the stored pair answers the question."""

    def score(asked: Sequence[str], stored: Sequence[TwinItem]) -> Scores:
        claims = [Claim(question, item.answer, item.question) for question, item in zip(asked, stored, strict=True)]
        return verifier.verify(claims).astype(np.float64)

    return score


def by_probability(calibration: Calibration, similar: Scorer, verified: Scorer, read: Scorer | None = None) -> Scorer:
    """What ``quipu ask --method lookup`` goes by: the calibrated probability of the stored pair, found alone.

    ``similar``: the score of the search; ``verified``: the verifier's; ``read``: the reranker's, where it is asked.
    """
    similarity = WordSimilarity()
    scorer = calibration.scorers["lookup" if read is None else "lookup_reranked"]

    def score(asked: Sequence[str], stored: Sequence[TwinItem]) -> Scores:
        scores = similar(asked, stored).tolist()
        logits = [0.0] * len(scores)
        if read is not None:
            ranked = calibration.scorers["rerank"]
            logits = [
                ranked.logit(ranked.score((10.0 * (value - 0.5), max(-8.0, min(8.0, logit)))))
                for value, logit in zip(scores, read(asked, stored).tolist(), strict=True)
            ]
        found = []
        for question, item, value, logit, odds in zip(
            asked, stored, scores, logits, verified(asked, stored).tolist(), strict=True
        ):
            hit = Hit(QAPair.make(item.question, item.answer, origin="imported"), value, 1, "vector")
            shown = Shown(Claim(question, item.answer, item.question))
            pair = features(question, [hit], [logit], 0, compared=1)
            found.append(scorer.score((*pair, *described(shown, odds, similarity))))
        return np.array(found)

    return score


def shipped(
    encoders: Sequence[str] = (), reranker: str = "quipu-small/reranker", verifier: str = "quipu-small/verifier"
) -> dict[str, Scorer]:
    """The scorers that are compared, by name: words, ``encoders``, and all that ships. A new scorer is a line here."""
    own = Encoder.from_pretrained("quipu-small/encoder")
    similar = _once(by_retriever(own))
    read = _once(by_reranker(load_reranker(reranker), similar))
    scorers: dict[str, Scorer] = {"words": by_words}
    scorers |= {name: by_encoder(Encoder.from_pretrained(name)) for name in encoders}
    verified = _once(by_verifier(Verifier.from_pretrained(verifier)))
    scorers |= {"encoder": by_encoder(own), "retriever": similar, "reranker": read, "verifier": verified}
    calibration = bundled(BUNDLED_CALIBRATION)
    if calibration is not None:
        scorers["probability"] = by_probability(calibration, similar, verified)
        scorers["probability, reranked"] = by_probability(calibration, similar, verified, read)
    return scorers


def evaluate(items: Sequence[TwinItem], scorers: dict[str, Scorer], coverage: float = 0.9) -> list[Report]:
    """One report a scorer: ``false hits``, of all twins and of each kind, and coverage of paraphrases, in per cent."""
    if not 0 < coverage <= 1:
        raise InputError(f"the coverage lies between 0 and 1, not {coverage}")
    same = [(text, item) for item in items for text in item.same]
    twins = [(text, item) for item in items for text in item.twins]
    kinds = list(dict.fromkeys(item.kind for item in items))
    reports = []
    for name, scorer in scorers.items():
        passing = scorer([text for text, _ in same], [item for _, item in same])
        false = scorer([text for text, _ in twins], [item for _, item in twins])
        bar = float(np.sort(passing)[::-1][max(0, int(np.ceil(coverage * len(passing))) - 1)])
        scores = [_share("false hits", false >= bar), _share("coverage", passing >= bar, higher=True)]
        for kind in kinds:
            of_kind = np.array([item.kind == kind for _, item in twins])
            scores.append(_share(kind, (false >= bar)[of_kind]))
            of_same = np.array([item.kind == kind for _, item in same])
            scores.append(_share(f"{kind} coverage", (passing >= bar)[of_same], higher=True))
        reports.append(Report("twins", name, tuple(scores), {"coverage": coverage, "bar": bar, "items": len(items)}))
    return reports


def rows(reports: Sequence[Report]) -> list[tuple[str, ...]]:
    """A row for all twins and one for each kind: of each report the share of false hits, in per cent."""
    kinds = [score.metric for score in reports[0].scores if not score.metric.endswith("coverage")]
    return [(kind, *(show(report[kind]) for report in reports)) for kind in kinds]


def _once(scorer: Scorer) -> Scorer:
    """The same scores, made once: other scorers are built on them, and the models take minutes."""
    known: dict[tuple[tuple[str, ...], tuple[TwinItem, ...]], Scores] = {}

    def score(asked: Sequence[str], stored: Sequence[TwinItem]) -> Scores:
        key = tuple(asked), tuple(stored)
        if key not in known:
            known[key] = scorer(asked, stored)
        return known[key]

    return score


def _share(name: str, passed: NDArray[np.bool_], *, higher: bool = False) -> Score:
    return mean_score(name, [float(value) for value in passed], scale=100.0, higher_is_better=higher)

"""From proposals to answers: how probable the best one is, whether it is said or held back, and why.

This is the only place that compares a probability with a threshold. A step proposes; here the scorer that was fitted
for the step orders what it proposes and says how probable the best is. Without fitted weights there is no probability,
and nothing is held back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from quipu.answering.accounted import Similar, phrases, unaccounted
from quipu.answering.features import FEATURES
from quipu.answering.proposal import Proposal, evidence_of
from quipu.answering.saying import OBJECTED, objection
from quipu.answering.scoring import LinearScorer
from quipu.language.inflection import every_form
from quipu.records import Answer, Evidence, Hit, Route, StepTrace
from quipu.storage import passage_vectors
from quipu.storage.store import Store
from quipu.text import normalize_answer

_NOTHING_PAIRS, _NOTHING_PASSAGES = "the memory holds nothing like it", "no passage is like the question"
_NOTHING: Mapping[str, str] = {
    "span": _NOTHING_PASSAGES, "passage": _NOTHING_PASSAGES, "hops": "no two passages lead to an answer",
}  # fmt: skip
_COMPARED = "what is compared is not said clearly enough"
_UNSURE: Mapping[str, str] = {
    "passage": "no passage says it clearly enough",
    "read": "the pairs found do not say it clearly",
    "hops": "no two passages lead to an answer clearly enough",
    "chain": "no chain of pairs leads to an answer clearly enough",
    "compare": _COMPARED,
    "compare_read": _COMPARED,
    "span": "no passage says it clearly enough",
}
COMBINED: tuple[Route, ...] = ("lookup", "passage", "read", "hops", "chain")
# Of an answer, for each step: whether the step holds it, its log-odds then, and the log-odds of another that it holds.
COMBINED_FEATURES = tuple(f"{step}_{what}" for step in COMBINED for what in ("holds", "logit", "against"))


@dataclass(frozen=True, slots=True)
class Bar:
    """How probable an answer must be: ``least`` where somebody says so, else a scorer's threshold and the ``floor``."""

    least: float | None = None
    floor: float = 0.0

    def over(self, scorer: LinearScorer) -> float:
        """The probability below which an answer by this scorer is held back."""
        return max(scorer.threshold, self.floor) if self.least is None else self.least


def decide(
    route: Route,
    question: str,
    proposals: Sequence[Proposal],
    scorer: LinearScorer,
    store: Store,
    bar: Bar,
    *,
    after_lookup: bool = False,
    similar: Similar | None = None,
) -> Answer:
    """The best proposal of one step as an answer; without text where it is less probable than ``bar``.

    A proposal against which its own place speaks gives way to the next; it is improbable where there is no other. An
    answer that is held back keeps its evidence. ``similar``: see ``unaccounted``, for the reason.
    """
    if not proposals:
        return Answer.abstained(question, reason=_NOTHING.get(route, _NOTHING_PAIRS))
    best, score, evidence, against = _best(question, proposals, scorer, store)
    probability = scorer.probability(score, after_lookup=after_lookup)
    if against and probability is not None:
        probability = min(probability, OBJECTED)
    shown = score if best.score is None else best.score
    reason = ""
    if not best.text:
        reason = "the reader says nothing"
    elif probability is not None and probability < bar.over(scorer):
        reason = against or _why_unsure(question, best, evidence, store, similar)
    elif best.scorer == "chain" and len(best.sources) == 1 and bar.least is None:
        reason = "one pair is enough, there is no chain"  # which is what lookup is for
    if reason:
        return Answer.abstained(
            question, reason=reason, score=shown, probability=probability, evidence=evidence, held=best.text or None
        )
    reason = _why_sure(best, probability)
    return Answer(question, best.text, shown, probability, evidence, route, reason, 0.0, generated=best.generated)


def hold_back(answer: Answer, least: float | None) -> Answer:
    """The answer; held back where it is less probable than ``least``, whatever its step's own threshold."""
    if least is None or answer.text is None or answer.probability is None or answer.probability >= least:
        return answer
    return replace(answer, text=None, route="abstain", reason=f"less probable than {least:g}", held=answer.text)


def combined(steps: Sequence[tuple[Route, Answer]], scorer: LinearScorer | None, bar: Bar) -> Answer:
    """The answer to a question that went through ``steps``: the last step's, if it gives one.

    Where none does, what was held back is weighed together: steps that hold the same answer confirm each other. The
    best by ``scorer`` (weights of ``COMBINED_FEATURES``) is given if it is probable enough. Without such weights the
    most probable by its own step is given where ``bar.least`` allows it. Else it stays held back, for the reason of
    the first step that holds it.
    """
    told = tuple(
        StepTrace(name, answer.text, answer.probability, answer.reason, answer.milliseconds, answer.held)
        for name, answer in steps
    )
    chosen = steps[-1][1] if steps[-1][1].text is not None else _of_held(steps, told, scorer, bar)
    return replace(chosen, tried=told, milliseconds=sum(answer.milliseconds for _, answer in steps))


def held(traces: Sequence[StepTrace]) -> dict[str, tuple[float, ...]]:
    """The answers that steps gave or held back, normalised, with what ``COMBINED_FEATURES`` names."""
    logits: dict[str, tuple[str, float]] = {}
    for trace in traces:
        normal = normalize_answer(trace.text or trace.held or "")
        if normal and trace.probability is not None:
            p = min(max(trace.probability, 1e-4), 1 - 1e-4)
            logits[trace.route] = normal, math.log(p / (1 - p))
    found: dict[str, tuple[float, ...]] = {}
    for text in dict.fromkeys(text for text, _ in logits.values()):
        features: list[float] = []
        for step in COMBINED:
            own, logit = logits.get(step, ("", 0.0))
            features += [float(own == text), logit * (own == text), logit * (own != text)]
        found[text] = tuple(features)
    return found


def _best(
    question: str, proposals: Sequence[Proposal], scorer: LinearScorer, store: Store
) -> tuple[Proposal, float, tuple[Evidence, ...], str]:
    """The proposal of the highest score, the first of equals, with its score and evidence; and what speaks against it.

    Those against which nothing speaks go before all others.
    """
    found: list[tuple[Proposal, float, tuple[Evidence, ...], str]] = []
    scored = [(item, scorer.score(item.features)) for item in proposals]
    for item, score in sorted(scored, key=lambda pair: -pair[1]):
        evidence = evidence_of(replace(item, score=score) if item.score is None else item, store)
        found.append((item, score, evidence, objection(question, item.text, evidence)))
        if not found[-1][-1]:
            return found[-1]
    return found[0]


def _of_held(
    steps: Sequence[tuple[Route, Answer]], told: Sequence[StepTrace], scorer: LinearScorer | None, bar: Bar
) -> Answer:
    """The best of what the steps held back, given or still held back."""
    known = [item for item in steps if normalize_answer(item[1].held or "") and item[1].probability is not None]
    if not known:
        return steps[0][1]
    best = _most_probable(known) if scorer is None else _confirmed(known, held(told), scorer)
    least = bar.least if scorer is None else bar.over(scorer)
    if least is not None and (best.probability or 0.0) >= least:
        return best
    text = normalize_answer(best.text or "")
    reason = next(answer.reason for _, answer in known if normalize_answer(answer.held or "") == text)
    return replace(best, text=None, held=best.text, route="abstain", reason=reason)


def _most_probable(known: Sequence[tuple[Route, Answer]]) -> Answer:
    """What the step that is surest of what it holds would say."""
    name, best = max(known, key=lambda item: item[1].probability or 0.0)
    return replace(best, text=best.held, route=name, reason=f"not sure: {best.reason}")


def _confirmed(
    known: Sequence[tuple[Route, Answer]], found: Mapping[str, tuple[float, ...]], scorer: LinearScorer
) -> Answer:
    """The best answer by the weights of all steps, with the evidence of the surest step that holds it."""
    scores = {text: scorer.score(features) for text, features in found.items()}
    text = max(scores, key=lambda text: scores[text])
    agreeing = [(name, answer) for name, answer in known if normalize_answer(answer.held or "") == text]
    reason = "more probable than what the other steps found"
    if len(agreeing) > 1:
        reason = f"{' and '.join(name for name, _ in agreeing)} agree"
    return replace(_most_probable(agreeing), probability=scorer.probability(scores[text]), reason=reason)


def _why_sure(best: Proposal, probability: float | None) -> str:
    """Where an answer that is given comes from, in words."""
    count = len(best.sources)
    first = best.sources[0] if best.sources else None
    if best.scorer in ("lookup", "lookup_reranked"):
        if probability is None and isinstance(first, Hit):
            return f"the stored pair nearest to the question (by {first.via})"
        return "the stored pair that answers the question best"
    said = {
        "passage": "read from a passage",
        "span": "found in a passage, no pair holds it",
        "read": f"read from {count} pairs",
        "hops": "read from two passages together",
        "chain": "two pairs, one after the other" if count == 2 else "one pair is enough",
        "compare": f"{count} pairs, compared",
        "compare_read": f"{count} passages, compared",
    }[best.scorer]
    return said + ("; generated: it does not stand there in these words" if best.generated else "")


def _why_unsure(
    question: str, best: Proposal, evidence: Sequence[Evidence], store: Store, similar: Similar | None
) -> str:
    """Why an answer is not trusted, in words: what of the question is not stored, or what is against the answer."""
    texts = [f"{item.pair.question} {item.pair.answer}" for item in evidence if item.pair]
    texts += [f"{item.passage.about()} {item.passage.text}" for item in evidence if item.passage]
    missing = phrases(question, unaccounted(question, texts, similar))
    unknown = [phrase for phrase in missing if not _stored(phrase, store)]
    if unknown:
        return f"nothing stored speaks of {_listed(unknown)}"
    if best.scorer in _UNSURE:
        return _UNSURE[best.scorer] + (f"; not spoken of: {_listed(missing)}" if missing else "")
    of = dict(zip(FEATURES, best.features, strict=False))  # what the verification says comes after these
    if of["similarity"] < 0.5:
        return "nothing similar is stored"
    if missing:
        nearest = "the nearest pair" + (" and its passage do" if evidence[0].passage else " does")
        return f"{nearest} not speak of {_listed(missing)}"
    if of["agreement"] < 0.5:
        return "the candidates disagree"
    return "what is stored is similar, but asks for something else"


def _listed(phrases: Sequence[str]) -> str:
    return ", ".join(repr(phrase) for phrase in phrases)


def _stored(phrase: str, store: Store) -> bool:
    """Whether any pair or passage holds one of the words in any of its forms."""
    words = phrase.lower().split()
    forms = " ".join(dict.fromkeys(form for word in words for form in (word, *every_form(word))))
    return bool(passage_vectors.search_ids(store, forms, 1)) or bool(store.search_words(forms, 1)[0][0] >= 0)

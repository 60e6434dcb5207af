"""What is said and what is held back, by hand-worked probabilities, and reasons that are true."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quipu.answering.decision import Bar, decide, held
from quipu.answering.features import FEATURES, features
from quipu.answering.proposal import PassageSpan, Proposal
from quipu.answering.scoring import LinearScorer, Odds, unfitted
from quipu.records import Document, Hit, Passage, QAPair, Span, StepTrace
from quipu.storage.store import Store

SUEZ = QAPair.make("When was the Suez Canal opened?", "1869", filter_score=0.75)
SIMILAR = LinearScorer(FEATURES, (10.0, *[0.0] * (len(FEATURES) - 1)), Odds(1.0, -5.0), 0.9)  # half sure of .5
PASSAGE = LinearScorer(("log_p",), (2.0,), Odds(1.0, 1.0), 0.5)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "m", width=2, models={})


def pair_found(question: str, pair: QAPair, score: float, context: str = "") -> list[Proposal]:
    """What lookup proposes where it finds one pair."""
    hit = Hit(pair, score, 1, "vector")
    return [Proposal("lookup", pair.answer, features(question, [hit], [0.0], 0, context), (hit,), score)]


def ask(store: Store, question: str, score: float, scorer: LinearScorer = SIMILAR, bar: Bar | None = None) -> tuple:
    answer = decide("lookup", question, pair_found(question, SUEZ, score), scorer, store, bar or Bar())
    return answer.text, answer.probability, answer.reason


def test_an_answer_below_the_threshold_is_held_back_with_its_evidence(store: Store) -> None:
    """Held back, not thrown away: the pair stays in the evidence, and a lower bar shows the answer."""
    text, probability, _ = ask(store, "When was the Suez Canal opened?", 0.95)
    assert text == "1869" and probability == pytest.approx(1 / (1 + math.exp(-4.5)))
    question = "When was the Kiel Canal opened?"
    answer = decide("lookup", question, pair_found(question, SUEZ, 0.6), SIMILAR, store, Bar())
    assert (answer.text, answer.held, answer.route) == (None, "1869", "abstain") and "Kiel" in answer.reason
    assert answer.evidence[0].pair == SUEZ and answer.probability == pytest.approx(1 / (1 + math.exp(-1.0)))
    assert ask(store, question, 0.6, bar=Bar(0.2))[0] == "1869"
    assert ask(store, "When was the Suez Canal opened?", 0.95, bar=Bar(None, 0.999))[0] is None  # the memory's floor
    assert ask(store, "Who wrote Faust?", 0.1)[2] == "nothing stored speaks of 'wrote', 'Faust'"
    assert ask(store, "Who wrote Faust?", 0.1, bar=Bar(0.0))[0] == "1869"
    plain = ask(store, "Who wrote Faust?", 0.1, scorer=replace(SIMILAR, odds=None))
    assert plain[:2] == ("1869", None) and "nearest" in plain[2]  # no calibration: nothing is held back
    assert decide("lookup", "x", [], SIMILAR, store, Bar()).reason == "the memory holds nothing like it"


def test_a_reason_about_a_number_is_true_of_all_that_is_stored(store: Store) -> None:
    """ "Nothing stored speaks of 1999" must not be said where a passage holds that number."""
    assert ask(store, "What happened in 1999?", 0.55)[2] == "nothing stored speaks of '1999'"
    document = Document.make("a.txt", "Ports", "The western docks burned in 1999. They were built by Kiel.")
    store.add_documents([document], [Passage.make(document, Span(0, len(document.text)))])
    assert ask(store, "What happened in 1999?", 0.55)[2] == "the nearest pair does not speak of '1999'"
    assert ask(store, "Which docks burn?", 0.3)[2] == "nothing similar is stored"  # "burned" is
    own = QAPair.make("When did the docks burn?", "1999", document_id=document.id, span=Span(29, 33))
    store.add([own], np.eye(1, 2, dtype=np.float32), [own.question])
    question = "When did the docks of Kiel burn?"
    answer = decide("lookup", question, pair_found(question, own, 0.6), SIMILAR, store, Bar())
    assert answer.reason == "what is stored is similar, but asks for something else"  # Kiel stands in the passage
    question = "When did the docks of Suez burn?"
    answer = decide("lookup", question, pair_found(question, own, 0.6), SIMILAR, store, Bar())
    assert answer.reason == "nothing stored speaks of 'Suez'"
    store.add([SUEZ], np.eye(1, 2, dtype=np.float32), [SUEZ.question])
    answer = decide("lookup", question, pair_found(question, own, 0.6), SIMILAR, store, Bar())
    assert answer.reason == "the nearest pair and its passage do not speak of 'Suez'"


def test_the_best_proposal_counts_and_what_is_generated_is_marked(store: Store) -> None:
    """By hand: log p -.1 gives log-odds 2 * -.1 + 1 = .8, p = .69; after lookup -.2 - 1 = -1.2, p = .23."""
    document = Document.make("tea.txt", "Tea", "Fortune carried tea plants to Calcutta.")
    passage = Passage.make(document, Span(0, len(document.text)))
    store.add_documents([document], [passage])
    proposals = [
        Proposal("passage", "Calcutta", (-0.1,), (PassageSpan(passage.id, 30, 38),)),
        Proposal("passage", "a port", (-0.7,), (PassageSpan(passage.id, -1, -1),), generated=True),
    ]
    answer = decide("passage", "Where?", proposals, PASSAGE, store, Bar())
    assert (answer.text, answer.route, answer.generated) == ("Calcutta", "passage", False)
    assert answer.probability == pytest.approx(1 / (1 + math.exp(-0.8))) and answer.evidence[0].quote == "Calcutta"
    later = replace(PASSAGE, after_lookup=Odds(1.0, -1.0))
    assert decide("passage", "Where?", proposals, later, store, Bar(), after_lookup=True).held == "Calcutta"
    made = decide("passage", "Where?", proposals[1:], PASSAGE, store, Bar(0.0))
    assert made.text == "a port" and made.generated and "generated" in made.reason
    assert made.evidence[0].passage == passage and made.evidence[0].span is None
    silent = decide("passage", "Where?", [replace(proposals[0], text="")], PASSAGE, store, Bar(0.0))
    assert silent.text is None and silent.reason == "the reader says nothing"
    unsure = decide("passage", "Where?", proposals, unfitted(log_p=-1.0), store, Bar())
    assert (unsure.text, unsure.probability) == ("a port", None)


def test_a_chain_of_one_pair_is_no_chain(store: Store) -> None:
    hit = Hit(SUEZ, 0.9, 1, "vector")
    scorer = LinearScorer(("covered",), (1.0,), Odds(1.0, 0.0), 0.4)
    one = [Proposal("chain", "1869", (1.0,), (hit,))]
    assert decide("chain", "When?", one, scorer, store, Bar()).reason == "one pair is enough, there is no chain"
    assert decide("chain", "When?", one, scorer, store, Bar(0.1)).text == "1869"
    two = decide("chain", "When?", [replace(one[0], sources=(hit, hit))], scorer, store, Bar())
    assert (two.text, two.reason, len(two.evidence)) == ("1869", "two pairs, one after the other", 2)


def test_what_steps_hold_as_numbers() -> None:
    def step(route: str, text: str, p: float | None) -> StepTrace:
        return StepTrace(route, None, p, "", 0.0, text)

    found = held([step("lookup", "The sea", 0.5), step("passage", "sea", 0.2), step("read", "a lake", 0.8)])
    assert list(found) == ["sea", "lake"]
    nothing = (0,) * 6
    assert found["sea"] == pytest.approx((1, 0, 0, 1, math.log(0.25), 0, 0, 0, math.log(4), *nothing))
    assert found["lake"] == pytest.approx((0, 0, 0, 0, 0, math.log(0.25), 1, math.log(4), 0, *nothing))
    assert held([step("lookup", "x", None), step("read", "", 0.3)]) == {}

"""Which questions does a passage not answer? SQuAD's development half, each question over its own paragraph.

    python benchmarks/run.py unanswerable --data DATA

Annotators wrote the unanswerable ones so that they look answerable. The language model has to answer ``--limit``
questions of each kind (600, evenly spread; 0: all 2,910 and 3,168), and what says whether its answer holds is compared:
its own log-odds that something answers, the verifier's that this does, both added, how much likelier the paragraph
makes the question, all of these as the shipped probability of an answer from a passage weighs them, and the cosine of
question and paragraph. AUROC, and the share of the unanswerable ones that is refused where 85 % of the answerable ones
are answered.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from common import say
from figures import Figure, Result, share
from quipu.answering.scoring import bundled
from quipu.answering.session import BUNDLED_CALIBRATION
from quipu.answering.steps.reading import log_odds, log_probability
from quipu.evaluation.tasks.open_domain import spread
from quipu.language.sentences import sentences
from quipu.models.claims import Claim, evidence_at
from quipu.models.encoder import Encoder
from quipu.models.lm.model import LanguageModel
from quipu.models.protocols import Reading
from quipu.models.verifier import Verifier
from quipu.records import Example, Score, Span
from reader import questions

QUESTIONS = 600
ANSWERED = 0.85
WEIGHED = ("log_p", "odds", "likelihood", "verified")  # features of an answer from a passage
QUIPU = "as quipu weighs them"
GOALS = {(QUIPU, "unanswerable refused, %"): 60.0, (QUIPU, "AUROC"): 0.85}


def claim_of(example: Example, reading: Reading) -> Claim:
    """What the reader says of a question, with the sentence of it."""
    title, text = example.passages[0], example.passages[1]
    shown = evidence_at(title, text, sentences(text), reading.start, reading.start + 1)
    return Claim(example.question, reading.text, "", shown)


def likelihoods(model: LanguageModel, examples: list[Example], readings: list[Reading]) -> NDArray[np.float64]:
    """How much likelier each paragraph makes its question, as one about what was read; tens of log-odds."""
    stand = [at for at, reading in enumerate(readings) if reading.start >= 0]
    values = model.question_likelihood(
        [examples[at].passages[1] for at in stand], [[Span(readings[at].start, readings[at].end)] for at in stand],
        [[examples[at].question] for at in stand], titles=[examples[at].passages[0] for at in stand],
    )  # fmt: skip
    found = np.zeros(len(examples))
    found[stand] = [value / 10.0 for (value,) in values]
    return found


def weighed(columns: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """``WEIGHED`` by the weights that ship."""
    shipped = bundled(BUNDLED_CALIBRATION)
    assert shipped is not None
    scorer = shipped.scorers["passage"]
    weights = dict(zip(scorer.features, scorer.weights, strict=True))
    return np.asarray(sum(weights[name] * column for name, column in zip(WEIGHED, columns, strict=True)))


def cosines(examples: list[Example]) -> NDArray[np.float64]:
    """Of each question and its paragraph."""
    encoder = Encoder.from_pretrained("quipu-small/encoder")
    asked = encoder.encode([example.question for example in examples])
    return np.asarray((asked * encoder.encode([example.passages[1] for example in examples])).sum(axis=1), np.float64)


def figures_of(system: str, values: NDArray[np.float64], answerable: NDArray[np.bool_]) -> list[Figure]:
    """How well values tell answerable questions from the others."""
    least = np.sort(values[answerable])[::-1][int(np.ceil(ANSWERED * answerable.sum())) - 1]
    refused = values[~answerable] < least
    return [
        Figure(system, Score("AUROC", float(roc_auc_score(answerable, values)), len(values))),
        share(system, "unanswerable refused, %", int(refused.sum()), len(refused)),
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own defaults."""
    parser.set_defaults(limit=QUESTIONS)


def run(options: argparse.Namespace) -> Result:
    """Read and verify."""
    known, unknown = (spread(rows, options.limit or len(rows)) for rows in questions(options.data))
    asked = [*known, *unknown]
    answerable = np.arange(len(asked)) < len(known)
    model, verifier = LanguageModel.from_pretrained("quipu-small/lm"), Verifier.from_pretrained()
    readings = model.read(
        [example.question for example in asked], [example.passages[1] for example in asked],
        titles=[example.passages[0] for example in asked], always=True,
    )  # fmt: skip
    say(f"{len(asked)} questions read")
    read = np.array([log_odds(reading.nothing) for reading in readings])
    claims = [claim_of(example, reading) for example, reading in zip(asked, readings, strict=True)]
    began = time.perf_counter()
    verified = verifier.verify(claims).astype(np.float64)
    each = 1000 * (time.perf_counter() - began) / len(claims)
    likely = likelihoods(model, asked, readings)
    log_p = np.array([log_probability(reading.probability) for reading in readings])
    columns = {
        QUIPU: weighed([log_p, read, likely, verified]), "reader and verifier": read + verified, "verifier": verified,
        "reader": read, "question's likelihood": likely, "cosine": cosines(asked),
    }  # fmt: skip
    figures = [
        *(figure for name, values in columns.items() for figure in figures_of(name, values, answerable)),
        Figure("verifier", Score("ms a claim, in batches", each, len(claims), None, False)),
    ]  # fmt: skip
    title = f"Refusing: {len(known)} answerable and {len(unknown)} unanswerable questions of SQuAD half"
    return Result.now("unanswerable", title, figures, goals=GOALS)

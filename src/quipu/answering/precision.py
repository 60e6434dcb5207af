"""From a wanted precision to a threshold: how probable must an answer be, so that so many of those given are right?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from quipu.answering.scoring import ORDERING, Calibration, LinearScorer
from quipu.errors import InputError


@dataclass(frozen=True, slots=True)
class Promise:
    """A threshold ``probability`` for a wanted ``precision``.

    ``answered``: the share of the questions ``fitted_on`` that it leaves; None where nobody has counted, and every
    single answer is as probable as the precision.
    """

    precision: float
    probability: float
    answered: float | None
    fitted_on: str

    def text(self) -> str:
        """In a sentence."""
        said = f"a precision of {self.precision:g}: answers of probability {self.probability:.2f} or more"
        if self.answered is None:
            return f"{said}; run quipu calibrate to know how many questions that leaves"
        return f"{said}, {self.answered:.0%} of {self.fitted_on}"


def promised(
    precision: float,
    name: str,
    calibrations: Sequence[Calibration],
    fitted: Callable[[Calibration, str], LinearScorer | None],
    where: str,
) -> Promise:
    """The least threshold by which the answers of a scorer, "cascade" or a step's, are so often right.

    calibrations: the memory's own first; ``fitted`` gives a scorer of one where it serves the models in use. Where a
    scorer does not say what its thresholds come to, each answer must be as probable as the precision. InputError, with
    the memory ``where``, for a precision that is none or out of reach, and where no probability is fitted.
    """
    if not 0 < precision <= 1:
        raise InputError(f"a precision is more than 0 and at most 1, not {precision:g}")
    known = [(item, made) for item in calibrations if (made := fitted(item, name)) is not None and made.odds]
    if not known:
        raise InputError(f"{where}: its models have no probability for {name}; run: quipu calibrate {where}")
    calibration, scorer = known[0]
    if not scorer.reach:
        serving = _serving(calibration.scorers, name)
        best = max(made.odds.probability(float("inf")) for made in serving if made.odds is not None)
        least, answered = precision, None
    else:
        best = max(row.precision for row in scorer.reach)
        row = min((row for row in scorer.reach if row.precision >= precision), default=None)
        least, answered = (row.probability, row.answered) if row is not None else (precision, None)
    if best < precision:
        raise InputError(
            f"{where}: a precision of {precision:g} is out of reach, the surest answers reach {best:.2f}; ask for "
            f"less, or fit the probabilities to your questions: quipu calibrate {where} --questions FILE"
        )
    return Promise(precision, least, answered, calibration.fitted_on)


def _serving(scorers: Mapping[str, LinearScorer], name: str) -> list[LinearScorer]:
    """The scorers whose probabilities an answer can have."""
    return [made for known, made in scorers.items() if (known not in ORDERING if name == "cascade" else known == name)]

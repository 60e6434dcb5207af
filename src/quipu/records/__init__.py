"""The types that travel between the rooms: frozen values, no behaviour beyond validation and (de)serialising.

Ids are content hashes. Scores: higher is better, always. Spans are characters of the *document's* extracted
text, end exclusive, so that passages can be cut again without moving any evidence.
"""

from quipu.records.answers import Answer, Dated, Elsewhere, Evidence, NearestSentence, Place, Route, StepTrace
from quipu.records.calls import ModelCall
from quipu.records.documents import BlockKind, Document, Heading, Mark, Passage, Span, content_id
from quipu.records.examples import Example, Score
from quipu.records.pairs import Candidate, Hit, Origin, QAPair, Stage, Verdict, Via

__all__ = [
    "Answer", "BlockKind", "Candidate", "Dated", "Document", "Elsewhere", "Evidence", "Example", "Heading", "Hit",
    "Mark", "ModelCall", "NearestSentence", "Origin", "Passage", "Place", "QAPair", "Route", "Score", "Span", "Stage",
    "StepTrace", "Verdict", "Via", "content_id",
]  # fmt: skip

"""The writer asks about people's spans and about any passages: what is written down, with a writer of rules."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from quipu.datasets import published
from quipu.models.protocols import Written
from quipu.records import Candidate, Span
from quipu.training.jobs import questions as questions
from quipu.training.jobs.questions import QuestionsRecipe
from quipu.training.jobs.self_labelling import AskRecipe, ask_spans

pytestmark = pytest.mark.torch
TEXT = (
    "The canal was opened in 1869. It joins two seas, and it has been widened many times since it was first dug there."
)


class Rules:
    """Marks the years; asks "Where does SPAN stand?", and about "dug" nothing."""

    def extractor(self) -> Rules:
        return self

    def writer(self) -> Rules:
        return self

    def extract(self, texts: Sequence[str], *, limit: int = 14) -> list[list[Candidate]]:
        places = [Span(text.index("1869"), text.index("1869") + 4) for text in texts]
        dug = [Span(text.index("dug"), text.index("dug") + 3) for text in texts]
        return [
            [Candidate(span, text[span.start : span.end], 0.0, "learned") for span in (one, other)][:limit]
            for text, one, other in zip(texts, places, dug, strict=True)
        ]

    def write(self, texts: Sequence[str], spans: Sequence[Sequence[Span]], **_: Any) -> list[list[list[Written]]]:
        said = [[text[span.start : span.end] for span in some] for text, some in zip(texts, spans, strict=True)]
        return [[[] if word == "dug" else [Written(f"Where does {word} stand?", -0.5)] for word in row] for row in said]


def test_every_span_that_a_person_asked_about_is_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair with another span's question would bring keys together that have nothing in common."""
    monkeypatch.setattr("quipu.training.jobs.self_labelling.Models", lambda writer: Rules())
    for name in ("qamr", "fairytaleqa", "policyqa"):
        monkeypatch.setattr(published, name, lambda data: [])
    at, dug = TEXT.index("1869"), TEXT.index("dug")
    row = {"group": "canal", "text": TEXT, "source": "files", "asked": [["When?", at, at + 4], ["Done?", dug, dug + 3]]}
    (tmp_path / "marked.jsonl").write_text(json.dumps(row) + "\n")
    out = ask_spans(AskRecipe(data=tmp_path, marked=tmp_path / "marked.jsonl", out=tmp_path / "asked.jsonl"))
    (line,) = map(json.loads, out.read_text().splitlines())
    assert line == {"group": "canal", "pairs": [{
        "question": "When?", "answer": "1869", "sentence": "The canal was opened in 1869.",
        "generated": "Where does 1869 stand?",
    }]}  # fmt: skip


def test_passages_are_asked_about_and_an_interrupted_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans must be those of their own passage; a second start must not ask again."""
    monkeypatch.setattr(questions, "Models", lambda writer: Rules())
    with gzip.open(tmp_path / "texts.jsonl.gz", "wt") as file:
        for number in range(20):
            file.write(json.dumps({"text": f"{number} times: {TEXT} So it was."}) + "\n")
    recipe = QuestionsRecipe(data=tmp_path, out=tmp_path / "out.jsonl", texts=tmp_path / "texts.jsonl.gz")
    whole = questions.run(recipe).read_text()
    contexts = published.read_contexts(recipe.out)
    assert len({context.text for context in contexts}) == 20
    for context in contexts:
        (asked,) = context.asked
        assert asked.question == "Where does 1869 stand?" and context.text[asked.start : asked.end] == "1869"
    recipe.out.write_text("".join(whole.splitlines(keepends=True)[:16]))
    assert questions.run(recipe).read_text() == whole

"""A reader of memories of any T5 or BART checkpoint that QAMAT trained, converted to CTranslate2.

The whole reader is a plain encoder-decoder over [m_K; ..; m_1; X] (Chen et al. 2023, section 3.4): the neural path was
dropped after training. ``quipu.training.export.ctranslate`` makes the folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from quipu.models.ctranslate import library, translator
from quipu.models.folders import cores
from quipu.models.loaded import LoadedModel
from quipu.models.memory_input import Marks, joined, value_text
from quipu.models.protocols import MemoryReading
from quipu.text import normalize_answer

QUESTIONS_PER_BATCH = 16


class CTranslateMemoryReader(LoadedModel):
    """``SupportsReadMemory``; all pairs in one text, beams as set at the export."""

    KIND = "ctranslate-memory-reader"

    def __init__(self, name_or_path: str | Path) -> None:
        """Load and verify; MissingExtra without ctranslate2."""
        library()
        super().__init__(name_or_path)
        settings = self._settings
        self.k, self.sentence = int(settings["k"]), bool(settings["sentence"])
        self._value_length, self._x_length = int(settings["value_length"]), int(settings["x_length"])
        self._longest, self._beams = int(settings["answer_length"]), int(settings["beams"])
        around = self._tokenizer.encode("").ids
        self._marks = Marks(around[:-1], around[-1:], False)
        self._mask = int(settings["mask"])
        self._model = translator(self._path, cores())

    def read(self, questions: Sequence[str], pairs: Sequence[Sequence[tuple[str, str]]]) -> list[MemoryReading]:
        """An answer for each question from its pairs (key text or question, answer), best first."""
        if not questions:
            return []
        values = iter(
            self._pieces([value_text(answer, text) for row in pairs for text, answer in row], self._value_length)
        )
        entries = [[next(values) for _ in row] for row in pairs]
        xs = [[self._mask, *ids] for ids in self._pieces(questions, self._x_length - 1)]
        rows, _, _ = joined(self._marks, entries, xs)
        sources = [[str(self._tokenizer.id_to_token(token)) for token in row] for row in rows]
        results = self._model.translate_batch(
            sources, max_batch_size=QUESTIONS_PER_BATCH, beam_size=self._beams, max_decoding_length=self._longest,
            return_scores=True, min_decoding_length=0, length_penalty=0,  # the sum of log p
        )  # fmt: skip
        return [self._reading(result, row) for result, row in zip(results, pairs, strict=True)]

    def _reading(self, result: object, row: Sequence[tuple[str, str]]) -> MemoryReading:
        tokens, score = result.hypotheses[0], float(result.scores[0])  # type: ignore[attr-defined]
        ids = [self._tokenizer.token_to_id(token) for token in tokens]
        text = self._tokenizer.decode([piece for piece in ids if piece is not None]).strip()
        normal = normalize_answer(text)
        for at, (_, answer) in enumerate(row):
            said = self._tokenizer.decode(self._pieces([answer], 10**6)[0])
            if normal and normal in (normalize_answer(answer), normalize_answer(said)):
                return MemoryReading(answer, score, at)
        return MemoryReading(text, score, None)

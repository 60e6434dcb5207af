"""A question writer of any BART or T5 checkpoint, converted to CTranslate2 (``quipu.training.export.ctranslate``).

The input is PAQ's: "answer: A | title: T | context: the passage with ** around ** the answer" (Lewis et al. 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quipu.errors import MissingExtra
from quipu.models.folders import cores
from quipu.models.loaded import LoadedModel
from quipu.models.protocols import Written
from quipu.records import Span

QUESTIONS_PER_BATCH = 32


def library() -> Any:
    """CTranslate2; MissingExtra where it is not installed."""
    try:
        import ctranslate2
    except ImportError as error:
        raise MissingExtra("this model runs on CTranslate2: pip install 'quipu-qa[ctranslate2]'") from error
    return ctranslate2


def translator(folder: Path, workers: int) -> Any:
    """One thread a batch and ``workers`` batches: three times as fast as all cores on one batch (see docs/log.md)."""
    return library().Translator(str(folder), device="cpu", compute_type="int8", inter_threads=workers, intra_threads=1)


class CTranslateWriter(LoadedModel):
    """Implements ``SupportsWrite``; it extracts no answers, the extractor that ships does that beside it."""

    KIND = "ctranslate-writer"

    def __init__(self, name_or_path: str | Path) -> None:
        """Load and verify; MissingExtra without ctranslate2."""
        self._library = library()
        super().__init__(name_or_path)
        self._longest = int(self._settings["question_length"])
        self._tokenizer.enable_truncation(int(self._settings["max_length"]))
        self._model = translator(self._path, cores())

    def write(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]],
        *,
        per_span: int = 1,
        seed: int = 0,
        top_p: float | None = None,
    ) -> list[list[list[Written]]]:
        """Questions a span of each text: greedy, or nucleus sampling where ``top_p`` is given or several are asked."""
        nucleus = top_p if top_p is not None else (0.6 if per_span > 1 else None)
        jobs = [(row, at, span) for row, items in enumerate(spans) for at, span in enumerate(items)]
        sources = [self._tokenizer.encode(prompt(texts[row], span)).tokens for row, _, span in jobs]
        options: dict[str, Any] = {"beam_size": 1, "min_decoding_length": 0}
        model = self._model
        if nucleus is not None:
            # CTranslate2 seeds a worker when it starts: only a new one, alone, samples the same for the same seed
            self._library.set_random_seed(seed % 2**32)
            model = translator(self._path, 1)
            options |= {"sampling_topk": 0, "sampling_topp": nucleus, "num_hypotheses": per_span}
        made: list[list[list[Written]]] = [[[] for _ in items] for items in spans]
        if not sources:
            return made
        results = model.translate_batch(
            sources,
            max_batch_size=QUESTIONS_PER_BATCH,
            return_scores=True,  # already a mean: the length penalty divides by the length
            length_penalty=1,
            max_decoding_length=self._longest,
            **options,
        )
        for (row, at, _), result in zip(jobs, results, strict=True):
            for tokens, score in zip(result.hypotheses, result.scores, strict=True):
                ids = [self._tokenizer.token_to_id(token) for token in tokens]
                question = self._tokenizer.decode([piece for piece in ids if piece is not None]).strip()
                if question and all(question != known.question for known in made[row][at]):
                    made[row][at].append(Written(question, float(score)))
        return made


def prompt(text: str, span: Span, title: str = "") -> str:
    """What a question generator of PAQ's kind is given."""
    answer = text[span.start : span.end]
    context = f"{text[: span.start]}** {answer} **{text[span.end :]}"
    return f"answer: {answer} | title: {title} | context: {context}"

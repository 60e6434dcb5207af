"""Questions a second of QAMAT against FiD at T5-base size, with random weights: speed does not depend on them.

    python benchmarks/run.py t5-speed [--pairs 32] [--passages 100] [--repeats 3]

QAMAT reads ``pairs`` of 40 word pieces in one text, FiD ``passages`` of 200, each with the question. Both by torch in
bf16, greedy, eight pieces of answer; the search is not in it.
"""

from __future__ import annotations

import argparse
import time

import torch
from transformers import T5Config, T5ForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput

from figures import Figure, Result
from quipu.records import Score

QUESTION, PAIR, PASSAGE, ANSWER = 20, 40, 200, 8  # word pieces


def answer(model: T5ForConditionalGeneration, blocks: torch.Tensor, questions: int) -> None:
    """Encode blocks (questions * n, length) and decode over those of each question side by side."""
    states = torch.cat([model.get_encoder()(some).last_hidden_state for some in blocks.split(20)])  # type: ignore[no-untyped-call]
    side_by_side = states.reshape(questions, -1, states.shape[-1])
    model.generate(
        encoder_outputs=BaseModelOutput(last_hidden_state=side_by_side),
        attention_mask=torch.ones(side_by_side.shape[:2], dtype=torch.long),
        min_new_tokens=ANSWER, max_new_tokens=ANSWER, do_sample=False,
    )  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--pairs", type=int, default=32)
    parser.add_argument("--passages", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)


def run(options: argparse.Namespace) -> Result:
    """Time both."""
    torch.manual_seed(0)
    config = T5Config(  # type: ignore[call-arg]
        vocab_size=32128, d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12, feed_forward_proj="gated-gelu",
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config).eval().to(torch.bfloat16)  # type: ignore[no-untyped-call]
    names = (f"QAMAT, {options.pairs} pairs", f"FiD, {options.passages} passages")
    figures: list[Figure] = []
    least: dict[tuple[str, int], float] = {}
    for name, batch, blocks, length in (
        (names[0], 1, 1, options.pairs * PAIR + QUESTION), (names[0], 16, 1, options.pairs * PAIR + QUESTION),
        (names[1], 1, options.passages, PASSAGE + QUESTION),
    ):  # fmt: skip
        ids = torch.randint(2, 32000, (batch * blocks, length))
        times = []
        with torch.inference_mode():
            for _ in range(options.repeats + 1):  # the first does not count
                began = time.perf_counter()
                answer(model, ids, batch)
                times.append((time.perf_counter() - began) / batch)
        metric = "seconds a question" if batch == 1 else f"{batch} together"
        least[name, batch] = min(times[1:])
        figures.append(Figure(name, Score(metric, least[name, batch], options.repeats, None, False)))
    ratio = least[names[1], 1] / least[names[0], 1]
    figures.append(Figure(names[1], Score("times as long as QAMAT", ratio, options.repeats), 10.0))
    title = "Speed at T5-base size: random weights, bf16, torch, search not included"
    return Result.now("t5-speed", title, figures)

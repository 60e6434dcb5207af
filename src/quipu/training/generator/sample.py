"""Greedy questions from the torch model: for rounds of self-training, and the oracle of the exported writer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer

from quipu.training.generator.data import token_span
from quipu.training.generator.model import BUCKETS, STYLES, Generator, block, buckets, copied_states


def pad(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """ids and mask (B, T) int64."""
    length = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[0] * (length - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
    return ids, mask


def greedy(
    model: Generator,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    spans: Sequence[Sequence[tuple[int, int]]],
    style: str = "squad",
    *,
    half: bool = True,
) -> list[list[str]]:
    """One question a span (characters start, end of its text); empty where a span holds no word.

    ``half`` computes in bfloat16, which is faster and good enough for making data.
    """
    encodings = tokenizer.encode_batch(list(texts))
    ids, mask = pad([encoding.ids for encoding in encodings])
    most = max(len(row) for row in spans)
    start = torch.zeros(len(texts), most, dtype=torch.long)
    end, real = torch.zeros_like(start), torch.zeros_like(start, dtype=torch.bool)
    for row, (encoding, items) in enumerate(zip(encodings, spans, strict=True)):
        for column, (left, right) in enumerate(items):
            place = token_span(encoding.offsets, left, right)
            if place is not None:
                start[row, column], end[row, column] = place
                real[row, column] = True
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        written = greedy_ids(model, ids, mask, start, end, STYLES.index(style))
    stop = int(model.pieces[0])
    questions = []
    for row, items in enumerate(spans):
        line = []
        for column in range(len(items)):
            pieces = written[row, column].tolist()
            pieces = pieces[: pieces.index(stop)] if stop in pieces else pieces
            line.append(tokenizer.decode(pieces) if real[row, column] else "")
        questions.append(line)
    return questions


def greedy_ids(
    model: Generator, ids: torch.Tensor, mask: torch.Tensor, start: torch.Tensor, end: torch.Tensor, style: int
) -> torch.Tensor:
    """Word pieces of the most probable next piece each time: (B, A, question_length), the end mark repeated."""
    states = model.encode(model.words(ids), mask)
    memories, copy_keys = model.memories(states)
    near = torch.nn.functional.one_hot(buckets(ids.shape[1], start, end), BUCKETS)
    onehot = near.transpose(-1, -2).to(states.dtype)
    answer, blocked = model.first_input(states, start, end), block(mask)
    stop = int(model.pieces[0])
    special = torch.isin(ids, torch.tensor([0, stop, int(ids[0, 0])]))
    previous = torch.zeros(*start.shape, 1, dtype=torch.long)
    styles = torch.full_like(start, style)
    done = torch.zeros_like(start, dtype=torch.bool)
    vocabulary = model.encoder.config.vocab_size
    place_ids = ids[:, None, :].expand(-1, start.shape[1], -1)
    past, written = None, []
    for step in range(model.config.question_length):
        copied_state = copied_states(previous, ids, ~special, start, end, states)
        x = model.inputs(previous, copied_state, answer, styles, step)
        saying, copying, _, past = model.decode(x, past, memories, copy_keys, onehot, blocked)
        total = torch.zeros(*start.shape, vocabulary)
        total.index_add_(-1, model.pieces, saying[:, :, 0].exp())
        copied = copying[:, :, 0].exp().masked_fill(special[:, None, :], 0.0)
        total.scatter_add_(-1, place_ids, copied)
        piece = total.argmax(-1).masked_fill(done, stop)
        written.append(piece)
        done = done | (piece == stop)
        if bool(done.all()):
            break
        previous = piece.unsqueeze(-1)
    tail = [torch.full_like(written[0], stop)] * (model.config.question_length - len(written))
    return torch.stack(written + tail, dim=-1)

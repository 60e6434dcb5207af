"""One step of each stage: from examples to a loss, and from questions to answers with the same retrieval."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from quipu.models.memory_input import Ids
from quipu.records import QAPair
from quipu.storage.store import Store
from quipu.text import normalize_answer
from quipu.training.qamat import model
from quipu.training.qamat.backbones import Backbone
from quipu.training.qamat.data import MASK, MemoryExample, x_pieces
from quipu.training.qamat.memory import VALUE_LENGTH, Entry, KeyMemory, entries

Loss = tuple[torch.Tensor, dict[str, float]]
Ask = Callable[[Sequence[str]], torch.Tensor]  # texts to queries (B, D)


@dataclass(frozen=True, slots=True)
class Ways:
    """How the memory is used. ``weight`` is lambda, which the paper does not state; for ``scale`` see ``retrieve``.

    ``sentence``, ``value_length``: what is read of an entry, see ``memory.entries``. ``only_found``: examples whose
    answer no retrieved entry has do not count in the loss; they would teach to say what is not there. ``supervised``:
    weight of -log p(positives | X), which the paper does not have: its retriever learns by neural integration alone,
    in a hundred thousand steps; few steps need it. ``cosine``: keys and queries of unit length, as a memory's encoder
    makes them (``scale`` is then about 20); without it the model cannot become one. ``mixed``: share of the
    examples whose entries stand in an order that says nothing; a small reader otherwise copies the first one's answer
    and learns no more.
    """

    k: int = 4
    neural: bool = True
    discrete: bool = True
    weight: float = 1.0
    scale: float = 1.0
    per_block: int = 0
    hops: int = 1
    hop_weight: float = 1.0
    answer_length: int = 20
    x_length: int = 200
    sentence: bool = False
    value_length: int = VALUE_LENGTH
    only_found: bool = False
    supervised: float = 0.0
    cosine: bool = False
    mixed: float = 0.0


def in_batch_loss(backbone: Backbone, store: Store, examples: Sequence[MemoryExample], ways: Ways) -> Loss:
    """Stage 1: the memory is the positives and negatives of the batch; keys, values and queries share the encoder."""
    device = next(backbone.parameters()).device
    rows = list(dict.fromkeys(row for item in examples for row in (*item.positives, *item.negatives)))
    known = entries(backbone, store, rows, ways.sentence, ways.value_length)
    xs = x_pieces(backbone, [item.x for item in examples], ways.x_length)
    ids, mask, mask_at = (tensor.to(device) for tensor in model.alone(backbone, xs))
    states = backbone.encode(ids, mask)
    queries = model.unit(model.at_mask(states, mask_at), ways.cosine)
    keys = model.unit(model.first_states(backbone, [entry.key for entry in known]), ways.cosine)
    scores, places = model.retrieve(queries, keys, ways.k, ways.scale)
    h = states
    if ways.neural:
        values = model.first_states(backbone, [entry.value for entry in known])
        h = model.neural(states, mask_at, model.mixture(scores, values[places]))
    chosen = [[known[at] for at in row] for row in places.tolist()]
    figures = _found(examples, chosen)
    loss = _decoded(backbone, examples, xs, _ordered(examples, chosen, ways), model.Read(h, mask, ids), ways)
    figures = {"loss_a_piece": loss.item(), **figures}
    if ways.supervised:
        every, where = model.retrieve(queries, keys, len(rows), ways.scale)
        right = torch.tensor([[row in item.positives for row in rows] for item in examples], device=device)
        loss = loss + ways.supervised * model.first_hop_loss(every, right.gather(1, where))
    return loss, figures


def global_loss(
    backbone: Backbone,
    store: Store,
    memory: KeyMemory,
    examples: Sequence[MemoryExample],
    ways: Ways,
    ask: Ask | None = None,
) -> Loss:
    """Stage 2 and fine-tuning: frozen keys and values of everything; p(m | X) gets no gradient.

    With more hops than one, all but the last get their own loss, -log p of the examples' ``first`` rows over the
    retrieved and the right ones, and their entries stand in front of X from then on (QAMAT+). ``ask``: another
    encoder makes the queries, of the questions' text; it is not trained, and there is one hop.
    """
    device = next(backbone.parameters()).device
    xs = x_pieces(backbone, [item.x for item in examples], ways.x_length)
    hop_losses = []
    for _ in range(ways.hops - 1):
        queries = _query(backbone, xs, ways)
        places, _ = memory.search(queries, ways.k)
        right = [memory.places_of(item.first) for item in examples]
        hop_losses.append(_hop_loss(memory, queries, places, right, ways.scale))
        known = _entries_at(backbone, store, memory, places, ways)
        xs = [_in_front(backbone, entry_row, x) for entry_row, x in zip(known, xs, strict=True)]
    ids, mask, mask_at = (tensor.to(device) for tensor in model.alone(backbone, xs))
    states = backbone.encode(ids, mask)
    own = model.unit(model.at_mask(states, mask_at), ways.cosine)
    queries = own if ask is None else ask([item.x for item in examples])
    places, scores = memory.search(queries, ways.k)
    h = states
    if ways.neural:
        mixed = model.mixture(ways.scale * scores.to(device), memory.values_at(places))
        h = model.neural(states, mask_at, mixed)
    chosen = _entries_at(backbone, store, memory, places, ways)
    figures = _found(examples, chosen)
    loss = _decoded(backbone, examples, xs, _ordered(examples, chosen, ways), model.Read(h, mask, ids), ways)
    figures = {"loss_a_piece": loss.item(), **figures}
    if ways.supervised and ask is None:
        right = [memory.places_of(item.positives) for item in examples]
        loss = loss + ways.supervised * _hop_loss(memory, queries, places, right, ways.scale)
    if hop_losses:
        hop = torch.stack(hop_losses).sum()
        figures["hop"] = hop.item()
        loss = loss + ways.hop_weight * hop
    return loss, figures


@dataclass(frozen=True, slots=True)
class Said:
    """An answer with the entries of each hop, best first; ``stored``: an entry has this answer."""

    text: str
    hops: tuple[tuple[QAPair, ...], ...]
    stored: bool


def answers(
    backbone: Backbone,
    store: Store,
    memory: KeyMemory,
    questions: Sequence[str],
    ways: Ways,
    beams: int = 1,
    ask: Ask | None = None,
) -> list[Said]:
    """Answers as at run time: discrete integration alone where it was trained, the neural one is dropped."""
    device = next(backbone.parameters()).device
    xs = x_pieces(backbone, [f"{MASK} {question}" for question in questions], ways.x_length)
    hops: list[list[list[Entry]]] = []
    with torch.inference_mode():
        for hop in range(ways.hops):
            if hop:
                xs = [_in_front(backbone, row, x) for row, x in zip(hops[-1], xs, strict=True)]
            queries = _query(backbone, xs, ways) if ask is None else ask(questions)
            places, scores = memory.search(queries, ways.k)
            hops.append(_entries_at(backbone, store, memory, places, ways))
        if ways.discrete:
            joined = _on(device, model.join(backbone, _values(hops[-1]), xs, ways.per_block))
            read = model.discrete(backbone, joined)
        else:
            ids, mask, mask_at = (tensor.to(device) for tensor in model.alone(backbone, xs))
            states = backbone.encode(ids, mask)
            if ways.neural:
                mixed = model.mixture(ways.scale * scores.to(device), memory.values_at(places))
                states = model.neural(states, mask_at, mixed)
            read = model.Read(states, mask, ids)
        made = backbone.generate(read.states, read.mask, read.ids, ways.answer_length, beams)
    said = []
    for at, pieces in enumerate(made):
        line = tuple(tuple(entry.pair for entry in hop[at]) for hop in hops)
        said.append(_surface(backbone, pieces, line))
    return said


def _surface(backbone: Backbone, pieces: Ids, hops: tuple[tuple[QAPair, ...], ...]) -> Said:
    """The stored answer of the same words where there is one: it has its capitals and its spelling."""
    text = backbone.tokenizer.decode(pieces).strip()
    normal = normalize_answer(text)
    for hop in reversed(hops):
        for pair in hop:
            if normal and normalize_answer(backbone_text(backbone, pair.answer)) == normal:
                return Said(pair.answer, hops, True)
    return Said(text, hops, False)


def backbone_text(backbone: Backbone, text: str) -> str:
    """A text as the tokenizer gives it back."""
    return str(backbone.tokenizer.decode(backbone.pieces([text], 10**6)[0]))


def _query(backbone: Backbone, xs: Sequence[Ids], ways: Ways) -> torch.Tensor:
    ids, mask, mask_at = model.alone(backbone, xs)
    device = next(backbone.parameters()).device
    states = backbone.encode(ids.to(device), mask.to(device))
    return model.unit(model.at_mask(states, mask_at.to(device)), ways.cosine)


def _entries_at(
    backbone: Backbone, store: Store, memory: KeyMemory, places: torch.Tensor, ways: Ways
) -> list[list[Entry]]:
    rows = memory.rows[places.cpu().numpy()]
    flat = list(dict.fromkeys(rows.reshape(-1).tolist()))
    known = {entry.row: entry for entry in entries(backbone, store, flat, ways.sentence, ways.value_length)}
    return [[known[row] for row in line] for line in rows.tolist()]


def _ordered(examples: Sequence[MemoryExample], chosen: Sequence[list[Entry]], ways: Ways) -> Sequence[list[Entry]]:
    """The entries of each example as they are read: best first, or ``mixed``."""
    return [
        sorted(line, key=lambda entry: _lot(f"{item.x} {entry.row}")) if _lot(item.x) < ways.mixed else line
        for item, line in zip(examples, chosen, strict=True)
    ]


def _lot(text: str) -> float:
    """A number from 0 to 1 that is drawn by chance, the same whenever it is drawn again."""
    return zlib.crc32(text.encode()) / 2**32


def _values(chosen: Sequence[Sequence[Entry]]) -> list[list[Ids]]:
    return [[entry.value for entry in line] for line in chosen]


def _in_front(backbone: Backbone, line: Sequence[Entry], x: Ids) -> Ids:
    """X1 = [TopK(M, 1); X]; the mask stays X's."""
    memory = [token for entry in reversed(line) for token in (*entry.value, *backbone.end)]
    if backbone.x_first:
        return [*x, *backbone.end, *memory[:-1]]
    return [*memory, *x]


def _decoded(
    backbone: Backbone,
    examples: Sequence[MemoryExample],
    xs: Sequence[Ids],
    chosen: Sequence[Sequence[Entry]],
    h: model.Read,
    ways: Ways,
) -> torch.Tensor:
    """Mean -log p a piece of the targets, by whichever integrations there are."""
    device = h.states.device
    read = h
    if ways.discrete:
        joined = _on(device, model.join(backbone, _values(chosen), xs, ways.per_block))
        read = model.discrete(backbone, joined)
        if ways.neural:
            lengths = torch.tensor([len(x) for x in xs], device=device)
            read = model.fused(read, joined, h.states, lengths, len(backbone.begin), ways.weight)
    texts = [_target(item, line) for item, line in zip(examples, chosen, strict=True)]
    targets = backbone.targets(texts, ways.answer_length).to(device)
    counted = targets >= 0
    if ways.only_found:
        found = [_accepted(item, line) is not None for item, line in zip(examples, chosen, strict=True)]
        counted = counted & torch.tensor(found, device=device).unsqueeze(1)
    nll = backbone.nll(read.states, read.mask, read.ids, targets)
    return (nll * counted).sum() / counted.sum().clamp(min=1)


def _target(example: MemoryExample, line: Sequence[Entry]) -> str:
    """The accepted answer that the best entry with one has; the first where none has."""
    return _accepted(example, line) or example.answers[0]


def _accepted(example: MemoryExample, line: Sequence[Entry]) -> str | None:
    """The accepted answer that the best entry with one has."""
    accepted = {normalize_answer(answer): answer for answer in reversed(example.answers)}
    for entry in line:
        known = accepted.get(normalize_answer(entry.pair.answer))
        if known is not None:
            return known
    return None


def _found(examples: Sequence[MemoryExample], chosen: Sequence[Sequence[Entry]]) -> dict[str, float]:
    """Shares of the examples for which an accepted answer is the best entry's, or any one's."""
    first = some = 0
    for item, line in zip(examples, chosen, strict=True):
        accepted = {normalize_answer(part) for answer in item.answers for part in (answer, *answer.split("; "))}
        right = [normalize_answer(entry.pair.answer) in accepted for entry in line]
        first += right[0] if right else 0
        some += any(right)
    return {"recall_1": first / len(examples), "recall_k": some / len(examples)}


def _hop_loss(
    memory: KeyMemory, queries: torch.Tensor, places: torch.Tensor, right: Sequence[Sequence[int]], scale: float
) -> torch.Tensor:
    """-log p(m1 | X) over the entries retrieved and all right ones of the batch."""
    extra = sorted({at for line in right for at in line})
    both = torch.cat([places.cpu(), torch.tensor(extra, dtype=torch.long).expand(len(places), -1)], dim=1)
    with torch.autocast(queries.device.type, enabled=False):
        scores = scale * torch.einsum("bd,bnd->bn", queries.float(), memory.keys_at(both).to(queries.device))
    gold = torch.zeros(both.shape, dtype=torch.bool)
    for at, line in enumerate(right):
        for place in line:
            gold[at] |= both[at] == place
    # An entry that is among both kinds would count twice.
    twice = torch.zeros(both.shape, dtype=torch.bool)
    for at, line in enumerate(both.tolist()):
        seen: set[int] = set()
        for column, place in enumerate(line):
            twice[at, column] = place in seen
            seen.add(place)
    scores = scores.masked_fill(twice.to(scores.device), torch.finfo(torch.float32).min)
    return model.first_hop_loss(scores, (gold & ~twice).to(scores.device))


def _on(device: torch.device, joined: model.Joined) -> model.Joined:
    return model.Joined(joined.ids.to(device), joined.mask.to(device), joined.x_at.to(device), joined.blocks)

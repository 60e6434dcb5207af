"""The copying reader of quipu-mini: a BERT encoder with a shallow decoder that says a piece or copies one."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import nn
from transformers import BertConfig, BertModel

from quipu.errors import InputError
from quipu.models.memory_input import copyable
from quipu.training.base import load_tokenizer
from quipu.training.qamat.backbones import IGNORED, Backbone

STOP = ";"  # between answer and question of an entry; ends what the copying decoder says
_LOWEST = -1e4


@dataclass(frozen=True, slots=True)
class CopyConfig:
    """Sizes of the copying decoder; ``vocabulary`` pieces can be said (the first of the word table's), any copied.

    ``ordered``: blocks that were found before others are preferred; FiD does not know the order.
    """

    heads: int = 6
    layers: int = 2
    inner: int = 1536
    vocabulary: int = 30522
    longest: int = 24
    ordered: bool = True


class CopyBackbone(Backbone):
    """A BERT encoder with a shallow decoder that says a piece or copies one from what it reads (See et al. 2017).

    The words of the decoder are rows of the encoder's own word table, which stays as it was pre-trained. Beside the
    piece said before, the decoder sees the state of the place that this piece stands at, chosen by attention (CopyNet's
    selective read, Gu et al. 2016). Copying goes on where it was: a place behind the piece said before has an advantage
    (``follow``), and so has a block that was found before others (``order``). An entry is "answer; question" behind a
    separator, so an answer begins behind a separator and ends at a semicolon, which is copied too: what is left to
    learn is which entry to begin with.
    """

    x_first = True  # a BERT has read questions in front of their text

    def __init__(self, encoder_config: BertConfig, tokenizer: Tokenizer, config: CopyConfig) -> None:
        width = int(encoder_config.hidden_size)
        super().__init__(tokenizer, width, int(encoder_config.pad_token_id or 0))
        self.config = config
        self.encoder = BertModel(encoder_config, add_pooling_layer=False)
        self.encoder.embeddings.word_embeddings.weight.requires_grad_(False)
        self.adapter, self.read_query, self.read = (nn.Linear(width, width) for _ in range(3))
        self.position = nn.Parameter(torch.randn(config.longest, width) * 0.02)
        self.start = nn.Parameter(torch.randn(width) * 0.02)
        self.layers = nn.ModuleList(CopyLayer(width, config.heads, config.inner) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.say = nn.Linear(width, width)
        self.say_bias = nn.Parameter(torch.zeros(config.vocabulary))
        self.copy_query, self.copy_key = nn.Linear(width, width), nn.Linear(width, width)
        self.block_key = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.block_key.weight)
        self.gate = nn.Linear(width, 1)
        self.follow = nn.Parameter(torch.tensor(6.0))
        self.order = nn.Parameter(torch.tensor(float(config.ordered)), requires_grad=config.ordered)
        nn.init.constant_(self.gate.bias, -2.0)  # most answers are copied
        self.stop = int(tokenizer.token_to_id(STOP) or 0)
        special = [token for token, content in tokenizer.get_added_tokens_decoder().items() if content.special]
        self.register_buffer("special", torch.tensor(special or [self.pad]), persistent=False)

    @classmethod
    def from_base(cls, folder: Path, config: CopyConfig) -> CopyBackbone:
        """Encoder and tokenizer of a BERT folder; the decoder is new (seed it before)."""
        encoder_config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        made = cls(encoder_config, load_tokenizer(folder), config)
        base = BertModel.from_pretrained(folder, config=encoder_config, add_pooling_layer=False, use_safetensors=True)
        made.encoder.load_state_dict(base.state_dict())
        return made

    def target_begin(self) -> list[int]:
        """See ``Backbone``."""
        return []

    def target_end(self) -> list[int]:
        """See ``Backbone``."""
        return [self.stop]

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """See ``Backbone``; what stands behind the first separator is of type 1, as a BERT reads question and text."""
        return cast(
            torch.Tensor,
            self.encoder(input_ids=ids, attention_mask=mask, token_type_ids=self.types(ids)).last_hidden_state,
        )

    def types(self, ids: torch.Tensor) -> torch.Tensor:
        """0 up to the first separator, 1 behind it."""
        marks = (ids == self.end[0]).long()
        return ((marks.cumsum(dim=1) - marks) > 0).long()

    def words(self, ids: torch.Tensor) -> torch.Tensor:
        """Rows of the word table (..., D). At run time this lookup is numpy's."""
        return cast(torch.Tensor, self.encoder.embeddings.word_embeddings(ids))

    def memory(self, states: torch.Tensor, blocks: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """What the decoder needs of states (B, S, D) once: keys and values (L, B, H, S, D / H), copy keys (B, S, D).

        A copy key is of the token, and of the first token of its block, which tells whether the block answers X.
        """
        both = [layer.memory(states) for layer in self.layers]
        apart = states.unflatten(1, (blocks, -1))
        copy_keys = (self.copy_key(apart) + self.block_key(apart[:, :, :1])).flatten(1, 2)
        return torch.stack([key for key, _ in both]), torch.stack([value for _, value in both]), copy_keys

    def memory_of(self, states: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What may be copied of ids (B, S), and ``memory`` of as many blocks as they have beginnings."""
        weights = copyable(ids.cpu().numpy(), mask.cpu().numpy(), self.special.cpu().numpy(), self.begin[0])
        blocks = int((ids[0] == self.begin[0]).sum())
        return torch.from_numpy(weights).to(ids.device), *self.memory(states, blocks)

    def distribution(
        self,
        words: torch.Tensor,
        match: torch.Tensor,
        states: torch.Tensor,
        mask: torch.Tensor,
        copyable: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        copy_keys: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """log p of saying (B, U, V) and of copying (B, U, S), joint over both.

        words (B, U, D): rows of the word table of the piece before each position (the first row is not looked at);
        match (B, U, S) float: 1 where that piece stands, before the first the separator; states (B, S, D); mask (B, S);
        copyable (B, S): ``quipu.models.memory_input.copyable``'s; the rest is ``memory``'s.
        """
        blocked = (1 - mask.float()).unsqueeze(1) * _LOWEST  # (B, 1, S)
        words = self.adapter(words)
        scores = (self.read_query(words) @ states.transpose(1, 2)).float() / math.sqrt(self.width)
        chosen = torch.softmax(scores + (1 - match) * _LOWEST, dim=-1) * match.amax(dim=-1, keepdim=True)
        words = words + self.read(chosen.to(states.dtype) @ states)
        start = self.start.to(words.dtype).expand(words.shape[0], 1, self.width)
        x = torch.cat([start, words[:, 1:]], dim=1) + self.position[: words.shape[1]]
        for number, layer in enumerate(self.layers):
            x = layer(x, keys[number], values[number], blocked)
        x = self.norm(x)
        scores = (self.copy_query(x) @ copy_keys.transpose(1, 2)).float() / math.sqrt(self.width)
        behind = nn.functional.pad(match, (1, 0))[:, :, :-1]  # the piece before stands at the place before
        barred = (copyable <= 0).float() * _LOWEST + self.order * torch.log(copyable.clamp(min=1e-4))
        copying = torch.log_softmax(scores + self.follow * behind + barred.unsqueeze(1), dim=-1)
        table = self.encoder.embeddings.word_embeddings.weight[: self.config.vocabulary]
        saying = torch.log_softmax((self.say(x) @ table.t().to(x.dtype)).float() + self.say_bias, dim=-1)
        gate = self.gate(x).float()
        return saying + nn.functional.logsigmoid(gate), copying + nn.functional.logsigmoid(-gate)

    def decode(
        self,
        previous: torch.Tensor,
        states: torch.Tensor,
        ids: torch.Tensor,
        mask: torch.Tensor,
        memory: tuple[torch.Tensor, ...],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``distribution`` behind previous (B, U - 1) pieces: (B, U, V) and (B, U, S)."""
        given = torch.cat([torch.full_like(ids[:, :1], self.end[0]), previous], dim=1)
        match = ((given.unsqueeze(-1) == ids.unsqueeze(1)) & mask.bool().unsqueeze(1)).float()
        return self.distribution(self.words(given), match, states, mask, *memory)

    def nll(self, states: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Backbone``."""
        given = targets.clamp(min=0)
        saying, copying = self.decode(given[:, :-1], states, ids, mask, self.memory_of(states, ids, mask))
        lowest = torch.finfo(torch.float32).min
        sayable = given < self.config.vocabulary
        said = saying.gather(-1, given.clamp(max=self.config.vocabulary - 1).unsqueeze(-1)).squeeze(-1)
        places = (given.unsqueeze(-1) == ids.unsqueeze(1)) & mask.bool().unsqueeze(1)
        copied = torch.logsumexp(copying.masked_fill(~places, lowest), dim=-1)
        both = torch.logaddexp(said.masked_fill(~sayable, lowest), copied).clamp(min=-30.0)
        return -both.masked_fill(targets == IGNORED, 0.0)

    def generate(
        self, states: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor, longest: int = 20, beams: int = 1
    ) -> list[list[int]]:
        """See ``Backbone``."""
        if beams != 1:
            raise InputError("the copying reader decodes greedily; set beams to 1")
        with torch.inference_mode():
            memory = self.memory_of(states, ids, mask)
            said = torch.zeros(len(states), 0, dtype=torch.long, device=states.device)
            done = torch.zeros(len(states), dtype=torch.bool, device=states.device)
            for _ in range(min(longest, self.config.longest - 1)):
                saying, copying = self.decode(said, states, ids, mask, memory)
                p = torch.zeros(len(states), self.encoder.config.vocab_size, device=states.device)
                p[:, : self.config.vocabulary] = saying[:, -1].exp()
                p.scatter_add_(1, ids, copying[:, -1].exp())
                piece = p.argmax(dim=1)
                done |= piece == self.stop
                said = torch.cat([said, piece.unsqueeze(1)], dim=1)
                if bool(done.all()):
                    break
        return [row[: row.index(self.stop)] if self.stop in row else row for row in said.tolist()]

    def save(self, folder: Path) -> None:
        """See ``Backbone``."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in self.state_dict().items()}, folder / "model.safetensors")
        (folder / "copy.json").write_text(json.dumps(asdict(self.config), indent=1) + "\n", encoding="utf-8")
        self.encoder.config.save_pretrained(folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))

    def freeze_encoder(self) -> None:
        """See ``Backbone``."""
        self.encoder.requires_grad_(False)

    def use_plain_attention(self) -> None:
        """See ``Backbone``."""
        self.encoder.set_attn_implementation("eager")


class CopyLayer(nn.Module):
    """Pre-norm: causal self-attention over the answer so far, attention to what is read, feed-forward."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_self, self.norm_cross, self.norm_inner = (nn.LayerNorm(width) for _ in range(3))
        self.projection, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.query, self.key, self.value, self.cross = (nn.Linear(width, width) for _ in range(4))
        self.inner = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))

    def memory(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of what is read: two (B, H, S, D / H)."""
        return self._split(self.key(states)), self._split(self.value(states))

    def forward(self, x: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, blocked: torch.Tensor) -> torch.Tensor:
        """x (B, U, D), blocked (B, 1, S) -> (B, U, D)."""
        length = x.shape[1]
        query, key, value = (self._split(part) for part in self.projection(self.norm_self(x)).chunk(3, dim=-1))
        causal = torch.full((length, length), _LOWEST, device=x.device).triu(1)
        x = x + self.out(self._attended(query, key, value, causal))
        query = self._split(self.query(self.norm_cross(x)))
        x = x + self.cross(self._attended(query, keys, values, blocked.unsqueeze(1)))
        return cast(torch.Tensor, x + self.inner(self.norm_inner(x)))

    def _attended(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, blocked: torch.Tensor
    ) -> torch.Tensor:
        scores = (query @ key.transpose(-1, -2)).float() / math.sqrt(query.shape[-1]) + blocked
        mixed = torch.softmax(scores, dim=-1).to(value.dtype) @ value
        return mixed.transpose(1, 2).flatten(2)

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

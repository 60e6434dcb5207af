"""A decoder of Llama's kind as plain equations, for training on packed rows.

A row holds several *trees*: a passage once, then its branches (a question to be written or read), each of which sees
the passage and itself. Parameters carry Hugging Face's names, so a folder that ``save`` writes is one that transformers
reads, and the other way round.

Shapes: B rows, L tokens, D hidden size, H heads over K key-value heads of size C.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from quipu.errors import FormatError, InputError
from quipu.training.lm.checkpoint import shape_of

_PREFIX = "model."  # of every name but lm_head.weight in a Hugging Face file


@dataclass(frozen=True, slots=True)
class LlamaConfig:
    """Sizes and constants of a decoder."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-5
    tie_word_embeddings: bool = True

    @classmethod
    def read(cls, folder: Path) -> LlamaConfig:
        """From ``config.json`` of a Hugging Face folder; FormatError where the network is not a plain Llama."""
        path = folder / "config.json"
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            shape, epsilon = shape_of(values), float(values["rms_norm_eps"])
        except InputError as error:
            raise FormatError(f"{path}: only Llama can be trained here: {error}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FormatError(f"{path}: not the configuration of a Hugging Face Llama ({error!r})") from error
        return cls(
            shape.vocabulary, shape.width, shape.feed_forward, shape.layers, shape.heads, shape.kv_heads,
            shape.head_width, shape.rope_base, epsilon, shape.tied,
        )  # fmt: skip

    def to_json(self, dtype: torch.dtype) -> dict[str, Any]:
        """The content of ``config.json``."""
        sizes = {name: getattr(self, name) for name in self.__slots__ if name != "rope_theta"}
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "max_position_embeddings": 8192,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "rope_theta": self.rope_theta,
            "dtype": str(dtype).removeprefix("torch."),
            **sizes,
        }


class Norm(nn.Module):
    """x / sqrt(mean(x^2) + eps) times a learned weight, in single precision at least."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., D) to (..., D)."""
        wide = x if x.dtype == torch.float64 else x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return wide.to(x.dtype) * self.weight.to(x.dtype)


Turns = tuple[torch.Tensor, torch.Tensor]


def turns(positions: torch.Tensor, size: int, theta: float) -> Turns:
    """Cosine and sine of rotary positions (..., L) for heads of ``size``: each (..., 1, L, C)."""
    rates = theta ** (-torch.arange(0, size, 2, device=positions.device, dtype=torch.float32) / size)
    angles = positions.float()[..., None] * rates
    angles = torch.cat((angles, angles), -1)
    return angles.cos().unsqueeze(-3), angles.sin().unsqueeze(-3)


def turned(x: torch.Tensor, by: Turns) -> torch.Tensor:
    """Queries or keys (..., heads, L, C), each pair of dimensions rotated by its position's angle."""
    cosine, sine = (part.to(x.dtype) for part in by)
    left, right = x.chunk(2, -1)
    return x * cosine + torch.cat((-right, left), -1) * sine


class Attention(nn.Module):
    """Projections to queries, keys and values, and back."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        wide, narrow = (heads * config.head_dim for heads in (config.num_attention_heads, config.num_key_value_heads))
        self.q_proj = nn.Linear(config.hidden_size, wide, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.o_proj = nn.Linear(wide, config.hidden_size, bias=False)

    def heads(self, x: torch.Tensor, by: Turns) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries (B, H, L, C), keys and values (B, K, L, C) of normed states (B, L, D)."""
        parts = [
            projection(x).unflatten(-1, (-1, self.config.head_dim)).transpose(1, 2)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        ]
        return turned(parts[0], by), turned(parts[1], by), parts[2]

    def joined(self, attended: torch.Tensor) -> torch.Tensor:
        """Attended values (B, H, L, C) to states (B, L, D)."""
        return self.o_proj(attended.transpose(1, 2).flatten(-2))


class FeedForward(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, L, D) to (B, L, D)."""
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    """Attention and feed-forward, each on normed states and added to them."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.input_layernorm = Norm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = Norm(config.hidden_size, config.rms_norm_eps)
        self.mlp = FeedForward(config)
        self.shared = config.num_attention_heads // config.num_key_value_heads  # queries to a key

    def heads(self, x: torch.Tensor, by: Turns) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values of states (B, L, D); see ``Attention.heads``."""
        return self.self_attn.heads(self.input_layernorm(x), by)

    def rest(self, x: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        """What follows the attention: states (B, L, D) of the next layer."""
        x = x + self.self_attn.joined(attended)
        return x + self.mlp(self.post_attention_layernorm(x))

    def forward(self, x: torch.Tensor, by: Turns, mask: torch.Tensor) -> torch.Tensor:
        """States (B, L, D) and mask (B, 1, L, L), true where a token is seen, to states (B, L, D)."""
        queries, keys, values = self.heads(x, by)
        return self.rest(x, self.attended(queries, keys, values, mask))

    def attended(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """What each query (B, H, L, C) takes from the values (B, K, L, C) that the mask lets it see."""
        keys, values = (part.repeat_interleave(self.shared, 1) for part in (keys, values))
        return functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)


class Decoder(nn.Module):
    """Embeddings, layers, norm, and the head, which may be the embeddings."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = Norm(config.hidden_size, config.rms_norm_eps)
        self.lm_head: nn.Linear | None = None
        if not config.tie_word_embeddings:
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        for value in self.parameters():
            if value.ndim > 1:
                nn.init.normal_(value, std=0.02)

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """Token ids (B, L) to states (B, L, D), in the precision of an autocast around it."""
        x = self.embed_tokens(ids)
        device = x.device.type
        return x.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else x

    def positions(self, at: torch.Tensor) -> Turns:
        """Rotations of positions (B, L)."""
        return turns(at, self.config.head_dim, self.config.rope_theta)

    def forward(self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Ids and positions (B, L), mask (B, 1, L, L) to normed states (B, L, D)."""
        x, by = self.embed(ids), self.positions(positions)
        for layer in self.layers:
            x = layer(x, by, mask)
        return self.norm(x)

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """States (..., D) to logits (..., V)."""
        weight = self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight
        return functional.linear(states, weight.to(states.dtype))

    def compile_layers(self) -> None:
        """Compile the layers in place; all share one compiled graph, as rows are always of one length."""
        for layer in self.layers:
            layer.compile(dynamic=False)


def tree_mask(tree: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
    """What each token of packed rows sees: (B, 1, L, L), true where column is seen by row.

    ``tree`` (B, L) numbers the trees of a row from 1, 0 is padding; ``branch`` (B, L) numbers the branches of a tree
    from 1, 0 is its passage. A token sees itself and what stands before it in its tree's passage and in its own branch.
    """
    place = torch.arange(tree.shape[1], device=tree.device)
    before = place[:, None] >= place[None, :]
    same = tree[:, :, None] == tree[:, None, :]
    own = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
    return (before & same & own)[:, None]


def load(folder: Path) -> Decoder:
    """The model of a Hugging Face folder, in single precision; FormatError where the weights are of another shape."""
    model = Decoder(LlamaConfig.read(folder))
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FormatError(f"{folder}: no .safetensors file; convert the weights first")
    weights: dict[str, torch.Tensor] = {}
    for file in files:
        weights |= {name.removeprefix(_PREFIX): value.float() for name, value in load_file(file).items()}
    if model.lm_head is None:
        weights.pop("lm_head.weight", None)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise FormatError(f"{folder}: the weights do not fit config.json: {error}") from error
    return model


def save(model: Decoder, folder: Path, tokenizer: Path, dtype: torch.dtype = torch.float16) -> Path:
    """Write model.safetensors, config.json and a copy of the tokenizer.json at ``tokenizer``; returns ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        (name if name.startswith("lm_head.") else _PREFIX + name): value.detach().to("cpu", dtype).contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(model.config.to_json(dtype), indent=1) + "\n", encoding="utf-8")
    if tokenizer.resolve() != (folder / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
    return folder

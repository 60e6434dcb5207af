"""The numbers that describe a decoder of the Llama kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quipu.errors import FormatError


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """Sizes of a Llama-type decoder; ``tied`` when the output layer is the embedding table itself."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_width: int
    feed_forward: int
    vocabulary: int
    rope_base: float = 10000.0
    epsilon: float = 1e-5
    tied: bool = True

    def __post_init__(self) -> None:
        sizes = (self.layers, self.width, self.heads, self.kv_heads, self.head_width, self.feed_forward)
        if min(sizes) < 1 or self.vocabulary < 2 or self.heads % self.kv_heads or self.head_width % 2:
            raise FormatError(f"not the shape of a Llama-type decoder: {self}")

    @property
    def group(self) -> int:
        """Query heads that share one key-value head."""
        return self.heads // self.kv_heads

    def to_json(self) -> dict[str, Any]:
        """What ``from_json`` takes."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> DecoderShape:
        """The shape that model.json describes; FormatError where it does not describe one."""
        try:
            return cls(**values)
        except TypeError as error:
            raise FormatError(f"model.json: not the shape of a decoder ({error}); export the model again") from error

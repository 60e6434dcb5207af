"""The encoder-decoders that QAMAT stands on: what each must do, and T5 and BART of Hugging Face."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import AutoConfig, AutoModelForSeq2SeqLM, PreTrainedTokenizerFast
from transformers.modeling_outputs import BaseModelOutput

from quipu.errors import InputError
from quipu.models.memory_input import Marks
from quipu.training.base import load_tokenizer

UNKNOWN = ("<unk>", "[UNK]")
MASKS = ("[MASK]", "<mask>", "<extra_id_0>")
IGNORED = -1  # of target pieces: padding


class Backbone(nn.Module):
    """An encoder, a decoder, and the marks of their tokenizer. ``x_first``: X stands in front of the memory."""

    x_first = False

    def __init__(self, tokenizer: Tokenizer, width: int, pad: int) -> None:
        super().__init__()
        self.tokenizer, self.width, self.pad = tokenizer, width, pad
        marks = tokenizer.encode("").ids
        if not marks:
            raise InputError("the tokenizer puts no mark at the end of a text; QAMAT needs one")
        self.begin, self.end = marks[:-1], marks[-1:]
        known = (tokenizer.token_to_id(mark) for mark in MASKS)
        mask = next((number for number in known if number is not None), None)
        if mask is None:
            raise InputError(f"the tokenizer has none of {', '.join(MASKS)}; QAMAT asks at a mask")
        self.mask_id: int = mask

    @property
    def marks(self) -> Marks:
        """How memory and X are put together."""
        return Marks(self.begin, self.end, self.x_first)

    def pieces(self, texts: Sequence[str], longest: int) -> list[list[int]]:
        """Ids of each text without marks, at most ``longest``."""
        return [item.ids[:longest] for item in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    def targets(self, texts: Sequence[str], longest: int) -> torch.Tensor:
        """What the decoder is to say, (B, U) int64, ``IGNORED`` at padding."""
        rows = [[*self.target_begin(), *ids, *self.target_end()] for ids in self.pieces(texts, longest)]
        length = max(len(row) for row in rows)
        return torch.tensor([[*row, *[IGNORED] * (length - len(row))] for row in rows])

    def target_begin(self) -> list[int]:
        """Marks in front of a target."""
        return self.begin

    def target_end(self) -> list[int]:
        """The mark behind a target."""
        return self.end

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(N, T) -> states (N, T, D)."""
        raise NotImplementedError

    def nll(self, states: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """-log p of each target piece given states (B, S, D), mask and ids (B, S): (B, U), 0 at padding."""
        raise NotImplementedError

    def generate(
        self, states: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor, longest: int = 20, beams: int = 1
    ) -> list[list[int]]:
        """The most probable pieces of each example, without marks."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """A folder that ``load_backbone`` (``loading``) reads."""
        raise NotImplementedError

    def freeze_encoder(self) -> None:
        """Leave the encoder as it is: only the decoder is trained."""
        raise NotImplementedError

    def use_plain_attention(self) -> None:
        """The encoder's attention in single operations, which an export can trace."""
        raise NotImplementedError


class HubBackbone(Backbone):
    """T5, BART or another encoder-decoder of Hugging Face. Dropout is off."""

    def __init__(self, model: Any, tokenizer: Tokenizer) -> None:
        config = model.config
        super().__init__(tokenizer, int(getattr(config, "d_model", 0) or config.hidden_size), int(config.pad_token_id))
        self.model = model

    @classmethod
    def from_pretrained(cls, folder: Path) -> HubBackbone:
        """A local folder with safetensors weights and tokenizer.json; InputError where it is none."""
        try:
            config = AutoConfig.from_pretrained(folder)
            for name in ("dropout_rate", "dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop"):
                if hasattr(config, name):
                    setattr(config, name, 0.0)
            model = AutoModelForSeq2SeqLM.from_pretrained(folder, config=config, use_safetensors=True)
        except (OSError, ValueError) as error:
            raise InputError(f"{folder}: no Hugging Face encoder-decoder with safetensors weights ({error})") from error
        if not (folder / "tokenizer.json").is_file():
            raise InputError(f"{folder}: tokenizer.json is missing; save the checkpoint with a fast tokenizer")
        return cls(model, load_tokenizer(folder))

    def encode(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """See ``Backbone``."""
        return cast(torch.Tensor, self.model.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state)

    def nll(self, states: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """See ``Backbone``."""
        labels = targets.masked_fill(targets == IGNORED, -100)
        out = self.model(encoder_outputs=BaseModelOutput(last_hidden_state=states), attention_mask=mask, labels=labels)
        return nn.functional.cross_entropy(out.logits.float().transpose(1, 2), labels, reduction="none")

    def generate(
        self, states: torch.Tensor, mask: torch.Tensor, ids: torch.Tensor, longest: int = 20, beams: int = 1
    ) -> list[list[int]]:
        """See ``Backbone``."""
        marks = {*self.begin, *self.end, self.pad, self.model.config.decoder_start_token_id}
        with torch.inference_mode():
            made = self.model.generate(
                encoder_outputs=BaseModelOutput(last_hidden_state=states), attention_mask=mask,
                max_new_tokens=longest, num_beams=beams, do_sample=False,
            )  # fmt: skip
        return [[piece for piece in row if piece not in marks] for row in made.tolist()]

    def save(self, folder: Path) -> None:
        """See ``Backbone``."""
        self.model.save_pretrained(folder)
        named = {"eos_token": self.end[0], "pad_token": self.pad, "mask_token": self.mask_id}
        named |= {"bos_token": self.begin[0]} if self.begin else {}
        known = {name: self.tokenizer.id_to_token(number) for name, number in named.items()}
        unknown = next((mark for mark in UNKNOWN if self.tokenizer.token_to_id(mark) is not None), None)
        fast = PreTrainedTokenizerFast(tokenizer_object=self.tokenizer, unk_token=unknown, **known)
        fast.save_pretrained(folder)  # converters ask for it beside tokenizer.json
        self.tokenizer.save(str(folder / "tokenizer.json"))

    def freeze_encoder(self) -> None:
        """See ``Backbone``."""
        self.model.get_encoder().requires_grad_(False)

    def use_plain_attention(self) -> None:
        """See ``Backbone``."""
        self.model.set_attn_implementation("eager")

"""The bi-encoder (QuIP section 3): one encoder for passages and questions, a start head and an end head.

A passage is encoded without its questions, to a vector a token; a question to two vectors, one for where an answer
starts and one for where it ends. A token's logit is an inner product: no temperature, no scaling. A checkpoint is a
Hugging Face folder of the encoder with ``heads.safetensors`` and ``heads.json`` beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModel

from quipu.errors import FormatError, InputError
from quipu.models.spans import STRIDE, WINDOW

Pooling = Literal["first", "mean"]
HEADS, HEAD_SETTINGS = "heads.safetensors", "heads.json"


class QuestionHead(nn.Module):
    """dense (D, D), tanh, out_proj (D, D), of a question's pooled vector; names as in the published state dicts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """(Q, D) -> (Q, D)."""
        return cast(torch.Tensor, self.out_proj(torch.tanh(self.dense(pooled))))


class QuipModel(nn.Module):
    """Encoder and heads. ``pooling``: a question is its first token (the paper), or the mean of its tokens."""

    def __init__(self, encoder: nn.Module, width: int, pooling: Pooling = "first") -> None:
        super().__init__()
        self.encoder = encoder
        self.start_head, self.end_head = QuestionHead(width), QuestionHead(width)
        self.width, self.pooling = width, pooling

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, pooling: Pooling | None = None, *, eager: bool = False, random: bool = False
    ) -> QuipModel:
        """Any Hugging Face encoder: a local folder or, where the user is online, a name of the hub.

        Heads are read where they lie beside it (``heads.safetensors``), else they are new (seed them before the call).
        Dropout is off. ``random``: its architecture with new weights. Raises InputError or FormatError.
        """
        folder = Path(folder) if Path(folder).is_dir() else folder
        try:
            config = AutoConfig.from_pretrained(folder)
            for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
                if hasattr(config, name):
                    setattr(config, name, 0.0)
            extra: dict[str, Any] = {"attn_implementation": "eager"} if eager else {}  # what the export can trace
            if config.model_type in ("bert", "roberta", "xlm-roberta"):
                extra["add_pooling_layer"] = False
            if random:
                encoder = AutoModel.from_config(config)
            else:
                encoder = AutoModel.from_pretrained(folder, config=config, use_safetensors=True, **extra)
        except (OSError, ValueError) as error:
            raise InputError(f"{folder}: no Hugging Face encoder with safetensors weights ({error})") from error
        settings: dict[str, Any] = {}
        heads = Path(folder) / HEADS
        if heads.is_file() and not random:
            settings = json.loads((Path(folder) / HEAD_SETTINGS).read_text(encoding="utf-8"))
        model = cls(encoder, int(config.hidden_size), pooling or settings.get("pooling", "first"))
        if settings:
            try:
                weights = load_file(heads)
                model.start_head.load_state_dict(_under("start_head.", weights))
                model.end_head.load_state_dict(_under("end_head.", weights))
            except (SafetensorError, RuntimeError, OSError) as error:
                raise FormatError(f"{heads}: not the heads of an encoder of width {model.width} ({error})") from error
        return model

    def save_pretrained(self, folder: str | Path, *, heads: bool = True) -> None:
        """The encoder as Hugging Face keeps it, the heads beside it."""
        folder = Path(folder)
        cast(Any, self.encoder).save_pretrained(folder)
        if not heads:
            return
        save_file(
            {
                f"{name}.{key}": value.detach().contiguous()
                for name, head in (("start_head", self.start_head), ("end_head", self.end_head))
                for key, value in head.state_dict().items()
            },
            folder / HEADS,
        )
        (folder / HEAD_SETTINGS).write_text(json.dumps({"pooling": self.pooling, "width": self.width}) + "\n")

    def push_to_hub(self, repository: str, folder: str | Path, *, private: bool = True) -> str:
        """Save to ``folder`` and upload it to huggingface.co; returns the commit's address. Needs the user's token."""
        from huggingface_hub import HfApi

        self.save_pretrained(folder)
        api = HfApi()
        api.create_repo(repository, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=repository, folder_path=str(folder)).commit_url)

    def tokens(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Passage side: ids, mask (P, T) -> token vectors (P, T, D), raw last layer."""
        return cast(torch.Tensor, self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state)

    def hidden(self, ids: torch.Tensor, mask: torch.Tensor, *, vectors: bool = False) -> tuple[torch.Tensor, ...]:
        """Every layer's token vectors, embeddings first: L + 1 of (N, T, D). ``vectors``: ids are word vectors."""
        words = {"inputs_embeds" if vectors else "input_ids": ids}
        out = self.encoder(**words, attention_mask=mask, output_hidden_states=True)
        return cast("tuple[torch.Tensor, ...]", out.hidden_states)

    def pooled(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(Q, T, D), (Q, T) -> (Q, D) by ``pooling``."""
        return states[:, 0] if self.pooling == "first" else mean_of(states, mask)

    def questions(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Question side: ids, mask (Q, T) -> start and end vectors (Q, D) each."""
        pooled = self.pooled(self.tokens(ids, mask), mask)
        return self.start_head(pooled), self.end_head(pooled)


def window_of(config: Any) -> tuple[int, int]:
    """Window and stride of long passages: the paper's, or smaller where the encoder has fewer positions."""
    # RoBERTa counts positions from two, so 514 rows hold 512 tokens.
    room = int(config.max_position_embeddings) - (2 if "roberta" in config.model_type else 0)
    return (WINDOW, STRIDE) if room >= WINDOW else (room, room * STRIDE // WINDOW)


def mean_of(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the tokens that are there: (N, T, D), (N, T) -> (N, D)."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def token_logits(
    tokens: torch.Tensor, mask: torch.Tensor, vectors: torch.Tensor, passage: torch.Tensor, *, concat: bool = False
) -> torch.Tensor:
    """Inner products of questions with the tokens of their passage, or of all passages of the batch, float32.

    tokens (P, T, D), mask (P, T), vectors (Q, D), passage (Q) the row of each question's own passage. Returns (Q, T),
    or with ``concat`` (Q, P * T): the passages of the batch as one long passage, the others' tokens as negatives.
    Padding is at the lowest float.
    """
    lowest = torch.finfo(torch.float32).min
    # Every question with every passage: more products than needed, but one matrix, and nothing is copied a question.
    logits = torch.einsum("qd,ptd->qpt", vectors.float(), tokens.float())
    logits = logits.masked_fill(~mask.bool(), lowest)
    return logits.flatten(1) if concat else logits[torch.arange(len(passage), device=passage.device), passage]


def distillation(
    logits: torch.Tensor, places: torch.Tensor, weights: torch.Tensor, *, spread: bool = False
) -> torch.Tensor:
    """Cross-entropy to sparse soft labels, mean over questions (QuIP section 3.3; KL up to the labels' entropy).

    logits (Q, N); places (Q, 8) int64 columns of the labels; weights (Q, 8) their probabilities, 0 where there is no
    label. Mass beyond the labels kept counts as nothing, as in the paper. ``spread``: it lies on the other places as
    the square root of the student's own probabilities there, which is near to what all of the labels give.
    """
    log_p = torch.log_softmax(logits, dim=-1)
    kept = log_p.gather(1, places)
    loss = -(weights * kept.masked_fill(weights == 0, 0.0)).sum(1)
    if spread:
        labelled = torch.zeros_like(logits).scatter_add(1, places, weights) > 0
        # Padding, at the lowest float, gets none.
        root = torch.softmax((0.5 * log_p.detach()).masked_fill(labelled, torch.finfo(log_p.dtype).min), dim=-1)
        rest = (1 - weights.sum(1)).clamp(min=0)
        loss = loss - rest * (root * log_p.masked_fill(root == 0, 0.0)).sum(1)
    return loss.mean()


def _under(prefix: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}

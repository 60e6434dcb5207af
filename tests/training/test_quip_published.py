"""The published layout, made here with random weights, gives the logits of an independent computation."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from transformers import RobertaConfig, RobertaModel

from quipu.errors import FormatError, InputError
from quipu.training.quip.fairseq import read_published

WIDTH, HEADS, WORDS, LAYERS, POSITIONS = 16, 4, 30, 2, 40
IDS = torch.tensor([[0, 7, 9, 23, 11, 2]])
QUESTION = torch.tensor([[0, 5, 8, 2]])


def head() -> dict[str, torch.Tensor]:
    """A head's state dict as published."""
    return {
        "dense.weight": torch.randn(WIDTH, WIDTH), "dense.bias": torch.randn(WIDTH),
        "out_proj.weight": torch.randn(WIDTH, WIDTH), "out_proj.bias": torch.randn(WIDTH),
    }  # fmt: skip


def fairseq_state() -> dict[str, torch.Tensor]:
    """RoBERTa's weights under fairseq's names."""
    base = "encoder.sentence_encoder."
    state = {
        f"{base}embed_tokens.weight": torch.randn(WORDS, WIDTH),
        f"{base}embed_positions.weight": torch.randn(POSITIONS, WIDTH),
        f"{base}emb_layer_norm.weight": torch.rand(WIDTH) + 0.5, f"{base}emb_layer_norm.bias": torch.randn(WIDTH),
        "encoder.lm_head.bias": torch.randn(WORDS),
    }  # fmt: skip
    for layer in range(LAYERS):
        here = f"{base}layers.{layer}."
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            state[f"{here}self_attn.{part}.weight"] = torch.randn(WIDTH, WIDTH) / 4
            state[f"{here}self_attn.{part}.bias"] = torch.randn(WIDTH)
        state[f"{here}fc1.weight"], state[f"{here}fc1.bias"] = torch.randn(2 * WIDTH, WIDTH) / 4, torch.randn(2 * WIDTH)
        state[f"{here}fc2.weight"], state[f"{here}fc2.bias"] = torch.randn(WIDTH, 2 * WIDTH) / 4, torch.randn(WIDTH)
        for norm in ("self_attn_layer_norm", "final_layer_norm"):
            state[f"{here}{norm}.weight"], state[f"{here}{norm}.bias"] = torch.rand(WIDTH) + 0.5, torch.randn(WIDTH)
    return state


def roberta_by_hand(state: dict[str, torch.Tensor], ids: torch.Tensor) -> torch.Tensor:
    """One row of ids to token vectors (T, D), written from the architecture's description."""
    base = "encoder.sentence_encoder."

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        centred = x - x.mean(-1, keepdim=True)
        unit = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
        return unit * state[f"{base}{name}.weight"] + state[f"{base}{name}.bias"]

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ state[f"{base}{name}.weight"].T + state[f"{base}{name}.bias"]

    # positions of RoBERTa begin after the padding index, which is 1
    x = state[f"{base}embed_tokens.weight"][ids] + state[f"{base}embed_positions.weight"][torch.arange(len(ids)) + 2]
    x = norm(x, "emb_layer_norm")
    for layer in range(LAYERS):
        here = f"layers.{layer}."
        q, k, v = (linear(x, f"{here}self_attn.{part}_proj").view(len(ids), HEADS, -1) for part in "qkv")
        rows = []
        for at in range(HEADS):
            weights = (q[:, at] @ k[:, at].T / (WIDTH // HEADS) ** 0.5).softmax(-1)
            rows.append(weights @ v[:, at])
        x = norm(x + linear(torch.cat(rows, dim=-1), f"{here}self_attn.out_proj"), f"{here}self_attn_layer_norm")
        hidden = linear(x, f"{here}fc1")
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / 2**0.5))
        x = norm(x + linear(hidden, f"{here}fc2"), f"{here}final_layer_norm")
    return x


def applied(state: dict[str, torch.Tensor], vector: torch.Tensor) -> torch.Tensor:
    """out(tanh(dense(x)))."""
    inner = torch.tanh(state["dense.weight"] @ vector + state["dense.bias"])
    return state["out_proj.weight"] @ inner + state["out_proj.bias"]


def write_fairseq(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    folder.mkdir()
    torch.manual_seed(0)
    state, start, end = fairseq_state(), head(), head()
    settings = Namespace(encoder_attention_heads=HEADS)  # as fairseq keeps them
    torch.save({"model": state, "args": settings}, folder / "model.pt")
    torch.save(start, folder / "model_qa_head_start.pt")
    torch.save(end, folder / "model_qa_head_end.pt")
    (folder / "dict.txt").write_text("".join(f"{number} 1\n" for number in range(WORDS - 5)))
    return state, start, end


def test_fairseq_checkpoint_gives_the_logits_computed_by_hand(tmp_path: Path) -> None:
    state, start, end = write_fairseq(tmp_path / "quip")
    model = read_published(tmp_path / "quip")
    tokens = roberta_by_hand(state, IDS[0])
    first = roberta_by_hand(state, QUESTION[0])[0]
    with torch.inference_mode():
        found = model.tokens(IDS, torch.ones_like(IDS))[0]
        vectors = model.questions(QUESTION, torch.ones_like(QUESTION))
    for mine, published in zip(vectors, (start, end), strict=True):
        expected = tokens @ applied(published, first)
        assert torch.allclose(found @ mine[0], expected, atol=1e-4), (found @ mine[0] - expected).abs().max()


def test_hugging_face_layout_takes_its_heads_from_the_sibling_folder(tmp_path: Path) -> None:
    torch.manual_seed(1)
    config = RobertaConfig(
        vocab_size=WORDS, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=32,
        max_position_embeddings=POSITIONS, type_vocab_size=1, pad_token_id=1,
    )  # fmt: skip
    encoder = RobertaModel(config, add_pooling_layer=False).eval()
    encoder.save_pretrained(tmp_path / "quip-hf")
    (tmp_path / "quip").mkdir()
    start, end = head(), head()
    torch.save(start, tmp_path / "quip" / "model_qa_head_start.pt")
    torch.save(end, tmp_path / "quip" / "model_qa_head_end.pt")
    model = read_published(tmp_path / "quip-hf")
    with torch.inference_mode():
        first = encoder(QUESTION).last_hidden_state[0, 0]
        found = model.questions(QUESTION, torch.ones_like(QUESTION))
    assert torch.allclose(found[0][0], applied(start, first), atol=1e-5)
    assert torch.allclose(found[1][0], applied(end, first), atol=1e-5)
    # what was read can be kept in this library's own layout, without a pickle
    model.save_pretrained(tmp_path / "kept")
    again = type(model).from_pretrained(tmp_path / "kept").eval()
    with torch.inference_mode():
        kept = again.questions(QUESTION, torch.ones_like(QUESTION))
    assert torch.equal(kept[0], found[0]) and torch.equal(kept[1], found[1])
    assert not list((tmp_path / "kept").glob("*.pt")) and not list((tmp_path / "kept").glob("*.bin"))


def test_wrong_files_are_refused_with_one_line(tmp_path: Path) -> None:
    write_fairseq(tmp_path / "quip")
    (tmp_path / "quip" / "dict.txt").write_text("one 1\n")
    with pytest.raises(FormatError, match=r"dict\.txt names 1 words, the model has 30"):
        read_published(tmp_path / "quip")
    (tmp_path / "quip" / "model_qa_head_end.pt").unlink()
    (tmp_path / "quip" / "dict.txt").write_text("".join(f"{number} 1\n" for number in range(WORDS - 5)))
    with pytest.raises(InputError, match=r"model_qa_head_end\.pt is missing"):
        read_published(tmp_path / "quip")
    with pytest.raises(InputError, match="neither a Hugging Face folder"):
        read_published(tmp_path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    write_fairseq(tmp_path / "quip")
    torch.save(Path("any class but tensors"), tmp_path / "quip" / "model_qa_head_start.pt")
    with pytest.raises(FormatError, match="cannot be read as plain tensors"):
        read_published(tmp_path / "quip")

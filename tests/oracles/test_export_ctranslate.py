"""A tiny BART and a tiny T5, made here, through the conversion and its gate."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ctranslate2")

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import BartConfig, BartForConditionalGeneration, PreTrainedTokenizerFast, T5Config
from transformers import T5ForConditionalGeneration as T5

from quipu.models import load_writer
from quipu.records import Span
from quipu.training.export_ctranslate import export_ctranslate_writer

pytestmark = pytest.mark.torch
TEXTS = ["The canal was opened in 1869.", "Robert Fortune took tea plants to India in 1848.", "Glass is made of sand."]


def tokenizer(folder: Path, first: str) -> int:
    """A word tokenizer of the texts, saved as people's checkpoints are; its size."""
    words = Tokenizer(models.WordLevel(unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<s>", "<pad>", "</s>", "<unk>"] if first == "<s>" else ["<pad>", "</s>", "<unk>", "<s>"]
    words.train_from_iterator(
        [*TEXTS, "answer: | title: | context: **"], trainers.WordLevelTrainer(special_tokens=special)
    )
    words.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>" if first == "<s>" else "$A </s>",
        special_tokens=[(piece, words.token_to_id(piece)) for piece in ("<s>", "</s>")],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )
    fast.save_pretrained(folder)
    return words.get_vocab_size()


def checkpoint(folder: Path, kind: str) -> Path:
    torch.manual_seed(5)
    size = tokenizer(folder, "<s>" if kind == "bart" else "<pad>")
    if kind == "bart":
        config = BartConfig(
            vocab_size=size, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=64,
            bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2, forced_eos_token_id=None,
            init_std=0.5,
        )  # fmt: skip
        BartForConditionalGeneration(config).save_pretrained(folder)
    else:
        config = T5Config(
            vocab_size=size, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, pad_token_id=0, eos_token_id=1,
            decoder_start_token_id=0,
        )  # fmt: skip
        T5(config).save_pretrained(folder)
    return folder


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_the_converted_writer_begins_its_questions_as_torch_does(tmp_path: Path, kind: str) -> None:
    """A wrong norm or start token in the conversion still writes fluent nonsense; only the comparison shows it."""
    asked = [(text, (0, len(text.split()[0]))) for text in TEXTS]
    figures = export_ctranslate_writer(
        checkpoint(tmp_path / "hf", kind), tmp_path / "out", name=f"tiny-{kind}", version="0", asked=asked,
        question_length=8, max_length=48,
    )  # fmt: skip
    assert figures["same_opening"] >= 0.8
    writer = load_writer(tmp_path / "out")
    made = writer.write(TEXTS[:2], [[Span(0, 3)], []], per_span=2, seed=3)
    assert len(made) == 2 and len(made[0][0]) >= 1 and made[1] == []
    assert made == writer.write(TEXTS[:2], [[Span(0, 3)], []], per_span=2, seed=3)

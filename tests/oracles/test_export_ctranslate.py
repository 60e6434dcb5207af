"""A tiny BART and a tiny T5, made here, through the conversion and its gate."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ctranslate2")

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForSeq2SeqLM,
    BartConfig,
    BartForConditionalGeneration,
    PreTrainedTokenizerFast,
    T5Config,
)
from transformers import T5ForConditionalGeneration as T5

from quipu.errors import ExportMismatch, InputError, MissingExtra
from quipu.models import load_writer
from quipu.models.ctranslate import CTranslateWriter, prompt
from quipu.records import Span
from quipu.training.export.ctranslate import export_ctranslate_writer

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
        config = T5Config(  # type: ignore[assignment, call-arg]
            vocab_size=size, d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, pad_token_id=0, eos_token_id=1,
            decoder_start_token_id=0, tie_word_embeddings=False,
        )  # fmt: skip
        model = T5(config)  # with tied words a random T5 repeats its start, <pad>, and would write empty questions
        torch.nn.init.normal_(model.lm_head.weight, std=0.5)
        torch.nn.init.zeros_(model.lm_head.weight[:4])
        model.save_pretrained(folder)
    return folder


ASKED = [(text, (0, len(text.split()[0]))) for text in TEXTS]


def export(folder: Path, kind: str, out: Path) -> dict[str, float]:
    return export_ctranslate_writer(
        checkpoint(folder, kind), out, name=f"tiny-{kind}", version="0", asked=ASKED, question_length=8, max_length=48
    )


def by_torch(folder: Path, text: str, span: Span, words: Tokenizer) -> tuple[str, float]:
    """The greedy question, and its mean log p a piece with the end mark."""
    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    ids = torch.tensor([words.encode(prompt(text, span)).ids])
    made = model.generate(
        ids, max_new_tokens=8, do_sample=False, num_beams=1, output_scores=True, return_dict_in_generate=True
    )
    pieces = made.sequences[0][1:]
    log_p = [step.log_softmax(-1)[0, piece].item() for step, piece in zip(made.scores, pieces, strict=True)]
    return words.decode(pieces.tolist()).strip(), sum(log_p) / len(log_p)


@pytest.mark.usefixtures("exact_int8")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_the_converted_writer_writes_as_torch_does(tmp_path: Path, kind: str) -> None:
    """A wrong norm writes fluent nonsense; scores of another scale keep the wrong pair and sample at random."""
    assert export(tmp_path / "hf", kind, tmp_path / "out")["same_opening"] >= 0.8
    writer = load_writer(tmp_path / "out")
    made = writer.write(TEXTS, [[Span(*span)] for _, span in ASKED])
    words = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    same = 0
    for (text, span), row in zip(ASKED, made, strict=True):
        question, score = by_torch(tmp_path / "hf", text, Span(*span), words)
        assert question, "the test asks too little of the conversion: torch writes nothing here"
        if row[0] and row[0][0].question == question:
            same += 1
            assert row[0][0].score == pytest.approx(score, abs=0.1)
    assert same >= 2  # the weights are int8: one near tie may fall the other way


@pytest.mark.usefixtures("exact_int8")
@pytest.mark.filterwarnings("ignore")
def test_sampled_questions_differ_and_repeat_with_their_seed(tmp_path: Path) -> None:
    """Without the seed an interrupted build goes on with other questions; seeds of a build pass 32 bits."""
    export(tmp_path / "hf", "bart", tmp_path / "out")
    writer = load_writer(tmp_path / "out")
    spans = [[Span(0, 3)], []]
    made = writer.write(TEXTS[:2], spans, per_span=4, top_p=0.9, seed=2**32 + 3)
    assert made == writer.write(TEXTS[:2], spans, per_span=4, top_p=0.9, seed=2**32 + 3)
    assert made != writer.write(TEXTS[:2], spans, per_span=4, top_p=0.9, seed=4)
    questions = [item.question for item in made[0][0]]
    assert made[1] == [] and 1 < len(questions) <= 4 and len(set(questions)) == len(questions)
    assert writer.write([], []) == [] and writer.write(TEXTS[:1], [[]]) == [[]]


@pytest.mark.usefixtures("exact_int8")
@pytest.mark.filterwarnings("ignore")
def test_an_export_leaves_the_files_of_its_folder_alone(tmp_path: Path) -> None:
    """The converter empties its target first: somebody's notes, or the checkpoint itself, would be gone."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("my notes")
    export(tmp_path / "hf", "bart", tmp_path / "out")
    assert (tmp_path / "out" / "README.md").read_text() == "my notes"
    with pytest.raises(InputError, match="checkpoint itself"):
        export(tmp_path / "hf", "bart", tmp_path / "hf")
    assert (tmp_path / "hf" / "model.safetensors").is_file()


@pytest.mark.filterwarnings("ignore")
def test_questions_that_say_nothing_do_not_pass_the_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two empty questions are equal, and a writer that is silent would pass for one that was converted well."""
    monkeypatch.setattr(CTranslateWriter, "write", lambda *_: [[[]] for _ in TEXTS])
    with pytest.raises(ExportMismatch, match="refused"):
        export(tmp_path / "hf", "bart", tmp_path / "out")
    assert not (tmp_path / "out" / "model.json").exists()


def test_without_ctranslate2_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare ImportError leaves people to guess which of the extras they need."""
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(MissingExtra, match=r"pip install 'quipu-qa\[ctranslate2\]'"):
        CTranslateWriter("nowhere")


def test_the_prompt_marks_the_span_that_is_asked_about() -> None:
    """The answer may stand twice in a passage: unmarked, the question may be about the other one."""
    assert prompt("In 1869, not in 1859.", Span(3, 7), "Suez") == (
        "answer: 1869 | title: Suez | context: In ** 1869 **, not in 1859."
    )

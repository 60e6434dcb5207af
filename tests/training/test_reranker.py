"""The reranker's network against a slow twin, its loss by hand, and the exported graphs against torch."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tiny_bert import TEXTS, wordpieces
from transformers import BertConfig, BertForSequenceClassification, BertModel

from quipu.errors import FormatError, InputError
from quipu.models import reranker as inference
from quipu.models.reranker import CrossEncoder, Reranker, load_reranker
from quipu.training.export.reranker import export_cross_encoder, export_reranker
from quipu.training.reranker import model as network
from quipu.training.reranker.data import Candidate, Group, _group, collate, held_out, twin_groups
from quipu.training.reranker.model import (
    RerankerConfig,
    hidden,
    rerank_loss,
    reranker_from_bert,
    save_bert,
    save_reranker,
)

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
PAIRS = [
    ("When was the canal opened?", "1869"),
    ("Who took tea to India?", "Robert Fortune"),
    ("What is glass made of?", "sand"),
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of three layers of width 24 with its tokenizer."""
    folder = tmp_path_factory.mktemp("bert")
    size = wordpieces(folder).get_vocab_size()
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=size, hidden_size=24, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, initializer_range=0.3,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


def small(bert: Path) -> network.Reranker:
    size = wordpieces(bert).get_vocab_size()
    torch.manual_seed(5)
    config = RerankerConfig(size, 24, 4, 48, 64, 3, 1)
    model = reranker_from_bert(bert, config)
    for head in (model.quick, model.full):
        torch.nn.init.normal_(head.read.weight, std=1.0)
    return model.eval()


def test_the_question_alone_is_read_as_by_bert(bert: Path) -> None:
    """The question sees no candidate, so its states after every layer are those of the model that it started from."""
    model, plain = small(bert), BertModel.from_pretrained(bert, add_pooling_layer=False).eval()
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    with torch.inference_mode():
        states = plain(input_ids=ids, output_hidden_states=True).hidden_states
        asked = model.embed(model.words(ids), 0)
        pairs = model.embed(model.words(torch.tensor([[[2, 5, 3]]])), 1)
        for layer, expected in zip(model.encoder, states[1:], strict=True):
            asked, pairs = layer(asked, pairs, torch.zeros(1, 5), torch.zeros(1, 1, 3))
            assert torch.allclose(asked, expected, atol=1e-5)


def test_its_layers_are_the_bert_again(bert: Path, tmp_path: Path) -> None:
    model, plain = small(bert), BertModel.from_pretrained(bert, add_pooling_layer=False).eval()
    save_bert(model, tmp_path)
    back = BertModel.from_pretrained(tmp_path, add_pooling_layer=False).eval().state_dict()
    expected = plain.state_dict()
    assert back.keys() == expected.keys() and all(torch.equal(back[name], expected[name]) for name in expected)


def test_a_candidate_sees_itself_and_the_question_and_nothing_else(bert: Path) -> None:
    """A logit must not depend on padding, on the other candidates, or on their order: the cache of nobody's answer."""
    model = small(bert)
    question, pairs = torch.randint(5, 30, (2, 6)), torch.randint(5, 30, (2, 4, 7))
    ones = (torch.ones_like(question), torch.ones_like(pairs))
    scores = torch.rand(2, 4)
    with torch.inference_mode():
        quick, full = model(question, ones[0], pairs, ones[1], scores)
        order = torch.tensor([2, 0, 3, 1])
        again = model(question, ones[0], pairs[:, order], ones[1], scores[:, order])
        assert torch.allclose(again[0], quick[:, order], atol=1e-5) and torch.allclose(
            again[1], full[:, order], atol=1e-5
        )
        alone = model(question[:1], ones[0][:1], pairs[:1, 1:2], ones[1][:1, 1:2], scores[:1, 1:2])
        assert torch.allclose(alone[1][0, 0], full[0, 1], atol=1e-5)
        wide = torch.cat([pairs, torch.full((2, 4, 3), 9)], -1)
        mask = torch.cat([ones[1], torch.zeros(2, 4, 3, dtype=torch.long)], -1)
        long = torch.cat([question, torch.full((2, 2), 9)], -1)
        long_mask = torch.cat([ones[0], torch.zeros(2, 2, dtype=torch.long)], -1)
        padded = model(long, long_mask, wide, mask, scores)
        assert torch.allclose(padded[1], full, atol=1e-5)
        assert not torch.allclose(model(question.flip(1), ones[0], pairs, ones[1], scores)[1], full, atol=1e-3)


def test_one_layer_equals_attention_written_out(bert: Path) -> None:
    """By hand, token by token and head by head, in double precision."""
    model = small(bert).double()
    layer = model.encoder[0]
    question, pairs = torch.randn(1, 3, 24, dtype=torch.double), torch.randn(1, 2, 4, 24, dtype=torch.double)
    hide = hidden(torch.tensor([[[1, 1, 1, 0], [1, 1, 1, 1]]])).double()
    with torch.inference_mode():
        _, made = layer(question, pairs, torch.zeros(1, 3, dtype=torch.double), hide)
        for number in range(2):
            own = pairs[0, number]
            around = torch.cat([question[0], own])
            for token in range(4):
                heads = []
                for head in range(4):
                    part = slice(6 * head, 6 * head + 6)
                    query = layer.query(own[token])[part]
                    logits = torch.stack([query @ layer.key(other)[part] / 6**0.5 for other in around])
                    logits[3:] += hide[0, number]
                    weights = logits.softmax(0)
                    heads.append(sum(w * layer.value(other)[part] for w, other in zip(weights, around, strict=True)))
                state = layer.attended(own[token] + layer.out(torch.cat(heads)))
                state = layer.done(state + layer.shrink(torch.nn.functional.gelu(layer.grow(state))))
                assert torch.allclose(made[0, number, token], state, atol=1e-9)


def test_the_loss_by_hand() -> None:
    """One group, two real candidates with logits 1 (right) and 0, a padded one that must not count."""
    full, quick = torch.tensor([[1.0, 0.0, 9.0]]), torch.zeros(1, 3)
    right, real = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[True, True, False]])
    loss = rerank_loss(quick, full, right, real).item()
    sigmoid = 1 / (1 + np.exp(-1.0))
    deep = (-np.log(sigmoid) - np.log(0.5)) / 2 + 0.3 * -np.log(sigmoid) + np.log(np.exp(1.0) + 1) - 1.0
    shallow = -np.log(0.5) + 0.3 * -np.log(0.5) + np.log(2.0)
    assert loss == pytest.approx(deep + 0.5 * shallow, abs=1e-5)
    nothing = rerank_loss(quick, full, torch.zeros(1, 3), real).item()  # nobody is right: only the binary part
    wrong = (-np.log(1 - sigmoid) - np.log(0.5)) / 2
    assert nothing == pytest.approx(wrong + 0.5 * -np.log(0.5), abs=1e-5)


def asked() -> list[tuple[str, list[tuple[str, str]], list[float]]]:
    return [
        (text, PAIRS, [0.9, 0.5, 0.4])
        for text in ("When was the canal opened?", "who took tea?", "Is glass made of sand?")
    ]


def test_the_exported_reranker_answers_as_the_trained_one(
    bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = small(bert)
    save_reranker(model, tmp_path / "checkpoint")
    wordpieces(tmp_path / "checkpoint")
    monkeypatch.setattr(
        "quipu.training.export.onnx.to_int8", lambda source, target: target.write_bytes(source.read_bytes())
    )
    figures = export_reranker(
        tmp_path / "checkpoint", tmp_path / "out", name="tiny", version="1", asked=asked(), max_length=32
    )
    assert figures["same_best"] == 1.0 and figures["logit_difference"] < 0.2  # the word table is int8 all the same
    exported = load_reranker(tmp_path / "out")
    assert isinstance(exported, Reranker) and exported.name == "tiny@1"
    together = exported.rerank([row[0] for row in asked()], [row[1] for row in asked()], [row[2] for row in asked()])
    alone = exported.rerank([asked()[0][0]], [asked()[0][1]], [asked()[0][2]])
    assert np.allclose(alone[0], together[0], atol=1e-4) and exported.rerank(["x"], [[]], [[]])[0].shape == (0,)
    # many candidates: the first at full depth, of the others only the most promising, the rest below all of these
    many, scores = [PAIRS[n % 3] for n in range(40)], [0.9 - 0.01 * n for n in range(40)]
    monkeypatch.setattr(inference, "BEYOND_DOUBT", 1e9)
    logits = exported.rerank(["Who took tea to India?"], [many], [scores])[0]
    first = inference.FIRST
    whole = np.concatenate(
        [
            exported.rerank(["Who took tea to India?"], [many[at : at + first]], [scores[at : at + first]])[0]
            for at in range(0, 40, first)
        ]
    )
    deep = np.isclose(logits, whole, atol=1e-3)
    assert (
        deep[:first].all() and deep.sum() >= first + inference.DEEP and logits[~deep].max() <= logits[deep].min() + 1e-5
    )
    monkeypatch.setattr(inference, "BEYOND_DOUBT", -1e9)
    quick = exported.rerank(["Who took tea to India?"], [many], [scores])[0]
    assert (
        np.allclose(quick[:first], logits[:first], atol=1e-4)
        and (quick[first:] < quick[:first].min()).all()
        and (np.diff(quick[first:]) < 0).all()
    )
    (tmp_path / "out" / "lower.onnx").write_bytes(b"x")
    with pytest.raises(FormatError, match="sha256"):
        load_reranker(tmp_path / "out")


def test_a_word_table_is_shared_only_where_it_is_the_same(bert: Path, tmp_path: Path) -> None:
    save_reranker(small(bert), tmp_path / "checkpoint")
    wordpieces(tmp_path / "checkpoint")
    with pytest.raises(InputError, match="is another than this model's; leave words_from out"):
        export_reranker(
            tmp_path / "checkpoint", tmp_path / "out", name="tiny", version="1", asked=asked(), max_length=32,
            words_from="quipu-mini/writer",
        )  # fmt: skip


def test_any_cross_encoder_can_stand_in(bert: Path, tmp_path: Path) -> None:
    """A Hugging Face sequence classifier as it is published: logits as torch gives them for question and pair."""
    size = wordpieces(tmp_path / "hf").get_vocab_size()
    torch.manual_seed(1)
    config = BertConfig(  # type: ignore[call-arg]
        vocab_size=size, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=64, num_labels=1, initializer_range=0.2,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(tmp_path / "hf")
    texts = [(question, f"{stored} {answer}") for question in TEXTS for stored, answer in PAIRS]
    figures = export_cross_encoder(
        tmp_path / "hf", tmp_path / "out", name="ce", version="1", asked=texts, max_length=40
    )
    assert figures["correlation"] >= 0.98
    exported = load_reranker(tmp_path / "out")
    assert isinstance(exported, CrossEncoder)
    found = exported.rerank(TEXTS[:2], [PAIRS, PAIRS[:1]], [[0.0] * 3, [0.0]])
    assert [len(row) for row in found] == [3, 1]
    assert np.allclose(found[1], exported.rerank(TEXTS[1:2], [PAIRS[:1]], [[0.0]])[0], atol=0.05)


def test_a_candidate_that_is_nearly_a_gold_answer_is_neither_right_nor_wrong() -> None:
    found = [("q1", "the Suez Canal", 0.9), ("q2", "Suez", 0.8), ("q3", "Panama", 0.7)]
    group = _group("Which canal?", found, ["Suez Canal"])
    assert [(item.answer, item.right) for item in group.candidates] == [("the Suez Canal", True), ("Panama", False)]


def test_a_batch_keeps_a_right_candidate_and_the_hardest_wrong_ones(bert: Path) -> None:
    wrong = tuple(Candidate(f"was it {n}?", "1869", 0.9 - n / 100, False) for n in range(30))
    group = Group("When was it?", (*wrong, Candidate("when was the canal opened?", "1848", 0.1, True)))
    batch = collate([group, Group("Who?", wrong[:3])], wordpieces(bert), 6, 40, random.Random(1))
    assert batch["right"].sum() == 1 and batch["real"].sum().item() == 9 and batch["pairs"].shape[:2] == (2, 6)
    hardest = sorted(batch["scores"][0].tolist(), reverse=True)[:3]
    assert hardest == pytest.approx([0.9, 0.89, 0.88]) and batch["pair_mask"][1, 3:, 1:].sum() == 0


def test_held_out_questions_stay_out_of_the_twins() -> None:
    class Letters:
        name, width = "letters", 26

        def encode(self, texts: list[str], *, batch_size: int = 64) -> np.ndarray:
            keys = np.array(
                [[text.lower().count(chr(97 + n)) + 0.01 for n in range(26)] for text in texts], dtype=np.float32
            )
            return keys / np.linalg.norm(keys, axis=1, keepdims=True)

    memory = [(f"Which of the {n} largest rivers of Norway is the longest?", str(n)) for n in range(80)]
    groups = list(twin_groups(memory, Letters()))  # type: ignore[arg-type]
    kept = [question for question, _ in memory if not held_out(question)]
    assert 0 < len(kept) < 80 and len(groups) == len(kept)
    right = {item.question for group in groups for item in group.candidates if item.right}
    assert len(right & set(kept)) > 0 and not any(
        group.asked in dict(memory) for group in groups if group.asked not in kept
    )

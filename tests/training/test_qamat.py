"""QAMAT on tiny T5, BART and BERT checkpoints made here: each equation against a slow one, each stage end to end."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.handmade import models as handmade
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertModel,
    T5Config,
    T5ForConditionalGeneration,
)

import quipu
from quipu.errors import InputError, SettingsError
from quipu.models.memory_input import copyable
from quipu.records import QAPair
from quipu.training.batching import padded
from quipu.training.qamat import model
from quipu.training.qamat.backbones import Backbone
from quipu.training.qamat.copying import CopyBackbone, CopyConfig
from quipu.training.qamat.data import MASK, ExampleFiles, asked, hard_negatives, mine, write_examples, x_pieces
from quipu.training.qamat.hops import mine_chains
from quipu.training.qamat.loading import load_backbone
from quipu.training.qamat.memory import KeyMemory, embed, entries
from quipu.training.qamat.steps import Ways, answers, global_loss, in_batch_loss
from quipu.training.qamat.train import QamatRecipe, load, run

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
TEXTS = {
    "canal": "The Suez Canal was opened in 1869. It is 193 kilometres long. Lesseps began to dig it in 1859.",
    "tea": "Fortune took 20000 tea plants to India in 1848. He had come to China in 1843.",
    "glass": "Glass is made of sand at 1700 degrees. Venice had 300 makers of glass in 1291.",
}
MARKS = {"t5": "<extra_id_0>", "bart": "<mask>", "bert": "[MASK]"}


def tokenizer(folder: Path, kind: str) -> Tokenizer:
    """Words of the texts, and the marks of the kind."""
    special = {
        "t5": ["<pad>", "</s>", "<unk>", "<extra_id_0>"],
        "bart": ["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        "bert": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    }[kind]
    splitter = pre_tokenizers.Whitespace()
    words = [word for text in TEXTS.values() for word, _ in splitter.pre_tokenize_str(text.lower())]
    asked_words = ["when", "how", "many", "which", "number", "is", "in", "what", "year", "?", ";", ":", "'"]
    vocabulary = {word: at for at, word in enumerate(dict.fromkeys([*special, *words, *asked_words]))}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token=special[2 if kind == "t5" else 3 if kind == "bart" else 1]))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = splitter
    template = {"t5": "$A </s>", "bart": "<s> $A </s>", "bert": "[CLS] $A [SEP]"}[kind]
    made.post_processor = processors.TemplateProcessing(
        single=template, special_tokens=[(mark, vocabulary[mark]) for mark in special]
    )
    made.add_special_tokens(special)
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return made


def checkpoint(folder: Path, kind: str) -> Path:
    torch.manual_seed(5)
    size = tokenizer(folder, kind).get_vocab_size()
    if kind == "t5":
        T5ForConditionalGeneration(
            T5Config(  # type: ignore[call-arg]
                vocab_size=size, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, pad_token_id=0,
                eos_token_id=1, decoder_start_token_id=0, dropout_rate=0.1,
            )
        ).save_pretrained(folder)  # fmt: skip
    elif kind == "bart":
        BartForConditionalGeneration(
            BartConfig(vocab_size=size, d_model=32, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
                       decoder_attention_heads=2, encoder_ffn_dim=64, decoder_ffn_dim=64, max_position_embeddings=256,
                       bos_token_id=0, pad_token_id=1, eos_token_id=2, decoder_start_token_id=2, dropout=0.1)
        ).save_pretrained(folder)  # fmt: skip
    else:
        config = BertConfig(vocab_size=size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                            intermediate_size=64, max_position_embeddings=256)  # fmt: skip
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["t5", "bart", "bert"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp(request.param) / "hf", request.param)


@pytest.fixture
def backbone(folder: Path) -> Backbone:
    torch.manual_seed(1)
    return load_backbone(folder, CopyConfig(heads=2, layers=1, inner=64, vocabulary=40)).eval()


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs about the numbers of three documents."""
    root = tmp_path_factory.mktemp("memory")
    for name, text in TEXTS.items():
        (root / f"{name}.txt").write_text(text, encoding="utf-8")
    quipu.build(sorted(root.glob("*.txt")), root / "m.quipu", **handmade()).close()
    return root / "m.quipu"


# --- the equations -----------------------------------------------------------------------------------------------


def test_neural_integration_by_hand() -> None:
    """Two entries of scores log 3 and 0: weights 3/4 and 1/4 of their values, added at the mask and nowhere else."""
    states = torch.zeros(1, 3, 2, dtype=torch.float64)
    mixed = model.mixture(torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([[[4.0, 0.0], [0.0, 8.0]]]))
    torch.testing.assert_close(mixed, torch.tensor([[3.0, 2.0]]))
    h = model.neural(states, torch.tensor([1]), mixed)
    torch.testing.assert_close(h, torch.tensor([[[0, 0], [3, 2], [0, 0]]], dtype=torch.float64))


def test_neural_integration_against_a_loop_in_float64_and_its_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    queries, keys, values, states = (
        torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 5), (7, 5), (7, 5), (2, 4, 5))
    )
    mask_at = torch.tensor([0, 3])

    def h(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        scores, places = model.retrieve(q, k, 3)
        return model.neural(x, mask_at, model.mixture(scores, v[places]))

    expected = states.detach().clone()
    for row in range(2):
        products = [float(queries[row] @ keys[at]) for at in range(7)]
        best = sorted(range(7), key=lambda at: -products[at])[:3]
        total = sum(math.exp(products[at]) for at in best)
        for at in best:
            expected[row, mask_at[row]] += math.exp(products[at]) / total * values[at].detach()
    torch.testing.assert_close(h(queries, keys, values, states), expected)
    assert torch.autograd.gradcheck(h, (queries, keys, values, states))


def test_joined_text_holds_the_best_entry_next_to_x(backbone: Backbone) -> None:
    one, two, three, x = [11], [12, 13], [14], [15, 16]
    joined = model.join(backbone, [[one, two, three]], [x])
    row = joined.ids[0].tolist()
    begin, end = backbone.begin, backbone.end
    if backbone.x_first:
        assert row == [*begin, 15, 16, *end, 11, *end, 12, 13, *end, 14, *end]
    else:
        assert row == [*begin, 14, *end, 12, 13, *end, 11, *end, 15, 16, *end]
    assert row[int(joined.x_at[0])] == 15


def test_blocks_hold_x_each_and_the_best_entries_last(backbone: Backbone) -> None:
    joined = model.join(backbone, [[[11], [12], [13]], [[14], [15], [16]]], [[17], [18]], per_block=2)
    assert joined.blocks == 2 and len(joined.ids) == 4
    texts = [{token for token, there in zip(row, kept, strict=True) if there} for row, kept in
             zip(joined.ids.tolist(), joined.mask.tolist(), strict=True)]  # fmt: skip
    assert [{11, 12, 13, 14, 15, 16, 17, 18} & some for some in texts] == [
        {13, 17},
        {11, 12, 17},
        {16, 18},
        {14, 15, 18},
    ]
    read = model.discrete(backbone, joined)
    assert read.states.shape[:2] == read.mask.shape == read.ids.shape == (2, 2 * joined.ids.shape[1])
    at = int(joined.x_at[0]) + joined.ids.shape[1]
    assert int(read.ids[0, at]) == 17


def test_what_may_be_copied_weighs_by_the_rank_of_its_block() -> None:
    ids = np.array([[2, 7, 3, 8, 3, 0, 2, 7, 3, 9, 3, 0, 2, 7, 3, 5, 6, 3]])  # three blocks of [2] x [3] entry [3]
    weights = copyable(ids, (ids > 0).astype(np.int64), np.array([0, 2, 3]), 2)
    third, half = pytest.approx(1 / 3), 0.5
    assert weights[0].tolist() == [0, third, 0, third, 0, 0, 0, half, 0, half, 0, 0, 0, 1, 0, 1, 1, 0]


def test_of_two_like_blocks_the_better_one_is_copied_by_the_weight_of_its_rank(tmp_path: Path) -> None:
    sizes = CopyConfig(heads=2, layers=1, inner=32, vocabulary=30)
    backbone = load_backbone(checkpoint(tmp_path, "bert"), sizes).eval()
    assert isinstance(backbone, CopyBackbone)
    read = model.discrete(backbone, model.join(backbone, [[[11], [11]]], [[17]], per_block=1))
    with torch.inference_mode():
        backbone.order.fill_(1.5)
        previous = torch.zeros(1, 0, dtype=torch.long)
        memory = backbone.memory_of(read.states, read.ids, read.mask)
        _, copying = backbone.decode(previous, read.states, read.ids, read.mask, memory)
    worse, better = (copying[0, 0, at].item() for at in (read.ids[0] == 11).nonzero().flatten().tolist())
    assert better - worse == pytest.approx(1.5 * math.log(2), abs=1e-4)


def test_a_copy_key_knows_the_first_token_of_its_own_block(tmp_path: Path) -> None:
    sizes = CopyConfig(heads=2, layers=1, inner=32, vocabulary=30)
    backbone = load_backbone(checkpoint(tmp_path, "bert"), sizes).eval()
    assert isinstance(backbone, CopyBackbone)
    read = model.discrete(backbone, model.join(backbone, [[[11], [12, 13]]], [[17]], per_block=1))
    with torch.inference_mode():
        *_, plain = backbone.memory_of(read.states, read.ids, read.mask)
        backbone.block_key.weight.copy_(2 * torch.eye(backbone.width))
        *_, keys = backbone.memory_of(read.states, read.ids, read.mask)
    half = read.states.shape[1] // 2
    first, second = read.states[:, :1].expand(-1, half, -1), read.states[:, half : half + 1].expand(-1, half, -1)
    assert torch.allclose(keys - plain, 2 * torch.cat([first, second], dim=1), atol=1e-5)


def test_fusing_adds_h_at_the_tokens_of_x_and_nowhere_else(backbone: Backbone) -> None:
    xs = [[11, 12], [13, 14, 15]]
    joined = model.join(backbone, [[[16], [17]], [[18], [19]]], xs)
    size, length = joined.ids.shape
    read = model.Read(torch.zeros(size, length, 3), joined.mask, joined.ids)
    ids, _ = padded([[*backbone.begin, *x, *backbone.end] for x in xs], backbone.pad)
    h = ids.float().unsqueeze(-1).expand(-1, -1, 3)  # a token's state is its id
    both = model.fused(read, joined, h, torch.tensor([2, 3]), len(backbone.begin), weight=0.5)
    for row in range(size):
        for at in range(length):
            token = int(joined.ids[row, at])
            assert both.states[row, at].tolist() == [0.5 * token if token in xs[row] else 0.0] * 3


def test_first_hop_loss_by_hand() -> None:
    """Softmax of (log 2, 0, 0) is 1/2, 1/4, 1/4: right entries of 3/4, of 1/4; a row without one is left out."""
    scores = torch.tensor([[math.log(2.0), 0.0, 0.0]] * 3)
    gold = torch.tensor([[True, True, False], [False, False, True], [False, False, False]])
    expected = -(math.log(0.75) + math.log(0.25)) / 2
    assert model.first_hop_loss(scores, gold).item() == pytest.approx(expected, rel=1e-6)


# --- invariances --------------------------------------------------------------------------------------------------


def test_padding_changes_nothing(backbone: Backbone) -> None:
    """An example alone and beside a longer one: the same states where it has tokens, the same loss."""
    short, long = [11, 12], [13, 14, 15, 16, 17, 18]
    target = backbone.targets(["1869"], 8)
    losses = []
    for xs in ([short], [short, long]):
        joined = model.join(backbone, [[[19], [20, 21]]] * len(xs), xs)
        read = model.discrete(backbone, joined)
        nll = backbone.nll(read.states, read.mask, read.ids, target.expand(len(xs), -1))
        losses.append(nll[0])
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-4, atol=1e-5)


def test_neural_integration_knows_no_order_and_discrete_does(backbone: Backbone) -> None:
    scores, values = torch.tensor([[0.3, 1.2, -0.4]]), torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(2))
    turned = torch.tensor([2, 0, 1])
    torch.testing.assert_close(model.mixture(scores, values), model.mixture(scores[:, turned], values[:, turned]))
    one, other = (model.discrete(backbone, model.join(backbone, [some], [[15, 16]])).states.sum().item()
                  for some in ([[11], [12, 13]], [[12, 13], [11]]))  # fmt: skip
    assert one != pytest.approx(other, rel=1e-6)


# --- data ---------------------------------------------------------------------------------------------------------


def test_mined_examples_mask_the_answer_and_have_hard_negatives(memory: Path, tmp_path: Path) -> None:
    with quipu.open(memory, read_only=True, encoder=handmade()["encoder"]) as opened:
        store = opened.store
        found = list(mine(store, negatives=3))
        assert len(found) == store.count()
        for item in found:
            (pair,) = store.pairs_by_rows(item.positives)
            assert pair is not None and item.answers == (pair.answer,) and item.x.count(MASK) == 1
            assert store.passage_at(pair.document_id, pair.span).text == item.x.replace(MASK, pair.answer)
            others = store.pairs_by_rows(item.negatives)
            assert len(others) <= 3 and all(other.answer != pair.answer for other in others)
        two = next(item for item in mine(store, spans=2) if len(item.positives) == 2)
        assert two.x.count(MASK) == 2 and len(two.answers[0].split("; ")) == 2
        assert write_examples(tmp_path / "e.jsonl", found) == len(found)
        assert list(ExampleFiles([tmp_path / "e.jsonl"])[:3]) == found[:3]
        assert hard_negatives(store, store.pairs_by_rows(found[0].positives)[0], 2) == list(found[0].negatives[:2])


def test_a_long_passage_is_cut_around_its_mask(backbone: Backbone) -> None:
    text = "in " * 300 + MASK + " in" * 300
    (row,) = x_pieces(backbone, [text], 50)
    assert len(row) == 50 and row.index(backbone.mask_id) in (24, 25, 26)
    (front,) = x_pieces(backbone, ["when is it ?"], 50)
    assert front[0] == backbone.mask_id


def chain_memory(path: Path) -> Path:
    """Fortune's tea went to India; who rules it; and pairs that must not be taken for a chain."""
    pairs = [
        ("Where did Fortune take tea plants?", "India"),
        ("What is the capital of India?", "Delhi"),
        ("What is the capital of China?", "Peking"),
        ("Which city had makers of glass?", "Venice"),
        ("Where is Delhi?", "India"),
    ]
    path.with_suffix(".jsonl").write_text(
        "\n".join(json.dumps({"question": question, "answer": [answer]}) for question, answer in pairs),
        encoding="utf-8",
    )
    quipu.build([], path, pairs=path.with_suffix(".jsonl"), **handmade()).close()
    return path


def test_chains_are_mined_by_matching_strings(tmp_path: Path) -> None:
    path = chain_memory(tmp_path / "c.quipu")
    with quipu.open(path, read_only=True, encoder=handmade()["encoder"]) as opened:
        store = opened.store
        (chain,) = mine_chains(store, "What is the capital of the land where Fortune took tea plants?", ["Delhi"])
        first, last = store.pairs_by_rows([chain.first, chain.last])
        assert (first.answer, last.question) == ("India", "What is the capital of India?")
        # The bridge stands in the question itself: one hop is enough.
        assert mine_chains(store, "What is the capital of India?", ["Delhi"]) == []
        assert mine_chains(store, "Who?", ["Delhi"]) == []


# --- stages -------------------------------------------------------------------------------------------------------


def test_gradients_flow_where_they_should(backbone: Backbone, memory: Path, tmp_path: Path) -> None:
    """In batch, through keys, values and queries; globally, not through p(m | X): keys are frozen and stay the same."""
    with quipu.open(memory, read_only=True, encoder=handmade()["encoder"]) as opened:
        store = opened.store
        examples = list(mine(store, negatives=3))[:4]
        loss, figures = in_batch_loss(backbone, store, examples, Ways(k=3))
        loss.backward()
        grads = {name for name, value in backbone.named_parameters() if value.grad is not None and value.grad.any()}
        assert any("encoder" in name for name in grads) and 0 <= figures["recall_1"] <= figures["recall_k"] <= 1
        known = embed(backbone.requires_grad_(False), store, tmp_path / "k", "cpu", values=True)
        backbone.requires_grad_(True)
        before = known.sha256
        backbone.zero_grad()
        loss, _ = global_loss(backbone, store, known, examples, Ways(k=3))
        loss.backward()
        assert known.sha256 == before
        np_keys = (tmp_path / "k" / "keys.npy").read_bytes()
        again = embed(backbone, store, tmp_path / "k", "cpu", values=True)
        assert (tmp_path / "k" / "keys.npy").read_bytes() == np_keys and again.sha256 == before


def test_exact_search_and_shuffled_values(backbone: Backbone, memory: Path, tmp_path: Path) -> None:
    with quipu.open(memory, read_only=True, encoder=handmade()["encoder"]) as opened:
        known = embed(backbone, opened.store, tmp_path, "cpu", values=True)
        queries = torch.randn(3, backbone.width, generator=torch.Generator().manual_seed(0))
        places, scores = known.search(queries, 4)
        every = queries @ known.keys_at(torch.arange(len(known))).t()
        expected = every.topk(4, dim=1)
        torch.testing.assert_close(scores, expected.values, rtol=1e-2, atol=1e-2)
        assert places.tolist() == expected.indices.tolist()
        turned = embed(backbone, opened.store, tmp_path, "cpu", values=True, shuffled=True)
        assert not torch.equal(turned.values_at(places), known.values_at(places))
        assert known.places_of([int(known.rows[2]), 10**9]) == [2]
        texts = [entry.value for entry in entries(backbone, opened.store, [int(known.rows[0])])]
        torch.testing.assert_close(
            known.values_at(torch.tensor([0])), model.first_states(backbone, texts), rtol=2e-2, atol=2e-2
        )


def test_three_stages_learn_the_memory_and_leave_the_keys_alone(folder: Path, memory: Path, tmp_path: Path) -> None:
    """In-batch on all pairs, then global, then questions; a copy of the keys' encoder travels with the checkpoint."""
    decoder = {"heads": 2, "layers": 1, "inner": 64, "vocabulary": 40}
    loop = {"steps": 30, "learning_rate": 2e-3, "report_every": 10}
    common = {"memory": memory, "batch": 4, "bf16": False, "decoder": decoder}
    lines: list[dict[str, float]] = []
    first = run(
        QamatRecipe(tmp_path / "1", base=str(folder), negatives=3, loop=loop, ways={"k": 3}, **common), lines.append
    )
    told = [line["loss"] for line in lines if "loss" in line]
    assert told[-1] < told[0]
    second = run(
        QamatRecipe(
            tmp_path / "2", stage="global", base=str(first), loop={**loop, "steps": 10}, ways={"k": 3}, **common
        )
    )
    files = tmp_path / "q.jsonl"
    with quipu.open(memory, read_only=True, encoder=handmade()["encoder"]) as opened:
        pairs = [pair for _, pair in opened.store.pairs()]
        write_examples(files, [asked(pair.question, [pair.answer]) for pair in pairs])
        frozen = (second / "keys" / "model.safetensors").read_bytes()
        third = run(
            QamatRecipe(
                tmp_path / "3", stage="finetune", base=str(second), examples=(files,), loop={**loop, "steps": 20},
                ways={"k": 3, "neural": False}, **common,
            )
        )  # fmt: skip
        assert hashlib.sha256((third / "keys" / "model.safetensors").read_bytes()).digest() == (
            hashlib.sha256(frozen).digest()
        )
        reader, keys, ways = load(third)
        known = embed(keys, opened.store, tmp_path / "k", "cpu", values=False)
        said = answers(reader, opened.store, known, [pair.question for pair in pairs[:4]], ways)
    assert len(said) == 4 and all(len(item.hops) == 1 and len(item.hops[0]) == 3 for item in said)


def test_two_hops_are_supervised_and_shown(backbone: Backbone, tmp_path: Path) -> None:
    path = chain_memory(tmp_path / "c.quipu")
    with quipu.open(path, read_only=True, encoder=handmade()["encoder"]) as opened:
        store = opened.store
        question = "What is the capital of the land where Fortune took tea plants?"
        (chain,) = mine_chains(store, question, ["Delhi"])
        known = embed(backbone, store, tmp_path / "k", "cpu", values=True)
        ways = Ways(k=2, hops=2, x_length=60, scale=20.0)
        examples = [asked(question, ["Delhi"], [chain.first]), asked("Where is glass?", ["Venice"])]
        optimizer = torch.optim.Adam([p for p in backbone.parameters() if p.requires_grad], 3e-3)
        told = []
        for _ in range(80):
            loss, figures = global_loss(backbone, store, known, examples, ways)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            told.append(figures["hop"])
        assert told[-1] < 0.5 * told[0]
        (said,) = answers(backbone, store, known, [question], ways)
        assert len(said.hops) == 2 and said.hops[0][0].answer == "India"


def test_the_copying_reader_copies_words_it_cannot_say(tmp_path: Path) -> None:
    """Answers are pieces beyond the vocabulary that can be said; four examples are learned by heart all the same."""
    torch.manual_seed(0)
    reader = load_backbone(checkpoint(tmp_path, "bert"), CopyConfig(heads=2, layers=1, inner=64, vocabulary=5))
    pairs = [QAPair.make(f"in what year is {word} ?", year) for word, year in
             (("suez", "1869"), ("tea", "1848"), ("glass", "1291"), ("china", "1843"))]  # fmt: skip
    xs = [[reader.mask_id, *ids] for ids in reader.pieces([pair.question for pair in pairs], 20)]
    values = reader.pieces([f"{pair.answer}; {pair.question}" for pair in pairs], 40)
    optimizer = torch.optim.Adam([p for p in reader.parameters() if p.requires_grad], 3e-3)
    targets = reader.targets([pair.answer for pair in pairs], 4)
    assert int(targets[:, 0].min()) >= 5
    for _ in range(300):
        read = model.discrete(reader, model.join(reader, [values] * 4, xs))
        loss = reader.nll(read.states, read.mask, read.ids, targets).sum() / (targets >= 0).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    read = model.discrete(reader, model.join(reader, [values] * 4, xs))
    made = reader.generate(read.states, read.mask, read.ids, 4)
    assert [reader.tokenizer.decode(row) for row in made] == [pair.answer for pair in pairs]


def test_wrong_settings_say_what_to_do(folder: Path, memory: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="stage must be one of"):
        run(QamatRecipe(tmp_path, memory, stage="wrong", base=str(folder)))  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="nothing would read the memory"):
        run(QamatRecipe(tmp_path, memory, base=str(folder), ways={"neural": False, "discrete": False}))
    with pytest.raises(SettingsError, match="needs `examples`"):
        run(QamatRecipe(tmp_path, memory, stage="finetune", base=str(folder)))
    with pytest.raises(InputError, match="no QAMAT checkpoint"):
        load(tmp_path)


def test_the_key_memory_is_never_written_twice(backbone: Backbone, memory: Path, tmp_path: Path) -> None:
    with quipu.open(memory, read_only=True, encoder=handmade()["encoder"]) as opened:
        half: KeyMemory = embed(backbone, opened.store, tmp_path, "cpu", values=False, share=0.5)
        assert len(half) == round(0.5 * opened.store.count())
        whole = embed(backbone, opened.store, tmp_path, "cpu", values=False)
        assert len(whole) == opened.store.count()


def test_mixed_entries_stand_in_an_order_that_says_nothing(
    backbone: Backbone, memory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same entries, drawn the same way each time, the best one not always in front; supervision adds its loss."""
    read: list[list[list[list[int]]]] = []

    def join(given: Backbone, entries: list[list[list[int]]], *rest: object) -> model.Joined:
        read.append(entries)
        return real(given, entries, *rest)  # type: ignore[arg-type]

    real = model.join
    monkeypatch.setattr(model, "join", join)
    with quipu.open(memory, read_only=True, encoder=handmade()["encoder"]) as opened, torch.inference_mode():
        known = embed(backbone, opened.store, tmp_path / "k", "cpu", values=False)
        examples = list(mine(opened.store, negatives=3))[:6]
        ways = Ways(k=4, neural=False)
        losses = [
            global_loss(backbone, opened.store, known, examples, one)[0].item()
            for one in (ways, replace(ways, mixed=1.0), replace(ways, mixed=1.0), replace(ways, supervised=2.0))
        ]
    plain, mixed, again, _ = read
    assert [sorted(line) for line in plain] == [sorted(line) for line in mixed] and mixed == again
    assert sum(one[0] != other[0] for one, other in zip(plain, mixed, strict=True)) > 0
    assert losses[1] == losses[2] != losses[0] and losses[3] > losses[0]

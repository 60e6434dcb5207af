"""The generator's equations against slow, direct versions."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from transformers import BertConfig

from quipu.training.generator.model import (
    BUCKETS,
    CrossAttention,
    Generator,
    GeneratorConfig,
    block,
    buckets,
    copied_states,
    question_loss,
    span_ranking_loss,
)

pytestmark = pytest.mark.torch
SMALL = GeneratorConfig(width=16, heads=2, layers=2, inner=32, vocabulary=5, question_length=6, span_length=3)


def small_generator() -> Generator:
    torch.manual_seed(3)
    encoder = BertConfig(
        vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return Generator(SMALL, encoder, torch.tensor([2, 5, 6, 7, 8])).eval()


def test_buckets_count_the_distance_from_the_span() -> None:
    """A wrong bucket tells the writer that another span is the answer."""
    found = buckets(8, torch.tensor(2), torch.tensor(3))
    assert found.tolist() == [1, 1, 0, 0, 7, 7, 8, 8]  # distances 2 1 - - 1 2 3 4; the edge between 1-2 and 3-5 is 3


def test_cross_attention_equals_attention_over_states_with_their_buckets_added() -> None:
    """The shared keys are only right if W(state + near) is what each answer's own attention would have seen."""
    torch.manual_seed(1)
    attention = CrossAttention(SMALL).double()
    states = torch.randn(2, 5, 16, dtype=torch.double)
    near = torch.randn(BUCKETS, 16, dtype=torch.double)
    x = torch.randn(2, 3, 4, 16, dtype=torch.double)
    place = torch.randint(0, BUCKETS, (2, 3, 5))
    onehot = torch.nn.functional.one_hot(place, BUCKETS).transpose(-1, -2).double()
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    got = attention(x, *attention.memory(states), near, onehot, block(mask).double())
    for row in range(2):
        for answer in range(3):
            own = states[row] + near[place[row, answer]]  # (T, D)
            keys, values = attention.key(own), attention.value(own)
            expected = torch.zeros(4, 16, dtype=torch.double)
            for head in range(2):
                part = slice(8 * head, 8 * head + 8)
                scores = attention.query(x[row, answer])[:, part] @ keys[:, part].T / math.sqrt(8)
                scores[:, mask[row] == 0] = -1e9
                expected[:, part] = scores.softmax(-1) @ values[:, part]
            assert torch.allclose(got[row, answer], attention.out(expected), atol=1e-4)


def test_steps_with_a_cache_equal_the_whole_question_at_once() -> None:
    """Training sees whole questions, the product one piece at a time; if they differ, it asks what it never learned."""
    model = small_generator()
    ids, mask = torch.tensor([[1, 9, 10, 11, 2]]), torch.ones(1, 5, dtype=torch.long)
    states = model.encode(model.words(ids), mask)
    memories, copy_keys = model.memories(states)
    start, end = torch.tensor([[1, 2]]), torch.tensor([[1, 3]])
    onehot = torch.nn.functional.one_hot(buckets(5, start, end), BUCKETS).transpose(-1, -2).float()
    answer, style = model.first_input(states, start, end), torch.tensor([[1, 2]])
    previous = torch.tensor([[[0, 9, 6], [0, 11, 7]]])
    copied = copied_states(previous, ids, torch.ones_like(ids, dtype=torch.bool), start, end, states)
    whole = model.decode(model.inputs(previous, copied, answer, style), None, memories, copy_keys, onehot, block(mask))
    assert torch.allclose(
        torch.logaddexp(whole[0].logsumexp(-1), whole[1].logsumexp(-1)), torch.zeros(1, 2, 3), atol=1e-5
    )
    past = None
    for step in range(3):
        x = model.inputs(previous[:, :, step : step + 1], copied[:, :, step : step + 1], answer, style, step)
        saying, copying, _, past = model.decode(x, past, memories, copy_keys, onehot, block(mask))
        assert torch.allclose(saying[:, :, 0], whole[0][:, :, step], atol=1e-5)
        assert torch.allclose(copying[:, :, 0], whole[1][:, :, step], atol=1e-5)


def test_span_scores_are_scores_of_first_and_last_token_and_never_of_padding() -> None:
    """A span that ends in padding would be an answer that the passage does not hold."""
    model = small_generator()
    states = torch.randn(1, 4, 16)
    scores = model.span_scores(states, torch.tensor([[1, 1, 1, 0]]))
    by_hand = model.span_score(
        torch.relu(model.span_start(states[0, 1]) + model.span_end(states[0, 2]) + model.span_width[1])
    )
    assert torch.allclose(scores[0, 1, 1], by_hand, atol=1e-5)
    assert (scores[0, 1, 2] < -1000).all() and (scores[0, 3, 0] < -1000).all() and (scores[0, 2, 0] > -1000).all()


def test_question_loss_adds_saying_and_every_place_of_copying() -> None:
    """A piece that stands twice in the passage must get both places' probability, and a lone way must be enough."""
    saying = torch.log(torch.tensor([[[[0.1, 0.2], [0.3, 0.1]]]]))
    copying = torch.log(torch.tensor([[[[0.3, 0.3, 0.1], [0.2, 0.2, 0.2]]]]))
    say_target = torch.tensor([[[1, -1]]])
    places = torch.tensor([[[[True, True, False], [False, False, True]]]])
    loss = question_loss(saying, copying, say_target, places, torch.ones(1, 1, 2))
    assert loss.item() == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 2, abs=1e-5)


def test_a_piece_that_cannot_be_produced_costs_nothing() -> None:
    """Otherwise every rare word would add the same huge constant and drown the gradient of the rest."""
    saying, copying = torch.log(torch.full((1, 1, 1, 2), 0.25)), torch.log(torch.full((1, 1, 1, 2), 0.25))
    nowhere = torch.zeros(1, 1, 1, 2, dtype=torch.bool)
    assert question_loss(saying, copying, torch.tensor([[[-1]]]), nowhere, torch.ones(1, 1, 1)).item() == 0.0


def test_span_ranking_is_the_mean_log_share_of_the_gold_spans() -> None:
    """Two gold spans of four equal ones share log 4 each, however many spans nobody marked."""
    scores, gold = torch.zeros(1, 2, 2), torch.tensor([[[True, False], [False, True]]])
    assert span_ranking_loss(scores, gold, torch.ones(1)).item() == pytest.approx(math.log(4))


def test_copied_states_are_those_of_the_nearest_place() -> None:
    """Reading the wrong occurrence makes the question go on with another sentence's words."""
    ids = torch.tensor([[1, 7, 8, 7, 2]])
    states = torch.arange(5.0).view(1, 5, 1)
    previous, start = torch.tensor([[[7, 9]]]), torch.tensor([[4]])
    found = copied_states(previous, ids, torch.ones_like(ids, dtype=torch.bool), start, start, states)
    assert found.flatten().tolist() == [3.0, 0.0]

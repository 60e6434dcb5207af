"""The decoder on packed rows equals the decoder on plain sequences, and transformers' Llama."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests import toy_llama

from quipu.errors import FormatError
from quipu.training.lm.data import Branch, Tree, batch_of
from quipu.training.lm.generate import Generation, generate
from quipu.training.lm.model import Decoder, LlamaConfig, load, save, tree_mask
from quipu.training.lm.train import loss

pytestmark = pytest.mark.torch


def decoder() -> Decoder:
    torch.manual_seed(11)
    config = LlamaConfig(50, 24, 40, 3, 4, 2, 6)
    made = Decoder(config).double().eval()
    with torch.no_grad():  # far from the small weights of a fresh model, so that attention is not nearly even
        for value in made.parameters():
            value.mul_(12 if value.ndim > 1 else 1)
    return made


def tokens(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(1, 50) for _ in range(count)]


def trees(seed: int, count: int) -> list[Tree]:
    rng = random.Random(seed)
    return [
        Tree(
            tokens(rng, rng.randint(3, 9)),
            [
                Branch(tokens(rng, rng.randint(2, 5)), tokens(rng, rng.randint(2, 4)), rng.choice((1.0, 2.0)))
                for _ in range(rng.randint(1, 4))
            ],
        )
        for _ in range(count)
    ]


class Given:
    """A mixture that gives the trees in order."""

    def __init__(self, items: list[Tree]) -> None:
        self.items = list(items)

    def draw(self, rng: random.Random) -> tuple[str, Tree]:
        return "given", self.items.pop(0)


def alone(model: Decoder, ids: list[int]) -> torch.Tensor:
    """Logits (L, V) of one plain sequence."""
    row = torch.tensor([ids])
    causal = torch.ones(1, 1, len(ids), len(ids), dtype=torch.bool).tril()
    return model.logits(model(row, torch.arange(len(ids))[None], causal))[0]


def test_a_packed_row_gives_the_loss_of_each_branch_alone() -> None:
    """If branches saw one another, or trees did, training would learn to copy what it will not be shown."""
    model, items = decoder(), trees(5, 12)
    total = weights = 0.0
    for tree in items:
        for branch in tree.branches:
            ids = tree.prefix + branch.prompt + branch.said
            log_p = alone(model, ids[:-1]).log_softmax(-1)
            first = len(tree.prefix) + len(branch.prompt) - 1
            for at, token in enumerate(branch.said):
                total -= branch.weight * log_p[first + at, token].item()
                weights += branch.weight
    padding = [Tree([1], [Branch([2], [3], 0.0)]) for _ in range(200)]
    batch = batch_of(Given(items + padding), 3, 200, random.Random(0))
    assert loss(model, batch).item() == pytest.approx(total / weights, rel=1e-12)


def test_logits_of_a_branch_do_not_move_when_anything_beside_it_does() -> None:
    """Packing must be invisible: another first tree or another sibling changes no logit of the last branch."""
    model, items = decoder(), trees(8, 2)
    last = Tree(items[1].prefix, [*items[1].branches, Branch([7, 8], [9, 10], 1.0)])
    seen = []
    for first in (items[0], Tree(items[0].prefix[::-1], items[0].branches[::-1])):
        changed = Tree(last.prefix, [Branch(b.prompt[::-1], b.said, 1.0) for b in last.branches[:-1]])
        for second in (last, Tree(changed.prefix, [*changed.branches, last.branches[-1]])):
            batch = batch_of(Given([first, second, *trees(9, 60)]), 1, 200, random.Random(0))
            states = model(batch["ids"], batch["positions"], tree_mask(batch["tree"], batch["branch"]))
            own = (batch["tree"] == 2) & (batch["branch"] == len(last.branches))
            seen.append(model.logits(states[own]))
    wanted = alone(model, [*last.prefix, 7, 8, 9])[-3:]
    for other in seen:
        torch.testing.assert_close(other, wanted, rtol=1e-9, atol=1e-9)


def test_mask_by_hand() -> None:
    """Two trees: passage 2, branches of 2 and 1; passage 1; then padding."""
    tree, branch = torch.tensor([[1, 1, 1, 1, 1, 2, 0]]), torch.tensor([[0, 0, 1, 1, 2, 0, 0]])
    wanted = ["1000000", "1100000", "1110000", "1111000", "1100100", "0000010", "0000001"]
    assert ["".join(str(int(cell)) for cell in row) for row in tree_mask(tree, branch)[0, 0].tolist()] == wanted


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_reads_what_is_saved_and_says_the_same(tmp_path: Path, tied: bool) -> None:
    """A wrong rotation or a swapped name would pass every test within this module."""
    from transformers import AutoModelForCausalLM

    folder = toy_llama.folder(tmp_path / "a", tied=tied)
    own = load(folder).eval()
    theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.randint(0, own.config.vocab_size, (2, 17), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        causal = torch.ones(2, 1, 17, 17, dtype=torch.bool).tril()
        mine = own.logits(own(ids, torch.arange(17).expand(2, 17), causal))
        torch.testing.assert_close(mine, theirs(input_ids=ids).logits, rtol=1e-4, atol=1e-5)
    theirs.save_pretrained(tmp_path / "b")
    (tmp_path / "b" / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    back = load(tmp_path / "b")
    assert back.config == own.config
    for name, value in own.state_dict().items():
        assert torch.equal(back.state_dict()[name], value), name


def test_what_is_no_plain_llama_is_refused(tmp_path: Path) -> None:
    """Biases or scaled positions would be dropped silently."""
    folder = toy_llama.folder(tmp_path / "a")
    config = (folder / "config.json").read_text()
    for old, new in (('"llama"', '"gpt2"'), ('"rope_type": "default"', '"rope_type": "llama3"')):
        (folder / "config.json").write_text(config.replace(old, new))
        with pytest.raises(FormatError, match="only Llama"):
            load(folder)
    (folder / "config.json").write_text(config.replace('"intermediate_size": 48', '"intermediate_size": 40'))
    with pytest.raises(FormatError, match=r"do not fit config.json"):
        load(folder)


@pytest.mark.parametrize("cells", [60, 10_000])
def test_generation_with_a_shared_passage_equals_plain_sequences(cells: int) -> None:
    """Whatever is generated together: every branch says what it would say alone, with the same probability."""
    model, rng = decoder(), random.Random(4)
    jobs = [
        (tokens(rng, length), [tokens(rng, rng.randint(1, 5)) for _ in range(branches)])
        for length, branches in ((7, 3), (2, 1), (9, 0), (5, 4), (7, 2), (0, 2))
    ]
    end, banned = 30, (4, 5)
    said = generate(model, jobs, Generation(6, end, 17, banned, cells=cells))
    lengths = set()
    for (prefix, prompts), branches in zip(jobs, said, strict=True):
        assert len(prompts) == len(branches)
        for prompt, found in zip(prompts, branches, strict=True):
            ids, log_p = [*prefix, *prompt], []
            for step in range(6):
                logits = alone(model, ids)[-1]
                logits[list(banned)] = -math.inf
                row = logits.log_softmax(-1)
                if step == 0:
                    assert found.watched == pytest.approx(row[17].exp().item(), rel=1e-9)
                token = int(row.argmax())
                log_p.append(row[token].item())
                ids.append(token)
                if token == end:
                    break
            new = ids[len(prefix) + len(prompt) :]
            assert list(found.ids) == [token for token in new if token != end]
            assert found.log_p == pytest.approx(sum(log_p) / len(log_p), rel=1e-9)
            lengths.add(len(found.ids))
    assert len(lengths) > 1  # some ended early, so that both ways out were taken


def test_sampling_is_repeated_by_its_seed_and_stays_in_the_nucleus() -> None:
    """Data that cannot be made again cannot be checked; tokens outside the nucleus are noise."""
    model = decoder()
    job = ([3, 4, 5], [[6, 7]] * 40)
    likely = alone(model, [3, 4, 5, 6, 7])[-1].softmax(-1).sort(descending=True)
    nucleus = set(likely.indices[: int((likely.values.cumsum(0) < 0.5).sum()) + 1].tolist())
    draws = [generate(model, [job], Generation(1, 30, 0, top_p=0.5, seed=seed))[0] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    assert {token for some in draws for said in some for token in said.ids} <= nucleus - {30} | nucleus


def test_saved_in_half_precision_by_default(tmp_path: Path) -> None:
    """A checkpoint of twice the size would not fit beside its optimizer's state on the way out of a machine."""
    model = load(toy_llama.folder(tmp_path / "a"))
    out = save(model, tmp_path / "b", tmp_path / "a" / "tokenizer.json")
    assert (out / "model.safetensors").stat().st_size < 0.6 * (tmp_path / "a" / "model.safetensors").stat().st_size
    assert load(out).config == model.config

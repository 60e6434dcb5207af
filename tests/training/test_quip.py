"""QuIP's losses, labels and batches against hand-worked values; a run learns a planted rule; the exports agree."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from tests.tiny_bert import TEXTS, wordpieces
from transformers import BertConfig, BertModel

from quipu.datasets import conll, sentences
from quipu.datasets.contexts import Asked, Context
from quipu.errors import FormatError, InputError, SettingsError
from quipu.evaluation.tasks import paraphrase
from quipu.models.encoder import Encoder
from quipu.training.base import load_tokenizer
from quipu.training.experiments import few_shot, few_shot_ner
from quipu.training.export import onnx
from quipu.training.quip import teacher
from quipu.training.quip.data import Labelled, LabelledFiles, Soft, batch_of, passages_of, read_labelled, write_labelled
from quipu.training.quip.model import QuipModel, distillation, token_logits
from quipu.training.quip.states import TorchEncoder
from quipu.training.quip.train import QuipRecipe, run, student
from quipu.training.quip.unpack import unpack

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
PASSAGE = "The Suez Canal was opened in 1869 by Ferdinand de Lesseps."


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT of random weights with question heads."""
    folder: Path = tmp_path_factory.mktemp("tiny")
    tokenizer = wordpieces(folder)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, hidden_dropout_prob=0.1,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    model = QuipModel.from_pretrained(folder, "mean")
    for value in model.parameters():  # no two alike: the export joins those that are
        torch.nn.init.normal_(value, 1.0 if value.ndim == 1 else 0.0, 0.05)
    model.save_pretrained(folder)
    return folder


def soft(question: str, start: int, end: int, p: float = 1.0) -> Soft:
    return Soft(question, (start, end), ((start, p),), ((end, p),))


def test_logits_are_inner_products_with_the_own_passage_and_concat_sees_all() -> None:
    tokens = torch.tensor([[[1.0, 0], [0, 1]], [[2.0, 0], [0, 3]]])
    mask = torch.tensor([[1, 1], [1, 0]])
    vectors, passage = torch.tensor([[1.0, 2], [1.0, 1], [0, 1.0]]), torch.tensor([0, 1, 0])
    low = torch.finfo(torch.float32).min
    assert token_logits(tokens, mask, vectors, passage).tolist() == [[1, 2], [2, low], [0, 1]]
    assert token_logits(tokens, mask, vectors, passage, concat=True).tolist() == [
        [1, 2, 2, low], [1, 1, 2, low], [0, 1, 0, low],
    ]  # fmt: skip


def test_distillation_worked_by_hand() -> None:
    """Logits log 1, log 3 give p = 1/4, 3/4; labels .5, .5 cost -.5 log 1/4 - .5 log 3/4; empty labels cost nothing."""
    logits = torch.tensor([[0.0, math.log(3.0)], [5.0, 5.0]])
    places, weights = torch.tensor([[0, 1], [0, 0]]), torch.tensor([[0.5, 0.5], [0.0, 0.0]])
    expected = -(0.5 * math.log(0.25) + 0.5 * math.log(0.75)) / 2
    assert distillation(logits, places, weights).item() == pytest.approx(expected)


def test_mass_beyond_the_labels_lies_as_the_root_of_the_students_by_hand() -> None:
    """p = .64, .32, .04; a label of .9 on the first: .1 lies on the others as sqrt .32 to sqrt .04."""
    logits = torch.tensor([[0.64, 0.32, 0.04]]).log()
    places, weights = torch.tensor([[0, 0]]), torch.tensor([[0.9, 0.0]])  # the empty label stands at the same place
    root = math.sqrt(0.32) + math.sqrt(0.04)
    rest = sum(math.sqrt(p) / root * math.log(p) for p in (0.32, 0.04))
    expected = -0.9 * math.log(0.64) - 0.1 * rest
    assert distillation(logits, places, weights, spread=True).item() == pytest.approx(expected, rel=1e-5)


def test_gradients_of_the_loss_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    vectors = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    places, weights = torch.tensor([[0, 1], [2, 3], [1, 0]]), torch.tensor([[0.6, 0.4], [0.9, 0.05], [1.0, 0.0]])

    def loss(tokens: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        logits = torch.einsum("qd,ptd->qpt", vectors, tokens)[torch.arange(3), torch.tensor([0, 0, 1])]
        return distillation(logits, places, weights.double())

    assert torch.autograd.gradcheck(loss, (tokens, vectors))


def test_labels_land_on_the_tokens_that_hold_their_characters(checkpoint: Path) -> None:
    tokenizer = load_tokenizer(checkpoint)
    at = PASSAGE.index("1869")
    asked = [
        soft("when?", at, at + 4),
        Soft("who?", None, ((-1, 0.7), (4, 0.3)), ((-1, 1.0),)),
        Soft("far?", None, ((10_000, 0.9), (0, 0.1)), ()),
    ]
    batch = batch_of(tokenizer, [PASSAGE], [asked], 64, 16)
    encoding = tokenizer.encode(PASSAGE)
    token = next(row for row, (start, _) in enumerate(encoding.offsets) if start == at)
    assert batch["start_places"][0, 0] == token == batch["end_places"][0, 0]
    assert batch["start_places"][1, :2].tolist() == [0, next(r for r, o in enumerate(encoding.offsets) if o[0] == 4)]
    assert batch["start_weights"][1, :2].tolist() == pytest.approx([0.7, 0.3])
    assert batch["start_weights"][2].sum() == pytest.approx(0.1)  # what was cut off is no label
    hard = batch_of(tokenizer, [PASSAGE], [asked], 64, 16, hard=True)
    assert hard["start_places"][0, 0] == token and hard["start_places"][1, 0] == 0  # no span: the first token


def test_padding_and_neighbours_change_nothing(checkpoint: Path) -> None:
    tokenizer, model = load_tokenizer(checkpoint), QuipModel.from_pretrained(checkpoint).eval()
    alone = batch_of(tokenizer, [TEXTS[2]], [[soft("what is glass?", 0, 5)]], 64, 16)
    both = batch_of(
        tokenizer, [TEXTS[2], PASSAGE], [[soft("what is glass?", 0, 5)], [soft("who was it by?", 37, 57)]], 64, 16
    )
    logits = []
    for batch in (alone, both):
        with torch.inference_mode():
            tokens = model.tokens(batch["ids"], batch["mask"])
            start, _ = model.questions(batch["question_ids"], batch["question_mask"])
            logits.append(token_logits(tokens, batch["mask"], start, batch["passage"])[0])
    length = len(logits[0])
    assert torch.allclose(logits[0], logits[1][:length], atol=1e-4)
    assert (logits[1][length:] == torch.finfo(torch.float32).min).all()


def test_labelled_passages_survive_their_file(tmp_path: Path) -> None:
    items = [Labelled(PASSAGE, (soft("when?", 29, 33, 0.9), Soft("who?", None, ((-1, 1.0),), ())))]
    assert write_labelled(tmp_path / "l.jsonl", items) == 2
    assert list(read_labelled(tmp_path / "l.jsonl")) == items
    (tmp_path / "l.jsonl").write_text('{"passage": "x"}\n')
    with pytest.raises(FormatError, match=r"line 1: not a labelled passage"):
        list(read_labelled(tmp_path / "l.jsonl"))


def test_teacher_labels_are_its_largest_probabilities_by_characters(checkpoint: Path, tmp_path: Path) -> None:
    from transformers import BertForQuestionAnswering

    folder = tmp_path / "teacher"
    wordpieces(folder)
    torch.manual_seed(0)
    reader = BertForQuestionAnswering(BertConfig.from_pretrained(checkpoint, hidden_dropout_prob=0.0)).eval()
    reader.save_pretrained(folder)
    tokenizer = load_tokenizer(folder)
    items = [
        Labelled(PASSAGE, (Soft("who was it by?", None, (), ()),)),
        Labelled("Glass", (Soft("what?", None, (), ()),)),
    ]
    labelled = teacher.label(reader, tokenizer, items, teacher.LabelRecipe(folder, tmp_path / "o", kept=4))
    encoding = tokenizer.encode("who was it by?", PASSAGE)
    with torch.inference_mode():
        logits = reader(torch.tensor([encoding.ids]), token_type_ids=torch.tensor([encoding.type_ids])).start_logits[0]
    # the passage's tokens and the first one, which says that there is no answer; never the question's, nor a separator
    allowed = [
        row for row, kind in enumerate(encoding.type_ids) if row == 0 or (kind == 1 and row < len(encoding.ids) - 1)
    ]
    p = logits[allowed].softmax(0)
    best = p.topk(4)
    expected = {
        (-1 if allowed[i] == 0 else encoding.offsets[allowed[i]][0]): v for v, i in zip(*map(list, best), strict=True)
    }
    got = dict(labelled[0].questions[0].start)
    assert set(got) == {int(at) for at in expected}
    for at, value in got.items():
        assert value == pytest.approx(float(expected[at]), abs=0.02)  # bfloat16
    assert all(at in (-1, 0) for at, _ in labelled[1].questions[0].start)  # a passage of one token has no padding's


def test_passages_join_neighbours_and_hold_foreign_questions() -> None:
    contexts = [
        Context(f"story-{at // 4}", f"Sentence number {at} says a thing.", (Asked(f"What is {at}?", 9, 15),), "t")
        for at in range(80)
    ]
    made = list(passages_of(contexts, words=(20, 24), per_passage=24, foreign=0.5, seed=1))
    assert sum(len(item.passage.split()) for item in made) == 6 * 80
    own = [soft for item in made for soft in item.questions if soft.span is not None]
    assert len(own) == 80
    for item in made:
        for one in item.questions:
            if one.span is not None:
                number = one.question.split()[-1].strip("?")
                assert f"number {number} says" in item.passage[one.span[0] - 9 :][:40]
                assert item.passage[slice(*one.span)] == "number"
    assert 15 < sum(soft.span is None for item in made for soft in item.questions) < 65


def recipe(checkpoint: Path, folder: Path, **settings: object) -> QuipRecipe:
    """Four passages whose questions name the word before the answer: a rule that can be learned."""
    path = folder / "labelled.jsonl"
    if not path.exists():
        items = []
        for text in TEXTS:
            words = text.split()[:9]
            asked = []
            for left, right in itertools.pairwise(words):
                at = text.index(f"{left} {right}") + len(left) + 1
                asked.append(soft(f"what follows {left}", at, at + len(right)))
            items.append(Labelled(text, tuple(asked)))
        write_labelled(path, items)
    base = QuipRecipe(
        run=folder / "run", labelled=(path,), base=str(checkpoint), pooling="mean", passages=3, bf16=False,
        freeze_words=False, loop={"steps": 250, "learning_rate": 3e-3, "report_every": 10},
    )  # fmt: skip
    return dataclasses.replace(base, **settings)  # type: ignore[arg-type]


def as_file(made: QuipRecipe, checkpoint: Path, passages: int, loop: str) -> str:
    """A recipe as a person writes it, for ``quipu train`` in a process of its own."""
    file = made.run.parent / "r.toml"
    file.write_text("\n".join([
        'train = "quip"', f'run = "{made.run}"', f'labelled = ["{made.labelled[0]}"]', f'base = "{checkpoint}"',
        'pooling = "mean"', f"passages = {passages}", "bf16 = false", f"loop = {{learning_rate = 1e-3, {loop}}}",
    ]))  # fmt: skip
    return str(file)


@pytest.mark.parametrize("loss", ["teacher", "no_teacher", "concat"])
def test_a_run_learns_a_planted_rule(checkpoint: Path, tmp_path: Path, loss: str) -> None:
    lines: list[dict[str, float]] = []
    out = run(recipe(checkpoint, tmp_path, loss=loss), lines.append)
    assert lines[-1]["loss"] < lines[0]["loss"] / 2 and lines[-1]["start_accuracy"] > 0.8
    system = TorchEncoder(str(out))
    found = system.passages([TEXTS[0]])[0]
    start, _ = system.questions(["what follows opened"])
    token = int((found.vectors @ start[0]).argmax())
    assert TEXTS[0][slice(*found.offsets[token])] == "in"


def test_options_of_the_student(checkpoint: Path, tmp_path: Path) -> None:
    small, _ = student(recipe(checkpoint, tmp_path, layers=2, freeze_layers=1))
    stack = small.encoder.encoder.layer
    assert len(stack) == 2 and small.encoder.config.num_hidden_layers == 2
    assert [any(p.requires_grad for p in layer.parameters()) for layer in stack] == [False, True]
    with pytest.raises(SettingsError, match="the base has 3 layers"):
        student(recipe(checkpoint, tmp_path, layers=9))
    out = run(recipe(checkpoint, tmp_path, layers=2, checkpointing=True, loop={"steps": 2, "report_every": 1}))
    assert TorchEncoder(str(out)).layers == 2


def test_keys_are_kept_where_asked(checkpoint: Path, tmp_path: Path) -> None:
    """The same short run turns the mean-pooled vectors less when it is told to keep them."""
    moved = {}
    for weight in (0.0, 20.0):
        folder = tmp_path / str(weight)
        folder.mkdir()
        out = run(
            recipe(checkpoint, folder, keys=checkpoint, key_weight=weight, loop={"steps": 40, "report_every": 10})
        )
        vectors = [
            np.stack([item.vectors.mean(0) for item in TorchEncoder(str(place)).passages(TEXTS)])
            for place in (checkpoint, out)
        ]
        cosine = (
            (vectors[0] * vectors[1]).sum(1) / np.linalg.norm(vectors[0], axis=1) / np.linalg.norm(vectors[1], axis=1)
        )
        moved[weight] = 1 - float(cosine.mean())
    assert moved[20.0] < moved[0.0] / 2


def test_corrupted_labels_are_another_question_s(tmp_path: Path) -> None:
    items = [Labelled(PASSAGE + "!" * at, tuple(soft(f"q{n}", n, n + 1) for n in range(10))) for at in range(50)]
    path = tmp_path / "l.jsonl"
    write_labelled(path, items)
    plain, made = LabelledFiles([path]), LabelledFiles([path], corrupt=0.3)
    assert list(plain) == items and len(LabelledFiles([path, path], limit=7)) == 7
    assert plain.lengths.argmin() == 0 and plain.lengths.argmax() == 49
    pairs = [
        (new, old)
        for item, base in zip(made, items, strict=True)
        for new, old in zip(item.questions, base.questions, strict=True)
    ]
    assert 0.25 < sum(new.span != old.span for new, old in pairs) / 500 < 0.35
    assert all(new.question == old.question for new, old in pairs) and list(made) == list(made)


def test_a_killed_run_writes_the_lines_of_an_undisturbed_one(checkpoint: Path, tmp_path: Path) -> None:
    """kill -9 in the middle, the same command again: the loss curve is the same to the last digit."""
    curves = []
    for name in ("whole", "killed"):
        folder = tmp_path / name
        folder.mkdir()
        made = recipe(checkpoint, folder)
        file = as_file(made, checkpoint, 3, "steps = 60, report_every = 5, save_every_seconds = 0.0")
        command = [sys.executable, "-m", "quipu", "train", file]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if name == "killed":
            with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
                metrics = made.run / "metrics.jsonl"
                while process.poll() is None and (not metrics.exists() or metrics.read_text().count("\n") < 3):
                    pass
                process.kill()
            assert not (made.run / "hf").exists()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        lines = [json.loads(line) for line in (made.run / "metrics.jsonl").read_text().splitlines()]
        curves.append([(line["step"], line["loss"], line["start_accuracy"]) for line in lines])
    assert curves[0] == curves[1] and len(curves[0]) == 12


def test_two_processes_average_their_gradients(checkpoint: Path, tmp_path: Path) -> None:
    """Two processes of one batch a step end where one process does that accumulates two."""
    weights = []
    for name, launcher, accumulate in (
        ("two", ["-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "quipu"], 1),
        ("one", ["-m", "quipu"], 2),
    ):
        folder = tmp_path / name
        folder.mkdir()
        made = recipe(checkpoint, folder)
        file = as_file(made, checkpoint, 1, f"steps = 4, report_every = 2, accumulate = {accumulate}")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, *launcher, "train", file],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        weights.append(QuipModel.from_pretrained(made.run / "hf").state_dict())
    start = QuipModel.from_pretrained(checkpoint).state_dict()
    # Adam makes a step of full size of the smallest gradient, rounding included, so single weights may differ.
    apart = torch.cat([(value - weights[1][name]).abs().flatten() for name, value in weights[0].items()]).mean()
    moved = torch.cat([(value - start[name]).abs().flatten() for name, value in weights[0].items()]).mean()
    assert apart < moved / 50, (apart, moved)


def test_exported_encoder_says_what_torch_says_and_can_be_unpacked(checkpoint: Path, tmp_path: Path) -> None:
    onnx.export_encoder(checkpoint, tmp_path / "e", name="t/encoder", version="1", texts=TEXTS, max_length=60)
    shipped, twin = Encoder(tmp_path / "e"), TorchEncoder(str(checkpoint))
    keys, start, end = shipped.queries(TEXTS)
    np.testing.assert_array_equal(keys, shipped.encode(TEXTS))
    for mine, theirs in zip((start, end), twin.questions(TEXTS), strict=True):
        assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.99
    for mine, theirs in zip(shipped.states(TEXTS), twin.states(TEXTS), strict=True):
        assert mine.shape == theirs.shape == (4, mine.shape[1], 32)
        assert np.corrcoef(mine.ravel(), theirs.ravel())[0, 1] > 0.99
    np.testing.assert_array_equal(shipped.passages(TEXTS)[0].vectors, shipped.states(TEXTS)[0][-1])
    unpacked = TorchEncoder(str(unpack(tmp_path / "e", tmp_path / "hf")))
    for mine, theirs in zip(unpacked.states(TEXTS), twin.states(TEXTS), strict=True):
        assert np.abs(mine - theirs).mean() < 0.02
    long = " ".join(TEXTS * 20)
    assert len(shipped.passages([long])[0].vectors) == len(load_tokenizer(checkpoint).encode(long).ids)


def test_an_encoder_without_heads_says_so(checkpoint: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    wordpieces(plain)
    BertModel.from_pretrained(checkpoint, add_pooling_layer=False).save_pretrained(plain)
    onnx.export_encoder(plain, tmp_path / "e", name="t/encoder", version="1", texts=TEXTS, max_length=60)
    with pytest.raises(InputError, match="not trained with QuIP"):
        Encoder(tmp_path / "e").questions(TEXTS)
    start, end = TorchEncoder(str(plain)).questions(TEXTS)
    np.testing.assert_array_equal(start, end)  # without heads the pooled question itself
    assert not np.array_equal(*TorchEncoder(f"untrained:{plain}").questions(TEXTS))
    random = TorchEncoder(f"random:{plain}").passages(TEXTS)[0].vectors
    assert not np.allclose(random, TorchEncoder(str(plain)).passages(TEXTS)[0].vectors)


def test_codebook_is_listed_and_loaded(checkpoint: Path, tmp_path: Path) -> None:
    onnx.export_encoder(checkpoint, tmp_path / "e", name="t/encoder", version="1", texts=TEXTS, max_length=60)
    figures = onnx.add_codebook(tmp_path / "e", TEXTS * 12, TEXTS * 12, 8)
    book = Encoder(tmp_path / "e").codebook
    assert book is not None and book.parts == 8 and figures["codebook_lost"] < 0.05
    before = Encoder(tmp_path / "e").sha256
    onnx.change_listing(tmp_path / "e", window=99)
    assert json.loads((tmp_path / "e" / "model.json").read_text())["window"] == 99
    assert Encoder(tmp_path / "e").sha256 == before  # settings may change, files may not


def test_few_shot_tuning_and_tagging_run_and_learn(checkpoint: Path) -> None:
    """Eight examples whose label is plain: a tuned copy fits them; the checkpoint itself is not touched."""
    before = (checkpoint / "model.safetensors").read_bytes()
    pairs = [sentences.SentencePair(text, text, True) for text in TEXTS] + [
        sentences.SentencePair(TEXTS[at], TEXTS[at - 1], False) for at in range(3)
    ]
    values = few_shot.tune(checkpoint, pairs, pairs, seed=1, epochs=5)
    labels = np.array([pair.same for pair in pairs])
    assert paraphrase.decisions(values, labels)["auroc"] == 1.0
    items = [
        conll.Tagged(("The", "Suez", "Canal", "was", "opened"), ("O", "B-LOC", "I-LOC", "O", "O")),
        conll.Tagged(("by", "Ferdinand", "de", "Lesseps"), ("O", "B-PER", "I-PER", "I-PER")),
    ]
    for heads in ("question", "random"):
        said = few_shot_ner.tag(checkpoint, items, items, heads, 1, epochs=60, rate=3e-3)
        assert said == [list(item.tags) for item in items], heads
    with pytest.raises(InputError, match="question or random"):
        few_shot_ner.tag(checkpoint, items, items, "best", 1)
    assert (checkpoint / "model.safetensors").read_bytes() == before

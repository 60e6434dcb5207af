"""The exported reader of memories against the torch model that it came from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests.handmade import models
from tests.training.test_qamat import checkpoint
from transformers import AutoModelForSeq2SeqLM

import quipu
from quipu.errors import FormatError, InputError
from quipu.models.encoder import Encoder
from quipu.models.memory_reader import MemoryReader
from quipu.training.export.memory_reader import export_memory_encoder, export_memory_reader
from quipu.training.qamat import model
from quipu.training.qamat.copying import CopyConfig
from quipu.training.qamat.loading import load_backbone
from quipu.training.qamat.steps import Ways
from quipu.training.qamat.train import save

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
PAIRS = [
    ("When was the Suez Canal opened?", "1869"),
    ("How long is the canal?", "193 kilometres"),
    ("Who took tea plants to India?", "Fortune"),
    ("What is glass made of?", "sand"),
]
QUESTIONS = ["In what year was the canal opened?", "Who took the plants?", "What is it made of?", "How long is it?"]


@pytest.fixture(scope="module", params=[0, 2])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny copying reader, taught to copy, that reads pairs all at once or in blocks of two."""
    root = tmp_path_factory.mktemp("qamat")
    torch.manual_seed(0)
    config = CopyConfig(heads=2, layers=2, inner=64, vocabulary=30)
    reader = load_backbone(checkpoint(root / "base", "bert"), config)
    ways = Ways(k=4, neural=False, per_block=request.param, value_length=20, answer_length=6)
    values = reader.pieces([f"{answer}; {question}" for question, answer in PAIRS], 20)
    xs = [[reader.mask_id, *ids] for ids in reader.pieces(QUESTIONS, 60)]
    targets = reader.targets(["1869", "Fortune", "sand", "193 kilometres"], 6)
    optimizer = torch.optim.Adam([p for p in reader.parameters() if p.requires_grad], 3e-3)
    for _ in range(150):
        read = model.discrete(reader, model.join(reader, [values] * 4, xs, ways.per_block))
        loss = reader.nll(read.states, read.mask, read.ids, targets).sum() / (targets >= 0).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return save(root / "hf", reader.eval(), None, ways, "finetune")


def test_int8_says_what_torch_says(trained: Path, tmp_path: Path) -> None:
    asked = [(question, PAIRS) for question in QUESTIONS]
    figures = export_memory_reader(trained, tmp_path / "out", name="tiny", version="0", asked=asked)
    assert figures["same_answer"] >= 0.9
    reader = MemoryReader(tmp_path / "out")
    together = reader.read(QUESTIONS, [PAIRS] * 4)
    more = MemoryReader(tmp_path / "out", k=8, per_block=2)
    assert more.k == 8 and len(more.read(QUESTIONS[:1], [PAIRS * 2])) == 1
    with pytest.raises(InputError, match="set per_block"):
        MemoryReader(tmp_path / "out", k=30, per_block=0)  # 30 pairs of 20 pieces for 256 positions
    assert [item.text for item in together].count("1869") >= 1
    one = reader.read(QUESTIONS[:1], [PAIRS])[0]
    assert one.text == together[0].text and one.log_p == pytest.approx(together[0].log_p, abs=0.05)
    for item in together:
        if item.stored is not None:
            assert PAIRS[item.stored][1] == item.text
    assert reader.read([], []) == []
    with quipu.open(memory(tmp_path), read_only=True, memory_reader=reader, encoder=models()["encoder"]) as opened:
        (said,) = opened.ask_many(["In what year was the canal opened?"], method="read")
        assert said.route == "read" and said.probability is None and said.evidence
        assert said.text is not None and ("generated" in said.reason) == (said.text not in [a for _, a in PAIRS])
        assert opened.ask("In what year was the canal opened?").route == "lookup"  # nothing says when to go on


def memory(folder: Path) -> Path:
    rows = folder / "pairs.csv"
    rows.write_text("question,answer\n" + "\n".join(f"{q},{a}" for q, a in PAIRS), encoding="utf-8")
    quipu.build([], folder / "m.quipu", pairs=rows, **models()).close()
    return folder / "m.quipu"


@pytest.mark.usefixtures("exact_int8")
@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_ctranslate_says_what_torch_says(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2")
    from quipu.models import load_memory_reader
    from quipu.training.export.ctranslate import export_ctranslate_reader

    torch.manual_seed(0)
    reader = load_backbone(checkpoint(tmp_path / "base", kind))
    values = reader.pieces([f"{answer}; {question}" for question, answer in PAIRS], 20)
    xs = [[reader.mask_id, *ids] for ids in reader.pieces(QUESTIONS, 29)]
    targets = reader.targets(["1869", "Fortune", "sand", "193 kilometres"], 6)
    optimizer = torch.optim.Adam(reader.parameters(), 3e-3)
    for _ in range(100):
        read = model.discrete(reader, model.join(reader, [values] * 4, xs))
        loss = reader.nll(read.states, read.mask, read.ids, targets).sum() / (targets >= 0).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ways = Ways(k=4, neural=False, value_length=20, x_length=30, answer_length=6)
    folder = save(tmp_path / "hf", reader.eval(), None, ways, "finetune")
    asked = [(question, PAIRS[at:]) for at, question in enumerate(QUESTIONS)]
    figures = export_ctranslate_reader(folder, tmp_path / "out", name=f"tiny-{kind}", version="0", asked=asked)
    assert figures["same_answer"] >= 0.9
    plain = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    words = reader.tokenizer
    begin, end = words.encode("").ids[:-1], words.encode("").ids[-1:]
    found = load_memory_reader(tmp_path / "out").read([q for q, _ in asked], [pairs for _, pairs in asked])
    for (question, pairs), ours in zip(asked, found, strict=True):  # [m_K; ..; m_1; X], written out by hand
        ids = list(begin)
        for text, answer in reversed(pairs):
            ids += [*words.encode(f"{answer}; {text}", add_special_tokens=False).ids, *end]
        ids += [reader.mask_id, *words.encode(question, add_special_tokens=False).ids, *end]
        made = plain.generate(
            torch.tensor([ids]), max_new_tokens=6, do_sample=False, num_beams=1, output_logits=True,
            return_dict_in_generate=True,
        )  # fmt: skip
        said = made.sequences[0][-len(made.logits) :].tolist()
        log_p = sum(float(step[0].log_softmax(-1)[piece]) for step, piece in zip(made.logits, said, strict=True))
        assert ours.text.lower() == words.decode(said).strip() and ours.log_p == pytest.approx(log_p, abs=0.2)
    with pytest.raises(InputError, match="is the checkpoint itself"):
        export_ctranslate_reader(folder, folder, name="t", version="0", asked=asked)


def test_what_cannot_be_exported_or_read_says_so(trained: Path, tmp_path: Path) -> None:
    other = save(tmp_path / "bart", load_backbone(checkpoint(tmp_path / "b", "bart")), None, Ways(), "finetune")
    with pytest.raises(InputError, match="not a copying reader"):
        export_memory_reader(other, tmp_path / "out", name="tiny", version="0", asked=[])
    export_memory_reader(trained, tmp_path / "out", name="t", version="0", asked=[(QUESTIONS[0], PAIRS)])
    (tmp_path / "out" / "decoder.onnx").write_bytes(b"broken")
    with pytest.raises(FormatError, match="sha256"):
        MemoryReader(tmp_path / "out")
    opened = quipu.open(memory(tmp_path), read_only=True, encoder=models()["encoder"])
    with opened, pytest.raises(InputError, match="budget"):
        opened.ask("Who?", method="lookup", budget_ms=5)


@pytest.mark.parametrize("kind", ["t5", "bart", "bert"])
def test_keys_and_queries_of_its_own_serve_a_memory(kind: str, tmp_path: Path) -> None:
    """The exported vectors are the states that the equations name; a memory built with them is asked at the mask."""
    torch.manual_seed(4)
    frozen = load_backbone(checkpoint(tmp_path / "base", kind), CopyConfig(heads=2, layers=1, inner=32, vocabulary=30))
    reader = load_backbone(tmp_path / "base", CopyConfig(heads=2, layers=1, inner=32, vocabulary=30))
    with torch.no_grad():
        for parameter in reader.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    ways = Ways(k=2, neural=False, cosine=True)
    folder = save(tmp_path / "hf", reader.eval(), frozen.eval(), ways, "global")
    texts = [question for question, _ in PAIRS]
    figures = export_memory_encoder(folder, tmp_path / "out", name=f"tiny-{kind}", version="0", texts=texts)
    assert min(figures.values()) >= 0.98
    encoder = Encoder(tmp_path / "out")
    keys, asked = encoder.encode(texts), encoder.ask(texts)
    for at, text in enumerate(texts):
        ids = reader.pieces([text], 32)[0]
        with torch.inference_mode():
            key = frozen.encode(*both([*frozen.begin, *ids, *frozen.end]))[0, 0]
            query = reader.encode(*both([*reader.begin, reader.mask_id, *ids, *reader.end]))[0, len(reader.begin)]
        assert float(torch.nn.functional.cosine_similarity(key, torch.from_numpy(keys[at]), dim=0)) > 0.97
        assert float(torch.nn.functional.cosine_similarity(query, torch.from_numpy(asked[at]), dim=0)) > 0.97
    documents = tmp_path / "pairs.jsonl"
    documents.write_text("\n".join(json.dumps({"question": q, "answer": [a]}) for q, a in PAIRS))
    with quipu.build([], tmp_path / "m.quipu", pairs=documents, **{**models(), "encoder": encoder}) as memory:
        best = memory.search(texts[0], 1, method="vector")[0]
    assert best.score == pytest.approx(float((keys @ asked[0]).max()), abs=0.02)


def both(ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask of one text."""
    return torch.tensor([ids]), torch.ones(1, len(ids)).long()


def test_keys_of_any_length_serve_no_memory(tmp_path: Path) -> None:
    reader = load_backbone(checkpoint(tmp_path / "base", "t5"))
    folder = save(tmp_path / "hf", reader, None, Ways(), "finetune")
    with pytest.raises(InputError, match="cosine = true"):
        export_memory_encoder(folder, tmp_path / "out", name="t", version="0", texts=["a"])

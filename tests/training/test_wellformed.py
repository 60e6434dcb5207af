"""The judge of questions: it learns eight queries, its export answers as the trained one, and it is read back."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from quipu.errors import FormatError, InputError
from quipu.evaluation.wellformed import WellFormedness, compare

torch = pytest.importorskip("torch", reason="needs the extra train")
pytest.importorskip("transformers", reason="needs the extra train")
pytestmark = pytest.mark.torch

GOOD = ("who dug the canal ?", "when was the canal opened ?", "where is the canal ?", "who opened the canal ?")
BAD = ("canal dug who the ?", "the canal opened when was ?", "canal the where ?", "the canal the opened ?")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one layer and width 16 with a word-level vocabulary of the eight queries."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("base")
    words = sorted({word for query in GOOD + BAD for word in query.split()})
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=32, max_position_embeddings=32)  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from quipu.training.wellformed.train import WellformedRecipe, run

    data = tmp_path_factory.mktemp("data")
    (data / "query_wellformedness").mkdir()
    lines = [f"{query}\t1.0\n" for query in GOOD] + [f"{query}\t0.0\n" for query in BAD]
    for part in ("train", "dev"):
        with gzip.open(data / "query_wellformedness" / f"{part}.tsv.gz", "wt") as file:
            file.writelines(lines)
    recipe = WellformedRecipe(
        data, data / "run", base=str(base), epochs=120, batch=8, freeze_words=False, loop={"learning_rate": 1e-2}
    )
    return run(recipe)


def test_it_learns_eight_queries_and_says_so(trained: Path) -> None:
    """A loss that reads the label wrongly would train a judge that prefers garbage, with a falling loss."""
    judge = WellFormedness(trained, threads=1)
    assert judge.card["dev"]["accuracy@0.8"] == judge.card["dev"]["accuracy@0.5"] == 1.0
    good, bad = judge.score(GOOD), judge.score(BAD)
    assert good.min() > 0.8 and bad.max() < 0.5


def test_scores_do_not_depend_on_the_batch_or_on_capitals(trained: Path) -> None:
    """Padding that leaks into the mean would score a question by its neighbours' length."""
    judge = WellFormedness(trained, threads=1)
    together = judge.score([*GOOD, *BAD], batch_size=8)
    alone = np.concatenate([judge.score([query.upper()]) for query in GOOD + BAD])
    assert together == pytest.approx(alone, abs=1e-5)
    generated, human = compare(judge, {"generated": BAD, "human": GOOD})
    assert generated["mean"].value < 0.5 < human["mean"].value
    assert human["share >= 0.8"].value == 1.0 and human["mean"].n == 4


def test_missing_files_and_odd_lines_are_named(trained: Path, tmp_path: Path) -> None:
    """A file of another layout must not become a training set of nonsense."""
    from quipu.datasets.sentences import read_rated as read

    with pytest.raises(FormatError, match=r"has no model\.onnx"):
        WellFormedness(tmp_path)
    (tmp_path / "odd.tsv").write_text("who dug the canal ?\t1.0\njust a line\n")
    with pytest.raises(InputError, match="line 2"):
        read(tmp_path / "odd.tsv")


def test_three_accuracies_by_hand() -> None:
    """Cutting labels at the wrong place changes the published figure by ten points."""
    from quipu.training.wellformed.train import measure

    figures = measure([0.9, 0.6, 0.6, 0.1], [1.0, 0.8, 0.6, 0.2])
    assert figures["accuracy@0.8"] == 0.75 and figures["accuracy@0.5"] == 1.0
    assert figures["accuracy@0.5/0.8"] == 0.75 and figures["majority@0.8"] == 0.5
    assert figures["mean_absolute_error"] == pytest.approx(0.1)

"""The tasks of QuIP on hand-made files and encoders whose answers are known beforehand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from quipu.datasets import conll, sentences
from quipu.errors import InputError
from quipu.evaluation.tasks import ner, paraphrase, probe, sentiment, spans
from quipu.models.spans import Floats, TokenVectors
from quipu.records import Example

WORDS = ["good", "bad", "film", "plot", "1869", "canal", "opened", "who"]


class WordStates:
    """A word is its own axis at every layer but the first, which says nothing; questions point at chosen words."""

    name, width, layers = "words", len(WORDS) + 2, 2

    def __init__(self, **answers: str) -> None:
        self._answers = answers

    def _vector(self, word: str) -> Floats:
        vector = np.zeros(self.width, dtype=np.float32)
        vector[WORDS.index(word) if word in WORDS else -2] = 1.0
        return vector

    def passages(self, texts: Sequence[str]) -> list[TokenVectors]:
        made = []
        for text in texts:
            vectors, offsets, at = [np.zeros(self.width, dtype=np.float32)], [(0, 0)], 0
            for word in text.split():
                at = text.index(word, at)
                vectors.append(self._vector(word))
                offsets.append((at, at + len(word)))
                at += len(word)
            made.append(TokenVectors(np.array(vectors), np.array(offsets, dtype=np.int32)))
        return made

    def questions(self, texts: Sequence[str]) -> tuple[Floats, Floats]:
        rows = np.array([5 * self._vector(self._answers.get(text.split()[-1].strip("?"), "who")) for text in texts])
        return rows, rows

    def states(self, texts: Sequence[str]) -> list[Floats]:
        return [
            np.stack([np.ones_like(item.vectors[1:]), item.vectors[1:], item.vectors[1:]])
            for item in self.passages(texts)
        ]


def example(answers: tuple[str, ...], name: str = "q") -> Example:
    return Example(name, "When?", answers, ("text",))


@pytest.mark.parametrize(
    ("answers", "said", "exact", "f1"),
    [
        (("the Suez Canal", "Suez"), "Suez canal", 1.0, 1.0),  # several golds, articles, case
        (("the Suez Canal", "Suez"), "the great Suez", 0.0, 2 / 3),  # best gold: one of two and one of one
        (("Lesseps's",), "Lesseps’s", 0.0, 0.0),  # only ASCII punctuation goes
        (("Müller",), "müller.", 1.0, 1.0),
        (("café",), "cafe\u0301", 0.0, 0.0),  # the official script does not normalise Unicode
        (("1869",), "", 0.0, 0.0),
        ((), "", 1.0, 1.0),  # no answer
        ((), "1869", 0.0, 0.0),
        (("the",), "", 1.0, 1.0),  # a gold that normalises to nothing does not count
        (("a b c",), "b c d", 0.0, 0.8),  # "a" is an article: gold is b c; 2/3 precision, 1 recall
    ],
)
def test_scores_are_those_of_the_official_formula(answers: tuple[str, ...], said: str, exact: float, f1: float) -> None:
    em, overlap = spans.score([example(answers)], [said])
    assert em.value == 100 * exact and overlap.value == pytest.approx(100 * f1)


def squad_file(path: Path) -> Path:
    passage = "old canal opened 1869"
    rows = [
        {"id": "one", "question": "When opened?", "answers": [{"text": "1869", "answer_start": 17}]},
        {"id": "two", "question": "Where?", "answers": [], "is_impossible": True},
    ]
    path.write_text(json.dumps({"data": [{"paragraphs": [{"context": passage, "qas": rows}]}]}))
    return path


def test_squad_counts_the_answerable_apart_and_writes_predictions(tmp_path: Path) -> None:
    report = spans.squad(
        WordStates(opened="1869"), squad_file(tmp_path / "dev.json"), predictions=tmp_path / "said.json"
    )
    said = json.loads((tmp_path / "said.json").read_text())
    assert said["one"] == "1869" and set(said) == {"one", "two"}
    assert report["answerable_exact_match"].value == 100 and report["answerable_exact_match"].n == 1
    assert said["two"] == "old" and report["exact_match"].value == 50 and report["refused"].value == 0


def test_mrqa_reports_each_file_and_their_mean(tmp_path: Path) -> None:
    for name, answer in (("A", "1869"), ("B", "canal")):
        rows = [
            {"header": {"dataset": name}},
            {"context": " the canal opened 1869", "qas": [{"qid": name, "question": "opened?", "answers": [answer]}]},
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    reports = spans.mrqa(WordStates(opened="1869"), tmp_path, predictions=tmp_path / "said.json")
    assert [(r.task, r["exact_match"].value) for r in reports] == [("A", 100), ("B", 0), ("mean", 50)]
    assert json.loads((tmp_path / "said.json").read_text()) == {"A": "1869", "B": "1869"}
    with pytest.raises(InputError, match="no MRQA files"):
        spans.mrqa(WordStates(), tmp_path / "none")


def test_bert_score_worked_by_hand() -> None:
    """x = (a, b), y = (a): precision over x is (1 + 0) / 2, recall over y is 1, F is 2/3; lengths do not matter."""
    a, b = [3.0, 0.0], [0.0, 0.5]
    left, right = np.array([[a, b]], dtype=np.float32), np.array([[a]], dtype=np.float32)
    assert paraphrase.bert_score(left, right).tolist() == pytest.approx([2 / 3])
    assert paraphrase.bert_score(right, left).tolist() == pytest.approx([2 / 3])


def test_ranking_worked_by_hand() -> None:
    """Scores 4 3 2 1 with labels 1 0 1 0: three of four pairs in order; best accuracy 3/4, best F1 at three taken."""
    figures = paraphrase.ranking(np.array([4.0, 3, 2, 1]), np.array([True, False, True, False]))
    assert figures["auroc"] == 0.75 and figures["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert figures["best_accuracy"] == 75 and figures["best_f1"] == pytest.approx(100 * 4 / 5)
    tied = paraphrase.ranking(np.array([1.0, 1, 1]), np.array([True, False, False]))
    assert tied["best_accuracy"] == pytest.approx(200 / 3) and tied["auroc"] == 0.5


def test_upper_third_of_the_layers() -> None:
    assert paraphrase.upper_third(24) == list(range(17, 25)) and paraphrase.upper_third(6) == [5, 6]
    assert paraphrase.upper_third(2) == [2]


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate", "0\t1\t2\tgood film\tfilm good\t{}"),
        ("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", "{}\t1\t2\tgood film\tfilm good"),
        ("id\tsentence1\tsentence2\tlabel", "1\tgood film\tfilm good\t{}"),
    ],
)
def test_paraphrase_files_are_known_by_their_columns(tmp_path: Path, head: str, row: str) -> None:
    (tmp_path / "test.tsv").write_text("\n".join([head, row.format(1), row.format(0)]) + "\n")
    pairs = sentences.read_pairs(tmp_path / "test.tsv")
    assert [(pair.left, pair.right, pair.same) for pair in pairs] == [
        ("good film", "film good", True), ("good film", "film good", False),
    ]  # fmt: skip
    (tmp_path / "test.tsv").write_text(head + "\nbroken\tline\n")
    with pytest.raises(InputError, match=r"test\.tsv, line 2"):
        sentences.read_pairs(tmp_path / "test.tsv")


def paraphrases(folder: Path, rows: int = 20) -> Path:
    lines = ["id\tsentence1\tsentence2\tlabel"]
    lines += [f"{at}\tgood film {at}\tfilm good {at}\t1" for at in range(rows)]
    lines += [f"{at}\tgood film\tbad plot\t0" for at in range(rows)]
    for name in ("train.tsv", "test.tsv"):
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def test_zero_and_few_shot_paraphrase(tmp_path: Path) -> None:
    """Where word order is all that differs, the last layer ranks perfectly and the first knows nothing."""
    report, values = paraphrase.zero_shot(WordStates(), paraphrases(tmp_path))
    assert report["auroc"].value == 1.0 and report["layer 0 auroc"].value == 0.5 and values.shape == (40, 3)
    few = paraphrase.few_shot(WordStates(), tmp_path, seeds=(13, 21), tune=lambda train, test, seed: np.ones(len(test)))
    assert few["f1"].value == 100 and few["f1"].stderr == 0
    assert few["tuned_recall"].value == 100 and few["tuned_accuracy"].value == 50
    one, two = (paraphrase.few_shot_split(tmp_path, seed, shots=4)[0] for seed in (1, 1))
    assert one == two and sum(pair.same for pair in one) == 4


def test_published_few_shot_splits_are_taken_as_they_are(tmp_path: Path) -> None:
    paraphrases(tmp_path)
    (tmp_path / "16-13").mkdir()
    paraphrases(tmp_path / "16-13", rows=3)
    train, test = paraphrase.few_shot_split(tmp_path, 13)
    assert len(train) == len(test) == 6 and len(paraphrase.few_shot_split(tmp_path, 21)[0]) == 32


def test_entities_as_conlleval_counts_them() -> None:
    assert ner.entities(["B-PER", "I-PER", "O", "I-LOC", "B-LOC", "I-PER"]) == [
        ("PER", 0, 2), ("LOC", 3, 4), ("LOC", 4, 5), ("PER", 5, 6),
    ]  # fmt: skip
    gold, said = [["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "O", "O", "B-LOC"]]
    assert ner.entity_scores(gold, said) == {"f1": 50, "precision": 50, "recall": 50}


def test_questions_of_the_paper() -> None:
    assert ner.question_of("O") == "What is a generic object ?"
    assert ner.question_of("I-creative_work") == "What is a creative work ?"
    assert ner.question_of("B-ORG") == "What is an organization ?" and ner.question_of("B-X") == "What is a x ?"


def test_few_shot_samples_hold_five_of_each_type(tmp_path: Path) -> None:
    lines = []
    for at in range(40):
        lines += [f"Anna{at}\tB-PER", "went\tO", *(["Suez\tB-LOC"] if at % 4 == 0 else []), ""]
    (tmp_path / "train.conll").write_text("\n".join(lines))
    (tmp_path / "test.conll").write_text("Anna B-PER\nnow O\n \tO\n\tO\n")  # the corpus of tweets has such blanks
    pool, test = conll.read_sets(tmp_path)
    assert len(pool) == 40 and test[0].tags == ("B-PER", "O")
    chosen = ner.sample(tmp_path, pool, split=0)
    kinds = [kind for item in chosen for kind, _, _ in ner.entities(item.tags)]
    assert kinds.count("LOC") == 5 and kinds.count("PER") >= 5
    assert ner.sample(tmp_path, pool, 0) == chosen != ner.sample(tmp_path, pool, 1)
    report = ner.evaluate(
        "gold", lambda train, test, heads, seed: [list(item.tags) for item in test], tmp_path, (0, 1),
        predictions=tmp_path / "tags",
    )  # fmt: skip
    assert report["f1"].value == report["random_f1"].value == 100
    assert (tmp_path / "tags").read_text() == "B-PER O\n"
    (tmp_path / "few_shot_5_0.words").write_text("Suez\n")
    (tmp_path / "few_shot_5_0.ner").write_text("B-creative_work\n")
    assert ner.sample(tmp_path, pool, 0) == [conll.Tagged(("Suez",), ("B-creative-work",))]


def test_sentiment_by_two_questions(tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("a good film\t1\nthe plot was bad\t0\na film\t1\n")
    encoder = WordStates(good="good", bad="bad", great="good", terrible="bad")
    report, values = sentiment.evaluate(encoder, tmp_path)
    assert values.shape == (3, 6) and report["pair 5"].value == pytest.approx(200 / 3)  # the third ties: not positive
    shown = sentiment.rationales(encoder, tmp_path, values, count=2)
    assert [(item.said, item.span) for item in shown] == [(True, "good"), (False, "bad")]


def test_sentiment_files_of_each_kind(tmp_path: Path) -> None:
    (tmp_path / "rt-polarity.pos").write_bytes("sch\xf6n\n".encode("latin-1"))
    (tmp_path / "rt-polarity.neg").write_text("bad\n")
    assert [(item.text, item.positive) for item in sentences.read_opinions(tmp_path)] == [
        ("schön", True), ("bad", False),
    ]  # fmt: skip
    (tmp_path / "test.csv").write_text('1,"good, really"\n0,bad\n')
    assert sentences.read_opinions(tmp_path / "test.csv")[0].text == "good, really"
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\ngood\t1\n")
    assert len(sentences.read_opinions(tmp_path / "dev.tsv")) == 1
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\ngood\tfine\n")
    with pytest.raises(InputError, match="label 0 or 1"):
        sentences.read_opinions(tmp_path / "dev.tsv")


def test_probe_reads_what_vectors_say_and_nothing_from_shuffled_labels(tmp_path: Path) -> None:
    folder = tmp_path / "mr"
    folder.mkdir()
    (folder / "rt-polarity.pos").write_text("".join(f"a good film {at}\n" for at in range(60)))
    (folder / "rt-polarity.neg").write_text("".join(f"a bad film {at}\n" for at in range(60)))
    report = probe.evaluate(WordStates(), tmp_path, seeds=(1, 2), sets=("mr",), layers="all")
    assert report["mr"].value == 100 and report["mr"].n == 2
    assert report["mr mean layer 0"].value < 70 and report["shuffled accuracy"].value < 80
    with pytest.raises(InputError, match="is no probe"):
        probe.read_probe("cr", folder)

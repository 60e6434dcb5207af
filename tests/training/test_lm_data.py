"""What the language model learns from: held-out articles, trees, packed rows, negatives, memories, vocabularies."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from tests import toy_llama
from tokenizers import Tokenizer

from quipu.datasets import published, written
from quipu.datasets.contexts import Asked, Context, title_of
from quipu.datasets.multihop import MultiHop
from quipu.datasets.written import WrittenPair, WrittenPassage
from quipu.errors import FormatError, SettingsError
from quipu.models.lm.prompts import MARKERS, Prompts
from quipu.training.heldout import Overlap, held_out, split
from quipu.training.lines import whole_lines
from quipu.training.lm.data import Branch, Drawing, Mixture, People, SeveralPassages, Tree, Written, batch_of, size_of
from quipu.training.lm.memories import Memories, asked_of, given
from quipu.training.lm.negatives import neighbour_question, twin_question
from quipu.training.lm.vocabulary import cut, text_of, with_markers
from quipu.training.quip.teacher import sources

pytestmark = pytest.mark.torch

ALWAYS = Drawing(words=(1,), written=1.0, read=1.0, plain=0.0, neighbours=0.0, twins=0.0, titled=1.0)


def prompts() -> Prompts:
    words = toy_llama.tokenizer()
    return Prompts(words, {role: words.token_to_id(token) for role, token in MARKERS.items()})


def context(group: str, text: str, *asked: tuple[str, str], source: str = "squad_train_parts") -> Context:
    """A context whose questions are answered by the first place of their answer."""
    return Context(group, text, tuple(Asked(q, text.index(a), text.index(a) + len(a)) for q, a in asked), source)


BRUME = context("Brume_Light", "The lighthouse was built in 1911 by Pelagia.", ("Who built it?", "Pelagia"))
PIER = context("Brume_Light", "It stands on the western pier.", ("Where does it stand?", "the western pier"))
ELSEWHERE = context("Vellamar", "Idris runs the port of Vellamar.", ("Who runs the port?", "Idris"))


def test_the_split_is_the_same_everywhere() -> None:
    """Another split in one of the trainings would let a model see what its probabilities are fitted on."""
    names = [f"Article {number}" for number in range(4000)]
    held = [name for name in names if held_out("squadshifts_new_wiki", name)]
    assert held[:4] == ["Article 2", "Article 14", "Article 21", "Article 28"]
    assert 0.08 < len(held) / len(names) < 0.12
    assert held != [name for name in names if held_out("timeqa_human", name)]
    unknown = [f"p:{number}" for number in range(300)]
    assert not any(held_out("squad_train_parts", name) for name in unknown)
    assert any(held_out("squadshifts_reddit", name) for name in unknown)
    assert not any(held_out("squad_qg", f"squad_qg:{number}") for number in range(300))


def test_what_stands_in_a_held_out_article_is_taken_out_of_other_sets() -> None:
    """Sets share sentences and questions: a split by group alone puts them on both sides."""
    held = [
        context("A", "Snow fell on the old bridge, and the river froze over. Nobody came.", ("Who came?", "Nobody"))
    ]
    sentence = Context("s:1", "snow fell on the old bridge , and the river froze over .", (Asked("why?"),), "squad_qg")
    other = Context(
        "s:2", "Snow fell on the new bridge, and nobody went there.", (Asked("who came"), Asked("Why?")), "x"
    )
    kept = Overlap(held).without([sentence, other])
    assert [(item.group, [asked.question for asked in item.asked]) for item in kept] == [("s:2", ["Why?"])]
    assert not Overlap(held).text("Nobody came.")  # too short to be more than chance
    assert Overlap([]).without([sentence]) == [sentence]
    article = next(f"A{number}" for number in range(99) if held_out("x", f"A{number}"))
    learned, back = split([Context(article, "t", (), "x"), Context("p:1", "t", (), "squad_train_parts")])
    assert [item.group for item in learned] == ["p:1"] and [item.group for item in back] == [article]


def test_a_tree_asks_for_spans_where_they_stand() -> None:
    """A span shifted by a joined neighbour would teach the writer to ask about other words."""
    given_prompts = prompts()
    drawing = Drawing(words=(15,), written=1.0, read=1.0, plain=0.0, neighbours=0.0, twins=0.0, titled=1.0)
    tree = People([BRUME, PIER, ELSEWHERE], given_prompts, drawing).draw(random.Random(2))
    assert tree is not None
    assert given_prompts.decode(tree.prefix) == f"Brume Light\n{BRUME.text} {PIER.text}"
    said = Counter()
    for branch in tree.branches:
        kind = {given_prompts.markers["write"]: "write", given_prompts.markers["read"]: "read"}[branch.prompt[0]]
        assert branch.said[-1] == given_prompts.markers["end"]
        said[kind, given_prompts.decode(branch.prompt), given_prompts.decode(branch.said), branch.weight] += 1
    assert said == Counter(
        [
            ("write", "Pelagia", "Who built it?", 1.0), ("read", "Who built it?", "Pelagia", 2.0),
            ("write", "the western pier", "Where does it stand?", 1.0),
            ("read", "Where does it stand?", "the western pier", 2.0),
        ]
    )  # fmt: skip


def test_free_answers_and_sets_that_are_only_read() -> None:
    """A question without a span cannot be asked for one; strange questions must not be imitated."""
    free = Context("x", "She left.", (Asked("Did she stay?", answer="no"), Asked("Unanswered?")), "onestopqa")
    tree = People([free], prompts(), ALWAYS).draw(random.Random(1))
    assert tree is not None
    assert [prompts().decode(branch.said) for branch in tree.branches] == ["no"]
    tree = People([PIER], prompts(), ALWAYS, only_read=True).draw(random.Random(1))
    assert tree is not None and [branch.prompt[0] for branch in tree.branches] == [prompts().markers["read"]]
    assert People([Context("x", "She left.", (), "y")], prompts(), ALWAYS).draw(random.Random(1)) is None


class Fixed:
    """Trees of one passage and one branch; the passage's tokens say which source they are of."""

    def __init__(self, number: int, draw: Callable[[random.Random], int] = lambda rng: 3) -> None:
        self.number, self.length = number, draw

    def draw(self, rng: random.Random) -> Tree | None:
        return Tree([self.number] * self.length(rng), [Branch([1, 2], [3, 4, 5], 1.0)])


class Empty:
    def draw(self, rng: random.Random) -> Tree | None:
        return None


def test_a_mixture_draws_as_its_weights_say() -> None:
    """A swapped weight would go unseen for a whole training."""
    mixture = Mixture({"a": Fixed(1), "b": Fixed(2), "c": Empty()}, {"a": 1.0, "b": 3.0, "c": 1.0})
    rng = random.Random(5)
    counts = Counter(mixture.draw(rng)[0] for _ in range(4000))
    assert counts["b"] / 4000 == pytest.approx(0.75, abs=0.03) and counts["a"] + counts["b"] == 4000
    for sources_, weights in (({"a": Fixed(1)}, {"b": 1.0}), ({}, {}), ({"a": Fixed(1)}, {"a": 0.0})):
        with pytest.raises(SettingsError, match="mixture"):
            Mixture(sources_, weights)
    with pytest.raises(SettingsError, match="no questions"):
        Mixture({"c": Empty()}, {"c": 1.0}).draw(rng)


def test_rows_are_packed_without_losing_or_mixing_tokens() -> None:
    """Every tree stands whole in one row, each said token is the label of the token before it."""
    rng = random.Random(3)
    items = [
        Tree(
            [number] * rng.randint(2, 12),
            [Branch([100 + at] * rng.randint(1, 4), [200 + at, 300 + at, 9], 1.5) for at in range(rng.randint(1, 5))],
        )
        for number in range(1, 30)
    ]

    class Given:
        def __init__(self) -> None:
            self.left = list(items)

        def draw(self, rng: random.Random) -> tuple[str, Tree]:
            return "given", self.left.pop(0)

    given_trees = Given()
    batch = batch_of(given_trees, 4, 130, random.Random(0))
    seen = []
    for row in range(4):
        for number in range(1, int(batch["tree"][row].max()) + 1):
            inside = batch["tree"][row] == number
            tokens, branches = batch["ids"][row][inside], batch["branch"][row][inside]
            labels, weights = batch["labels"][row][inside], batch["weights"][row][inside]
            positions = batch["positions"][row][inside]
            prefix = tokens[branches == 0].tolist()
            made = []
            for branch in range(1, int(branches.max()) + 1):
                own = branches == branch
                said = labels[own & (weights > 0)].tolist()
                made.append(Branch(tokens[own].tolist()[: -(len(said) - 1)], said, weights[own].max().item()))
                assert positions[own].tolist() == list(range(len(prefix), len(prefix) + int(own.sum())))
                assert tokens[own].tolist()[-(len(said) - 1) :] == said[:-1]
            seen.append(Tree(prefix, made))
            assert size_of(seen[-1]) == int(inside.sum())
    numbers = [tree.prefix[0] for tree in seen]
    assert seen == [items[number - 1] for number in numbers] and len(set(numbers)) == len(numbers) >= 12
    used = len(items) - len(given_trees.left)
    assert (
        set(numbers) <= set(range(1, used + 1)) and used - len(numbers) <= 3
    )  # what was drawn last and fitted nowhere
    assert not batch["weights"][batch["tree"] == 0].any()


def test_a_tree_that_is_longer_than_a_row_loses_branches_not_its_passage() -> None:
    """One long story must not stop a training, nor a passage that fits nowhere run for ever."""
    long = Tree([7] * 40, [Branch([1] * 9, [2] * 9, 1.0)] * 9)

    class Long:
        def draw(self, rng: random.Random) -> tuple[str, Tree]:
            return "long", long

    batch = batch_of(Long(), 2, 110, random.Random(0))
    assert batch["tree"].max(1).values.tolist() == [1, 1] and batch["branch"].max(1).values.tolist() == [4, 4]
    with pytest.raises(SettingsError, match="more than 20 tokens"):
        batch_of(Long(), 2, 80, random.Random(0))


def test_a_neighbours_question_is_of_another_passage() -> None:
    """A question that the passage answers, labelled "nothing answers", would teach the model to be silent."""
    contexts = [BRUME, PIER, ELSEWHERE]
    rng = random.Random(0)
    found = Counter(question for _ in range(300) for question in neighbour_question(contexts, 0, BRUME.text, rng))
    assert set(found) == {"Where does it stand?", "Who runs the port?"}
    assert found["Where does it stand?"] > found["Who runs the port?"]
    joined = f"{BRUME.text} {PIER.text}"
    assert {q for _ in range(99) for q in neighbour_question(contexts, 0, joined, rng)} == {"Who runs the port?"}


def test_a_twin_asks_for_what_is_not_there() -> None:
    """A twin with a name of the answer's own sentence may well be answered by it."""
    text = "In 1911 Pelagia built the light with Omar Vance. Later Idris Lund painted the pier red."
    made = context("x", text, ("What did Pelagia build with Omar Vance in 1911?", "the light"))
    rng = random.Random(0)
    twins = {question for _ in range(200) for question in twin_question(made, rng)}
    assert twins and made.asked[0].question not in twins
    entities = {question for question in twins if "1911" in question}
    assert entities <= {
        "What did Idris Lund build with Omar Vance in 1911?", "What did Pelagia build with Idris Lund in 1911?",
    }  # fmt: skip
    assert twins - entities and not any("1911" in question for question in twins - entities)
    assert twin_question(Context("x", text, (Asked("What?"),), "y"), rng) == []


def passage(text: str, *pairs: tuple[str, str], title: str = "") -> WrittenPassage:
    made = tuple(WrittenPair(q, text.index(a), text.index(a) + len(a), 0.9, a, 0.9, 0.01) for q, a in pairs)
    return WrittenPassage(title, text, "own-x", made)


def test_memories_answer_only_what_a_pair_holds() -> None:
    """The label of a question over pairs is whether one of them holds its answer, not whether the passage does."""
    given_prompts = prompts()
    passages = [
        passage(BRUME.text, ("Who was the builder?", "Pelagia")),
        passage(ELSEWHERE.text, ("Who leads the port?", "Idris"), ("What is led?", "the port")),
    ]
    asked = asked_of(passages, [BRUME, Context("x", BRUME.text, (Asked("When?", 28, 32),), "x"), PIER])
    assert asked == {0: [("Who built it?", "Pelagia"), ("When?", "1911")]}
    source = Memories(passages, asked, given_prompts, pairs=3, own=(1, 1))
    tree = source.draw(random.Random(1))
    assert tree is not None
    lines = given_prompts.decode(tree.prefix).split("\n")
    assert len(lines) == 3 and "Who was the builder? Pelagia" in lines
    said = {given_prompts.decode(branch.prompt): branch.said for branch in tree.branches}
    assert said["Who built it?"] == given_prompts.said("Pelagia")
    assert said["When?"] == given_prompts.said("") == [given_prompts.markers["nothing"], given_prompts.markers["end"]]
    assert given("1911", ["in 1911"]) and not given("19", ["in 1911"]) and given("19", ["19"])


def test_written_pairs_and_questions_over_several_passages() -> None:
    """Both kinds of trees hold exactly what the model is given at run time."""
    given_prompts = prompts()
    tree = Written([passage(BRUME.text, ("Who built it?", "Pelagia"), title="Brume")], given_prompts, ALWAYS).draw(
        random.Random(0)
    )
    assert tree is not None and tree.prefix == given_prompts.prefix(BRUME.text, "Brume")
    start = BRUME.text.index("Pelagia")
    assert tree.branches == [
        Branch(given_prompts.writing(BRUME.text, start, start + 7), given_prompts.said("Who built it?"), 1.0),
        Branch(given_prompts.reading("Who built it?"), given_prompts.said("Pelagia"), 2.0),
    ]
    item = MultiHop("Who?", ("Idris",), "bridge", (("A", "one"), ("B", "two"), ("C", "three")), frozenset("AC"))
    source = SeveralPassages([item], given_prompts, others=0)
    seen = {given_prompts.decode(source.draw(random.Random(seed)).prefix) for seed in range(9)}  # type: ignore[union-attr]
    assert seen == {"A\none\n\nC\nthree", "C\nthree\n\nA\none"}
    assert SeveralPassages([item], given_prompts, longest=3).draw(random.Random(0)) is None


def test_written_pairs_are_kept_by_what_the_model_thinks_of_them() -> None:
    """The rule decides what is learned from: one wrong sign and the model learns from its own mistakes."""
    text = BRUME.text
    good = WrittenPair("Who built it?", 36, 43, 0.9, "pelagia.", 0.9, 0.0)
    assert text[36:43] == "Pelagia"
    changes = [
        {"question": "Who built it"}, {"p_question": 0.3}, {"answer": "1911"}, {"answer": ""},
        {"question": "What did Pelagia build?"},
    ]  # fmt: skip
    bad = [replace(good, **change) for change in changes]  # type: ignore[arg-type]
    made = WrittenPassage("", text, "x", (good, *bad))
    assert made.kept() == [good] and made.pruned().pairs == (good,)


def test_written_files_are_read_by_all_trainings(tmp_path: Path) -> None:
    """QuIP and QAMAT take contexts: pairs that a model wrote come to them by the same reader."""
    path = tmp_path / "written.jsonl.gz"
    made = [passage(BRUME.text, ("Who built it?", "Pelagia"), title="Brume"), passage(PIER.text)]
    path.write_bytes(gzip.compress("".join(json.dumps(item.to_json()) + "\n" for item in made).encode()))
    assert list(written.read(path)) == made
    wanted = Context("Brume", BRUME.text, BRUME.asked, "written_own-x")
    assert published.read_contexts(path) == [wanted]
    assert list(sources([path], [], None)) == [("written.jsonl.gz", [wanted])]
    path.write_bytes(gzip.compress(b'{"title": "", "t": "x", "s": "y", "q": [["Who?", 0]]}\n'))
    with pytest.raises(FormatError, match="line 1: not a passage with written pairs"):
        list(written.read(path))


def test_sets_by_name_and_titles(tmp_path: Path) -> None:
    """A title that is a hash or a number teaches the model to read noise."""
    file = tmp_path / "squadshifts" / "new_wiki.jsonl.gz"
    file.parent.mkdir()
    row = {"group": "Marxism%E2%80%93Leninism", "text": "It rose.", "asked": [["Did it?", -1, -1, "yes"]]}
    file.write_bytes(gzip.compress(json.dumps({**row, "source": "squadshifts_new_wiki"}).encode()))
    (found,) = published.named(tmp_path, "squadshifts_new_wiki")
    assert found.asked == (Asked("Did it?", answer="yes"),) and title_of(found) == "Marxism–Leninism"
    assert title_of(Context("p:96b7", "t", (), "squad_train_parts")) == ""
    assert title_of(Context("reddit_5", "t", (), "squadshifts_reddit")) == ""
    assert title_of(Context("the-snow-man", "t", (), "fairytaleqa")) == "the snow man"
    with pytest.raises(SettingsError, match="no set; known are"):
        published.named(tmp_path, "nq_gold")


def test_a_cut_vocabulary_spells_every_text() -> None:
    """A merge left without its entry would make the tokenizer lose letters."""
    whole = toy_llama.tokenizer(400)
    content = json.loads(whole.to_str())
    small = Tokenizer.from_str(text_of(cut(content, 300)))
    assert small.get_vocab_size() == 300 < whole.get_vocab_size()
    for text in (toy_llama.TEXT, "Ünïcode, 東京\n\ttabs 🎈", ""):
        ids = small.encode(text).ids
        assert small.decode(ids) == text and max(ids, default=0) < 300
        assert len(ids) >= len(whole.encode(text).ids)
    with pytest.raises(SettingsError, match="would lose the special token"):
        cut(content, 3)
    with pytest.raises(FormatError, match="cannot be cut"):
        cut({**content, "model": {**content["model"], "type": "Unigram"}}, 300)


def test_missing_markers_are_added_at_the_end() -> None:
    """A foreign base gets its markers; one that has them keeps every number."""
    bare = json.loads(toy_llama.tokenizer(300, markers=False).to_str())
    content, new = with_markers(bare, list(MARKERS.values()))
    made = Tokenizer.from_str(text_of(content))
    assert new == len(MARKERS) and made.token_to_id(MARKERS["end"]) == 300
    assert made.encode(f"a{MARKERS['nothing']}b").ids[1] == made.token_to_id(MARKERS["nothing"])
    again, more = with_markers(content, list(MARKERS.values()))
    assert more == 0 and again == content


def test_a_line_that_was_cut_off_is_taken_away(tmp_path: Path) -> None:
    """A killed writer leaves half a line; the next run must neither count it nor glue its first line to it."""
    path = tmp_path / "a.jsonl"
    assert whole_lines(path) == 0
    path.write_bytes(b'{"a": 1}\n{"b": 2}\n{"c"')
    assert whole_lines(path) == 2 and path.read_bytes() == b'{"a": 1}\n{"b": 2}\n'
    assert whole_lines(path) == 2

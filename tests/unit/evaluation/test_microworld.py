"""The micro-world: the same bytes for a seed, exact spans, and a judge that is strict and fair."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from quipu.errors import InputError
from quipu.evaluation.microworld import (
    World,
    coverage,
    duplicates,
    filter_quality,
    judge,
    make,
    pair_precision,
    span_truth,
)  # fmt: skip
from quipu.evaluation.microworld.facts import KINDS, RELATIONS
from quipu.evaluation.microworld.judge import same_value
from quipu.evaluation.microworld.world import FILES, KnownFact, WorldSummary, read_rows
from quipu.records import Document, QAPair, Span


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> WorldSummary:
    return make(tmp_path_factory.mktemp("world") / "seed0", documents=300, seed=0)


@pytest.fixture(scope="module")
def world(summary: WorldSummary) -> World:
    return World.load(summary.path)


def text_of(world: World, document: str) -> str:
    return (world.path / document).read_bytes().decode()


def pair_of(question: str, answer: str, document: str, span: tuple[int, int] | list[int]) -> QAPair:
    return QAPair.make(question, answer, document_id=document, span=Span(*span), origin="generated")


def gold(world: World, name: str = "questions-test") -> list[QAPair]:
    return [pair_of(r["question"], r["answer"][0], r["document"], r["span"]) for r in world.questions(name)]


def digest(folder: Path) -> str:
    every = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            every.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    return every.hexdigest()


def test_a_seed_gives_the_same_bytes(summary: WorldSummary, tmp_path: Path) -> None:
    """Figures of two runs could not be compared if their worlds differed."""
    make(tmp_path / "again", documents=300, seed=0)
    make(tmp_path / "other", documents=300, seed=1)
    assert digest(tmp_path / "again") == digest(summary.path)
    assert digest(tmp_path / "other") != digest(summary.path)
    with pytest.raises(InputError, match="not an empty folder"):
        make(tmp_path / "again")
    with pytest.raises(InputError, match="at least 10 documents"):
        make(tmp_path / "small", documents=3)


def test_the_table_is_as_wide_as_promised(summary: WorldSummary) -> None:
    """2,000 documents must come to about 10,000 facts, of at least 8 kinds and 30 relations."""
    assert summary.documents == 300 and 4.5 < summary.facts / summary.documents < 5.5
    assert summary.kinds == len(KINDS) >= 8 and summary.relations == len(RELATIONS) >= 30
    for relation in RELATIONS.values():
        assert relation.statements >= 4 and len(relation.train) >= 2 and len(relation.test) >= 2
        assert not set(relation.train) & set(relation.test)
        for template in (*relation.predicates, *relation.sentences):
            assert template.count("{O}") == 1
        for question in (*relation.train, *relation.test):
            assert ("{S}" in question) != ("{P}" in question) and question.endswith("?")


def test_every_span_is_its_value(world: World) -> None:
    """A gold span that is off by a character would call right pairs wrong."""
    for fact in world.facts:
        text = text_of(world, fact.document)
        assert fact.spans
        assert all(text[start:end] == fact.value for start, end in fact.spans)
        assert all(text[start:end] == value != fact.value for start, end, value in fact.false)
    assert any(fact.false for fact in world.facts) and any(len(fact.spans) > 1 for fact in world.facts)
    for document, subject in world.subjects.items():
        text = text_of(world, document)
        assert all(text[start:end] == subject["name"] for start, end in subject["spans"])
        assert subject["spans"] or not world.by_document[document]
        assert "{" not in text and "  " not in text


def test_values_of_a_document_are_told_apart(world: World) -> None:
    """Two facts with one value in one document would make "right" a matter of luck."""
    for facts in world.by_document.values():
        values = [fact.value for fact in facts]
        assert len(set(values)) == len(values)
    names = [subject["name"].lower() for subject in world.subjects.values()]
    assert len(set(names)) == len(names)


def test_question_files_hang_together(world: World) -> None:
    """A two-hop question that names its bridge, or an unanswerable one with an answer, would measure nothing."""
    facts = {fact.id: fact for fact in world.facts}
    rows = {name: list(world.questions(name)) for name in FILES}
    for row in rows["questions-train"] + rows["questions-test"]:
        fact = facts[row["chain"][0]]
        start, end = row["span"]
        assert text_of(world, row["document"])[start:end] == row["answer"][0] == fact.value
        assert fact.subject in row["question"] and fact.value not in row["question"]
    assert not {r["question"] for r in rows["questions-train"]} & {r["question"] for r in rows["questions-test"]}
    for row in rows["two-hop"]:
        first, second = (facts[id] for id in row["chain"])
        assert first.value == second.subject and row["answer"] == [second.value]
        assert first.subject in row["question"] and first.value not in row["question"]
        assert [hop["answer"] for hop in row["hops"]] == [first.value, second.value]
    by_id = {row["id"]: row for row in rows["twins"]}
    assert {row["kind"] for row in rows["twins"]} == {"name", "relation"}
    for row in rows["twins"]:
        other = by_id[row["twin"]]
        assert other["twin"] == row["id"] and other["answer"] == [row["twin_answer"]] != row["answer"]
    stated = {(fact.subject, fact.relation) for fact in world.facts}
    assert {row["reason"] for row in rows["unanswerable"]} == {"not stated", "not in this world"}
    for row in rows["unanswerable"]:
        assert row["answer"] == [] and (row["subject"], row["relation"]) not in stated


def test_all_gold_pairs_are_right_and_cover_all_facts(world: World) -> None:
    """A judge that rejects the world's own questions would set a bar that no generator can reach."""
    for name in ("questions-train", "questions-test"):
        precision = pair_precision(world, gold(world, name))
        assert precision.value == 1.0 and precision.undecided == 0 and precision.nameless == 0, precision.reasons
    covered = coverage(world, gold(world))
    assert covered.share == 1.0 and covered.covered_right == covered.facts and not covered.missed_by_relation


def test_questions_with_another_facts_answer_are_wrong(world: World) -> None:
    """A lenient judge would praise a generator that asks "When was it founded?" of a founder's name."""
    facts = {fact.id: fact for fact in world.facts}
    swapped = []
    for row in world.questions("questions-test"):
        for other in world.by_document[row["document"]]:
            if other.id != facts[row["chain"][0]].id:
                swapped.append(pair_of(row["question"], other.value, other.document, other.spans[0]))
    assert len(swapped) > 3000
    assert pair_precision(world, swapped).value == 0.0


@pytest.fixture
def town(tmp_path: Path) -> tuple[World, KnownFact]:
    """One town in a small world with a known founding year."""
    world = World.load(make(tmp_path / "w", documents=60, seed=3).path)
    return world, next(fact for fact in world.facts if fact.relation == "town.founded")


def test_the_rule_case_by_case(town: tuple[World, KnownFact]) -> None:
    """Each line of the documented rule, on one town: a change of the rule must show here."""
    world, fact = town
    other = next(f.subject for f in world.facts if f.kind == "town" and f.subject != fact.subject)

    def verdict(question: str, answer: str = fact.value, span: tuple[int, int] = fact.spans[0]) -> tuple[str, str]:
        judged = judge(world, pair_of(question, answer, fact.document, span))
        return judged.state, judged.reason

    name = fact.subject
    assert verdict(f"When was {name} founded?") == ("right", "states a fact")
    assert verdict(f"when was {name.lower()} ' s founding ?") == ("right", "states a fact")
    assert verdict("When was it founded?") == ("right", "states a fact")
    assert not judge(world, pair_of("When was it founded?", fact.value, fact.document, fact.spans[0])).named
    assert verdict(f"When was {other} founded?") == ("wrong", "names another subject")
    assert verdict(f"Who founded {name}?") == ("wrong", "does not ask for a year")
    assert verdict(f"When is {name} quiet?") == ("wrong", "no word of the relation")
    assert verdict(f"When was {name} founded in {fact.value}?") == ("wrong", "holds its own answer")
    assert verdict(f"When was {name} founded?", f"in {fact.value}") == ("right", "states a fact")
    start = fact.spans[0][0]
    assert verdict(f"When was {name} founded?", fact.value[:2], (start, start + 2)) == ("undecided", "part of a value")
    subject = tuple(world.subjects[fact.document]["spans"][0])
    assert verdict(f"What was founded in {fact.value}?", name, subject) == ("right", "asks for the subject")
    assert verdict("What is it called?", name, subject) == ("undecided", "subject")
    foreign = QAPair.make("Who dug the canal?", "Lesseps", document_id="elsewhere", span=Span(0, 3))
    assert judge(world, foreign).reason == "no place in the world"
    assert judge(world, dataclasses.replace(foreign, span=None)).state == "undecided"


def test_a_value_marked_as_wrong_is_wrong(world: World) -> None:
    """A generator that takes "An earlier chronicle gives 1412, but this is wrong" for the truth must lose points."""
    fact = next(fact for fact in world.facts if fact.false)
    start, end, value = fact.false[0]
    row = next(r for r in world.questions("questions-test") if r["chain"] == [fact.id])
    assert judge(world, pair_of(row["question"], value, fact.document, (start, end))).state == "wrong"
    asked = pair_of("What does an earlier chronicle say?", value, fact.document, (start, end))
    assert judge(world, asked).state == "undecided"


def test_tolerance_of_answers_is_small() -> None:
    """Too much tolerance would let "12" stand for "12 March 1834"."""
    assert same_value("the year 1412", "1412") and same_value("The Thralen", "Thralen River")
    assert same_value("212", "212 kilometres", "How many kilometres long is it?")
    assert not same_value("212", "212 kilometres", "How long is it?")
    assert not same_value("12", "12 March 1834") and not same_value("March 1834", "12 March 1834")
    assert not same_value("in", "1412") and not same_value("", "1412")


def test_filter_quality_counts_both_mistakes(world: World) -> None:
    """A filter that drops everything cuts all wrong pairs: the right ones it lost must stand beside that."""
    right = gold(world)[:10]
    wrong = [
        dataclasses.replace(pair, id=f"wrong{i}", question="What is the colour of the moon?")
        for i, pair in enumerate(right[:4])
    ]
    kept = {pair.id for pair in (*right[:9], wrong[0])}
    quality = filter_quality(world, [*right, *wrong], kept)
    assert (quality.wrong_before, quality.wrong_cut, quality.right_before, quality.right_lost) == (4, 3, 10, 1)
    assert (quality.wrong_cut_share, quality.right_lost_share) == (0.75, 0.1)


def test_duplicates_are_exact_or_paraphrases() -> None:
    """The same question of two places, and two questions of one place, both fill a memory with nothing."""
    pairs = [
        pair_of("When was it opened?", "1869", "suez", (10, 14)),
        pair_of("When was it opened", "1869", "suez", (90, 94)),  # exact: normalised alike
        pair_of("In which year was it opened?", "1869", "suez", (10, 14)),  # paraphrase
        pair_of("When did it pay its debt?", "1869", "suez", (50, 54)),  # another place
    ]
    found = duplicates(pairs)
    assert (found.pairs, found.exact, found.paraphrases, found.share) == (4, 1, 1, 0.5)


def test_spans_and_binding_by_source(world: World) -> None:
    """A memory knows documents by id: bound to the wrong file, every pair would be judged by another table."""
    name = next(iter(world.by_document))
    text = text_of(world, name)
    document = Document.make(f"somewhere/else/{name}", "title", text)
    bound = World.load(world.path)
    assert bound.bind([document, Document.make("notes/person/Nobody.txt", "", "")]) == 1
    assert bound.document_of(document.id) == name and bound.document_of("unknown") is None
    fact = world.by_document[name][0]
    good = pair_of("?", fact.value, document.id, fact.spans[0])
    bad = pair_of("?", fact.value, document.id, (0, 3))
    assert span_truth({document.id: text}, [good, bad]) == 0.5


def test_the_documents_read_as_the_offsets_say(world: World) -> None:
    """Offsets are of the file's text: a document reader that changed it would move every gold span."""
    corpus = pytest.importorskip("quipu.corpus")
    documents = [item for item in corpus.read_documents([world.path / "documents"]) if isinstance(item, Document)]
    assert len(documents) == len(world.by_document)
    bound = World.load(world.path)
    assert bound.bind(documents) == len(documents)
    for document in documents:
        assert document.text == text_of(world, bound.document_of(document.id) or "").rstrip()


def test_question_files_read_as_open_domain_examples(world: World) -> None:
    """The task must read the world's questions like any NQ-open file."""
    from quipu.datasets.questions import read_examples

    examples = read_examples(world.path / "questions-test.jsonl")
    assert len(examples) == sum(1 for _ in read_rows(world.path / "questions-test.jsonl"))

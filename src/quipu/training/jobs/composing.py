"""Multi-hop questions from a memory's own pairs, for training and testing where no people asked any.

A bridge: the answer of one pair stands in the question of another and is replaced there by what the first pair asks
("What is the capital of India?" and "Where did Fortune take tea plants?" -> India). A comparison: two pairs that ask
the same of two things. The parts are split by entity: what a question of the test part bridges, names or answers stands
in no question of the training part.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from quipu.language.english import FUNCTION_WORDS, MONTH
from quipu.models.protocols import SupportsRead
from quipu.records import QAPair
from quipu.storage.store import Store
from quipu.text import best_f1, normalize_answer

Kind = Literal["bridge", "comparison"]
PER_BRIDGE = 3  # questions that one answer leads to, at most
_LONGEST = 8  # words of the last answer
_NEAR = 20  # pairs by words that may name an answer
_NAME = re.compile(r"[A-Z][\w'’-]+(?:\s+(?:of\s+|the\s+|de\s+|von\s+)?[A-Z][\w'’-]+)*")
_SUBJECT = re.compile(r"^who\s+(?!did\b|do\b|does\b|was\s+\S+\s+by\b)(.+)$", re.I)
_WHICH = re.compile(r"^(?:which|what)\s+([a-z]+)\s+(.+)$", re.I)
_DID = re.compile(r"^(who|what|where|when)\s+(did|do|does)\s+(.+)$", re.I)
_ASKS_WHEN = re.compile(r"^when (?:was|were) (.+?) (\w+(?:ed|t|n|wn|ilt|un|und))$", re.I)
_NOUNS = {"who": "the person whom", "what": "the thing that", "where": "the place where", "when": "the time when"}
_DAY = re.compile(
    rf"{MONTH}|(?:mon|tues|wednes|thurs|fri|satur|sun)day",
    re.I,
)
_VERBS = {"is", "was", "are", "were", "did", "does", "do", "has", "have", "had", "can", "could", "will", "would"}


@dataclass(frozen=True, slots=True)
class Composed:
    """A question of two hops: its answers, the ids of its pairs in the order of the hops, and how it was made."""

    question: str
    answers: tuple[str, ...]
    chain: tuple[str, ...]
    kind: Kind
    phrasing: str
    entities: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """A line of a file."""
        return asdict(self)


def compose(
    store: Store,
    *,
    reader: SupportsRead | None = None,
    seed: int = 13,
    limit: int | None = None,
    progress: Callable[[int, int], None] = lambda done, made: None,
) -> Iterator[Composed]:
    """Questions over the store's pairs, streamed; with a ``reader``, those that it answers from the pairs' passages."""
    rng = random.Random(seed)
    made = 0
    dated: dict[str, list[tuple[str, QAPair]]] = {}
    for number, (_, pair) in enumerate(store.pairs()):
        if limit is not None and made >= limit:
            return
        if number % 500 == 0:
            progress(number, made)
        if bridges(pair.answer):
            for item in _checked(bridge(store, pair, rng), store, reader):
                made += 1
                yield item
        asked = _ASKS_WHEN.match(pair.question.rstrip("?").strip())
        if asked and re.fullmatch(r"1\d{3}|20\d\d", pair.answer.strip()):
            dated.setdefault(asked.group(2).lower(), []).append((asked.group(1), pair))
    for verb, known in sorted(dated.items()):
        for item in comparisons(verb, known, rng):
            made += 1
            yield item


def bridges(answer: str) -> bool:
    """Whether an answer is a name that another question may ask about: numbers and long phrases are not."""
    match = _NAME.fullmatch(answer.strip())
    return match is not None and 3 <= len(answer) <= 40 and not _DAY.fullmatch(answer.strip())


def bridge(store: Store, first: QAPair, rng: random.Random) -> list[Composed]:
    """Questions that ask about the answer of ``first`` without naming it."""
    rows = [int(row) for row in store.search_words(first.answer, _NEAR)[0] if row >= 0]
    if len(_content(first.question)) < 2:  # "Who died?" could be anybody
        return []
    # Whole, and not a part of a longer name: USA is not Team USA.
    inside = re.compile(
        rf"(?<![\w-])(?<![A-Z]\w\s)(?:[Tt]he\s+)?{re.escape(first.answer)}(?:['’]s)?(?![\w-])(?!\s[A-Z])"
    )
    found: list[Composed] = []
    for last in store.pairs_by_rows(rows):
        if last is None or len(found) >= PER_BRIDGE or last.id == first.id:
            continue
        if not inside.search(last.question) or normalize_answer(last.answer) in normalize_answer(first.question):
            continue
        if normalize_answer(last.answer) == normalize_answer(first.answer) or _same(first.question, last.question):
            continue
        if len(_content(last.question)) < 3 or len(last.answer.split()) > _LONGEST:
            continue
        place = inside.search(last.question)
        before = last.question[: place.start()].split() if place else []
        if before and before[-1][:1].isupper() and len(before) > 1:
            continue
        way = rng.choice(("clause", "clause", "asked", "and"))
        made = phrased(first.question, last.question, inside, way)
        if made is None:
            continue
        question, way = made
        entities = {first.answer, last.answer, *_NAME.findall(first.question[1:]), *_NAME.findall(last.question[1:])}
        found.append(
            Composed(question, (last.answer,), (first.id, last.id), "bridge", way, _normal(entities))
        )  # fmt: skip
    return found


def phrased(first: str, last: str, inside: re.Pattern[str], way: str) -> tuple[str, str] | None:
    """The two questions as one, and the way that it was done: a clause where one is easy, else as asked for."""
    first, last = first.strip().rstrip("?").strip(), last.strip().rstrip("?").strip()
    if not first or not last:
        return None
    if way == "clause":
        clause = clause_of(first)
        if clause is None:
            return phrased(first, last, inside, "asked")
        return _sentence(inside.sub(lambda match: clause + _genitive(match), last, count=1)), way
    if way == "asked":
        named = f'the answer to "{first}"'
        return _sentence(inside.sub(lambda match: named + _genitive(match), last, count=1)), way
    that = inside.sub(lambda match: "that" + _genitive(match), last, count=1)
    return _sentence(f"{first}, and {that[:1].lower() + that[1:]}"), way


def clause_of(question: str) -> str | None:
    """A question as a noun phrase: "Who dug the canal" -> "the person who dug the canal"; None where none is easy."""
    subject = _SUBJECT.match(question)
    if subject:
        return f"the person who {subject.group(1)}"
    did = _DID.match(question)
    if did:
        return f"{_NOUNS[did.group(1).lower()]} {did.group(3)}" if did.group(2).lower() != "did" else (
            f"{_NOUNS[did.group(1).lower()]} {_past(did.group(3))}"
        )  # fmt: skip
    which = _WHICH.match(question)
    if which and not {which.group(1).lower(), which.group(2).split()[0].lower()} & (_VERBS | FUNCTION_WORDS):
        return f"the {which.group(1)} that {which.group(2)}"
    return None


def comparisons(verb: str, known: Sequence[tuple[str, QAPair]], rng: random.Random) -> Iterator[Composed]:
    """Which of two things came first, for things that the same is asked of."""
    order = list(known)
    rng.shuffle(order)
    for (left, one), (right, other) in zip(order[::2], order[1::2], strict=False):
        if normalize_answer(one.answer) == normalize_answer(other.answer) or normalize_answer(left) == normalize_answer(
            right
        ):
            continue
        answer = left if int(one.answer) < int(other.answer) else right
        entities = {left, right}
        question = f"Which was {verb} first, {left} or {right}?"
        yield Composed(question, (answer,), (one.id, other.id), "comparison", "first", _normal(entities))


def split(items: Iterable[Composed], test: float = 0.3) -> tuple[list[Composed], list[Composed]]:
    """Training and test part: each entity belongs to one, by its hash; a question that has both kinds is in neither."""
    parts: tuple[list[Composed], list[Composed]] = ([], [])
    for item in items:
        sides = {_share(entity) < test for entity in item.entities}
        if len(sides) == 1:
            parts[sides.pop()].append(item)
    return parts


def _checked(items: Sequence[Composed], store: Store, reader: SupportsRead | None) -> Iterator[Composed]:
    """Those that the reader answers from the sentences of both pairs."""
    if reader is None or not items:
        yield from items
        return
    texts = []
    for item in items:
        known = store.key_texts(item.chain)
        pairs = [store.pair(name) for name in item.chain]
        texts.append(" ".join(f"{_told(store, pair, known[pair.id])}" for pair in pairs))
    readings = reader.read([item.question for item in items], texts)
    for item, reading in zip(items, readings, strict=True):
        if best_f1(reading.text, item.answers) >= 0.5:
            yield item


def _told(store: Store, pair: QAPair, key: str) -> str:
    """The pair's passage, or, where it has none, its question and answer."""
    passage = None
    if pair.document_id is not None and pair.span is not None:
        passage = store.passage_at(pair.document_id, pair.span)
    return passage.text if passage is not None else f"{key} {pair.answer}."


def _content(text: str) -> set[str]:
    return set(normalize_answer(text).split()) - FUNCTION_WORDS


def _same(left: str, right: str) -> bool:
    one, other = _content(left), _content(right)
    return len(one & other) > 0.6 * min(len(one), len(other)) if one and other else True


def _genitive(match: re.Match[str]) -> str:
    return "'s" if match.group().endswith(("'s", "’s")) else ""


def _past(rest: str) -> str:
    """What follows "did" keeps it: "did Fortune visit" -> "Fortune did visit", at the last word that can be a verb."""
    words = rest.split()
    names = [at for at, word in enumerate(words) if word[:1].isupper() or word.lower() in ("the", "a", "an", "of")]
    last = max(names, default=0)
    if last + 1 < len(words) and words[last].lower() in ("the", "a", "an", "of"):
        last += 1
    return " ".join([*words[: last + 1], "did", *words[last + 1 :]])


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(" ?.") + "?"


def _normal(entities: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({normalize_answer(entity) for entity in entities if normalize_answer(entity)}))


def _share(entity: str) -> float:
    return int.from_bytes(hashlib.sha256(entity.encode("utf-8", "surrogatepass")).digest()[:4], "big") / 2**32

"""Questions that compare two named things by what the memory holds of each: which came first, or whether they agree.

"Who was born first, A or B?" is answered from a pair about A and one about B that hold a date, "Are A and B from the
same country?" from two pairs that hold a country. "Which film has the director who died earlier, A or B?" takes one
pair more each, the director. These are the comparison and bridge-comparison questions of HotpotQA and 2WikiMultihopQA.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quipu.answering.features import names
from quipu.answering.proposal import Context, Nearest, Proposal
from quipu.answering.scoring import unfitted
from quipu.answering.settings import AnswerSettings
from quipu.language.english import SHORT_MONTHS
from quipu.records import Hit, Route
from quipu.storage.store import Store
from quipu.text import normalize_answer

FEATURES = ("similarity",)  # of the pair that is least alike
_NEWER = re.compile(r"\b(?:later|latest|last|younger|youngest|newer|newest|(?:more|most) recent(?:ly)?)\b", re.I)
_OLDER = re.compile(r"\b(?:first|earlier|earliest|older|oldest)\b", re.I)
_AGE = re.compile(r"\b(?:older|oldest|younger|youngest)\b", re.I)
_VERB = re.compile(
    r"\b(?:born|released|formed|founded|established|published|opened|built|created|launched|completed)\b"
)
_OF_HEAD = re.compile(r"\b(?:(?:has|have|had) (?:the|an?)|whose) ([a-z]+)\b")
_SAME = re.compile(r"^(?:are|were|is|was|do|does|did|have|has)\s+(?P<things>.+)\bsame (?P<what>[a-z]+)$", re.I)
_BEHIND = re.compile(
    r"[,\s]+(?:(?:both|have|has|had|are|located|situated|based|originate|born)\b.*|(?:(?:from|share|in|of) )?the)$"
)
_HAS = re.compile(r"\b(?:have|has|had) (?:the |a )?(?!same|the)([a-z]+?)s?\b")
_OR = re.compile(
    r"^(?:was|were|is|did) (?P<one>.+) or (?P<other>.+) (?P<head>(?:born|die|[a-z]+ed|older|younger)\b.*)$", re.I
)
_OF_THINGS = re.compile(r"^(?:both |the )*([a-z]+?)s? of ")
_KIND = re.compile(r"^(?:[a-z][a-z-]*[,:]? )+(?=\S)")
_AND = re.compile(r",? and (?=(?:[a-z]+ of [a-z ]*)?[A-Z0-9\"'])")
_YEAR = re.compile(r"(?<!\d)[12]?\d{3}(?!\d)")
_BRACKETS = re.compile(r"\s*\([^)]*\)")

Date = tuple[int, int, int]  # year, month, day; 0 where it is not said


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two names; of each the ``role`` ("director", or nothing) is asked about by ``asks`` ("When was {} born?").

    ``newer``: the later date wins; None: the question is whether both answers are the same.
    """

    names: tuple[str, str]
    role: str
    asks: str
    newer: bool | None


@dataclass(frozen=True, slots=True)
class Compared:
    """The answer with the pairs behind it in the order of the hops; ``score``: of the pair that is least alike."""

    answer: str
    hits: tuple[Hit, ...]
    score: float


class Compare:
    """What a question compares, by a pair about each thing."""

    NAME: Route = "chain"
    FEATURES = FEATURES
    UNFITTED = unfitted(similarity=1.0)

    def __init__(self, store: Store, settings: AnswerSettings) -> None:
        self._store, self._settings = store, settings

    def ready(self) -> str:
        """Always: it needs no model beside the encoder."""
        return ""

    def propose(self, questions: Sequence[str], context: Context) -> list[list[Proposal]]:
        """One answer of each question that compares two things of which pairs are found."""
        return [
            [] if both is None else [Proposal("compare", both.answer, (both.score,), both.hits, both.score)]
            for both in compare(questions, context.nearest, self._told, self._settings.about)
        ]

    def _told(self, hit: Hit) -> str:
        """The title of a pair's document and the sentence that the pair was made of."""
        title = self._store.title(hit.pair.document_id) if hit.pair.document_id else ""
        return f"{title} {self._store.key_text(hit.pair.id)}"


def parse(question: str) -> Comparison | None:
    """What a question compares; None where it compares nothing, or in words that are not known here."""
    plain = " ".join(question.strip().rstrip("? ").split())
    same = _SAME.match(plain)
    if same:
        return _alike(same["things"].strip(), same["what"].lower())
    compared = _NEWER.search(plain) or _OLDER.search(plain)
    head, found, other = plain.rpartition(" or ")
    if not compared or not found:
        return None
    if compared.end() <= len(head):
        mark = re.search(r"[,:]\s*", head[compared.end() :])
        place = compared.end() + (mark.end() if mark else 0)
        one, head = head[place:].strip(" ,"), head[:place].lower()
    elif inside := _OR.match(plain):
        one, other, head = inside["one"], inside["other"], inside["head"].lower()
    else:
        return None
    if not one or not other.strip():
        return None
    role = _OF_HEAD.search(head)
    verb = _VERB.search(head)
    asks = f"When was {{}} {verb[0] if verb else ''}".rstrip() + "?"
    if _AGE.search(head) and not verb:
        asks = "When was {} born?"
    elif re.search(r"\bdied?\b", head):
        asks = "When did {} die?"
    elif re.search(r"\bc[ao]me out\b", head):
        asks = "When was {} released?"
    newer = _NEWER.search(head) is not None
    return Comparison((one, other.strip(" ,")), role[1] if role else "", asks, newer)


def _alike(things: str, what: str) -> Comparison | None:
    parts = _AND.split(things, maxsplit=1)
    if len(parts) != 2:
        return None
    role, cut = "", []
    for part in parts:
        of = _OF_THINGS.match(part)
        role = of[1] if of else role
        cut.append(_KIND.sub("", part[of.end() :] if of else part).strip(" ,:"))
    behind = _BEHIND.search(cut[1])
    has = _HAS.search(behind[0]) if behind else None
    role = has[1] if has and not role else role
    one, other = cut[0], cut[1][: behind.start()] if behind else cut[1]
    if not one or not other:
        return None
    asks = "What is the nationality of {}?" if what == "nationality" else f"In which {what} is {{}}?"
    return Comparison((one, other), role, asks, None)


def compare(
    questions: Sequence[str], search: Nearest, told: Callable[[Hit], str] = lambda hit: "", near: int = 20
) -> list[Compared | None]:
    """The answer to each question that compares; None where it does not, or where a pair is missing.

    ``search`` is called twice at most. ``told``: the title of a
    pair's document and the sentence that it was made of, which may name the thing where the pair's question does not.
    ``near`` pairs are looked through for each thing.
    """
    asked = [(at, item) for at, question in enumerate(questions) if (item := parse(question)) is not None]
    found: list[Compared | None] = [None] * len(questions)
    roles = [f"Who is the {item.role} of {bare(name)}?" for _, item in asked if item.role for name in item.names]
    search.inherit(roles, [questions[at] for at, item in asked if item.role for _ in item.names])
    known = iter(search(roles, near) if roles else [])
    holders: list[list[Hit | None]] = []
    for _, item in asked:
        row: list[Hit | None] = [None, None]
        if item.role:
            row = [_of_role(next(known), name, item.role, told) for name in item.names]
        holders.append(row)
    texts = [
        item.asks.format(hit.pair.answer if hit else bare(name))
        for (_, item), row in zip(asked, holders, strict=True) for name, hit in zip(item.names, row, strict=True)
    ]  # fmt: skip
    search.inherit(texts, [questions[at] for at, item in asked for _ in item.names])
    about = iter(search(texts, near) if texts else [])
    for (at, item), row in zip(asked, holders, strict=True):
        values = [
            _value(next(about), hit.pair.answer if hit else name, item, told)
            for name, hit in zip(item.names, row, strict=True)
        ]
        if (item.role and None in row) or None in values:
            continue
        found[at] = _judged(item, [hit for hit in row if hit], [value for value in values if value])
    return found


def _of_role(hits: Sequence[Hit], name: str, role: str, told: Callable[[Hit], str]) -> Hit | None:
    """The best pair about ``name`` that asks for its ``role``, in whatever form of the word ("directed")."""
    stem = role[: max(4, len(role) - 3)]
    return next((hit for hit in hits if stem in hit.pair.question.lower() and _about(hit, name, told)), None)


def _value(hits: Sequence[Hit], name: str, item: Comparison, told: Callable[[Hit], str]) -> tuple[Hit, Date] | None:
    """The best pair about ``name`` with a date of what is asked for, or with a name where places are compared.

    The date is the pair's answer; of births and deaths also the only one of its sentence.
    """
    wanted = _ends(item.asks)
    for hit in hits:
        if not _about(hit, name, told):
            continue
        if item.newer is None:
            if _place(hit, item):
                return hit, (0, 0, 0)
            continue
        sentence = told(hit)
        date = date_of(hit.pair.answer)
        if date and (_ends(hit.pair.question) or _ends(sentence)) == wanted:  # the question may have lost the word
            return hit, date
        date = date_of(sentence) if len(_YEAR.findall(sentence)) == 1 else None
        if date and wanted and _ends(sentence) == wanted:
            return hit, date
    return None


def _ends(text: str) -> set[str]:
    """Which ends of a life a text speaks of; none where its dates are of other things."""
    found = re.findall(r"\b(born|birth|died?|death)\b", text, re.I)
    return {"birth" if word.lower() in ("born", "birth") else "death" for word in found}


def _place(hit: Hit, item: Comparison) -> bool:
    answer = hit.pair.answer.strip()
    return answer[:1].isupper() and not _YEAR.search(answer) and not names(" ".join(item.names), answer)


def _judged(item: Comparison, holders: Sequence[Hit], values: Sequence[tuple[Hit, Date]]) -> Compared | None:
    (one, date), (other, other_date) = values
    hits = (holders[0], one, holders[1], other) if holders else (one, other)
    text = judged(item, (one.pair.answer, other.pair.answer), (date, other_date))
    return None if text is None else Compared(text, hits, min(hit.score for hit in hits))


def judged(item: Comparison, values: Sequence[str], dates: Sequence[Date | None]) -> str | None:
    """What a comparison says of two values, or of the dates that they name; None where it cannot say."""
    if item.newer is None:
        left, right = (set(normalize_answer(value).split()) for value in values)
        return ("yes" if left <= right or right <= left else "no") if left and right else None
    one, other = dates
    if one is None or other is None or one == other:
        return None
    return item.names[0 if (one > other) == item.newer else 1]


def date_of(text: str) -> Date | None:
    """Year, month and day that a text names, 0 for what it does not; None where it names no year."""
    year = _YEAR.search(text)
    if year is None:
        return None
    rest = (text[: year.start()] + " " + text[year.end() :]).lower()
    month = next((number for number, name in enumerate(SHORT_MONTHS, start=1) if re.search(rf"\b{name}", rest)), 0)
    day = re.search(r"(?<!\d)[0-3]?\d(?!\d)", rest)
    return int(year[0]), month, int(day[0]) if day and month else 0


def _about(hit: Hit, name: str, told: Callable[[Hit], str]) -> bool:
    return names(hit.pair.question, bare(name)) or names(told(hit), bare(name))


def bare(name: str) -> str:
    """A name without what stands in brackets behind it."""
    return _BRACKETS.sub("", name).strip() or name

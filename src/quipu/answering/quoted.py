"""Whose words a passage of mail holds: what is quoted in a mail is not what its author says, nor are its head lines."""

from __future__ import annotations

import re

from quipu.records import Passage
from quipu.text import normalize_answer

_NAME = r"[A-Z][\w'’.-]*(?: [A-Z][\w'’.-]*){0,3}"
# as the readers of corpus write it: "Quoted: On 3 May Tom Brill wrote: The move is on 15 June."
_WROTE = rf"(?:On\s[^:]*?(?:\d|,|\b[AaPp][Mm])\s+)?(?P<who>{_NAME})(?:\s+<[^>]*>)?\s+wrote:\s*"
_QUOTED = re.compile(rf"Quoted:\s+(?:{_WROTE})?|{_WROTE.replace('who', 'alone')}")
_OPENED = re.compile(rf"^{_WROTE.replace('who', 'alone')}$", re.MULTILINE)
_HEADER = re.compile(r"(?P<field>From|To|Cc|Date|Sent|Von|An|Datum):\s+(?P<value>.*)")
_FROM = re.compile(rf"^From:\s+(?P<who>{_NAME})", re.MULTILINE)
_OF_MAIL = re.compile(
    r"\b(?:wr[io]te\w*|writing|written|said|says?|tell|told|mail\w*|e-mail\w*|message\w*|letter\w*|sen[dt]\w*|repl\w+|"
    r"answer\w*|author\w*|recipient\w*|address\w*|post\w*|quot\w+|from|to\s+whom|dated?)\b",
    re.I,
)
_SAYS = (
    r"(?:say|write|think|suggest|propose|promise|mention|ask|claim|report|tell|announce|want|offer|reply|answer|"
    r"recommend|agree|expect|plan)"
)
_SPEAKER = (
    re.compile(rf"\b(?:did|does|do|has|had|will)\s+(?P<who>{_NAME})\s+(?:\w+ly\s+)?(?:{_SAYS})\w*\b"),
    re.compile(rf"\b[Aa]ccording\s+to\s+(?P<who>{_NAME})"),
    re.compile(rf"(?P<who>{_NAME})['’]s\s+(?:opinion|view|answer|reply|suggestion|proposal|mail|message|words|plan)\b"),
    re.compile(
        rf"\b(?P<who>{_NAME})\s+(?:say|said|write|wrote|suggest|propos|promis|mention|claim|report|told|announc)\w*\b"
    ),
)


def others_words(question: str, passage: Passage, start: int, end: int) -> str:
    """Why characters ``start`` to ``end`` of a passage are not the words that are asked for; "" where they may be.

    Somebody else's words that a mail quotes, the mail's own where the quoted one is asked for, and the lines that say
    who sent a mail and when, where the question is not of the mail.
    """
    block = _block(passage, start)
    header, quoted = _HEADER.match(block[0]), _QUOTED.match(block[0])
    told_of_mail = header or (quoted and start - block[1] < quoted.end())
    if told_of_mail:
        return "" if _OF_MAIL.search(question) else "it tells who sent a mail, and when"
    speaker = next((found["who"] for words in _SPEAKER if (found := words.search(question))), None)
    if speaker is None:
        return ""
    if quoted:
        who = quoted["who"] or quoted["alone"] or ""
        return "" if _same(speaker, who) else f"these are the words of {who or 'somebody else'}, quoted"
    author = _author(passage.text, start)
    sentence = passage.text[max(0, *(passage.text.rfind(mark, 0, start) for mark in (". ", "\n"))) : end]
    if not author or _same(speaker, author) or _same(speaker, sentence):
        return ""
    return f"these are the words of {author}"


def _author(text: str, at: int) -> str:
    """Who wrote what stands at a character, "" where nothing says so.

    The last mail that begins before it, or the last "Tom Brill wrote:" that opens a quotation which the reader of a
    format without marks for quoted lines did not mark.
    """
    mails = [(found.end(), found["who"]) for found in _FROM.finditer(text, 0, at)]
    opened = [(found.end(), found["alone"]) for found in _OPENED.finditer(text, 0, at)]
    opened = [item for item in opened if "Quoted:" not in text[item[0] :]]
    return max(mails + opened, default=(0, ""))[1]


def _block(passage: Passage, at: int) -> tuple[str, int]:
    """The block of the character ``at`` of a passage, and where it begins there."""
    mark = passage.mark(passage.span.start + at)
    if mark is not None:
        start = max(0, mark.span.start - passage.span.start)
        return passage.text[start : mark.span.end - passage.span.start], start
    start = passage.text.rfind("\n\n", 0, at) + 2
    start = 0 if start == 1 else start
    return passage.text[start:].split("\n\n", 1)[0], start


def _same(name: str, other: str) -> bool:
    """Whether two texts have a name in common: Anna, Anna Bell."""
    return bool(set(normalize_answer(name).split()) & set(normalize_answer(other).split()))

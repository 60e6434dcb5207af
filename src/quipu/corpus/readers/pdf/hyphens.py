"""Words cut at the end of a line: joined again, or with the hyphen that they have anyway."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010\u2011][^\W\d_]+)*")
_BEFORE = re.compile(r"([^\W_]+(?:[-\u2010\u2011][^\W_]+)*)[-\u2010]$")
_AFTER = re.compile(r"[^\W_]+(?:[-\u2010\u2011][^\W_]+)*")
# First and last parts of words that keep their hyphen; tails that never follow one.
_FIRST_PARTS = (  # no more than the commonest: "high" and "hand" start many words without a hyphen
    "all eight eighty ex fifty five forty four half nine ninety non one quasi second self seven seventy six sixty "
    "ten third thirty three twenty two well"
)
_LAST_PARTS = (
    "aged based borne built century class controlled day degree dependent driven edge fed free friendly grade handed "
    "hour kilometre kind known length level like litre made metre mile minute month old paid powered proof quality "
    "range related resistant scale shaped sided size sized speaking specific speed storey style term tonne type up "
    "volt watt week wide year"
)
_FIRST, _LAST = frozenset(_FIRST_PARTS.split()), frozenset(_LAST_PARTS.split())
_TAIL = re.compile(r"(?:een|teen|ty|th|fold|ly|er|ers|ed|ing|ings|ness|ment|ity|less|ish|fare|being)$")


class Hyphens:
    """Joins by the words of the document itself, else by the parts of words that usually keep their hyphen."""

    def __init__(self) -> None:
        self._words: Counter[str] = Counter()

    def learn(self, line: str) -> None:
        """The words of a line, but not one that its end cuts."""
        words = _WORD.findall(line)
        self._words.update(word.lower() for word in (words[:-1] if line.endswith(("-", "\u2010")) else words))

    def join(self, text: str, line: str) -> str:
        """A text and the line that follows it."""
        if text.endswith("\u00ad"):
            return text[:-1] + line
        before, after = _BEFORE.search(text[-80:]), _AFTER.match(line)
        if before is None or after is None:
            return f"{text} {line}"
        return text + line if self._keeps(before[1], after[0]) else text[:-1] + line

    def _keeps(self, before: str, after: str) -> bool:
        if not after[0].islower() or not before[-1].isalpha() or before.isupper():
            return True
        first, last = before.lower(), after.lower()
        joined, cut = self._words[first + last], self._words[f"{first}-{last}"]
        if joined != cut:
            return cut > joined
        return not _TAIL.fullmatch(last) and (first in _FIRST or last in _LAST)

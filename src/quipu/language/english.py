"""Lists of English words that several rooms go by."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text that lists them."""
    return frozenset(text.split())


FUNCTION_WORDS = word_set(
    """
    a an the this that these those it its he she they we i you his her their our in on at of for from with by as to
    and but or nor so yet if when while where after before since although though because however there here then
    many most some several all both each every no not only also among between during under over about into through
    one two three four five six seven eight nine ten is are was were be been has have had do does did can could may
    might will would should must who what which how why
    """
)
"""Words that are capital only because a sentence begins with them: no part of a name."""

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
MONTH = "(?:" + "|".join(MONTHS) + ")"
"""As a regular expression."""
SHORT_MONTHS = tuple(month[:3].lower() for month in MONTHS)

NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
"""Each at its number."""

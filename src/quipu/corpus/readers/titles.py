"""Titles from a file's properties, where people or programs left something that says what the document is about."""

from __future__ import annotations

import re

_PROGRAM = re.compile(r"^\s*Microsoft (?:Office )?(?:Word|Excel|PowerPoint|Publisher)\s*-\s*", re.IGNORECASE)
_FILE = re.compile(
    r"\.(?:docx?|dotx?|odt|rtf|pdf|html?|xhtml|txt|md|tex|dvi|ps|pptx?|xlsx?|ods|indd|qxd|pages|fm|wpd|cdr)$",
    re.IGNORECASE,
)
_EMPTY = re.compile(
    r"(?:\(?untitled\)?|unbenannt|no title|title|titel|(?:new|word|untitled|html)?\s*document|page title|"
    r"new page|home|index|main|default|slide|page|(?:powerpoint )?presentation|template|\(?unspecified\)?|"
    r"\(?anonymous\)?|\(?none\)?|layout|book|sheet|print)?[\W\d_]*",
    re.IGNORECASE,
)
_LONGEST = 200  # characters


def useful_title(title: str) -> str:
    """The title on one line, or "" where it only names a program, a file or nothing ("Microsoft Word - draft2.doc")."""
    title = " ".join(title.split())
    if _PROGRAM.match(title) or _FILE.search(title) or _EMPTY.fullmatch(title):
        return ""
    return title if len(title) <= _LONGEST else ""

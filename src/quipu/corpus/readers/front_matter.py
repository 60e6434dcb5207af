"""The fields at the head of a Markdown file, between two lines ``---`` (YAML) or ``+++`` (TOML)."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 1000  # lines
_KEY = {
    "---": re.compile(r"(\"[^\"]+\"|'[^']+'|[\w$@][\w .$@/-]*?)\s*:(?:\s+|$)(.*)"),
    "+++": re.compile(r"(\"[^\"]+\"|'[^']+'|[\w.-]+)\s*=\s*(.*)"),
}
_MORE = re.compile(r"\s+\S|-\s|[\]})#]|\[{1,2}[\w.\" -]+\]{1,2}\s*$")  # goes on with a field, says a group, a comment
_COMMENT = re.compile(r"\s+#.*$")
_NOTHING = {"", "true", "false", "yes", "no", "null", "~", "[]", "{}"}


@dataclass(frozen=True, slots=True)
class Field:
    """``value``: its text on one line, lists joined by commas; ``line`` counts from 1."""

    name: str
    value: str
    line: int

    def informs(self) -> bool:
        """Whether the value tells something: switches and weights are for the program that shows the page."""
        return self.value.lower() not in _NOTHING and self.name.lower() not in _SETTINGS


_SETTINGS = {
    "title", "draft", "published", "weight", "order", "nav order", "position", "priority", "layout", "template",
    "theme", "type", "kind", "permalink", "slug", "url", "path", "alias", "aliases", "redirect from", "redirect to",
    "sidebar", "sidebar position", "sidebar label", "toc", "comments", "math", "mermaid", "pin", "id", "uid", "uuid",
    "image", "cover", "thumbnail", "icon", "css", "class", "cssclass", "nav exclude", "has children", "parent", "hide",
    "menu", "cascade", "outputs", "markup", "jupyter", "kernelspec", "output", "engine", "format", "editor",
}  # fmt: skip


def front_matter(source: str) -> tuple[list[Field], int]:
    """The fields, and how many lines they take up; none and 0 where the file begins in another way.

    A rule (``---``) as first line opens nothing: every line up to the second must read as a field or go on with one.
    """
    first = source[:80].split("\n", 1)[0].rstrip()
    key = _KEY.get(first)
    if key is None:
        return [], 0
    lines = source.split("\n", LONGEST)[1:LONGEST]
    ends = ("---", "...") if first == "---" else ("+++",)
    close = next((at for at, line in enumerate(lines) if line.rstrip() in ends), None)
    if close is None:
        return [], 0
    parts: list[tuple[str, int, list[str]]] = []
    for number, line in enumerate(lines[:close], 2):
        found = key.match(line)
        if found:
            parts.append((found[1].strip("\"'"), number, [found[2]]))
        elif (not parts and not line.startswith("#")) or (line.strip() and not _MORE.match(line)):
            return [], 0
        elif parts and not line.startswith(("#", "[")):
            parts[-1][2].append(line)
    fields = [Field(re.sub(r"[_-]+", " ", name), _value(value), number) for name, number, value in parts]
    return fields, close + 2


def _value(lines: list[str]) -> str:
    first, *more = (_COMMENT.sub("", line).strip() for line in lines)
    if first.startswith(("|", ">")) and not first[1:].strip("+-0123456789"):
        return " ".join(filter(None, more))
    if first.startswith("[") and (first + "".join(more)).endswith("]"):
        return ", ".join(filter(None, (_plain(item) for item in (first + " ".join(more))[1:-1].split(","))))
    items = [_plain(item.removeprefix("- ")) for item in more]
    return ", ".join(filter(None, [_plain(first), *items]))


def _plain(value: str) -> str:
    value = value.strip()
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value

"""What programs for pages write into Markdown beside it: their marks become plain Markdown or go, line for line.

Obsidian's links, highlights, comments and anchors; boxes and tabs of Docusaurus, MyST, MkDocs; imports of MDX.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_LONGEST = 500  # characters of a line that marks anything
_FENCE = re.compile(r"[ ]{0,3}(?:>[ ]?)*(?:[-*+][ ]+|\d{1,9}[.)][ ]+)?[ ]*(`{3,}|~{3,})(.*)")
_BOX = re.compile(
    r"(?P<indent>[ ]*):{3,}[ ]*(?:\{?(?P<kind>\w[\w-]*)\}?)?[ ]*(?:\[(?P<bracketed>[^\]]*)\]|(?P<title>[^{]*))"
    r"(?:\{[^}]*\})?[ ]*"
)
_INDENTED_BOX = re.compile(
    r"(?P<indent>[ ]*)(?:!!!|\?\?\?\+?|===[!+]?)[ ]+(?P<kind>[\w -]*?)[ ]*(?:\"(?P<title>[^\"]*)\")?[ ]*"
)
_CALLOUT = re.compile(r"(?P<before>[ ]*>[> ]*)\[!(?P<kind>[\w-]+)(?:\|[^\]]*)?\][+-]?(?:[ \t]+(?P<title>\S.*))?")
_MODULE = re.compile(r"import\s(?:.*\sfrom\s+)?['\"][^'\"]*['\"];?\s*|export\s+(?:const|default|let)\b.*;\s*")
_ATTRIBUTES = re.compile(r"[ ]*\{:[^}]*\}\s*")
_HEADING_ID = re.compile(r"(#{1,6}\s[^{]*?)\s*\{#[^}]*\}\s*")
_CONTENTS = re.compile(r"\s*\[\[?_?TOC_?\]?\]\s*", re.IGNORECASE)
_LINK = re.compile(r"(!?)\[\[(?=\S)([^\[\]|\n]{1,300})(?:\|([^\[\]\n]{0,300}))?\]\](?![(\[:])")
_PICTURE = re.compile(r".*\.(?:png|jpe?g|gif|svg|webp|bmp|avif|pdf|mp[34])", re.IGNORECASE)
_MARKED = re.compile(r"(?<![=\w])==(?=[^\s=])([^=\n]{1,500})(?<=\S)==(?![=\w])")
_ANCHOR = re.compile(r"[ ]\^[A-Za-z0-9-]{1,60}[ ]*")
_COMMENT = re.compile(r"%%[^%\n]*%%|\{/\*[^*\n]*\*/\}")
_LOWERED = re.compile(r"(?<=\w)~(\w{1,4})~(?!~)")
_RAISED = re.compile(r"(?<=\w)\^(\w{1,4})\^")
_CODE = re.compile(r"(`{1,3})[^`]+\1(?!`)")


def plain_markdown(source: str) -> str:
    """The same page with as many lines; code stays as it is. Time is linear in its length."""
    return "\n".join(_lines(source.split("\n")))


def _lines(lines: list[str]) -> Iterator[str]:
    fence = ""
    boxes: list[int] = []  # the columns of open boxes whose text is indented
    marks = sum(line.strip() == "%%" for line in lines)  # of comments, each of which has two
    comment = False
    for line in lines:
        indent = len(line) - len(line.lstrip(" "))
        while boxes and line.strip() and indent < boxes[-1] + 4:
            boxes.pop()
        text = line[min(indent, 4 * len(boxes)) :]
        mark = _FENCE.fullmatch(text) if "```" in text or "~~~" in text else None
        if fence:
            if mark and mark[1].startswith(fence) and not mark[2].strip():
                fence = ""
        elif mark and "`" not in mark[2]:
            fence = mark[1]
        elif text.strip() == "%%":
            marks -= 1
            comment = not comment and marks > 0
            text = ""
        elif comment:
            text = ""
        elif (
            len(text) <= _LONGEST
            and text.lstrip()[:3] in ("!!!", "???", "===")
            and (box := _INDENTED_BOX.fullmatch(text))
        ):
            if box["title"] or (box["kind"] and "=" not in text):
                boxes.append(indent)
                text = box["indent"] + _title(box["title"] or box["kind"])
        else:
            text = _line(text)
        yield text


def _line(line: str) -> str:
    if len(line) > _LONGEST:
        return _words(line)
    if line.lstrip().startswith(":::") and (box := _BOX.fullmatch(line)):
        return box["indent"] + _title(box["bracketed"] or (box["title"] or "").strip() or box["kind"] or "")
    if "[!" in line and (callout := _CALLOUT.fullmatch(line)):
        return callout["before"] + _title(callout["title"] or callout["kind"])
    if (
        (line.startswith(("import ", "export ")) and _MODULE.fullmatch(line))
        or _CONTENTS.fullmatch(line)
        or _ATTRIBUTES.fullmatch(line)
    ):
        return ""
    if heading := _HEADING_ID.fullmatch(line):
        line = heading[1]
    parts, start = [], 0
    for code in _CODE.finditer(line):
        parts += [_words(line[start : code.start()]), code[0]]
        start = code.end()
    return "".join([*parts, _words(line[start:], ends=True)])


def _words(text: str, *, ends: bool = False) -> str:
    """Words that are no code; ``ends``: the line ends with them."""
    if "%%" in text or "{/*" in text:
        text = _COMMENT.sub("", text)
    if "[[" in text:
        text = _LINK.sub(_linked, text)
    if "==" in text:
        text = _MARKED.sub(r"\1", text)
    if "~" in text:
        text = _LOWERED.sub(r"\1", text)
    if "^" not in text:
        return text
    text = _RAISED.sub(r"<sup>\1</sup>", text)
    at = text.rfind(" ^") if ends else -1
    return text[:at] if at > 0 and _ANCHOR.fullmatch(text, at) else text


def _linked(link: re.Match[str]) -> str:
    target = link[2].strip()
    if link[1] and _PICTURE.fullmatch(target):
        return "![](picture)"
    return (link[3] or "").strip() or target.strip("#").replace("#", " > ")


def _title(text: str) -> str:
    """The line above the text of a box."""
    text = text.strip()
    text = text.lower() if text.isupper() else text
    end = "" if not text or text[-1] in ".:!?" else ":"
    return f"**{text[:1].upper()}{text[1:]}{end}**" if text else ""

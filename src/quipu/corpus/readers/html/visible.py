"""What of a page is not its text: hidden elements, and what stands around the text on every page of a site."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from enum import IntEnum
from itertools import islice

from quipu.corpus.readers.html.tree import NO_TEXT, Node

_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|mso-hide\s*:\s*all|"
    r"(?:opacity|font-size)\s*:\s*0(?![.\d]*[1-9])|(?:left|top|text-indent)\s*:\s*-\d{4}",
    re.IGNORECASE,
)
_SELECTOR = re.compile(r"([a-zA-Z][\w-]*)?([.#])([\w-]+)")
_STRUCK = re.compile(r"text-decoration[\w-]*\s*:[^;]*line-through", re.IGNORECASE)
_FOR_READERS_ALOUD = frozenset(
    {"sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text", "element-invisible"}
)
_NOT_SHOWN = frozenset({"noscript", "noframes", "noembed"})
_EMBEDDED = frozenset({"iframe", "object", "video", "audio", "canvas", "embed", "applet"})
_STRUCK_OUT = frozenset({"del", "s", "strike"})
_SPECIAL = NO_TEXT | _NOT_SHOWN | _EMBEDDED | _STRUCK_OUT | {"dialog", "nav", "header", "footer"}
_CONTROLS = ("aria-controls", "aria-expanded", "data-target", "data-bs-target", "data-toggle", "data-bs-toggle",
             "popovertarget", "commandfor", "onclick")  # fmt: skip
_NAMED_BY = ("aria-controls", "data-target", "data-bs-target", "popovertarget", "commandfor")
_PANEL = frozenset(
    {
        "collapse",
        "collapsed",
        "accordion",
        "collapsible",
        "tab",
        "tabs",
        "tabpanel",
        "panel",
        "faq",
        "toggle",
        "expand",
        "expander",
        "expandable",
        "spoiler",
    }
)
_MENU = frozenset({"nav", "navbar", "navigation", "menu", "breadcrumb", "breadcrumbs", "sidebar", "sidenav", "topnav",
                   "navheader", "navfooter", "toolbar", "pagination", "pager", "skip", "share", "social"})  # fmt: skip
_MENU_LINK = frozenset({"nav", "navigation", "breadcrumb", "skip"})
_SITE = frozenset({"site", "masthead", "banner", "topbar", "navbar", "global"})
_BANNER = frozenset({"banner", "notice", "bar", "popup", "modal", "overlay", "dialog", "message", "alert", "law", "box",
                     "consent", "window", "wrapper", "container", "info", "sdk"})  # fmt: skip
_COOKIES = frozenset({"cookie", "cookies", "consent", "gdpr", "cookiebot", "onetrust"})
_LINE_NUMBERS = frozenset({"linenos", "lineno", "linenumbers"})
_A_BANNER = 2000  # characters at most
_LOOKED_AT = 30  # elements in which a control is looked for
_RULES = 10_000  # of a page's own style


class Keep(IntEnum):
    """How much of a page is read: more only where nothing else has text."""

    TEXT = 0
    MENUS = 1
    HIDDEN = 2


class Page:
    """Decides which elements of a page are read, from all of the page; counts the others in ``left_out``."""

    def __init__(self, root: Node, keep: Keep = Keep.TEXT) -> None:
        self.left_out: Counter[str] = Counter()
        self._keep = keep
        self._tops = root.tops
        self._controlled: set[str] = set()
        self._hiding: set[tuple[str, str, str]] = set()
        for node in root.descendants():
            if node.tag == "style":
                self._hiding |= set(_hiding("".join(text for text in node.children if isinstance(text, str))))
            elif node.attributes:
                for name, text in node.attributes.items():
                    if name in _NAMED_BY:
                        self._controlled |= {part.removeprefix("#") for part in text.split()}
                    elif name == "href" and text.startswith("#"):
                        self._controlled.add(text[1:])
        self._controlled.discard("")

    def shown(self, node: Node, *, in_article: bool, in_details: bool) -> Iterator[Node | str]:
        """The children of ``node`` that are read.

        ``in_article``: an article or the main part of the page surrounds them, whose header is text. ``in_details``:
        they fold away, under a line that stays.
        """
        before: Node | None = None
        for child in node.children:
            if isinstance(child, str):
                yield child
                continue
            plain = not child.attributes and child.tag not in _SPECIAL
            reason = None if plain else self._reason(child, before, in_article, in_details)
            if reason is None:
                yield child
            elif reason and (child.size or reason == "embedded object"):
                self.left_out[reason] += 1
            before = child

    def _reason(self, node: Node, before: Node | None, in_article: bool, in_details: bool) -> str | None:
        """Why an element is not read, "" where nobody would miss it; None where it is."""
        tag = node.tag
        if tag in NO_TEXT:
            return ""
        if tag in _EMBEDDED:
            return "embedded object"
        if tag in _STRUCK_OUT or ("style" in node.attributes and _STRUCK.search(node.get("style"))):
            return "struck-out text"
        if self._keep < Keep.HIDDEN and self._is_hidden(node) and not (in_details or self._unfolds(node, before)):
            return "hidden text"
        if self._keep < Keep.MENUS:
            return self._around(node, in_article)
        return None

    def _is_hidden(self, node: Node) -> bool:
        if node.tag in ("html", "body", ""):
            return False  # until a script shows it
        if node.tag in _NOT_SHOWN or (node.tag == "dialog" and "open" not in node.attributes):
            return True
        if not node.attributes:
            return False
        if "hidden" in node.attributes or node.get("aria-hidden").lower() == "true":
            return True
        if "style" in node.attributes and _HIDDEN.search(node.get("style")):
            return True
        classes = set(node.get("class").lower().split())
        if classes & _FOR_READERS_ALOUD or (
            classes & {"hidden", "d-none"} and not any(":" in name for name in classes)
        ):
            return True
        if not self._hiding:
            return False
        names = [("#", node.get("id")), *((".", name) for name in node.get("class").split())]
        return any((tag, mark, name) in self._hiding for tag in ("", node.tag) for mark, name in names)

    def _unfolds(self, node: Node, before: Node | None) -> bool:
        """Whether a hidden element has something on the page that shows it: an answer under its question."""
        if node.tag in _NOT_SHOWN:
            return False
        if node.get("id") in self._controlled or node.get("hidden").lower() == "until-found":
            return True
        if node.get("role") == "tabpanel" or node.names() & _PANEL:
            return True
        return before is not None and (_has_control(before) or before.last == "?")

    def _around(self, node: Node, in_article: bool) -> str | None:
        role = node.get("role").lower()
        if node.tag == "nav" or role in ("navigation", "menu", "menubar", "search"):
            return "menu"
        names = node.names()
        if names & _LINE_NUMBERS:
            return ""
        menu = names & _MENU if node.tag not in ("a", "span") else names & _MENU_LINK
        if menu and node.links and node.linked >= 0.8 * node.size:
            return "menu"
        if names & _COOKIES and names & _BANNER and node.size <= _A_BANNER and not node.tops and not in_article:
            return "cookie banner"
        if node.tag in ("header", "footer") or role in ("banner", "contentinfo"):
            is_site = role != "" or bool(names & _SITE) or not in_article
        else:
            is_site = bool(names & {"header", "footer"}) and ("footer" in names or bool(names & _SITE))
            is_site = is_site and len(names) <= 3 and not in_article
        if not is_site or (node.heads and node.tops == self._tops):
            return None
        return "page footer" if node.tag == "footer" or role == "contentinfo" or "footer" in names else "page header"


def is_control(node: Node) -> bool:
    """Whether an element is one that people press to show or hide another."""
    if node.tag in ("button", "summary"):
        return True
    return node.get("role") in ("button", "tab") or any(name in node.attributes for name in _CONTROLS)


def opens_a_panel(node: Node) -> bool:
    """Whether a button says that it shows and hides a part of the page, rather than does something."""
    return any(name in node.attributes for name in _CONTROLS) or bool(node.names() & _PANEL)


def text_of(node: Node) -> str:
    """All text of an element on one line."""
    return " ".join("".join(texts(node)).split())


def texts(node: Node) -> Iterator[str]:
    """The texts in an element as they are, with a line end for each <br>."""
    waiting: list[Node | str] = [*reversed(node.children)]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif item.tag == "br":
            yield "\n"
        elif item.tag not in NO_TEXT:
            waiting += reversed(item.children)


def _has_control(node: Node) -> bool:
    """Whether an element is a control and nothing else, such as a heading whose words can be pressed."""
    inside = islice(node.descendants(), _LOOKED_AT)
    return any(inner.size == node.size and is_control(inner) for inner in inside)


def _hiding(style: str) -> Iterator[tuple[str, str, str]]:
    """The plain selectors (element, "." or "#", name) that a style sheet hides on every screen."""
    depth = 0  # of rules for some screens only
    for rule in _without_comments(style).split("}")[:_RULES]:
        selectors, opened, declarations = rule.rpartition("{")
        if not opened:
            depth = max(depth - 1, 0)
            continue
        depth += selectors.count("{")
        if depth or not _HIDDEN.search(declarations):
            continue
        for selector in selectors.split(","):
            found = _SELECTOR.fullmatch(selector.strip())
            if found:
                yield (found[1] or "").lower(), found[2], found[3]


def _without_comments(style: str) -> str:
    parts = []
    start = 0
    while (at := style.find("/*", start)) >= 0:
        parts.append(style[start:at])
        end = style.find("*/", at + 2)
        if end < 0:
            return "".join(parts)
        start = end + 2
    return "".join([*parts, style[start:]])

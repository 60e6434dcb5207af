"""How much of the text of many real files the readers keep, at what cost.

    python benchmarks/run.py text-kept

300 files of the formats that quipu reads, every n-th of those below ``--folder`` (by default the system's manuals). A
word is kept where the documents hold it as often as a plain extraction by other means does: raw text; Markdown without
tags and targets of links; HTML by lxml without scripts, what is hidden, and menus (navigation, lists of links only);
PDF by pypdf without lines of a table of contents. A different word is kept where they hold it at all. CPU seconds and
memory are those of the reading process and of the one that starts it; beside them, those of reading in one process.
"""

from __future__ import annotations

import argparse
import re
import resource
import time
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from common import say
from figures import Figure, Result, share
from quipu.corpus import SUFFIXES, FoundFile, Skipped, find_files, read_files
from quipu.corpus.reading import read_file
from quipu.records import Document, Score

FILES = 300
GOAL = 99.0  # per cent of words
_WORD = re.compile(r"[^\W_]+")
_INLINE = {"a", "abbr", "b", "big", "cite", "code", "em", "font", "i", "kbd", "samp", "small", "span", "strong", "sub",
           "sup", "tt", "u", "var"}  # fmt: skip
_UNSEEN = "//script|//style|//head|//template|//noscript|//nav|//*[@hidden]|//*[contains(@style,'display:none')]"


def plain(path: Path) -> str:
    """The text of a file by means that share nothing with quipu's readers."""
    kind = path.suffix.lower()
    if kind == ".pdf":
        from pypdf import PdfReader

        text = "\n".join(page.extract_text() for page in PdfReader(path).pages)
        return re.sub(r"-\n", "", re.sub(r"^.*(?:\. ?){4,}\s*\w+\s*$", "", text, flags=re.MULTILINE))
    data = path.read_bytes()
    if kind in (".html", ".htm", ".xhtml"):
        return _plain_html(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return _plain_markdown(text) if kind in (".md", ".markdown") else text


def _plain_html(data: bytes) -> str:
    from lxml import html

    root = html.document_fromstring(data)
    for item in root.xpath(_UNSEEN):
        item.drop_tree()
    for item in root.xpath("//ul|//ol"):
        letters = len("".join(item.text_content().split()))
        linked = sum(len("".join(link.text_content().split())) for link in item.iter("a"))
        if item.getparent() is not None and linked >= 0.95 * letters:
            item.drop_tree()
    for item in root.iter():
        if isinstance(item.tag, str) and item.tag not in _INLINE:
            item.text, item.tail = f" {item.text or ''}", f" {item.tail or ''}"
        elif not isinstance(item.tag, str):
            item.text = ""
    return str(root.text_content())


def _plain_markdown(text: str) -> str:
    import html

    text = re.sub(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", " ", text, flags=re.DOTALL)  # comments and tags
    text = re.sub(r"^ {0,3}\[[^\]\n]+\]:.*$", " ", text, flags=re.MULTILINE)  # where links go
    text = re.sub(r"\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s+\"[^\"]*\")?\)|\]\[[^\]\n]*\]", "]", text)
    text = re.sub(r"^(\s*(?:```+|~~~+)).*$", " ", text, flags=re.MULTILINE)  # the language of a code block
    text = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)  # a mark that is none
    return html.unescape(re.sub(r"[\[\]`*]", "", text))


def words(text: str) -> Counter[str]:
    """How often each word stands in a text, small letters, one spelling for what looks the same."""
    text = unicodedata.normalize("NFKC", text).replace("\u00ad", "").replace("\u200b", "")
    return Counter(_WORD.findall(text.lower()))


def chosen(folder: Path, count: int) -> list[FoundFile]:
    """Every n-th file that a reader knows, ``count`` in all."""
    known = [
        item for item in find_files([folder])
        if isinstance(item, FoundFile) and item.file.suffix.lower() in SUFFIXES and item.file.stat().st_size
    ]  # fmt: skip
    return [known[at * len(known) // count] for at in range(min(count, len(known)))]


def cpu() -> float:
    """CPU seconds of this process and of its children that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + used.ru_utime + used.ru_stime


def kept(files: Sequence[FoundFile]) -> tuple[dict[str, list[int]], list[dict[str, object]]]:
    """Words kept and in all, different words kept and in all, by format; and the files that lost most."""
    totals: dict[str, list[int]] = {}
    lost: list[dict[str, object]] = []
    for number, found in enumerate(files):
        items = list(read_file(found))
        text = "\n".join(f"{item.title}\n{item.text}" for item in items if isinstance(item, Document))
        wanted = words(plain(found.file))
        missing = wanted - words(text)
        gone = len(wanted.keys() - words(text).keys())
        total = totals.setdefault(found.file.suffix.lower().removeprefix("."), [0, 0, 0, 0])
        row = (wanted.total() - missing.total(), wanted.total(), len(wanted) - gone, len(wanted))
        total[:] = map(sum, zip(total, row, strict=True))
        if missing:
            reasons = [item.reason for item in items if isinstance(item, Skipped)][:2]
            words_lost = [word for word, _ in missing.most_common(8)]
            lost.append({"file": found.name, "lost": missing.total(), "of": wanted.total(), "words": words_lost,
                         "skipped": reasons})  # fmt: skip
        if number % 50 == 49:
            say(f"  {number + 1} of {len(files)}")
    return totals, sorted(lost, key=lambda row: -int(str(row["lost"])))[:20]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--folder", type=Path, default=Path("/usr/share/doc"))
    parser.set_defaults(limit=FILES)


def run(options: argparse.Namespace) -> Result:
    """Read and count."""
    files = chosen(options.folder, options.limit)

    start = cpu()
    documents = sum(isinstance(item, Document) for item in read_files(files))
    isolated = cpu() - start
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    start = cpu()
    for found in files:
        for _ in read_file(found):
            pass
    alone = cpu() - start
    totals, lost = kept(files)

    count = len(files)
    whole = [sum(column) for column in zip(*totals.values(), strict=True)]
    figures = [
        share(f"{kind} files", name, *total[at : at + 2])
        for kind, total in [*sorted(totals.items()), ("all", whole)]
        for at, name in ((0, "words kept, %"), (2, "different words kept, %"))
    ]
    figures += [
        Figure("all files", Score("CPU seconds", isolated, count, None, False)),
        Figure("all files", Score("CPU seconds in one process", alone, count, None, False)),
        Figure("all files", Score("memory of the reading process, MB", children, count, None, False)),
    ]
    goals = {("all files", "words kept, %"): GOAL}
    title = f"Text kept: {count} files with {documents} documents and {whole[1]:,} words"
    for row in lost[:10]:
        say(f"  {row}")
    return Result.now("text-kept", title, figures, goals=goals, details={"files that lost most": lost})

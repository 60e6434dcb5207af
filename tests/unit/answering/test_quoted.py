"""Whose words a mail holds, by hand."""

from __future__ import annotations

import pytest

from quipu.answering.quoted import others_words
from quipu.corpus.passages import split
from quipu.corpus.readers.layout import blocks_of
from quipu.records import Document

MAIL = """From: Anna Bell
To: team
Date: Tue, 4 Jun 2024

Hi all, the move is on 22 June.
Anna

On 3 May 2024 Tom Brill wrote:
> The move is on 15 June.
> > On 1 May 2024 Ines Oller wrote:
> > The move is on 9 June.
"""


def why(question: str, answer: str) -> str:
    text = "\n\n".join(block.text for block in blocks_of(MAIL))
    (passage,) = split(Document.make("mail.txt", "move", text))
    start = passage.text.index(answer)
    return others_words(question, passage, start, start + len(answer))


@pytest.mark.parametrize(
    ("question", "answer", "against"),
    [
        ("What did Anna say about the move?", "15 June", "Tom Brill"),
        ("When is the move according to Anna Bell?", "15 June", "Tom Brill"),
        ("When is the move according to Anna Bell?", "22 June", ""),
        ("What did Tom say about the move?", "22 June", "Anna Bell"),
        ("What did Tom say about the move?", "15 June", ""),
        ("When did Tom Brill write that the move is?", "15 June", ""),
        ("When is the move?", "4 Jun 2024", "sent a mail"),
        ("When is the move?", "3 May 2024", "sent a mail"),
        ("When did Tom Brill write?", "3 May 2024", ""),
        ("When is the move?", "22 June", ""),
        ("Who sent the mail?", "Anna Bell", ""),
    ],
)
def test_quoted_words_are_their_writers(question: str, answer: str, against: str) -> None:
    """What Tom wrote stands in Anna's mail and was given as hers; the date of a mail as that of its matter."""
    found = why(question, answer)
    assert against in found and bool(found) == bool(against)


@pytest.mark.parametrize(
    ("head", "question", "against"),
    [
        ("On 3 May 2024 Tom Brill wrote:", "What did Anna say about the move?", "Tom Brill"),
        ("On 3 May 2024 Tom Brill wrote:", "What did Tom Brill say about the move?", ""),
        ("From: Tom Brill\n\nSent: 3 May 2024", "What did Anna say about the move?", "Tom Brill"),
        ("From: Tom Brill\n\nSent: 3 May 2024", "What does Tom say about the move?", ""),
    ],
)
def test_quotations_without_marks_have_their_writers_too(head: str, question: str, against: str) -> None:
    """Markdown, web pages and forwarded mails have no marks on the lines that they quote."""
    text = f"From: Anna Bell\n\nSubject: move\n\nSee below.\n\n{head}\n\nThe move is on 15 June."
    (passage,) = split(Document.make("mail.md", "move", text))
    start = passage.text.index("15 June")
    found = others_words(question, passage, start, start + 7)
    assert against in found and bool(found) == bool(against)

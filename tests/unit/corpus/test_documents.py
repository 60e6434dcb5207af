"""Files to documents to passages: nothing is lost, nothing is invented, every offset holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from quipu.corpus import Skipped, read_documents
from quipu.errors import InputError, ReadError
from quipu.records import Document


def read(*paths: Path) -> tuple[dict[str, Document], dict[str, str]]:
    """Documents by file name (with their part) and reasons by file name."""
    found: dict[str, Document] = {}
    skipped: dict[str, str] = {}
    for item in read_documents(paths):
        if isinstance(item, Skipped):
            skipped[Path(item.name).name] = item.reason
        else:
            found[Path(item.source).name] = item
    return found, skipped


def test_markup_is_left_out_and_words_are_kept(tmp_path: Path) -> None:
    """Menus and scripts would become questions; lost table cells would become missing answers."""
    (tmp_path / "canal.html").write_text(
        "<html><head><title>The canal</title><script>var x = 1</script></head><body><nav>Home</nav>"
        "<h1>Suez</h1><p>It was opened in <b>1869</b>.</p>"
        "<table><tr><td>Length</td><td>193 km</td></tr></table></body></html>"
    )
    found, _ = read(tmp_path)
    assert found["canal.html"].title == "The canal"
    assert found["canal.html"].text == "Suez\n\nIt was opened in 1869.\n\nLength: 193 km"


def test_office_and_pdf_examples_are_read() -> None:
    """The formats that people have most must give prose, not markup."""
    examples = Path(__file__).parents[3] / "examples"
    found, skipped = read(examples / "printing.docx", examples / "clocks.pdf")
    assert not skipped
    assert "Johannes Gutenberg printed his Bible in Mainz about 1455." in found["printing.docx"].text
    assert "Typeface Garamond: Year: 1530" in found["printing.docx"].text
    assert "invented by Christiaan Huygens in 1656" in found["clocks.pdf"].text
    assert found["clocks.pdf"].title == "Clocks"


def test_what_cannot_be_read_is_reported_once_with_its_reason(tmp_path: Path) -> None:
    """A build that silently skips files answers "I do not know" for reasons that nobody can find."""
    locked = Path(__file__).parents[2] / "cases" / "pdf" / "password-aes256.pdf"
    (tmp_path / "locked.pdf").write_bytes(locked.read_bytes())
    (tmp_path / "empty.txt").write_text("")
    (tmp_path / "image.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" * 9)
    (tmp_path / "broken.docx").write_bytes(b"no zip file")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing else")
    (tmp_path / "song.mp3").write_bytes(b"abc")
    found, skipped = read(tmp_path)
    assert not found
    assert set(skipped) == {"locked.pdf", "empty.txt", "image.txt", "broken.docx", "broken.pdf", "song.mp3"}
    assert "encrypted" in skipped["locked.pdf"] and skipped["empty.txt"] == "empty" and "binary" in skipped["image.txt"]
    assert all("\n" not in reason for reason in skipped.values())
    with pytest.raises(ReadError, match=r"broken\.docx"):
        list(read_documents([tmp_path], strict=True))
    with pytest.raises(InputError, match="no such file"):
        list(read_documents([tmp_path / "nowhere"]))


def test_a_long_text_comes_in_parts_that_add_up(tmp_path: Path) -> None:
    """Cutting a large file must neither lose nor double a paragraph."""
    text = "".join(f"Paragraph {number} tells of the canal.\n\n" for number in range(70_000))
    (tmp_path / "long.txt").write_text(text)
    parts = [item for item in read_documents([tmp_path]) if isinstance(item, Document)]
    assert len(parts) > 2 and all(len(part.text) <= 1_000_000 for part in parts)
    assert "\n\n".join(part.text for part in parts) == text.strip()
    assert {part.metadata["file"] for part in parts} == {(tmp_path / "long.txt").as_posix()}

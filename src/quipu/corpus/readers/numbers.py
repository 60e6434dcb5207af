"""What stands before the items of a list: numbers, letters, Roman numbers; boxes that are ticked or open."""

from __future__ import annotations

TICKED, OPEN = "\u2612", "\u2610"
_TENS = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_LARGEST = 3999  # that is written in Roman numbers; letters end there as well


def counted(value: int, kind: str = "decimal") -> str:
    """A number as a list shows it; the kinds have their names from Word: lowerLetter, upperRoman, decimalZero."""
    if 0 < value <= _LARGEST and kind.endswith("Letter"):
        text = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 + 1)
    elif 0 < value <= _LARGEST and kind.endswith("Roman"):
        text, left = "", value
        for size, letters in _TENS:
            text += letters * (left // size)
            left %= size
    else:
        text = f"{value:02}" if kind == "decimalZero" else str(value)
    return text.upper() if kind.startswith("upper") else text


def boxed(text: str) -> str:
    """An item that begins with a box, with the box in words at its end."""
    if text[:1] not in (TICKED, OPEN):
        return text
    return f"{text[1:].strip()} ({'ticked' if text[0] == TICKED else 'not ticked'})"

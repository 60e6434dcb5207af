"""``quipu conflicts``: what the sources of a memory answer differently."""

from __future__ import annotations

from quipu.cli.options import AsJson, MemoryPath
from quipu.cli.terminal import print_json, progress, shortened, show


def conflicts(memory: MemoryPath, as_json: AsJson = False) -> None:
    """List what sources of a memory answer differently.

    Each question with both answers, their sources and dates, the newer first. No model runs; every stored pair is
    compared with those nearest to it.
    """
    import quipu
    from quipu.cli.ask import source_of

    count = 0
    with progress() as report, quipu.open(memory, read_only=True) as opened:
        for item in opened.conflicts(progress=report):
            count += 1
            if as_json:
                print_json(item.to_json())
                continue
            show(" ".join(item.question.split()))
            for side, age in zip(item.sides, ("newer", "older") if item.ordered else ("", ""), strict=True):
                said = shortened(side.text, 200)
                show(f"    {age:<6}{said} ({source_of(side.evidence, side.date)})")
                if side.question is not None and side.question != item.question:
                    show(f"          asked as {shortened(side.question, 100)}")
            show()
    if not as_json:
        show(f"{memory}: {count:,} conflict{'' if count == 1 else 's'}")

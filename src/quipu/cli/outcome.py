"""What ``build``, ``add`` and ``sync`` did, in a few lines."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from quipu.cli.terminal import duration, print_json, print_table, remark, show

if TYPE_CHECKING:
    from quipu.memory import Memory

_NAMED = 5  # files in a remark


def outcome_of(memory: Memory) -> dict[str, Any]:
    """What was done to a memory, as ``--json`` prints it."""
    return {"memory": str(memory.path), **memory.report.to_json()}


def print_outcome(outcome: dict[str, Any], documents: Sequence[Path], as_json: bool) -> None:
    """For a script, or for a person: counts on stdout, remarks on stderr, the files that were skipped last.

    documents: the files and folders that were named on the command line.
    """
    if as_json:
        print_json(outcome)
    else:
        counts = [f"{outcome['pairs']:,} {_things(outcome['pairs'], 'pair')}"]
        if outcome["passages"]:
            counts.append(f"{outcome['passages']:,} {_things(outcome['passages'], 'passage')}")
        files = _files(outcome)
        made = outcome["pairs"] or outcome["passages"] or not files
        show(f"{outcome['memory']}: {' from '.join(counts) if made else files}")
        if made and files:
            show(files)
        if count := outcome["replaced"]:
            show(f"{count:,} {_things(count, 'pair')} replaced: the same question has another answer now")
        if outcome["dropped"]:
            print_table(
                [[count, reason] for reason, count in sorted(outcome["dropped"].items(), key=lambda item: -item[1])]
            )
        if outcome["passages"]:
            show(f"{duration(outcome['seconds'])}, {outcome['passages_per_second']:.1f} passages/s")
    for former, name in outcome["moved"]:
        remark(f"{former} is now {name}")
    for name in outcome["removed"]:
        remark(f"forgot {name}, which is gone")
    for line in outcome["remarks"]:
        remark(line)
    if count := outcome["unanswered"]:
        remark(
            f"{count:,} {_things(count, 'passage')} got no reply from the model; "
            "`quipu add` with the same options asks again"
        )
    if gone := outcome["gone"]:
        command = shlex.join(["quipu", "sync", outcome["memory"], *map(str, documents), "--delete"])
        known = "known file is" if len(gone) == 1 else "known files are"
        which = "it" if len(gone) == 1 else "them"
        remark(f"{len(gone):,} {known} gone ({listing(gone)}) and still answered from; forget {which} with: {command}")
    if languages := outcome["languages"]:
        count = sum(languages.values())
        remark(
            f"{count:,} {_things(count, 'file')} not in English ({', '.join(languages)}): the models know English "
            "only, so that few questions about them will be answered"
        )
    for item in outcome["skipped"]:
        remark(f"skipped {item['name']}: {item['reason']}")


def listing(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _files(outcome: dict[str, Any]) -> str:
    """What became of the files and what readers passed over, in one line; "" where there is nothing to say."""
    parts = [
        f"{count:,} {_things(count, 'file')} {what}"
        for count, what in (
            (outcome["files"], "read"), (len(outcome["moved"]), "moved"), (len(outcome["removed"]), "forgotten")
        )
        if count
    ]  # fmt: skip
    if outcome["unchanged"]:
        files = f"{outcome['unchanged']:,} {_things(outcome['unchanged'], 'file')}"
        parts.append(f"{files} unchanged" if parts else f"unchanged ({files})")
    line = ", ".join(parts) or ("" if outcome["pairs"] or outcome["skipped"] else "unchanged")
    if outcome["left_out"]:
        passed = ", ".join(f"{count:,} {_things(count, kind)}" for kind, count in outcome["left_out"].items())
        line += f"; left out: {passed}"
    return line.removeprefix("; ")


def _things(count: int, thing: str) -> str:
    return thing if count == 1 or thing.endswith(("s", "text")) else f"{thing}s"

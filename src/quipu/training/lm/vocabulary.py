"""The vocabulary of a byte-level BPE tokenizer: cutting it after its first entries, adding markers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from quipu.errors import FormatError, SettingsError


def cut(content: dict[str, Any], size: int) -> dict[str, Any]:
    """A tokenizer.json without the entries from ``size`` on and without the merges that make them.

    Merges are ordered by rank and each makes one entry, so what is left spells every text, in more tokens. FormatError
    where the tokenizer is of another kind, SettingsError where a special token would be cut off.
    """
    model = content["model"]
    if model.get("type") != "BPE":
        raise FormatError(f"a vocabulary of kind {model.get('type')!r} cannot be cut, only byte-level BPE")
    vocabulary = {token: at for token, at in model["vocab"].items() if at < size}
    lost = [token["content"] for token in content.get("added_tokens", ()) if token["id"] >= size]
    if lost:
        raise SettingsError(f"a vocabulary of {size} entries would lose the special token {lost[0]!r}")
    merges = []
    for merge in model["merges"]:
        left, right = merge if isinstance(merge, list) else merge.split(" ")
        if left in vocabulary and right in vocabulary and left + right in vocabulary:
            merges.append([left, right])
    return {
        **content,
        "truncation": None,
        "padding": None,
        "model": {**model, "vocab": vocabulary, "merges": merges},
    }


def with_markers(content: dict[str, Any], markers: Sequence[str]) -> tuple[dict[str, Any], int]:
    """The tokenizer with each marker as a special token, and how many of them are new: appended after all others."""
    vocabulary = dict(content["model"]["vocab"])
    added = list(content.get("added_tokens", ()))
    known = {token["content"] for token in added}
    size = max(max(vocabulary.values()), *(token["id"] for token in added), -1) + 1 if added else len(vocabulary)
    new = 0
    for marker in markers:
        if marker in known:
            continue
        at = vocabulary.get(marker, size + new)
        new += marker not in vocabulary
        vocabulary[marker] = at
        added.append(
            {
                "id": at,
                "content": marker,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        )
    return {**content, "added_tokens": added, "model": {**content["model"], "vocab": vocabulary}}, new


def text_of(content: dict[str, Any]) -> str:
    """The content of tokenizer.json, the same for the same tokenizer."""
    return json.dumps(content, ensure_ascii=False)

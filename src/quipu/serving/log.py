"""The log of questions, where the operator wants one: what ``quipu grow --from-log`` reads."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from quipu.text import finite, from_json


class QuestionLog:
    """One line of JSON for every question that was answered or refused; no token, no address."""

    def __init__(self, file: Path) -> None:
        """Appended to; nobody but its owner reads it. OSError where it cannot be written."""
        self._file = file
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._guard = threading.Lock()

    def write(self, answers: Sequence[Mapping[str, Any]]) -> None:
        """Answers as the API gives them."""
        lines = "".join(json.dumps(finite(dict(answer)), ensure_ascii=True) + "\n" for answer in answers)
        with self._guard:
            os.write(self._descriptor, lines.encode())

    def refused(self, memory: str) -> Iterator[str]:
        """The questions to this memory that had no answer; lines that are none of this log's are passed over."""
        with self._file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                with suppress(ValueError, KeyError, TypeError):
                    row = from_json(line)
                    if row["memory"] == memory and row["text"] is None:
                        yield str(row["question"])

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)

"""The log of questions, where the operator wants one: what ``quipu grow --from-log`` reads."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quipu.text import finite


class QuestionLog:
    """One line of JSON for every question that was answered or refused; no token, no address."""

    def __init__(self, file: Path) -> None:
        """Appended to; nobody but its owner reads it. OSError where it cannot be written."""
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._guard = threading.Lock()

    def write(self, answers: Sequence[Mapping[str, Any]]) -> None:
        """Answers as the API gives them."""
        lines = "".join(json.dumps(finite(dict(answer)), ensure_ascii=True) + "\n" for answer in answers)
        with self._guard:
            os.write(self._descriptor, lines.encode())

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)

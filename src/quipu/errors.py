"""Every error that quipu raises on purpose.

QuipuError                 one line for a person: what, where, how to mend it
  InputError               a file, a question, an option or a record that cannot be used     (exit code 2)
    ReadError              a document that no reader can turn into text
    FormatError            a memory, a model folder or an exchange file that is not what it should be
    SettingsError          an unknown key or an impossible value in a recipe or an option
  MemoryLocked             another process is writing to this memory                         (exit code 2)
  ServerError              a server that was asked does not answer, or refuses               (exit code 2)
  RunStopped               a run stopped before its end, and the same command continues it   (exit code 1)
  MissingExtra             an optional part of quipu is not installed                        (exit code 2)
  ExportMismatch           an exported model does not answer as the trained one does         (exit code 1)
"""

from __future__ import annotations

import re


class QuipuError(Exception):
    """The root: ``str(error)`` is one clear line."""

    exit_code = 2

    def __str__(self) -> str:
        return re.sub(r"\s*\n\s*", " ", super().__str__())  # SQLite quotes whole tables


class InputError(QuipuError, ValueError):
    """Something that the user gave cannot be used."""


class ReadError(InputError):
    """A document cannot be read; ``str(error)`` is the reason, without the file's name."""


class FormatError(InputError):
    """A memory, a model folder or an exchange file is not what it should be."""


class SettingsError(InputError):
    """An unknown key or an impossible value in a recipe or an option."""


class MemoryLocked(QuipuError):
    """Another process holds the writer's lock."""


class ServerError(QuipuError):
    """A server cannot be reached, or refused; ``code`` is its problem's, None where it named none."""

    def __init__(self, message: str, code: str | None = None) -> None:
        """``message``: one line."""
        super().__init__(message)
        self.code = code


class RunStopped(QuipuError):
    """A run stopped before its end: a budget, or too many failures; the same command continues it."""

    exit_code = 1


class MissingExtra(QuipuError):
    """An optional part of quipu is not installed; the message says the exact command that installs it."""


class ExportMismatch(QuipuError):
    """An exported model does not answer as the trained one does."""

    exit_code = 1

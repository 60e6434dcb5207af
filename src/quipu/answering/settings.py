"""How much a question may cost: how many pairs and passages each step of answering looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from quipu.errors import SettingsError
from quipu.settings import from_mapping


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """Settings of answering; a memory keeps those that differ from these defaults."""

    k: int = 50  # stored pairs that look-up considers
    judged: int = 8  # of these, how many sentences a judging reader reads
    compared_answers: int = 10  # of these, how many answers count for their agreement
    bridges: int = 8  # first pairs from which a second hop starts
    first_hop: int = 20  # pairs that the first hop finds
    second_hop: int = 10  # pairs that each second hop finds
    about: int = 20  # pairs that are searched for each of two things that a question compares
    passages_by: int = 5  # passages found by words, by vectors, and by the pairs found, each
    around: int = 20  # tokens on each side of a span whose mean is compared with the question
    read_passages: int = 3  # passages that are read

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int) and value < 1:
                raise SettingsError(f"the setting {item.name} must be 1 or more, not {value}")

    @classmethod
    def of(cls, value: AnswerSettings | Mapping[str, Any] | None, where: str = "settings") -> AnswerSettings:
        """Settings as they are, or from a mapping of names to values; SettingsError names an unknown one."""
        if isinstance(value, AnswerSettings):
            return value
        return from_mapping(cls, value or {}, where)

    def changed(self, values: Mapping[str, Any], where: str) -> AnswerSettings:
        """These settings with some replaced; SettingsError as for ``of``."""
        return replace(self, **{name: getattr(from_mapping(type(self), values, where), name) for name in values})

    def to_json(self) -> dict[str, Any]:
        """The settings that differ from the defaults, by name."""
        plain = asdict(AnswerSettings())
        return {name: value for name, value in asdict(self).items() if value != plain[name]}

"""How much a question may cost: how many pairs and passages each step of answering looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from quipu.errors import SettingsError
from quipu.records import Route
from quipu.settings import from_mapping

CASCADE: tuple[Route, ...] = ("lookup", "passage", "read", "hops", "chain")  # in the order in which they are taken


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """Settings of answering; a memory keeps those that differ from these defaults."""

    steps: tuple[str, ...] = CASCADE  # of a cascade; lookup is always the first
    k: int = 50  # stored pairs that lookup considers
    compared_answers: int = 10  # of these, how many answers count for their agreement
    passages_by: int = 10  # passages found by words, by vectors, and by the pairs found, each
    read_passages: int = 3  # passages that are read, best first
    read_pairs: int = 10  # pairs that are read together, as far as the reader takes so many
    bridges: int = 8  # first pairs from which a second hop of a chain starts
    first_hop: int = 20  # pairs that the first hop finds
    second_hop: int = 10  # pairs that each second hop finds
    about: int = 20  # pairs that are searched for each of two things that a question compares
    hop_bridges: int = 4  # answers of a first reading for which a second passage is sought
    hop_passages: int = 4  # pairs of passages that are read together
    around: int = 20  # tokens on each side of a span whose mean is compared with the question

    def __post_init__(self) -> None:
        unknown = [name for name in self.steps if name not in CASCADE]
        if unknown:
            raise SettingsError(f"the steps of a cascade are some of {', '.join(CASCADE)}, not {unknown[0]!r}")
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int) and value < 1:
                raise SettingsError(f"the setting {item.name} must be 1 or more, not {value}")

    @classmethod
    def of(cls, values: Mapping[str, Any] | None, where: str = "settings") -> AnswerSettings:
        """From a mapping of names to values, the defaults for the rest; SettingsError names an unknown one."""
        return from_mapping(cls, values or {}, where)

    def changed(self, values: Mapping[str, Any], where: str) -> AnswerSettings:
        """These settings with some replaced; SettingsError as for ``of``."""
        made = from_mapping(type(self), values, where)
        return replace(self, **{name: getattr(made, name) for name in values})

    def to_json(self) -> dict[str, Any]:
        """The settings that differ from the defaults, by name."""
        plain = asdict(AnswerSettings())
        changed = {name: value for name, value in asdict(self).items() if value != plain[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}

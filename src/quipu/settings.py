"""TOML to a frozen dataclass: an unknown key is an error that names the nearest known one."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from quipu.errors import SettingsError

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables; SettingsError says where it cannot be read."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
        raise SettingsError(f"{path}: not valid TOML ({error})") from error


def from_mapping(kind: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build the dataclass ``kind`` from ``values``; ``where`` names the source in errors."""
    hints = typing.get_type_hints(kind)
    known = {item.name: item for item in dataclasses.fields(kind)}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
            raise SettingsError(f"{where}: unknown setting {key!r}{hint}")
        arguments[key] = _fitted(hints[key], value, f"{where}: {key}")
    missing = [
        name
        for name, item in known.items()
        if name not in arguments and item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise SettingsError(f"{where}: missing {', '.join(missing)}")
    return kind(**arguments)


def _fitted(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the annotation wants it, or a SettingsError."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(value, list):
        return tuple(_fitted(options[0], item, where) for item in value)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in options:
            return None
        return _fitted(next(option for option in options if option is not type(None)), value, where)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and (not isinstance(value, hint) or (hint is int and isinstance(value, bool))):
        raise SettingsError(f"{where} must be {hint.__name__}, not {value!r}")
    return value

"""Settings of answering: stored as what differs, changed by name, wrong ones refused."""

from __future__ import annotations

import pytest

from quipu.answering.settings import AnswerSettings
from quipu.errors import SettingsError


def test_settings_are_named_and_kept_as_what_differs() -> None:
    made = AnswerSettings.of({"read_passages": 5, "k": 50})
    assert made.read_passages == 5 and made.to_json() == {"read_passages": 5}
    assert AnswerSettings.of(made.to_json()) == made and AnswerSettings.of(None) == AnswerSettings()
    fewer = AnswerSettings.of({"steps": ["lookup", "read"]})
    assert fewer.steps == ("lookup", "read") and AnswerSettings.of(fewer.to_json()) == fewer
    changed = made.changed({"k": 10}, "here")
    assert (changed.k, changed.read_passages) == (10, 5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"read_passage": 5}, "did you mean 'read_passages'"),
        ({"k": 0}, "1 or more"),
        ({"k": "many"}, "must be int"),
        ({"steps": ["guess"]}, "steps of a cascade"),
    ],
)
def test_what_is_no_setting_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        AnswerSettings.of(values)
    with pytest.raises(SettingsError, match=message):
        AnswerSettings().changed(values, "here")

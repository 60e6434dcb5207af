"""The description of the API: fresh, and complete."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytest.importorskip("fastapi")

from tests.serving.conftest import ROOT

from quipu.serving.app import routes
from quipu.serving.problems import STATUS


def test_the_page_in_docs_is_fresh() -> None:
    """A stale docs/openapi.json makes clients for an API that is not there."""
    made = subprocess.run(
        [sys.executable, "docs/make_openapi.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr


def test_every_route_is_described() -> None:
    """A route without summary, description, or problems leaves its user to guess."""
    found = routes().openapi()
    assert found["openapi"].startswith("3.1")
    names = set()
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"] and operation["description"] and operation["tags"], where
            names.add(operation["operationId"])
            assert any(status.startswith("2") for status in operation["responses"]), where
            for status, response in operation["responses"].items():
                if not status.startswith("2"):
                    assert list(response["content"]) == ["application/problem+json"], (where, status)
                    codes = [code.strip(" `") for code in response["description"].split(",")]
                    assert {STATUS[code] for code in codes} == {int(status)}, where
            if method in ("post", "patch"):
                schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                assert found["components"]["schemas"][schema]["examples"], where
                assert found["components"]["schemas"][schema]["additionalProperties"] is False
    assert len(names) == sum(map(len, found["paths"].values()))
    text = json.dumps(found)
    for reference in set(part.partition('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]):
        assert reference in found["components"]["schemas"]


def test_no_route_takes_a_path_or_an_address() -> None:
    """A server that opens what it is told to opens /etc/passwd, and http://169.254.169.254."""
    for path, operations in routes().openapi()["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                assert parameter["name"] not in ("path", "file", "url", "folder"), path

"""Requests that the API's description allows, and requests that it does not: is every answer one that it describes?

    python benchmarks/run.py schemathesis-api

1,000 requests that schemathesis makes of docs/openapi.json, over all routes, with an admin's token, against a server
that writes: half of them as the description has it, half with something wrong. An answer is a fault where its status is
500 or more (a deadline of the request's own aside), where the description does not name its status, or where its body
is not as the schema says. Models made by hand.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema_rs
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from starlette.testclient import TestClient

from figures import Figure, Result
from quipu.records import Score
from quipu.serving.settings import ServeSettings

# isort: split
from tests.full_memory import made
from tests.serving.conftest import ADMIN, serving, writer

EXAMPLES = 1_000
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
_ELSEWHERE = {404, 405}
"""What a path may get that a made name has turned into another route's."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its own options."""
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(limit=EXAMPLES)


def run(options: argparse.Namespace) -> Result:
    """Ask and compare."""
    with tempfile.TemporaryDirectory(prefix="quipu-api-") as folder:
        path = made(Path(folder) / "harbour.quipu")
        limits = ServeSettings(writable=True, rate=1e9, burst=1_000_000_000)
        with serving(path, limits, admin=ADMIN, command=writer(path)) as client:
            statuses, faults = fuzz(client, options.limit, options.seed)
    asked = sum(statuses.values())
    figures = [Figure("API", Score("faults", len(faults), asked, None, False), 0.0)]
    figures += [
        Figure(f"status {status}", Score("answers", count, asked)) for status, count in sorted(statuses.items())
    ]
    title = f"API: {asked:,} requests made of its description, right ones and wrong ones"
    return Result.now("schemathesis-api", title, figures, details={"faults": faults}, notes=faults)


def fuzz(client: TestClient, examples: int, number: int = 0) -> tuple[Counter[int], list[str]]:
    """Make about so many requests: how many had which status, and a line for every fault.

    ``number``: the seed. Most of the paths name what is there, for a memory that is unknown is refused before all else.
    """
    client.headers["authorization"] = f"Bearer {ADMIN}"
    described = client.get("/openapi.json").json()
    name = client.get("/api/v1/memories").json()["memories"][0]["name"]
    there = {
        "memory": [name],
        "pair": [row["id"] for row in client.get(f"/api/v1/{name}/pairs?limit=200").json()["pairs"]],
        "document": [row["id"] for row in client.get(f"/api/v1/{name}/documents").json()["documents"]],
    }
    chosen = random.Random(number)
    statuses: Counter[int] = Counter()
    faults: list[str] = []
    schema = schemathesis.openapi.from_dict(described)
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    each = max(1, round(examples / len(operations) / len(MODES)))

    def ask(case: Any) -> None:
        for parameter in set(there) & set(case.path_parameters or ()):
            if chosen.random() < 0.9:
                case.path_parameters[parameter] = chosen.choice(there[parameter])
        told: Any = requests.Request(**case.as_transport_kwargs(base_url="http://localhost")).prepare()
        headers: Any = {key: value for key, value in told.headers.items() if key.lower() != "content-length"}
        response = client.request(case.method, str(told.url), content=told.body, headers=headers)
        statuses[response.status_code] += 1
        fault = _fault(described, case, response)
        if fault is not None:
            faults.append(f"{case.method} {told.url} {told.body!r:.200}: {fault}")

    for operation in operations:
        for mode in MODES:
            run = settings(
                max_examples=each, database=None, deadline=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(given(case=operation.as_strategy(generation_mode=mode))(ask))  # fmt: skip
            with suppress(Unsatisfiable):  # a route without parameters cannot be asked wrongly
                seed(number)(run)()
    return statuses, faults


def _fault(described: dict[str, Any], case: Any, response: Any) -> str | None:
    """What is wrong with an answer."""
    status = response.status_code
    operation = described["paths"][case.operation.path][case.method.lower()]
    content = response.headers.get("content-type", "").partition(";")[0]
    if status >= 500 and not (status == 504 and "budget_ms" in json.dumps(case.body, default=str)):
        return f"status {status}: {response.text[:300]}"
    found = operation["responses"].get(str(status))
    if found is None:
        return None if status in _ELSEWHERE else f"status {status} is not described: {response.text[:300]}"
    kinds = found.get("content", {})
    if content not in kinds:
        return f"{content or 'nothing'} is sent, {', '.join(kinds)} is described"
    if not content.endswith("json"):
        return None
    validator = jsonschema_rs.validator_for({**kinds[content]["schema"], "components": described["components"]})
    wrong = next(iter(validator.iter_errors(response.json())), None)
    return None if wrong is None else f"the body is not as described: {wrong.message}"

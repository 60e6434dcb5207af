"""Write docs/openapi.json from the server itself: ``python docs/make_openapi.py [--check]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from made import write_or_check

from quipu.serving.app import routes

TARGET = Path(__file__).with_name("openapi.json")


def page() -> str:
    """The whole text of docs/openapi.json."""
    return json.dumps(routes().openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or with --check say whether it is stale."""
    return write_or_check(TARGET, page())


if __name__ == "__main__":
    sys.exit(main())

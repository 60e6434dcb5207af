"""Write docs/openapi.json from the server itself: ``python docs/make_openapi.py [--check]``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from quipu.serving.app import routes

TARGET = Path(__file__).with_name("openapi.json")


def page() -> str:
    """The whole text of docs/openapi.json."""
    return json.dumps(routes().openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or with --check say whether it is stale."""
    text = page()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print("docs/openapi.json is stale; run: make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Writes the OpenAPI document: ``python -m serving.openapi docs/openapi.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pipelines import Settings
from serving.app import create_app


def openapi_text() -> str:
    """Return the document of the API with default settings, as it is kept in ``docs/``."""
    return json.dumps(create_app(Settings()).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(openapi_text(), encoding="utf-8")

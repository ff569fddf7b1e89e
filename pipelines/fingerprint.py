"""What a result was made from, in one line: if it has not changed, neither has the result."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.config.settings import Settings
from retrieval import EncoderIdentity

_OURS = ("retrieval", "classifiers", "forecasting", "pipelines")
_WRITTEN = (".py", ".j2")
# Another release of these may give other numbers from the same data.
ENGINES = ("numpy", "pandas", "scikit-learn", "lightgbm", "faiss-cpu", "pymilvus", "milvus-lite")
_BLOCK = 1 << 20


def engine_versions() -> dict[str, str]:
    """Return the installed versions of what computes."""
    return {name: version(name) for name in ENGINES}


def made_with() -> dict[str, Any]:
    """Return what a report tells of its making: likewise, the time, Python and the engines."""
    return {
        "likewise": version("likewise"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": engine_versions(),
    }


def fingerprint(settings: Settings, encoder: EncoderIdentity, *tables: pd.DataFrame) -> str:
    """Hash tables, settings, encoder, our own code and the versions of the engines.

    Where the tables lie does not matter, what is in them does; secrets are left out.
    """
    digest = hashlib.sha256()
    for table in tables:
        digest.update(",".join(map(str, table.columns)).encode())
        digest.update(np.asarray(pd.util.hash_pandas_object(table, index=False)).tobytes())
    chosen = settings.model_dump(mode="json", include={"classify", "forecast"})
    described = [chosen, encoder.as_dict(), engine_versions(), code_digest()]
    digest.update(json.dumps(described, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def code_digest() -> str:
    """Hash our own modules and templates: between two releases the version does not tell."""
    digest = hashlib.sha256()
    for name in _OURS:
        package = importlib.util.find_spec(name)
        assert package is not None and package.origin is not None
        files = Path(package.origin).parent.rglob("*")
        for path in sorted(file for file in files if file.suffix in _WRITTEN):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache  # what is loaded does not change, whatever becomes of the files
def versions() -> dict[str, str]:
    """Return what computes: likewise, its code, Python, libraries."""
    ours = {"likewise": version("likewise"), "code": code_digest()[:16]}
    return {**ours, "python": platform.python_version(), **engine_versions()}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of all files in a folder with their names; "" where there is none."""
    if not path.is_dir():
        return _file_digest(path) if path.is_file() else ""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        if file.is_file():
            digest.update(f"{file.relative_to(path)}\0{_file_digest(file)}\0".encode())
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()

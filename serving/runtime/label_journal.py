"""Labels in words that came through the API, in a file that a crash cannot undo.

One line of JSON a label, flushed to disk before it is acknowledged. A line that a crash cut off was
never acknowledged and is dropped.
"""

from __future__ import annotations

import json
import os
from pathlib import Path


class LabelJournal:
    """The labels in words of one tenant, in the order they came.

    Args:
        path: The file; made with the first label.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.labels: dict[str, list[str]] = {}
        if path.exists():
            self._read()

    def add(self, name: str, descriptions: list[str]) -> None:
        """Write down a label, for good."""
        line = json.dumps({"label": name, "descriptions": descriptions}, ensure_ascii=False)
        is_new = not self._path.exists()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _sync_folder(self._path.parent)
        self.labels[name] = descriptions

    def _read(self) -> None:
        content = self._path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        for line in whole.splitlines():
            entry = json.loads(line)
            self.labels[entry["label"]] = entry["descriptions"]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

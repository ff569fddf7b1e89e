"""Labels in words that came through the API, in a file that a crash cannot undo.

One line of JSON a label, on the disk before it is acknowledged. A line that a crash cut off was
never acknowledged and is dropped.
"""

from __future__ import annotations

import json
from pathlib import Path

from retrieval import append_json_lines, whole_lines


class LabelJournal:
    """The labels in words of one tenant, in the order they came.

    Args:
        path: The file; made with the first label.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        entries = map(json.loads, whole_lines(path))
        self.labels: dict[str, list[str]] = {
            entry["label"]: entry["descriptions"] for entry in entries
        }

    def add(self, name: str, descriptions: list[str]) -> None:
        """Write down a label, for good."""
        append_json_lines(self._path, [{"label": name, "descriptions": descriptions}])
        self.labels[name] = descriptions

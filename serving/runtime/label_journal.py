"""Labels in words that came through the API, in a file that a crash cannot undo.

One line of JSON a label, on the disk before it is acknowledged. A line that a crash cut off was
never acknowledged and is dropped; one that cannot be read for another reason is set aside in a file
beside, and told in the log.
"""

from __future__ import annotations

from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from retrieval import append_json_lines, append_whole, replacing, whole_lines

_log = structlog.stdlib.get_logger(__name__)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    label: str
    descriptions: list[str]


class LabelJournal:
    """The labels in words of one tenant, in the order they came.

    Args:
        path: The file; made with the first label.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.labels: dict[str, list[str]] = {}
        lines = whole_lines(path)
        unread = [line for line in lines if not self._take(line)]
        if unread:
            self._set_aside(unread, [line for line in lines if line not in unread])

    def add(self, name: str, descriptions: list[str]) -> None:
        """Write down a label, for good."""
        append_json_lines(self._path, [{"label": name, "descriptions": descriptions}])
        self.labels[name] = descriptions

    def _take(self, line: bytes) -> bool:
        try:
            entry = _Entry.model_validate_json(line)
        except ValidationError:
            return False
        self.labels[entry.label] = entry.descriptions
        return True

    def _set_aside(self, unread: list[bytes], rest: list[bytes]) -> None:
        aside = self._path.with_name(f"{self._path.name}.unread")
        with aside.open("ab", buffering=0) as file:
            append_whole(file, b"".join(line + b"\n" for line in unread))
        with replacing(self._path) as path:
            path.write_bytes(b"".join(line + b"\n" for line in rest))
        _log.error(
            "labels in words that cannot be read are set aside", file=str(aside), lines=len(unread)
        )

"""Labels in words that came through the API, in a file that a crash cannot undo.

One line of JSON a label, on the disk before it is acknowledged. A line that cannot be read, as one
that a crash cut off, is set aside in a file beside, and told in the log; the others are served.
"""

from __future__ import annotations

from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from retrieval import append_json_lines, append_whole, replacing

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
        content = path.read_bytes() if path.exists() else b""
        lines = [line for line in content.split(b"\n") if line.strip()]
        taken = [self._take(line) for line in lines]
        self._unread = [line for line, is_taken in zip(lines, taken, strict=True) if not is_taken]
        self._rest = [line for line, is_taken in zip(lines, taken, strict=True) if is_taken]
        self._is_whole = not self._unread and (not content or content.endswith(b"\n"))
        if not self._is_whole:
            try:
                self._mend()
            except OSError as error:  # as on a full disk: what can be read is served
                _log.error("labels in words cannot be mended", file=str(path), reason=str(error))

    def add(self, name: str, descriptions: list[str]) -> None:
        """Write down a label, for good."""
        if not self._is_whole:  # behind half a line it would be lost
            self._mend()
        append_json_lines(self._path, [{"label": name, "descriptions": descriptions}])
        self.labels[name] = descriptions

    def _take(self, line: bytes) -> bool:
        try:
            entry = _Entry.model_validate_json(line)
        except ValidationError:
            return False
        self.labels[entry.label] = entry.descriptions
        return True

    def _mend(self) -> None:
        """Set aside what cannot be read, and write the rest anew."""
        if self._unread:
            aside = self._path.with_name(f"{self._path.name}.unread")
            with aside.open("ab", buffering=0) as file:
                append_whole(file, b"".join(line + b"\n" for line in self._unread))
            _log.error(
                "labels in words that cannot be read are set aside",
                file=str(aside),
                lines=len(self._unread),
            )
            self._unread = []
        with replacing(self._path) as path:
            path.write_bytes(b"".join(line + b"\n" for line in self._rest))
        self._is_whole = True

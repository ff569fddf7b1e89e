"""What was answered: one line of JSON an item, in files that are bounded in size and age.

Ids, label or forecast, neighbors, model version and request id; never a text.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

import structlog

from retrieval import append_whole

_log = structlog.stdlib.get_logger(__name__)

_NAME = "predictions"
_MOST_TORN = 1_000_000  # bytes of a last line that is looked for


class AuditLog:
    """Predictions in ``predictions.jsonl``, older ones in ``predictions-TIME.jsonl`` beside it.

    Args:
        folder: Where the files are.
        megabytes: Size at which a new file is begun.
        total_megabytes: Size of all, from which on the oldest are removed.
        days: Age at which an old file is removed.
    """

    def __init__(
        self, folder: Path, *, megabytes: float, total_megabytes: float, days: float
    ) -> None:
        self._folder = folder
        self._most_bytes = int(megabytes * 1e6)
        self._most_in_all = int(total_megabytes * 1e6)
        self._most_seconds = days * 86_400
        self._lock = threading.Lock()
        self._file: FileIO | None = None

    def write(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Append entries; each gets the time it was written at."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        lines = [
            json.dumps({"time": now, **entry}, ensure_ascii=False, separators=(",", ":"))
            for entry in entries
        ]
        with self._lock:
            file = self._open()
            append_whole(file, "".join(f"{line}\n" for line in lines).encode())
            if file.tell() >= self._most_bytes:
                self._rotate()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    @property
    def _path(self) -> Path:
        return self._folder / f"{_NAME}.jsonl"

    def _open(self) -> FileIO:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._remove_old()
            self._file = self._path.open("ab", buffering=0)
            self._end_line(self._file)
        return self._file

    def _end_line(self, file: FileIO) -> None:
        """Set half a line aside that a kill has left: the next one would be glued to it."""
        size = file.tell()
        with self._path.open("rb") as former:
            former.seek(max(0, size - _MOST_TORN))
            torn = former.read().rpartition(b"\n")[2]
        if not torn:
            return
        aside = self._folder / f"{_NAME}.unread"
        with aside.open("ab", buffering=0) as unread:
            append_whole(unread, torn + b"\n")
        file.truncate(size - len(torn))
        file.seek(0, 2)
        _log.error("half a line of the audit log is set aside", file=str(aside))

    def _rotate(self) -> None:
        assert self._file is not None
        self._file.close()
        self._file = None
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        self._path.rename(self._folder / f"{_NAME}-{stamp}.jsonl")
        self._remove_old()

    def _remove_old(self) -> None:
        room = self._most_in_all - self._most_bytes  # which the newest may still come to fill
        for path in sorted(self._folder.glob(f"{_NAME}-*.jsonl"), reverse=True):
            told = path.stat()
            room -= told.st_size
            if room < 0 or time.time() - told.st_mtime > self._most_seconds:
                path.unlink(missing_ok=True)
                _log.info("old audit file removed", file=path.name, megabytes=told.st_size / 1e6)


def audit_entries(
    task: str, answer: Mapping[str, Any], request_id: str, tenant: str | None
) -> list[dict[str, Any]]:
    """One entry for each item of an answer: ids and numbers, no text."""
    common = {
        "request_id": request_id,
        "tenant": tenant,
        "task": task,
        "model_version": answer.get("model_version"),
    }
    return [{**common, **_audited(task, one)} for one in answer["results"]]


def _audited(task: str, one: Mapping[str, Any]) -> dict[str, Any]:
    if task == "forecast":
        total = one["total"]
        return {
            "item_id": one["item_id"],
            "total": {"mean": total["mean"], **total["quantiles"]},
            "curve": [round(period["mean"], 4) for period in one["curve"]],
            "novel": one["novel"],
        }
    if task == "orders":
        return {name: one[name] for name in ("item_id", "quantity", "mean", "cost")}
    if task == "cannibalization":
        return {name: one[name] for name in ("item_id", "mean", "taken")}
    near = [[each["item_id"], round(each["similarity"], 4)] for each in one["neighbors"]]
    kept = {name: one[name] for name in ("item_id", "label", "probability", "known")}
    return {**kept, "neighbors": near}

"""Whether the disk takes what is to be kept: known once a write found no room, until one does."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

import structlog

_log = structlog.stdlib.get_logger(__name__)

_LITTLE = 1 << 20  # bytes of free space from which on a write is tried
_TRIED = 4 * 4_096  # bytes that are written


class Room:
    """The folders that a server writes to.

    Args:
        folders: Those that do not exist are not looked at.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._is_doubtful = False
        self.is_full = False

    def doubt(self, *, is_full: bool = False) -> None:
        """Look closer from now on: a write was refused; `is_full` where that was the reason."""
        self._is_doubtful = True
        self._note(is_full or self.is_full)

    def look(self) -> None:
        """Find out whether there is room; by a write where that is in doubt."""
        try:
            there = [folder for folder in self._folders if folder.is_dir()]
            if not self._is_doubtful and all(_has_much(folder) for folder in there):
                return
            for folder in there:
                _try(folder)
        except OSError as error:
            self._note(True, str(error))
        else:
            self._is_doubtful = False
            self._note(False)

    def _note(self, is_full: bool, reason: str = "") -> None:
        if is_full and not self.is_full:
            _log.error("the disk is full", folders=[str(one) for one in self._folders], why=reason)
        if self.is_full and not is_full:
            _log.warning("the disk has room again")
        self.is_full = is_full


def _has_much(folder: Path) -> bool:
    return shutil.disk_usage(folder).free >= _LITTLE


def _try(folder: Path) -> None:
    path = folder / f".room-{secrets.token_hex(4)}"
    try:
        with path.open("xb", buffering=0) as file:
            rest = memoryview(bytes(_TRIED))
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
    finally:
        path.unlink(missing_ok=True)

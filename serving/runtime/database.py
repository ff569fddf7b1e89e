"""A SQLite database that outlives the process: what is committed is on the disk."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

import structlog

_log = structlog.stdlib.get_logger(__name__)

DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""Codes of errors that say that a file is no whole database."""
_LOCKED_SECONDS = 5.0  # how long to wait for another process that has locked it
# What is removed is zeroed or cut off: texts do not stay behind. A commit is on disk, not in a
# cache, before it is acknowledged.
_SETTINGS = """
PRAGMA auto_vacuum = FULL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 100;
PRAGMA secure_delete = FAST;
PRAGMA foreign_keys = ON;
"""


Upgrade = Callable[[sqlite3.Connection], object]


def opened_whole(path: Path, tables: str, upgrade: Upgrade = lambda _: None) -> sqlite3.Connection:
    """Open a database; one that is none any more is set aside, so that others may be kept.

    Args:
        path: The file; made if need be.
        tables: A script that makes the tables that are not there.
        upgrade: Makes what an earlier version wrote like that of this one.
    """
    try:
        return _open(path, tables, upgrade)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in DAMAGED:
            raise
        aside = path.with_name(f"{path.name}.unread-{secrets.token_hex(4)}")
        for end in ("", "-wal", "-shm"):
            if (part := Path(f"{path}{end}")).exists():
                part.rename(f"{aside}{end}")
        _log.error("what was kept cannot be read, set aside", file=str(aside), reason=str(error))
        return _open(path, tables, upgrade)


def _open(path: Path, tables: str, upgrade: Upgrade) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=_LOCKED_SECONDS, check_same_thread=False)
    try:
        database.executescript(_SETTINGS)
        database.executescript(tables)
        upgrade(database)
    except BaseException:
        database.close()
        raise
    return database

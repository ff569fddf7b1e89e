"""Keep queues, leases and decisions in one SQLite database that outlives the process.

A decision is on disk before the item is labeled, and marked as written after: what a kill leaves
between the two is written at the next start. Nothing of a decision is ever overwritten; one that
was taken back is marked so.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from serving.problems import ApiError
from serving.runtime.database import opened_whole

_log = structlog.stdlib.get_logger(__name__)

_RETRY_AFTER = 10
_TABLES = """
BEGIN;
CREATE TABLE IF NOT EXISTS queues (
    number INTEGER PRIMARY KEY,
    queue_id TEXT NOT NULL UNIQUE,
    tenant TEXT,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    ordering TEXT NOT NULL,
    precision REAL NOT NULL,
    random_share REAL NOT NULL,
    creator TEXT NOT NULL,
    created TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS items (
    number INTEGER NOT NULL REFERENCES queues ON DELETE CASCADE,
    position INTEGER NOT NULL,
    item_id TEXT NOT NULL,
    label_before TEXT,
    is_random INTEGER NOT NULL,
    is_double INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',
    leased_by TEXT,
    leased_until REAL,
    PRIMARY KEY (number, position)
);
CREATE TABLE IF NOT EXISTS decisions (
    decision INTEGER PRIMARY KEY AUTOINCREMENT,
    batch TEXT NOT NULL,
    number INTEGER NOT NULL REFERENCES queues ON DELETE CASCADE,
    position INTEGER NOT NULL,
    item_id TEXT NOT NULL,
    reviewer TEXT NOT NULL,
    verdict TEXT NOT NULL,
    label TEXT,
    is_new INTEGER NOT NULL,
    label_before TEXT,
    reason TEXT NOT NULL,
    shown_label TEXT,
    shown_probability REAL,
    shown_sure INTEGER NOT NULL,
    is_second INTEGER NOT NULL,
    made TEXT NOT NULL,
    undone INTEGER NOT NULL DEFAULT 0,
    written INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS decisions_of ON decisions (number);
COMMIT;
"""


@dataclass(frozen=True)
class KeptQueue:
    """A queue as it is kept; attributes as in `serving.schemas.review.StartQueue`."""

    number: int
    queue_id: str
    name: str
    source: str
    ordering: str
    precision: float
    random_share: float
    created: str


@dataclass(frozen=True)
class KeptItem:
    """An item of a queue as it is kept."""

    position: int
    item_id: str
    label_before: str | None
    is_random: bool
    is_double: bool
    state: str = "open"
    leased_by: str | None = None
    leased_until: float | None = None


@dataclass(frozen=True)
class KeptDecision:
    """A decision as it is kept.

    Attributes:
        batch: Decisions made, and taken back, together.
        position: Of the item in the queue.
        shown_sure: Whether the machine was sure of its label.
        is_second: A second opinion, which labels nothing.
        written: Whether the index has what it, or taking it back, means.
    """

    batch: str
    position: int
    item_id: str
    reviewer: str
    verdict: str
    label: str | None
    is_new: bool
    label_before: str | None
    reason: str
    shown_label: str | None
    shown_probability: float | None
    shown_sure: bool
    is_second: bool
    made: str
    undone: bool = False
    written: bool = False


_OF_QUEUE = tuple(KeptQueue.__dataclass_fields__)
_OF_ITEM = tuple(KeptItem.__dataclass_fields__)
_OF_DECISION = tuple(KeptDecision.__dataclass_fields__)
_BOOLEAN = {"is_random", "is_double", "is_new", "shown_sure", "is_second", "undone", "written"}


class ReviewStore:
    """The queues of all tenants.

    Args:
        path: The database; made with the first queue.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None

    def add(
        self,
        tenant: str | None,
        items: Sequence[KeptItem],
        *,
        name: str,
        source: str,
        ordering: str,
        precision: float,
        random_share: float,
        creator: str,
    ) -> KeptQueue:
        """Keep a queue, whole or not at all."""
        queue_id, created = secrets.token_hex(16), datetime.now(UTC).isoformat()
        values = (queue_id, name, source, ordering, precision, random_share, created)
        with self._connection() as database:
            (number,) = database.execute(
                f"INSERT INTO queues ({', '.join(_OF_QUEUE[1:])}, tenant, creator) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
                (*values, tenant, creator),
            ).fetchone()
            database.executemany(
                "INSERT INTO items (number, position, item_id, label_before, is_random, is_double) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                ((number, *(getattr(one, name) for name in _OF_ITEM[:5])) for one in items),
            )
        return KeptQueue(number, *values)

    def queues(self, tenant: str | None) -> list[KeptQueue]:
        """Return a tenant's queues, the newest first."""
        query = f"SELECT {', '.join(_OF_QUEUE)} FROM queues WHERE tenant IS ? ORDER BY number DESC"
        return [KeptQueue(*row) for row in self._rows(query, (tenant,))]

    def queue(self, tenant: str | None, queue_id: str) -> KeptQueue | None:
        """Return a tenant's queue; None where it has no such queue."""
        query = f"SELECT {', '.join(_OF_QUEUE)} FROM queues WHERE tenant IS ? AND queue_id = ?"
        found = self._rows(query, (tenant, queue_id))
        return KeptQueue(*found[0]) if found else None

    def remove(self, tenant: str | None, queue_id: str) -> bool:
        """Remove a queue with its decisions; return whether there was one."""
        if not self._path.exists():
            return False
        with self._connection() as database:
            query = "DELETE FROM queues WHERE tenant IS ? AND queue_id = ?"
            return database.execute(query, (tenant, queue_id)).rowcount > 0

    def items(self, number: int) -> list[KeptItem]:
        """Return the items of a queue, by position."""
        query = f"SELECT {', '.join(_OF_ITEM)} FROM items WHERE number = ? ORDER BY position"
        return [KeptItem(**_named(_OF_ITEM, row)) for row in self._rows(query, (number,))]

    def decisions(self, number: int) -> list[KeptDecision]:
        """Return the decisions of a queue, the first first."""
        names = ", ".join(_OF_DECISION)
        query = f"SELECT {names} FROM decisions WHERE number = ? ORDER BY decision"
        return [KeptDecision(**_named(_OF_DECISION, row)) for row in self._rows(query, (number,))]

    def lease(self, number: int, positions: Sequence[int], reviewer: str, until: float) -> None:
        """Keep for whom items are."""
        with self._connection() as database:
            database.execute(
                "UPDATE items SET leased_by = NULL, leased_until = NULL "
                "WHERE number = ? AND leased_by = ?",
                (number, reviewer),
            )
            database.executemany(
                "UPDATE items SET leased_by = ?, leased_until = ? "
                "WHERE number = ? AND position = ?",
                ((reviewer, until, number, position) for position in positions),
            )

    def decide(self, number: int, decisions: Sequence[KeptDecision], state: str) -> None:
        """Keep decisions, for good, of items that are in a state from now on.

        What the same person said of them before is marked as taken back, and written.
        """
        with self._connection() as database:
            database.executemany(
                "UPDATE decisions SET undone = 1, written = 1 "
                "WHERE number = ? AND position = ? AND reviewer = ?",
                ((number, one.position, one.reviewer) for one in decisions),
            )
            marks = ", ".join("?" * len(_OF_DECISION))
            database.executemany(
                f"INSERT INTO decisions (number, {', '.join(_OF_DECISION)}) VALUES (?, {marks})",
                ((number, *(getattr(one, name) for name in _OF_DECISION)) for one in decisions),
            )
            self._state(database, number, [one.position for one in decisions], state)

    def undo(self, number: int, batch: str, positions: Sequence[int]) -> None:
        """Mark decisions as taken back; their items are open again."""
        with self._connection() as database:
            database.execute(
                "UPDATE decisions SET undone = 1, written = 0 WHERE number = ? AND batch = ?",
                (number, batch),
            )
            self._state(database, number, positions, "open")

    def forget(self, number: int, batch: str, positions: Sequence[int]) -> None:
        """Remove decisions that were refused; their items are open again."""
        with self._connection() as database:
            query = "DELETE FROM decisions WHERE number = ? AND batch = ?"
            database.execute(query, (number, batch))
            self._state(database, number, positions, "open")

    def written(self, number: int, batch: str, label: str | None = None) -> None:
        """Mark decisions as done, and keep how their label is spelled."""
        with self._connection() as database:
            database.execute(
                "UPDATE decisions SET written = 1, label = coalesce(?, label) "
                "WHERE number = ? AND batch = ?",
                (label, number, batch),
            )

    def gone(self, number: int, position: int) -> None:
        """Keep that an item is not to be decided here any more."""
        with self._connection() as database:
            self._state(database, number, [position], "gone")

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    # --- inside ----------------------------------------------------------------------------------

    @staticmethod
    def _state(
        database: sqlite3.Connection, number: int, positions: Sequence[int], state: str
    ) -> None:
        database.executemany(
            "UPDATE items SET state = ?, leased_by = NULL, leased_until = NULL "
            "WHERE number = ? AND position = ?",
            ((state, number, position) for position in positions),
        )

    def _rows(self, query: str, values: Sequence[Any]) -> list[Any]:
        if not self._path.exists():
            return []
        with self._connection() as database:
            return database.execute(query, values).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One transaction, of one thread at a time."""
        with self._lock:
            try:
                if self._opened is None:
                    self._opened = opened_whole(self._path, _TABLES)
                with self._opened as database:
                    yield database
            except (sqlite3.Error, OSError) as error:
                _log.error("review cannot be kept", path=str(self._path), reason=str(error))
                raise ApiError(
                    503,
                    "review-away",
                    "decisions cannot be read or kept now",
                    retry_after=_RETRY_AFTER,
                ) from error


def _named(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    told = dict(zip(names, row, strict=True))
    return {name: bool(one) if name in _BOOLEAN else one for name, one in told.items()}

"""Keep jobs, what they ask and what they came to, in one SQLite database that outlives the process.

What a job asks is a file of its own beside the database (`serving.jobs.requests`), there before the
job is. Each part of a result is a row of its own: how far a job is changes often, and SQLite writes
a row anew as a whole. A part and how far the job is by it are one transaction, so that no kill lets
them differ.
"""

from __future__ import annotations

import json
import math
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

from retrieval import leave_on_disk
from serving.jobs.requests import JobRequest, Part
from serving.keys import Caller
from serving.problems import ApiError, Problem
from serving.runtime.database import DAMAGED, opened_whole
from serving.schemas.jobs import JobState

_log = structlog.stdlib.get_logger(__name__)

_RETRY_AFTER = 10
_TABLES = """
BEGIN;
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    tenant TEXT,
    key TEXT NOT NULL,
    request_id TEXT NOT NULL,
    task TEXT NOT NULL,
    status TEXT NOT NULL,
    items INTEGER NOT NULL,
    items_done INTEGER NOT NULL DEFAULT 0,
    created TEXT NOT NULL,
    started TEXT,
    ended TEXT,
    problem TEXT,
    bytes INTEGER NOT NULL DEFAULT 0
);
DROP TABLE IF EXISTS requests;
CREATE TABLE IF NOT EXISTS results (
    number INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    first INTEGER NOT NULL,
    items INTEGER NOT NULL,
    answers BLOB NOT NULL,
    PRIMARY KEY (number, first)
);
COMMIT;
"""
_STATE = ("job_id", "task", "status", "items", "items_done", "created", "problem")


class JobsAwayError(ApiError):
    """Jobs cannot be read or kept: the disk is full, or another process has locked the database."""

    def __init__(self) -> None:
        detail = "jobs cannot be read or kept now"
        super().__init__(503, "jobs-away", detail, retry_after=_RETRY_AFTER)


@dataclass(frozen=True)
class KeptJob:
    """A job whose turn it is.

    Attributes:
        number: In the order of acceptance.
        job_id: As the caller knows it.
        tenant: Whose it is.
        request_id: Of the call that brought it.
        task: What is to be done.
        items_done: How many items are answered.
    """

    number: int
    job_id: str
    tenant: str | None
    request_id: str
    task: str
    items_done: int


class JobStore:
    """The jobs of all tenants.

    Whatever keeps the database from being read or written is a `JobsAwayError`: it may be over in a
    moment.

    Args:
        path: The database; made with the first job.
        most_bytes: Of all jobs, what they ask and what they came to.
        own_bytes: Of those of one tenant, whose oldest results go for newer ones.
    """

    def __init__(
        self, path: Path, *, most_bytes: float = math.inf, own_bytes: float = math.inf
    ) -> None:
        self._path = path
        self._requests = path.with_suffix("")
        self._most_bytes = most_bytes
        self._own_bytes = own_bytes
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._is_away = False
        self._doubtful: set[Path] = set()

    def add(
        self,
        request: JobRequest,
        caller: Caller,
        request_id: str,
        *,
        most: int,
        own: int,
    ) -> JobState:
        """Take a job; from then on it will be done.

        Args:
            request: What is to be done; its file becomes that of the job.
            caller: Who brought it.
            request_id: Of the call that brought it.
            most: How many may wait.
            own: How many of one tenant.

        Raises:
            ApiError: So many wait, or they take too much room.
        """
        state = JobState.model_validate(
            {
                "job_id": secrets.token_hex(16),
                "task": request.task,
                "status": "queued",
                "items": request.items,
                "items_done": 0,
                "created": datetime.now(UTC),
            }
        )
        own_file = self._request_file(state.job_id)
        size = request.path.stat().st_size
        try:
            with self._connection() as database:
                self._refuse_too_many(database, caller.tenant, most=most, own=own)
                self._make_room(database, caller.tenant, size)
                _insert(database, state, caller, request_id, size)
                leave_on_disk(request.path, own_file)  # who finds the job finds what it asks
        except BaseException:
            # A commit of which the end could not be written may yet be found by the next start.
            self._doubtful.add(own_file)
            raise
        while self._doubtful:  # of which there is nothing now: this commit is in their place
            self._doubtful.pop().unlink(missing_ok=True)
        return state

    def next(self, behind: int = 0) -> KeptJob | None:
        """Begin, or go on with, a job not finished; those behind a number come first.

        Of the jobs that have not begun, it is the first of the tenant who had a turn longest ago.
        """
        if not self._path.exists():
            return None
        names = "number, job_id, tenant, request_id, task, items_done"
        with self._connection() as database:
            found = database.execute(
                f"SELECT {names} FROM jobs WHERE status IN ('queued', 'running') "
                "ORDER BY number <= ?, status = 'queued', (SELECT coalesce(max(own.started), '') "
                "FROM jobs AS own WHERE own.tenant IS jobs.tenant), number LIMIT 1",
                (behind,),
            ).fetchone()
            if found is None:
                return None
            database.execute(
                "UPDATE jobs SET status = 'running', started = coalesce(started, ?) "
                "WHERE number = ?",
                (_now(), found[0]),
            )
        return KeptJob(*found)

    def request(self, job_id: str) -> JobRequest:
        """Return what a job asks.

        Raises:
            ApiError: It is no longer there, or damaged.
        """
        with self.told_away(), _told_damaged():
            return JobRequest.read(self._request_file(job_id))

    def part(self, request: JobRequest, first: int, size: int) -> Part:
        """Return so many items of what a job asks, from one on.

        Raises:
            ApiError: It is no longer there, or damaged.
        """
        with self.told_away(), _told_damaged():
            return request.part(first, size)

    def append(self, number: int, first: int, answers: Sequence[Any]) -> None:
        """Add the answers to a job's items from one on, for good."""
        lines = (json.dumps(one, default=str, ensure_ascii=False) for one in answers)
        part = (number, first, len(answers), ",".join(lines).encode())
        with self._connection() as database:
            database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", part)
            database.execute(
                "UPDATE jobs SET items_done = ?, bytes = bytes + ? WHERE number = ?",
                (first + len(answers), len(part[3]), number),
            )

    def finish(self, number: int, problem: Problem | None = None) -> None:
        """Let a job be done, or, with a problem, have failed; what it asked is removed."""
        status = "done" if problem is None else "failed"
        told = None if problem is None else problem.model_dump_json()
        with self._connection() as database:
            size = "SELECT coalesce(sum(length(answers)), 0) FROM results"
            job_id, tenant = database.execute(
                "UPDATE jobs SET status = ?, problem = ?, ended = ?, "
                f"bytes = ({size} WHERE results.number = jobs.number) "
                "WHERE number = ? RETURNING job_id, tenant",
                (status, told, _now(), number),
            ).fetchone()
            self._make_room(database, tenant, 0, but=number)
        self._request_file(job_id).unlink(missing_ok=True)
        self._settle()

    def remove_leftovers(self) -> None:
        """Remove what was being uploaded, or was no longer needed, when the process was killed."""
        there = {one.stem: one for one in self._requests.glob("*") if one.is_file()}
        if not there:
            return
        with self._connection() as database:
            query = "SELECT job_id FROM jobs WHERE status IN ('queued', 'running')"
            needed = {job_id for (job_id,) in database.execute(query)}
        for name, path in there.items():
            if name not in needed or path.suffix != ".db":
                path.unlink(missing_ok=True)

    @contextmanager
    def upload(self) -> Iterator[Path]:
        """Give a path, beside the files of requests, that nothing is left of."""
        self._requests.mkdir(parents=True, exist_ok=True)
        path = self._requests / f".{secrets.token_hex(8)}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def remove_ended(self, before: datetime) -> None:
        """Remove the jobs that ended before a moment, and their results."""
        if not self._path.exists():
            return
        with self._connection() as database:
            query = "DELETE FROM jobs WHERE ended < ?"
            removed = database.execute(query, (before.isoformat(),)).rowcount
        if removed:
            _log.info("old jobs removed", jobs=removed)
            self._settle()

    def state(self, tenant: str | None, job_id: str) -> JobState | None:
        """How far a tenant's job is; None where it has no such job."""
        if not self._path.exists():
            return None
        query = f"SELECT {', '.join(_STATE)} FROM jobs WHERE job_id = ? AND tenant IS ?"
        with self._connection() as database:
            found = database.execute(query, (job_id, tenant)).fetchone()
        if found is None:
            return None
        told = dict(zip(_STATE, found, strict=True))
        problem = told["problem"] and Problem.model_validate_json(told["problem"])
        return JobState.model_validate({**told, "problem": problem})

    def answers(self, job_id: str, items: int) -> Iterator[bytes]:
        """Yield the answers of a job, part by part, each as JSON without the brackets of a list.

        Raises:
            ApiError: It was removed in between.
        """
        query = (
            "SELECT answers, results.items FROM results JOIN jobs USING (number) "
            "WHERE job_id = ? AND first = ?"
        )
        first = 0
        while first < items:
            with self._connection() as database:
                found = database.execute(query, (job_id, first)).fetchone()
            if found is None:
                raise ApiError(404, "not-found", "the job has been removed")
            yield found[0]
            first += found[1]

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    # --- inside ----------------------------------------------------------------------------------

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """One transaction, of one thread at a time."""
        with self._lock, self.told_away():
            if self._opened is None:
                self._opened = opened_whole(self._path, _TABLES, _with_bytes)
            with self._opened as database:
                yield database
            if self._is_away:
                _log.warning("jobs can be kept again")
            self._is_away = False

    @property
    def is_away(self) -> bool:
        """Whether jobs could not be read or kept when that was last tried."""
        return self._is_away

    def look(self) -> None:
        """Try whether jobs can be kept again.

        Raises:
            JobsAwayError: They cannot.
        """
        with self._connection() as database:
            database.execute("PRAGMA user_version = 1")  # written whether it was so or not

    @contextmanager
    def told_away(self) -> Iterator[None]:
        """Let a file that cannot be read or written be told as jobs that are away."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if not self._is_away:  # once, until they are kept again
                _log.error("jobs cannot be kept", path=str(self._path), reason=str(error))
            self._is_away = True
            raise JobsAwayError from error

    def _request_file(self, job_id: str) -> Path:
        return self._requests / f"{job_id}.db"

    def _refuse_too_many(
        self, database: sqlite3.Connection, tenant: str | None, *, most: int, own: int
    ) -> None:
        waiting = (
            "SELECT count(*), count(*) FILTER (WHERE tenant IS ?) FROM jobs WHERE status = 'queued'"
        )
        every, mine = database.execute(waiting, (tenant,)).fetchone()
        if every >= most:
            raise ApiError(429, "busy", f"{every} jobs are waiting", retry_after=60)
        if mine >= own:
            raise ApiError(429, "busy", f"{mine} own jobs are waiting", retry_after=60)

    def _make_room(
        self, database: sqlite3.Connection, tenant: str | None, size: int, *, but: int = 0
    ) -> None:
        """Remove a tenant's oldest results until its jobs, and so many bytes, have their share.

        Args:
            database: Within a transaction.
            tenant: Whose jobs.
            size: Bytes that are to come.
            but: A job that has just ended, and stays.
        """
        query = "SELECT coalesce(sum(bytes), 0) FROM jobs WHERE tenant IS ?"
        oldest = (
            "SELECT number, job_id, bytes FROM jobs "
            "WHERE tenant IS ? AND ended IS NOT NULL AND number != ? ORDER BY ended"
        )
        (own,) = database.execute(query, (tenant,)).fetchone()
        for number, job_id, freed in database.execute(oldest, (tenant, but)).fetchall():
            if own + size <= self._own_bytes:
                break
            database.execute("DELETE FROM jobs WHERE number = ?", (number,))
            own -= freed
            _log.warning("results removed for newer ones", job_id=job_id, megabytes=freed / 1e6)
        if not size:
            return
        (every,) = database.execute("SELECT coalesce(sum(bytes), 0) FROM jobs").fetchone()
        bounds = ((own, self._own_bytes, "own jobs"), (every, self._most_bytes, "jobs"))
        for used, most, whose in bounds:
            if used + size > most:
                told = f"{whose} take {used / 1e6:,.0f} of {most / 1e6:,.0f} MB"
                raise ApiError(429, "busy", told, retry_after=60)

    def _settle(self) -> None:
        """Empty the log of writes, in which there is still what was removed."""
        with self._connection() as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(
    database: sqlite3.Connection, state: JobState, caller: Caller, request_id: str, size: int
) -> None:
    names = "job_id, task, status, items, created, tenant, key, request_id, bytes"
    values = (state.job_id, state.task, state.status, state.items, state.created.isoformat())
    database.execute(
        f"INSERT INTO jobs ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, caller.tenant, caller.name, request_id, size),
    )


@contextmanager
def _told_damaged() -> Iterator[None]:
    """Let what a job asks, and can never be read again, be the end of that job."""
    try:
        yield
    except (sqlite3.DatabaseError, TypeError, ValueError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)  # which is: no such table
        if code not in (*DAMAGED, sqlite3.SQLITE_ERROR):
            raise
        _log.error("what a job asks is damaged", reason=str(error))
        raise ApiError(500, "defect", "what the job asks is damaged") from error


def _with_bytes(database: sqlite3.Connection) -> None:
    """Add the column that earlier versions did not have."""
    columns = {name for _, name, *_ in database.execute("PRAGMA table_info(jobs)")}
    if "bytes" not in columns:
        database.execute("ALTER TABLE jobs ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0")


def _now() -> str:
    return datetime.now(UTC).isoformat()

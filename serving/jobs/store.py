"""Keep jobs, what they ask and what they came to, in one SQLite database that outlives the process.

A request and each part of a result are rows of their own: how far a job is changes often, and
SQLite writes a row anew as a whole. A part and how far the job is by it are one transaction, so
that no kill lets them differ.
"""

from __future__ import annotations

import json
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
from pydantic import TypeAdapter

from serving.keys import Caller
from serving.problems import ApiError, Problem
from serving.schemas.jobs import ClassifyJob, ForecastJob, Job, JobState

_log = structlog.stdlib.get_logger(__name__)

_JOB: TypeAdapter[ClassifyJob | ForecastJob] = TypeAdapter(Job)
_LOCKED_SECONDS = 5.0  # how long to wait for another process that has locked the database
_RETRY_AFTER = 10
# What is removed is zeroed or cut off: the texts of a request do not stay behind. A commit is on
# disk, not in a cache, before it is acknowledged.
_SETTINGS = """
PRAGMA auto_vacuum = FULL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 100;
PRAGMA secure_delete = FAST;
PRAGMA foreign_keys = ON;
"""
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
    problem TEXT
);
CREATE TABLE IF NOT EXISTS requests (
    number INTEGER PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    body BLOB NOT NULL
);
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
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._opened: sqlite3.Connection | None = None
        self._is_away = False

    def add(
        self,
        job: ClassifyJob | ForecastJob,
        caller: Caller,
        request_id: str,
        *,
        most: int,
        own: int,
    ) -> JobState:
        """Take a job; from then on it will be done.

        Args:
            job: What is to be done.
            caller: Who brought it.
            request_id: Of the call that brought it.
            most: How many may wait.
            own: How many of one tenant.

        Raises:
            ApiError: So many wait.
        """
        state = JobState(
            job_id=secrets.token_hex(16),
            task=job.task,
            status="queued",
            items=len(job.request.items),
            items_done=0,
            created=datetime.now(UTC),
        )
        body = job.model_dump_json().encode()
        names = "job_id, task, status, items, created, tenant, key, request_id"
        values = (state.job_id, state.task, state.status, state.items, state.created.isoformat())
        with self._connection() as database:
            waiting = (
                "SELECT count(*), count(*) FILTER (WHERE tenant IS ?) FROM jobs "
                "WHERE status = 'queued'"
            )
            every, mine = database.execute(waiting, (caller.tenant,)).fetchone()
            if every >= most:
                raise ApiError(429, "busy", f"{every} jobs are waiting", retry_after=60)
            if mine >= own:
                raise ApiError(429, "busy", f"{mine} own jobs are waiting", retry_after=60)
            made = database.execute(
                f"INSERT INTO jobs ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*values, caller.tenant, caller.name, request_id),
            )
            database.execute("INSERT INTO requests VALUES (?, ?)", (made.lastrowid, body))
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

    def request(self, number: int) -> ClassifyJob | ForecastJob:
        """Return what a job asks."""
        with self._connection() as database:
            query = "SELECT body FROM requests WHERE number = ?"
            (body,) = database.execute(query, (number,)).fetchone()
        return _JOB.validate_json(body)

    def append(self, number: int, first: int, answers: Sequence[Any]) -> None:
        """Add the answers to a job's items from one on, for good."""
        lines = (json.dumps(one, default=str, ensure_ascii=False) for one in answers)
        part = (number, first, len(answers), ",".join(lines).encode())
        with self._connection() as database:
            database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?)", part)
            database.execute(
                "UPDATE jobs SET items_done = ? WHERE number = ?", (first + len(answers), number)
            )

    def finish(self, number: int, problem: Problem | None = None) -> None:
        """Let a job be done, or, with a problem, have failed; what it asked is removed."""
        status = "done" if problem is None else "failed"
        told = None if problem is None else problem.model_dump_json()
        with self._connection() as database:
            database.execute(
                "UPDATE jobs SET status = ?, problem = ?, ended = ? WHERE number = ?",
                (status, told, _now(), number),
            )
            database.execute("DELETE FROM requests WHERE number = ?", (number,))
        self._settle()

    def remove_ended(self, before: datetime) -> None:
        """Remove the jobs that ended before a moment, and their results."""
        if not self._path.exists():
            return
        with self._connection() as database:
            query = "DELETE FROM jobs WHERE ended < ?"
            removed = database.execute(query, (before.isoformat(),)).rowcount
        if removed:
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
        with self._lock:
            try:
                if self._opened is None:
                    self._opened = _open(self._path)
                with self._opened as database:
                    yield database
            except (sqlite3.Error, OSError) as error:
                if not self._is_away:
                    _log.error("jobs cannot be kept", path=str(self._path), reason=str(error))
                self._is_away = True
                raise JobsAwayError from error
            if self._is_away:
                _log.warning("jobs can be kept again")
            self._is_away = False

    def _settle(self) -> None:
        """Empty the log of writes, in which there is still what was removed."""
        with self._connection() as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=_LOCKED_SECONDS, check_same_thread=False)
    try:
        database.executescript(_SETTINGS)
        database.executescript(_TABLES)
    except BaseException:
        database.close()
        raise
    return database


def _now() -> str:
    return datetime.now(UTC).isoformat()

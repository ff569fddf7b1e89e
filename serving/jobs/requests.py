"""What a job asks: streamed from its upload into a file of its own, read from there in parts.

The file is an SQLite database: a row for each item, sale and plan, found by the item. So neither
who brings a job nor who does it holds more than a part of it in memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from serving.bodies import refuse_halves
from serving.jobs.json_stream import JsonStream
from serving.problems import ApiError, unfit
from serving.schemas.forecasts import Launch, Plan, Sale
from serving.schemas.items import Item
from serving.schemas.jobs import ClassifyJob, ForecastJob, Job

AnyJob = ClassifyJob | ForecastJob
_JOB: TypeAdapter[AnyJob] = TypeAdapter(Job)
_LISTS = ("items", "observed", "future")
_ROWS: dict[tuple[object, str], TypeAdapter[Any]] = {
    ("classify", "items"): TypeAdapter(list[Item]),
    ("forecast", "items"): TypeAdapter(list[Launch]),
    ("forecast", "observed"): TypeAdapter(list[Sale]),
    ("forecast", "future"): TypeAdapter(list[Plan]),
}
_MOST_ROWS = 1_000_000  # of sales, and of plans
_ITEM_ROWS = 5_000  # of sales, and of plans, of one item
_PART_ROWS = 10_000  # from which on a part has no more items
_MOST_KEYS = 200
_BATCH = 64
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE told (said TEXT NOT NULL, items INTEGER NOT NULL);
CREATE TABLE rows (
    list TEXT NOT NULL,
    row INTEGER NOT NULL,
    item_id TEXT,
    body TEXT NOT NULL,
    PRIMARY KEY (list, row)
) WITHOUT ROWID;
"""
_BY_ITEM = "CREATE INDEX by_item ON rows (list, item_id)"
_TWICE = """
SELECT item_id FROM rows WHERE list = 'items' AND item_id IS NOT NULL
GROUP BY item_id HAVING count(*) > 1 LIMIT 1
"""
_MANY = """
SELECT list, item_id FROM rows WHERE list != 'items'
GROUP BY list, item_id HAVING count(*) > ? LIMIT 1
"""
_STRANGE = """
SELECT list, row, item_id FROM rows AS told WHERE list != 'items' AND NOT EXISTS
    (SELECT 1 FROM rows WHERE list = 'items' AND item_id = told.item_id)
LIMIT 1
"""


@dataclass(frozen=True)
class Part:
    """Some items of a job, with their sales and plans.

    Attributes:
        job: As if these were all.
        rows: List → where its rows are in that of the whole job.
    """

    job: AnyJob
    rows: dict[str, list[int]]


@dataclass(frozen=True)
class JobRequest:
    """A request on disk.

    Attributes:
        path: Its file.
        said: All of it but its lists, which are empty where they were told.
        items: How many.
    """

    path: Path
    said: dict[str, Any]
    items: int

    @classmethod
    def read(cls, path: Path) -> JobRequest:
        """Return the request in a file.

        Raises:
            ApiError: There is no such file.
        """
        if not path.exists():
            raise ApiError(404, "not-found", "what the job asks is no longer there")
        with closing(sqlite3.connect(path)) as database:
            said, items = database.execute("SELECT said, items FROM told").fetchone()
        return cls(path, json.loads(said), items)

    @property
    def skeleton(self) -> AnyJob:
        """The request without its lists."""
        kind = ClassifyJob if self.task == "classify" else ForecastJob
        return kind.model_construct(**self.said)

    @property
    def task(self) -> str:
        """What is to be done."""
        return str(self.said["task"])

    def observed_until(self, day: str) -> JobRequest:
        """Return the request, in which it is told until when sales are known."""
        said = {**self.said, "request": {**self.said["request"], "observed_until": day}}
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute("UPDATE told SET said = ?", (json.dumps(said),))
        return JobRequest(self.path, said, self.items)

    def part(self, first: int, size: int) -> Part:
        """Return so many items from one on, or fewer that have many sales and plans, with them."""
        told = [name for name in _LISTS[1:] if self.said["request"].get(name) is not None]
        with closing(sqlite3.connect(self.path)) as database:
            items = database.execute(
                "SELECT row, body, item_id FROM rows WHERE list = 'items' AND row >= ? LIMIT ?",
                (first, size),
            ).fetchall()
            query = "SELECT row, body FROM rows WHERE list = ? AND item_id = ? ORDER BY row"
            kept: list[Any] = []
            found: dict[str, list[Any]] = {name: [] for name in told}
            for one in items:
                kept.append(one)
                for name in told:
                    found[name] += database.execute(query, (name, one[2]))
                if sum(map(len, found.values())) >= _PART_ROWS:
                    break
        found["items"] = kept
        lists = {name: [json.loads(one[1]) for one in rows] for name, rows in found.items()}
        said = {**self.said, "request": {**self.said["request"], **lists}}
        rows = {name: [one[0] for one in rows] for name, rows in found.items()}
        return Part(_JOB.validate_python(said), rows)


def write_request(upload: Path, path: Path, cap: int) -> JobRequest:
    """Write what was sent into a file of its own.

    Args:
        upload: What was sent.
        path: The file; it must not exist.
        cap: How many items a job may have.

    Raises:
        ApiError: It is no JSON, too large, or has ids that do not fit.
        RequestValidationError: It does not fit.
    """
    with upload.open("rb") as file:
        task = _task_of(JsonStream(file))
        file.seek(0)
        with closing(sqlite3.connect(path)) as database:
            database.executescript(_TABLES)
            with database:
                said = _Writer(database, task, cap).write(file)
                database.execute(_BY_ITEM)
                (items,) = database.execute(
                    "SELECT count(*) FROM rows WHERE list = 'items'"
                ).fetchone()
                database.execute("INSERT INTO told VALUES (?, ?)", (json.dumps(said), items))
                _check_ids(database)
    return JobRequest(path, said, items)


class _Writer:
    """Writes the rows of a request, each once it fits."""

    def __init__(self, database: sqlite3.Connection, task: object, cap: int) -> None:
        self._database = database
        self._task = task
        self._cap = cap
        self._first: dict[str, Any] = {}

    def write(self, file: BinaryIO) -> dict[str, Any]:
        """Return all but the rows, with empty lists in their place."""
        said: dict[str, Any] = {}
        stream = JsonStream(file)
        if stream.peek() != "{":
            stream.value()
            _validated(_JOB, [], (), None)
        for name in _once(stream, ""):
            is_request = name == "request" and stream.peek() == "{"
            said[name] = self._request(stream) if is_request else _plain(stream, f"/{name}")
        stream.end()
        request = said.get("request")
        whole = {**said, "request": request | self._first} if isinstance(request, dict) else said
        _validated(_JOB, whole, (), whole)
        return said

    def _request(self, stream: JsonStream) -> dict[str, Any]:
        said: dict[str, Any] = {}
        for name in _once(stream, "/request"):
            if name in _LISTS and stream.peek() == "[":
                self._rows(stream, name)
                said[name] = []
            else:
                said[name] = _plain(stream, f"/request/{name}")
        return said

    def _rows(self, stream: JsonStream, name: str) -> None:
        rows, most = _ROWS.get((self._task, name)), self._cap if name == "items" else _MOST_ROWS
        self._first[name] = []
        count = 0
        elements = stream.elements()
        while batch := list(islice(elements, _BATCH)):
            self._first[name] = self._first[name] or [batch[0][0]]
            if count + len(batch) > most:
                raise _too_many(name, most)
            if rows is None:  # which is told when all is known
                count += len(batch)
                continue
            for row, (value, text) in enumerate(batch, count):
                refuse_halves(value, text, f"/request/{name}/{row}")
            values = [value for value, _ in batch]
            body = {"request": {name: dict(enumerate(values, count))}}
            found = _validated(rows, values, ("request", name), body, count)
            self._database.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?)",
                [
                    (name, row, one.item_id, text)
                    for row, (one, (_, text)) in enumerate(zip(found, batch, strict=True), count)
                ],
            )
            count += len(batch)


def _task_of(stream: JsonStream) -> object:
    """Return what is to be done, which tells how rows are read; None where it is not said."""
    if stream.peek() == "{":
        for name in _once(stream, ""):
            if name == "task":
                return stream.value()[0]
            if stream.peek() != "{":
                _skip(stream)
                continue
            for _ in _once(stream, f"/{name}"):
                _skip(stream)
    return None


def _skip(stream: JsonStream) -> None:
    """Read a value; a list may be larger than any other."""
    if stream.peek() == "[":
        for count, _ in enumerate(stream.elements()):
            if count >= _MOST_ROWS:
                raise _too_many("rows", _MOST_ROWS)
    else:
        stream.value()


def _too_many(name: str, most: int) -> ApiError:
    return ApiError(413, "too-large", f"a job may have {most} {name}")


def _once(stream: JsonStream, pointer: str) -> Iterator[str]:
    seen = set[str]()
    for name in stream.members():
        if name in seen:
            raise unfit(f"{pointer}/{name}", "is there twice")
        if len(seen) == _MOST_KEYS:
            raise ApiError(413, "too-large", f"an object may have {_MOST_KEYS} keys")
        seen.add(name)
        yield name


def _plain(stream: JsonStream, pointer: str) -> Any:
    value, text = stream.value()
    refuse_halves(value, text, pointer)
    return value


def _validated(
    kind: TypeAdapter[Any], value: Any, where: tuple[str, ...], body: Any, first: int = 0
) -> Any:
    """Return what a value is validated to; errors name rows as the whole request counts them."""
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    if where:
        for one in errors:
            row, *rest = one["loc"]
            one["loc"] = (*where, first + int(row), *rest)
    told = [{**one, "loc": ("body", *one["loc"])} for one in errors]
    raise RequestValidationError(told, body=body)


def _check_ids(database: sqlite3.Connection) -> None:
    if database.execute(_TWICE).fetchone() is not None:
        raise ApiError(422, "invalid-request", "an item_id is there more than once")
    if (many := database.execute(_MANY, (_ITEM_ROWS,)).fetchone()) is not None:
        told = f"an item may have {_ITEM_ROWS:,} rows in {many[0]}; {many[1]!r} has more"
        raise ApiError(413, "too-large", told)
    if (strange := database.execute(_STRANGE).fetchone()) is not None:
        name, row, item_id = strange
        raise unfit(f"/{name}/{row}/item_id", f"{item_id!r} is not among the items")

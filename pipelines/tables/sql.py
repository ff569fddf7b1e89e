"""Read queries of a database, and replace its tables as a whole.

One transaction deletes the old rows and writes the new ones: whoever reads meanwhile sees the old
rows until all new ones are there, a job that is killed leaves the old ones, and rights and views on
the table stay. Where the columns have changed, the table is made anew in the same transaction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import sqlalchemy as sa

from pipelines.tables.columns import joined, to_table
from pipelines.tables.formats import PLAIN, CellFormat
from pipelines.tables.output import flat
from retrieval import InputError, LikewiseError, TableError

_ROWS = 10_000

_EXTRAS = {"postgresql": "likewise[postgresql]"}

_ROWS_FETCHED = 50_000


@dataclass(frozen=True)
class DatabaseTable:
    """A table of a database.

    Attributes:
        name: ``table`` or ``schema.table``.
        url: SQLAlchemy URL of the database; it may hold a password.
    """

    name: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        """Return what it is called in messages."""
        return f"database table {self.name}"

    def replace(self, frame: pd.DataFrame) -> None:
        """Put a table's rows in place of those there are; nested cells become JSON.

        Raises:
            InputError: The URL is wrong, or the driver is not installed.
            DatabaseError: The database does not answer or refuses; its rows are as before.
        """
        with self._connected() as connection:
            columns = self._columns(connection)
            same = columns == list(map(str, frame.columns))
            if same:
                connection.execute(sa.delete(self._table()))
            flat(frame).to_sql(
                self._name,
                connection,
                schema=self._schema,
                if_exists="append" if same else "replace",
                index=False,
                chunksize=_ROWS,
            )

    def clear(self) -> None:
        """Remove its rows; nothing happens where there is no table.

        Raises:
            InputError: As in `replace`.
            DatabaseError: As in `replace`.
        """
        with self._connected() as connection:
            if self._columns(connection) is not None:
                connection.execute(sa.delete(self._table()))

    def count(self) -> int | None:
        """How many rows it has; None where there is no table.

        Raises:
            InputError: As in `replace`.
            DatabaseError: As in `replace`.
        """
        with self._connected() as connection:
            if self._columns(connection) is None:
                return None
            counted = sa.select(sa.func.count()).select_from(self._table())
            return int(connection.execute(counted).scalar_one())

    @property
    def _schema(self) -> str | None:
        return self.name.rpartition(".")[0] or None

    @property
    def _name(self) -> str:
        return self.name.rpartition(".")[2]

    def _table(self) -> sa.TableClause:
        return sa.table(self._name, schema=self._schema)

    def _columns(self, connection: sa.Connection) -> list[str] | None:
        inspector = sa.inspect(connection)
        if not inspector.has_table(self._name, schema=self._schema):
            return None
        return [one["name"] for one in inspector.get_columns(self._name, schema=self._schema)]

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        try:
            with connected(self.url, str(self), to_write=True) as connection:
                yield connection
        except (sa.exc.DBAPIError, pd.errors.DatabaseError) as error:
            cause = error if isinstance(error, sa.exc.DBAPIError) else error.__cause__
            # Without its cause and its second line: they hold rows.
            problem = str(getattr(cause, "orig", cause)).splitlines()[0]
            raise DatabaseError(f"{self}: the database refused: {problem}") from None


class DatabaseError(LikewiseError):
    """A database does not answer, or breaks off."""


@contextmanager
def connected(url: str, what: str, *, to_write: bool = False) -> Iterator[sa.Connection]:
    """Provide a connection to a database; what is written is committed where the block succeeds.

    Args:
        url: SQLAlchemy URL; ``postgresql://`` is spoken by psycopg.
        what: Who asks, for messages.
        to_write: Also a SQLite file may then be new.

    Raises:
        InputError: The URL is wrong, or the driver is not installed.
        DatabaseError: The database does not answer.
    """
    engine = _engine(url, what)
    try:
        if not to_write:
            _check_file(engine)
        with _connection(engine) as connection, connection.begin():
            yield connection
    finally:
        engine.dispose()


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite database; None of another one, and where the URL is wrong."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        return None
    file = parsed.database if parsed.get_backend_name() == "sqlite" else None
    if not file or file == ":memory:" or file.startswith("file:"):
        return None
    return Path(file)


def _engine(url: str, what: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = sa.create_engine(parsed)
    except sa.exc.ArgumentError as error:
        # Without its cause: the text that could not be parsed may hold a password.
        raise InputError(f"{what}: url: {str(error).split(' from ')[0]}") from None
    except ModuleNotFoundError as error:
        missing = f"the driver for {parsed.drivername!r} is not installed"
        extra = _EXTRAS.get(parsed.get_backend_name())
        hint = f"; pip install '{extra}'" if extra else ""
        raise InputError(f"{what}: url: {missing}: {error}{hint}") from error
    if engine.dialect.name == "sqlite":
        _make_transactional(engine)
    return engine


def _make_transactional(engine: sa.Engine) -> None:
    """Python's SQLite driver begins no transaction before a CREATE or DROP; this one does."""

    @sa.event.listens_for(engine, "connect")
    def _leave_it_to_us(connection: Any, _record: object) -> None:
        connection.isolation_level = None

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")


def _check_file(engine: sa.Engine) -> None:
    """SQLite would make an empty database."""
    file = sqlite_file(engine.url.render_as_string(hide_password=False))
    if file is not None and not file.is_file():
        raise InputError(f"{file}: no such file")


@contextmanager
def _connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except sa.exc.DBAPIError as error:
        place = engine.url.render_as_string(hide_password=True)
        raise DatabaseError(f"{place}: the database does not answer: {error.orig}") from error
    with connection:
        yield connection


@dataclass(frozen=True)
class SqlQuery:
    """A query, the SQLAlchemy URL of its database, and how cells that are text are written."""

    query: str
    url: str = field(repr=False)
    cells: CellFormat = PLAIN

    def __str__(self) -> str:
        """Return what the table is called in messages; the URL may hold a password."""
        return "SQL query"


@dataclass(frozen=True, eq=False)
class FetchedRows:
    """The rows of a query, fetched once: who reads them again sees the same ones."""

    query: SqlQuery
    rows: pa.Table

    def __str__(self) -> str:
        """As messages name the query."""
        return str(self.query)


def fetch(query: SqlQuery) -> pa.Table:
    """Run a query and return its rows, read in parts so that no second copy of all is made.

    Raises:
        InputError: The URL or the query is wrong, or the driver is not installed.
        TableError: A column mixes types that have no text.
        DatabaseError: The database does not answer.
    """
    try:
        with connected(query.url, str(query)) as connection:
            result = _execute(connection.execution_options(stream_results=True), query)
            names = list(result.keys())
            _refuse_repeats(query, names)
            parts = [_part(names, rows) for rows in result.partitions(_ROWS_FETCHED)]
            return joined(parts or [_part(names, [])])
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TableError(f"{query}: a column mixes types: {error}") from error


def _execute(connection: sa.Connection, query: SqlQuery) -> sa.CursorResult[Any]:
    try:
        result = connection.execute(sa.text(query.query))
    except sa.exc.DBAPIError as error:
        raise InputError(f"{query}: {error.orig}") from error
    if not result.returns_rows:
        raise InputError(f"{query}: the statement returns no rows; write a SELECT")
    return result


def _part(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return to_table(names, columns)


def _refuse_repeats(query: SqlQuery, names: Sequence[str]) -> None:
    """Refuse a query that calls two columns alike."""
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise TableError(
            f"{query}: column {repeated[0]} is there more than once; name one of them AS something"
        )

"""Tables from a database: a query, sent through a SQLAlchemy URL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from retrieval import InputError, LikewiseError, TableError

_ROWS = 50_000


class DatabaseError(LikewiseError):
    """A database does not answer."""


@dataclass(frozen=True)
class SqlQuery:
    """A query and the SQLAlchemy URL of the database it goes to."""

    query: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        """What the table is called in messages; the URL may hold a password."""
        return "SQL query"


def fetch(query: SqlQuery) -> pa.Table:
    """Runs a query and returns its rows, read in parts so that no second copy of all is made.

    Raises:
        InputError: The URL or the query is wrong, or the driver is not installed.
        TableError: A column mixes types.
        DatabaseError: The database does not answer.
    """
    engine = _engine(query)
    try:
        with _connection(engine) as connection:
            result = _execute(connection.execution_options(stream_results=True), query)
            names = list(result.keys())
            parts = [_part(names, rows) for rows in result.partitions(_ROWS)]
            return pa.concat_tables(parts or [_part(names, [])], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TableError(f"{query}: a column mixes types: {error}") from error
    finally:
        engine.dispose()


def _engine(query: SqlQuery) -> sa.Engine:
    try:
        url = sa.make_url(query.url)
        engine = sa.create_engine(url)
    except sa.exc.ArgumentError as error:
        # Without its cause: the text that could not be parsed may hold a password.
        raise InputError(f"{query}: url: {str(error).split(' from ')[0]}") from None
    except ModuleNotFoundError as error:
        missing = f"the driver for {url.drivername!r} is not installed"
        raise InputError(f"{query}: url: {missing}: {error}") from error
    file = url.database if url.get_backend_name() == "sqlite" else None
    if file and file != ":memory:" and not file.startswith("file:") and not Path(file).is_file():
        # SQLite would make an empty database.
        raise InputError(f"{file}: no such file")
    return engine


@contextmanager
def _connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect()
    except sa.exc.DBAPIError as error:
        place = engine.url.render_as_string(hide_password=True)
        raise DatabaseError(f"{place}: the database does not answer: {error.orig}") from error
    with connection:
        yield connection


def _execute(connection: sa.Connection, query: SqlQuery) -> sa.CursorResult[Any]:
    try:
        result = connection.execute(sa.text(query.query))
    except sa.exc.DBAPIError as error:
        raise InputError(f"{query}: {error.orig}") from error
    if not result.returns_rows:
        raise InputError(f"{query}: the statement returns no rows; write a SELECT")
    return result


def _part(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.Table.from_arrays([pa.array(cells) for cells in columns], names=list(names))

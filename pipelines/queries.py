"""Tables from a database: a query, sent through a SQLAlchemy URL."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from pipelines.databases import connected
from retrieval import InputError, TableError

_ROWS = 50_000


@dataclass(frozen=True)
class SqlQuery:
    """A query and the SQLAlchemy URL of the database it goes to."""

    query: str
    url: str = field(repr=False)

    def __str__(self) -> str:
        """What the table is called in messages; the URL may hold a password."""
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
    """Runs a query and returns its rows, read in parts so that no second copy of all is made.

    Raises:
        InputError: The URL or the query is wrong, or the driver is not installed.
        TableError: A column mixes types.
        DatabaseError: The database does not answer.
    """
    try:
        with connected(query.url, str(query)) as connection:
            result = _execute(connection.execution_options(stream_results=True), query)
            names = list(result.keys())
            parts = [_part(names, rows) for rows in result.partitions(_ROWS)]
            return pa.concat_tables(parts or [_part(names, [])], promote_options="permissive")
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
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.Table.from_arrays([pa.array(cells) for cells in columns], names=list(names))

"""Results into tables of a database, each replaced as a whole.

One transaction deletes the old rows and writes the new ones: whoever reads meanwhile sees the old
rows until all new ones are there, a job that is killed leaves the old ones, and rights and views on
the table stay. Where the columns have changed, the table is made anew in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pandas as pd
import sqlalchemy as sa

from pipelines.databases import DatabaseError, connected
from pipelines.tables.reader import flat

_ROWS = 10_000


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
        """What it is called in messages."""
        return f"database table {self.name}"

    def replace(self, frame: pd.DataFrame) -> None:
        """Puts a table's rows in place of those there are; nested cells become JSON.

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
        """Removes its rows; nothing happens where there is no table.

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

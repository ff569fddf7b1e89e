"""Databases by SQLAlchemy URL: engines, connections, and errors without passwords."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from retrieval import InputError, LikewiseError

_EXTRAS = {"postgresql": "likewise[postgresql]"}


class DatabaseError(LikewiseError):
    """A database does not answer, or breaks off."""


@contextmanager
def connected(url: str, what: str, *, to_write: bool = False) -> Iterator[sa.Connection]:
    """A connection to a database; what is written is committed where the block succeeds.

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
    """The file of a SQLite database; None of another one, and where the URL is wrong."""
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

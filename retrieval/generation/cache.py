"""Answers of a language model on disk, keyed by all that they depend on."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from retrieval.encoding.cache import CacheUnusableError
from retrieval.errors import InputError, LikewiseError

_VERSION = 1
_KEYS_PER_QUERY = 900


class ReplyCache:
    """A cache of answers: one SQLite file for each model, safe to kill and to share.

    It holds answers and hashes of what was asked, not the questions.

    Args:
        folder: Of the file.
        model: As the server calls it.
    """

    def __init__(self, folder: Path, model: str) -> None:
        name = hashlib.blake2b(model.encode(), digest_size=8).hexdigest()
        self.path = folder / f"replies-{name}.sqlite"

    def read(self, keys: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
        """Return the answers that are there, by their keys.

        Raises:
            InputError: Another version of likewise wrote the file.
            CacheUnusableError: The disk is full, or may not be read.
            LikewiseError: The file is damaged.
        """
        if not self.path.is_file():
            return {}
        found: dict[bytes, dict[str, Any]] = {}
        with self._connection() as connection:
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                part = list(keys[start : start + _KEYS_PER_QUERY])
                marks = ",".join("?" * len(part))
                rows = connection.execute(
                    f"SELECT key, reply FROM replies WHERE key IN ({marks})", part
                )
                found.update({key: json.loads(reply) for key, reply in rows})
        return found

    def write(self, key: bytes, reply: dict[str, Any]) -> None:
        """Keep an answer.

        Raises:
            CacheUnusableError: The disk is full, or may not be written.
        """
        told = json.dumps(reply, ensure_ascii=False)
        with self._connection() as connection, connection:
            connection.execute("INSERT OR REPLACE INTO replies VALUES (?, ?)", (key, told))

    def require_same(self, model: str) -> None:
        """Refuse answers of another model than that which began the file; mark an empty one.

        Args:
            model: As the server names it in its answers.

        Raises:
            InputError: The file was begun by another one.
        """
        with self._connection() as connection, connection:
            connection.execute("INSERT OR IGNORE INTO answered_by VALUES (1, ?)", (model,))
            (began,) = connection.execute("SELECT model FROM answered_by").fetchone()
        if began != model:
            raise InputError(
                f"another model answers now ({model!r}) than the one that filled {self.path} "
                f"({began!r}): delete that file, or name the model exactly"
            )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=60)) as connection:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version not in (0, _VERSION):
                    raise InputError(
                        f"{self.path} was written by another version of likewise "
                        f"({version}, not {_VERSION}): delete it"
                    )
                if not version:
                    self._begin(connection)
                yield connection
        except (sqlite3.OperationalError, OSError) as error:
            raise CacheUnusableError(f"{self.path}: {error}") from error
        except (sqlite3.Error, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise LikewiseError(
                f"the cache of answers {self.path} cannot be used ({error}); delete the file, or "
                "set LIKEWISE_CACHE_DIR"
            ) from error

    def _begin(self, connection: sqlite3.Connection) -> None:
        # No write-ahead log: a file that others have open is not turned to one, however long one
        # waits ("database is locked"), and answers come far more slowly than they are written.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS replies"
            " (key BLOB PRIMARY KEY, reply TEXT NOT NULL) WITHOUT ROWID"
        )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS answered_by"
            " (one INTEGER PRIMARY KEY CHECK (one = 1), model TEXT NOT NULL)"
        )
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.commit()

"""Vectors on disk, keyed by what they were made from."""

from __future__ import annotations

import hashlib
import logging
import math
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrieval.encoding.weights import EncoderIdentity
from retrieval.errors import LikewiseError

_log = logging.getLogger(__name__)

_KEYS_PER_QUERY = 900
_KEPT = 0.9  # of the ceiling, once it is reached: not a few vectors at every write
UNMARKED = 255
"""The mark of a text about which nothing is kept but its vector."""


class CacheWarning(UserWarning):
    """Vectors cannot be kept on disk: they are made, and made again by whoever asks again."""


class CacheUnusableError(LikewiseError):
    """The cache's disk is full, or may not be written or read; what it holds is not at fault."""


class VectorCache:
    """A content-hash cache of vectors: one SQLite file for each encoder identity.

    SQLite makes it safe to kill at any moment and to share between processes, also of machines of
    different kinds: backends and precisions have files of their own, since their vectors differ.

    Args:
        folder: Of the file.
        identity: Of the encoder.
        precision: Of its numbers.
        most_bytes: Of the file; beyond them the vectors that were written first go.
    """

    def __init__(
        self,
        folder: str | Path,
        identity: EncoderIdentity,
        precision: str,
        most_bytes: float = math.inf,
    ) -> None:
        made = f"{identity.revision}-{identity.backend}-{precision}"
        if identity.max_length is not None:
            made += f"-{identity.max_length}"
        self.path = Path(folder) / f"vectors-{made}.sqlite"
        self._dim = identity.dim
        self._most_bytes = most_bytes

    def read(
        self, texts: Sequence[str], prompt: str = ""
    ) -> dict[int, tuple[npt.NDArray[np.float32], int]]:
        """Return the cached vectors and marks, each by the position of its text.

        Those of texts behind a prompt are others than those of the texts alone. The mark is
        `UNMARKED` where an earlier version of likewise kept the vector.
        """
        if not self.path.is_file():
            return {}
        positions = {_key(text, prompt): position for position, text in enumerate(texts)}
        keys = list(positions)
        found: dict[int, tuple[npt.NDArray[np.float32], int]] = {}
        size = 4 * self._dim
        with self._connection() as connection:
            for start in range(0, len(keys), _KEYS_PER_QUERY):
                part = keys[start : start + _KEYS_PER_QUERY]
                marks = ",".join("?" * len(part))
                rows = connection.execute(
                    f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part
                )
                for key, blob in rows:
                    if len(blob) in (size, size + 1):
                        vector = np.frombuffer(blob, dtype="<f4", count=self._dim)
                        mark = blob[size] if len(blob) > size else UNMARKED
                        found[positions[key]] = vector, mark
        return found

    def write(
        self,
        texts: Sequence[str],
        vectors: npt.NDArray[np.float32],
        marks: npt.NDArray[np.uint8],
        prompt: str = "",
    ) -> None:
        """Keep the vectors (n, dim) of n texts, with a mark each."""
        rows = [
            (_key(text, prompt), vector.astype("<f4").tobytes() + bytes([mark]))
            for text, vector, mark in zip(texts, vectors, marks.tolist(), strict=True)
        ]
        with self._connection() as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            keys = [(key,) for key, _ in rows]
            connection.executemany("INSERT OR REPLACE INTO written (key) VALUES (?)", keys)
            self._remove_oldest(connection)

    def _remove_oldest(self, connection: sqlite3.Connection) -> None:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        used = (pages - free) * size
        if used <= self._most_bytes:
            return
        (count,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
        surplus = math.ceil(count * (1 - _KEPT * self._most_bytes / used))
        # Those of which it is not known when they were written are of an earlier version: oldest.
        connection.execute(
            "DELETE FROM vectors WHERE key IN (SELECT vectors.key FROM vectors "
            "LEFT JOIN written USING (key) ORDER BY coalesce(number, 0) LIMIT ?)",
            (surplus,),
        )
        connection.execute("DELETE FROM written WHERE key NOT IN (SELECT key FROM vectors)")
        _log.info("the oldest %s vectors of the cache removed: %s", f"{surplus:,}", self.path)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=60)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS vectors"
                    " (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
                )
                # Beside them, not in them: an earlier version may share the file.
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS written"
                    " (number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE)"
                )
                yield connection
        except (sqlite3.OperationalError, OSError) as error:
            raise CacheUnusableError(f"{self.path}: {error}") from error
        except sqlite3.Error as error:
            raise LikewiseError(
                f"the vector cache {self.path} cannot be used ({error}); "
                "delete the file or set LIKEWISE_CACHE_DIR"
            ) from error


class SparingCache:
    """A cache that is gone without where it cannot be used: it only saves time.

    Attributes:
        cache: What is read and written; None once it could not be, or from the start.
    """

    def __init__(self, cache: VectorCache | None) -> None:
        self.cache = cache

    @property
    def path(self) -> Path:
        """The file, of a cache that is used."""
        assert self.cache is not None
        return self.cache.path

    def fill(
        self,
        texts: list[str],
        prompt: str,
        vectors: npt.NDArray[np.float32],
        marks: npt.NDArray[np.uint8],
    ) -> list[int]:
        """Fill in what is known of n texts; return the positions still to embed."""
        known: dict[int, tuple[npt.NDArray[np.float32], int]] = {}
        with self.sparing():
            if self.cache is not None:
                known = self.cache.read(texts, prompt)
        for position, (vector, mark) in known.items():
            vectors[position], marks[position] = vector, mark
        return [position for position in range(len(texts)) if position not in known]

    def keep(
        self,
        texts: list[str],
        prompt: str,
        vectors: npt.NDArray[np.float32],
        marks: npt.NDArray[np.uint8],
    ) -> None:
        """Keep the vectors (n, dim) of n texts, with a mark each."""
        with self.sparing():
            if self.cache is not None:
                self.cache.write(texts, vectors, marks, prompt)

    @contextmanager
    def sparing(self) -> Iterator[None]:
        """Go on without the cache from here on where it cannot be used."""
        try:
            yield
        except CacheUnusableError as error:
            self.cache = None
            warnings.warn(
                f"vectors are not kept: {error}; free the disk, set LIKEWISE_CACHE_DIR, or switch "
                "the cache off",
                CacheWarning,
                stacklevel=2,
            )


def _key(text: str, prompt: str) -> bytes:
    """Return what a text is kept by: another behind each prompt, and the text's own without one."""
    person = hashlib.blake2b(prompt.encode(), digest_size=16).digest() if prompt else b""
    return hashlib.blake2b(text.encode(), digest_size=16, person=person).digest()

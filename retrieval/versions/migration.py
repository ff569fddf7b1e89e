"""Carry items from one collection to another while both may be written to.

What is there already is left alone, so that a carrying that was killed is finished by doing it
again, and a second one right after the first finds only what was written in between.

A note of a name's move is on disk until it is over, so that one that was killed can be finished.
Between the move of a collection's name and the end of the carrying, what was written late is in the
former version alone, which nobody reads any longer. The note tells what the new version held before
and thereby what is late; Milvus has no place for it.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval.encoding.encoder import progress_bar
from retrieval.errors import InputError, LikewiseError
from retrieval.files import replacing
from retrieval.milvus.store import Store

_LONG_WORK = 10_000
_STATE = ["item_id", "content_hash"]

Row = dict[str, Any]
Marks = npt.NDArray[np.uint64]
Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]
Remap = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Carried:
    """What a carrying did.

    Attributes:
        copied: Rows written, because they were missing or had another content.
        removed: Rows deleted, because the collection carried from no longer has them.
        seen: Rows there were to be carried.
        held: (2 n,) sorted: two marks of each row that the collection carried to holds afterwards,
            one of the id with its content, one of the id alone; 16 bytes, where a row has
            thousands.
    """

    copied: int = 0
    removed: int = 0
    seen: int = 0
    held: Marks = field(default_factory=lambda: np.empty(0, np.uint64))


@dataclass(frozen=True)
class Carrier:
    """The way from one collection to another.

    Attributes:
        old: Where the rows are.
        new: Where they are to be.
        fields: All of their fields but the vector.
        encode: Makes the vectors from the texts; None: they are the same in both.
        remap: Makes the vectors from those of the old collection, (n, d) to (n, dim), so that
            nothing is encoded; None: it takes `encode`, or nothing at all.
    """

    old: Store
    new: Store
    fields: Sequence[str]
    encode: Encode | None
    remap: Remap | None = None

    def carry(self, *, progress: bool | None = None) -> Carried:
        """Make the new collection hold what the old one does; nobody else may write to it."""
        copied = seen = 0
        with progress_bar(self.old.count(), "carry", "item", progress, long=_LONG_WORK) as bar:
            for page in self.old.pages(_STATE):
                there = _hashes(self.new, page)
                other = [row for row in page if there.get(row["item_id"]) != row["content_hash"]]
                copied += self._write(self._read(other))
                seen += len(page)
                bar.update(len(page))
        gone, marks = [], [np.empty(0, np.uint64)]
        for page in self.new.pages(_STATE):
            is_gone = self._are_gone(page)
            gone += [row["item_id"] for row in _choose(page, is_gone)]
            kept = _choose(page, ~is_gone)
            marks += [_marks(kept), _marks(kept, {})]
        return Carried(copied, self.new.delete(gone), seen, np.sort(np.concatenate(marks)))

    def carry_late(self, held: Marks) -> Carried:
        """Carry over what was written to the old collection after the new one `held` the same.

        What has been written to the new one, or deleted from it, meanwhile is later, and stays.
        """
        copied = 0
        for page in self.old.pages(_STATE):
            # Encoded before the new one is asked, which then is written to at once.
            late = self._read(_choose(page, ~_among(_marks(page), held)))
            there = _hashes(self.new, late)
            is_missing = np.array([row["item_id"] not in there for row in late], dtype=bool)
            is_as_it_was = _among(_marks(late, there), held) != is_missing
            copied += self._write(_choose(late, is_as_it_was))
        gone = []
        for page in self.new.pages(_STATE):
            as_it_was = _choose(page, _among(_marks(page), held))
            gone += [row["item_id"] for row in _choose(as_it_was, self._are_gone(as_it_was))]
        return Carried(copied, self.new.delete(gone))

    def _read(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows as they are now, whole, with the vectors they are to have."""
        if not rows:
            return []
        vector = [] if self.encode and self.remap is None else ["vector"]
        whole = self.old.get([row["item_id"] for row in rows], [*self.fields, *vector])
        if not whole:
            return whole
        if self.remap is not None:
            vectors = self.remap(np.array([row["vector"] for row in whole], dtype=np.float32))
        elif self.encode is not None:
            vectors = self.encode([_text(row) for row in whole])
        else:
            return whole
        return [{**row, "vector": made} for row, made in zip(whole, vectors, strict=True)]

    def _write(self, rows: list[Row]) -> int:
        self.new.upsert(rows)
        return len(rows)

    def _are_gone(self, rows: Sequence[Row]) -> npt.NDArray[np.bool_]:
        """(n,) Whether the old collection lacks each row of the new one."""
        there = _hashes(self.old, rows)
        return np.array([row["item_id"] not in there for row in rows], dtype=bool)


def _hashes(store: Store, rows: Sequence[Row]) -> dict[str, str]:
    """Id → content hash of those rows that the store has, too."""
    found = store.get([row["item_id"] for row in rows], _STATE) if rows else []
    return {row["item_id"]: row["content_hash"] for row in found}


def _text(row: Row) -> str:
    if not row["text"]:
        raise InputError(
            f"item {row['item_id']!r}: its text was not kept (store_text), so that another encoder "
            "cannot be given it; index the table under another collection name"
        )
    return str(row["text"])


def _marks(rows: Sequence[Row], hashes: Mapping[str, str] | None = None) -> Marks:
    """(n,) a number for each id with its content, which is the row's own or that of the hashes."""
    if hashes is None:
        named = [(row["item_id"], row["content_hash"]) for row in rows]
    else:
        named = [(row["item_id"], hashes.get(row["item_id"], "")) for row in rows]
    digests = [hashlib.blake2b("\0".join(one).encode(), digest_size=8).digest() for one in named]
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def _among(marks: Marks, known: Marks) -> npt.NDArray[np.bool_]:
    """(n,) Whether each mark is one of the sorted ones."""
    if len(known) == 0:
        return np.zeros(len(marks), dtype=bool)
    place = np.minimum(np.searchsorted(known, marks), len(known) - 1)
    found: npt.NDArray[np.bool_] = known[place] == marks
    return found


def _choose(rows: Sequence[Row], mask: npt.NDArray[np.bool_]) -> list[Row]:
    return [row for row, chosen in zip(rows, mask, strict=True) if chosen]


@dataclass(frozen=True)
class MoveNote:
    """From one version to another.

    Attributes:
        former: What the name stood for.
        version: What it is to stand for.
        held: What both held before, as of `retrieval.versions.migration.Carried`.
    """

    former: str
    version: str
    held: Marks

    def note(self, path: Path) -> None:
        """Write it down, whole or not at all.

        Raises:
            LikewiseError: It cannot be written.
        """
        try:
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, former=self.former, version=self.version, held=self.held)
        except OSError as error:
            raise LikewiseError(f"{path}: {error.strerror}; the name was not moved") from error

    @classmethod
    def noted(cls, path: Path) -> MoveNote | None:
        """Return the one that was written down; None where none was.

        Raises:
            LikewiseError: The note cannot be read.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                return cls(str(kept["former"]), str(kept["version"]), kept["held"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise LikewiseError(
                f"{path}: the note of a move that was cut off cannot be read ({error}); without "
                "the file, what was written during that move stays in the former version"
            ) from error

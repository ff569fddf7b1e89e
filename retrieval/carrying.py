"""Carrying items from one collection to another while both may be written to.

What is there already is left alone, so that a carrying that was killed is finished by doing it
again, and a second one right after the first finds only what was written in between.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval.errors import InputError
from retrieval.progress import progress_bar
from retrieval.store import Store

_LONG_WORK = 10_000
_STATE = ["item_id", "content_hash"]

Row = dict[str, Any]
Marks = npt.NDArray[np.uint64]
Encode = Callable[[Sequence[str]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Carried:
    """What a carrying did.

    Attributes:
        copied: Rows written, because they were missing or had another content.
        removed: Rows deleted, because the collection carried from no longer has them.
        seen: (n,) sorted: a mark of each row as it was; 8 bytes, where a row has thousands.
    """

    copied: int = 0
    removed: int = 0
    seen: Marks = field(default_factory=lambda: np.empty(0, np.uint64))


@dataclass(frozen=True)
class Carrier:
    """The way from one collection to another.

    Attributes:
        old: Where the rows are.
        new: Where they are to be.
        fields: All of their fields but the vector.
        encode: Makes the vectors from the texts; None: they are the same in both.
    """

    old: Store
    new: Store
    fields: Sequence[str]
    encode: Encode | None

    def carry(self, *, progress: bool | None = None) -> Carried:
        """Make the new collection hold what the old one does."""
        copied, marks = 0, [np.empty(0, np.uint64)]
        with progress_bar(self.old.count(), "carry", "item", progress, long=_LONG_WORK) as bar:
            for page in self.old.pages(_STATE):
                there = _hashes(self.new, page)
                copied += self._copy(
                    [row for row in page if there.get(row["item_id"]) != row["content_hash"]]
                )
                marks.append(_marks(page))
                bar.update(len(page))
        gone = self._gone(lambda page: page)
        return Carried(copied, self.new.delete(gone), np.unique(np.concatenate(marks)))

    def carry_late(self, seen: Marks) -> Carried:
        """Carry over what was written to the old collection after it was `seen` for the last time.

        What has been written to the new one meanwhile is later, and stays.
        """
        copied = 0
        for page in self.old.pages(_STATE):
            late = _choose(page, ~_among(_marks(page), seen))
            there = _hashes(self.new, late)
            in_new = [{**row, "content_hash": there.get(row["item_id"], "")} for row in late]
            is_later = np.array([row["content_hash"] != "" for row in in_new], dtype=bool)
            is_later &= ~_among(_marks(in_new), seen)
            copied += self._copy(_choose(late, ~is_later))
        gone = self._gone(lambda page: _choose(page, _among(_marks(page), seen)))
        return Carried(copied, self.new.delete(gone), seen)

    def _copy(self, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        vector = [] if self.encode else ["vector"]
        whole = self.old.get([row["item_id"] for row in rows], [*self.fields, *vector])
        if self.encode is not None:
            vectors = self.encode([_text(row) for row in whole])
            whole = [{**row, "vector": made} for row, made in zip(whole, vectors, strict=True)]
        self.new.upsert(whole)
        return len(whole)

    def _gone(self, of: Callable[[list[Row]], list[Row]]) -> list[str]:
        """Ids of chosen rows of the new collection that the old one does not have."""
        gone = []
        for page in map(of, self.new.pages(_STATE)):
            there = _hashes(self.old, page)
            gone += [row["item_id"] for row in page if row["item_id"] not in there]
        return gone


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


def _marks(rows: Sequence[Row]) -> Marks:
    """(n,) a number for each id with its content."""
    digests = [
        hashlib.blake2b(f"{row['item_id']}\0{row['content_hash']}".encode(), digest_size=8).digest()
        for row in rows
    ]
    return np.frombuffer(b"".join(digests), dtype=np.uint64)


def _among(marks: Marks, seen: Marks) -> npt.NDArray[np.bool_]:
    """(n,) Whether each mark is one of the sorted ones."""
    if len(seen) == 0:
        return np.zeros(len(marks), dtype=bool)
    place = np.minimum(np.searchsorted(seen, marks), len(seen) - 1)
    found: npt.NDArray[np.bool_] = seen[place] == marks
    return found


def _choose(rows: Sequence[Row], mask: npt.NDArray[np.bool_]) -> list[Row]:
    return [row for row, chosen in zip(rows, mask, strict=True) if chosen]

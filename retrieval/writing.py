"""Write items to a store, embed only those that are new or changed, wait for the index."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval.encoding.encoder import Encoder, progress_bar
from retrieval.encoding.reading import ReadingCounts
from retrieval.memory.store import MemoryStore
from retrieval.milvus.store import UPSERT_ROWS, Store

_LONG_WORK = 2 * UPSERT_ROWS

_log = logging.getLogger(__name__)

# It indexes segment by segment, and the largest may take some minutes.
_STALLED_SECONDS, _POLL_SECONDS = 300.0, 0.5


@dataclass(frozen=True)
class UpsertCounts:
    """What an upsert did, in rows.

    Attributes:
        new: Rows that were not there.
        changed: Rows that were there otherwise.
        unchanged: Rows that were there as they are.
        reading: How many of the texts that were encoded could not be read.
    """

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    reading: ReadingCounts = field(default=ReadingCounts(), compare=False, repr=False)

    def rows(self) -> dict[str, int]:
        """Return the numbers of rows by name; of texts that were not read, or cut, where any."""
        bad = {"unread": self.reading.unread, "cut": self.reading.cut}
        return {
            "new": self.new,
            "changed": self.changed,
            "unchanged": self.unchanged,
            **{name: count for name, count in bad.items() if count},
        }

    def __add__(self, other: UpsertCounts) -> UpsertCounts:
        """Count both."""
        return UpsertCounts(
            self.new + other.new,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.reading + other.reading,
        )


def write_rows(
    store: Store | MemoryStore,
    encoder: Encoder,
    rows: Sequence[dict[str, Any]],
    texts: Sequence[str],
    vectors: npt.NDArray[np.float32] | None,
    *,
    progress: bool | None,
    before_writing: Callable[[], None],
    settle: bool = True,
) -> UpsertCounts:
    """Write rows whose content the store does not hold yet, batch by batch.

    Args:
        store: Where to write.
        encoder: Embeds the texts of these rows, unless there are vectors.
        rows: n rows, all but the vector.
        texts: n texts, one for each row.
        vectors: (n, d) unit vectors; None to encode.
        progress: Show a progress bar; None shows it for long work only.
        before_writing: Called before each batch that is written; not where nothing has changed.
        settle: Settle the store afterwards, if anything was written.
    """
    counts = UpsertCounts()
    with progress_bar(len(rows), "index", "item", progress, long=_LONG_WORK) as bar:
        for start in range(0, len(rows), UPSERT_ROWS):
            batch = slice(start, start + UPSERT_ROWS)
            given = None if vectors is None else vectors[batch]
            counts = _write_batch(
                store, encoder, rows[batch], texts[batch], given, counts, before_writing
            )
            bar.update(len(rows[batch]))
    if settle and (counts.new or counts.changed):
        store.settle()
    return counts


def _write_batch(
    store: Store | MemoryStore,
    encoder: Encoder,
    rows: Sequence[dict[str, Any]],
    texts: Sequence[str],
    vectors: npt.NDArray[np.float32] | None,
    counts: UpsertCounts,
    before_writing: Callable[[], None],
) -> UpsertCounts:
    known = {
        row["item_id"]: row["content_hash"]
        for row in store.get([row["item_id"] for row in rows], ["item_id", "content_hash"])
    }
    stale = [
        position
        for position, row in enumerate(rows)
        if known.get(row["item_id"]) != row["content_hash"]
    ]
    seen = ReadingCounts()
    if stale:
        if vectors is None:
            some = [texts[position] for position in stale]
            reading = encoder.read(some, progress=False)
            made, seen = reading.vectors, ReadingCounts.of(some, reading)
        else:
            made = vectors[stale]
        before_writing()
        store.upsert(
            [
                {**rows[position], "vector": vector}
                for position, vector in zip(stale, made, strict=True)
            ]
        )
    new = sum(row["item_id"] not in known for row in rows)
    return replace(
        counts,
        new=counts.new + new,
        changed=counts.changed + len(stale) - new,
        unchanged=counts.unchanged + len(rows) - len(stale),
        reading=counts.reading + seen,
    )


def wait_until_built(store: Store | MemoryStore) -> None:
    """Wait until all that was written out is indexed.

    Where no row more is indexed for five minutes, that is logged as a warning, and the wait ends:
    the server is slow, or cannot build such an index, of which it says nothing.
    """
    least, since = None, time.monotonic()
    while unindexed := store.unindexed():
        if least is None or unindexed < least:
            least, since = unindexed, time.monotonic()
        elif time.monotonic() - since > _STALLED_SECONDS:
            _log.warning(
                "%s: %d rows are not indexed, and none was in the last %.0f s; they are searched "
                "slowly or roughly. Milvus is busy, or cannot build such an index",
                store.collection,
                unindexed,
                _STALLED_SECONDS,
            )
            return
        time.sleep(_POLL_SECONDS)

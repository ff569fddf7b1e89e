"""A collection in this process' memory, for an index that goes with the object it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

IN_MEMORY = ":memory:"
"""The `uri` of an index that is kept nowhere else."""


class MemoryStore:
    """Rows by their id, and one line of metadata about them.

    It has the verbs of `retrieval.milvus.store.Store` that an `ItemIndex` needs, all but the
    search: what is searched is a `retrieval.memory.search.Snapshot` of it, exactly.

    Attributes:
        uri: `IN_MEMORY`.
        name: What the collection is called.
        collection: The same.
        is_lite: True: it is searched as exactly as Milvus Lite is.
    """

    uri = IN_MEMORY
    is_lite = True

    def __init__(self, collection: str) -> None:
        self.name = self.collection = collection
        self._rows: dict[str, dict[str, Any]] = {}
        self._metadata: str | None = None

    def exists(self) -> bool:
        """Whether the collection has been created."""
        return self._metadata is not None

    def is_current(self) -> bool:
        """Say yes: nobody else could replace it."""
        return True

    def ping(self) -> None:
        """Do nothing: it is always there."""

    def create(
        self, fields: Sequence[Mapping[str, Any]], index: Mapping[str, Any], metadata: str
    ) -> None:
        """Keep the metadata; rows themselves say which fields they have."""
        self._metadata = metadata

    def read_metadata(self) -> str | None:
        """Return the line written by `create`."""
        return self._metadata

    def drop(self) -> None:
        """Forget all."""
        self._rows, self._metadata = {}, None

    def upsert(self, rows: list[dict[str, Any]]) -> None:
        """Keep rows, replacing those of the same id, for whoever reads meanwhile all at once."""
        self._rows.update({row["item_id"]: row for row in rows})

    def settle(self) -> None:
        """Do nothing: there is nothing to write out."""

    def unindexed(self) -> int:
        """Return 0: there is no index that rows could be missing in."""
        return 0

    def delete(self, ids: Sequence[str]) -> int:
        """Remove rows; return how many there were."""
        return sum(self._rows.pop(one, None) is not None for one in ids)

    def count(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def get(self, ids: Sequence[str], fields: Sequence[str]) -> list[dict[str, Any]]:
        """Return the rows of those ids that exist."""
        there = (self._rows.get(one) for one in dict.fromkeys(ids))
        return [{field: row[field] for field in fields} for row in there if row is not None]

    def pages(self, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """Read all rows, in no particular order."""
        yield [{field: row[field] for field in fields} for row in list(self._rows.values())]

    def close(self) -> None:
        """Do nothing: the rows go with whoever holds them."""

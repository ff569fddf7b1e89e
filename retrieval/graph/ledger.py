"""Rows of JSON in a Milvus collection, by their key: what is known of concepts, and of items."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymilvus import DataType

from retrieval.errors import InputError, StoreError
from retrieval.index import ItemIndex
from retrieval.memory.store import MemoryStore
from retrieval.milvus.store import Store

FORMAT = "likewise graph 1"
_KEY_BYTES, _VALUE_BYTES, _TENANT_BYTES = 1_024, 60_000, 64
_INDEX = {"index_type": "FLAT", "metric_type": "COSINE"}


class Ledger:
    """Values by key, of one tenant where the index has one.

    Args:
        index: Beside which they are kept; closing it closes this, too.
        suffix: What the collection's name has more than that of the index.

    Raises:
        StoreError: Milvus cannot be reached, or a collection of the name is something else.
    """

    def __init__(self, index: ItemIndex, suffix: str) -> None:
        self._store: Store | MemoryStore = index.store_beside(suffix)
        self._is_shared = index.tenant is not None
        self._is_made = self._store.exists()
        if self._is_made and self._store.read_metadata() != FORMAT:
            raise StoreError(f"collection {self._store.name!r} holds no graph of this likewise")

    def read(self) -> dict[str, Any]:
        """Return all values by their key."""
        if not self._exists():
            return {}
        pages = self._store.pages(["item_id", "value"])
        return {row["item_id"]: json.loads(row["value"]) for page in pages for row in page}

    def get(self, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of those keys that exist."""
        if not self._exists():
            return {}
        rows = self._store.get(list(keys), ["item_id", "value"])
        return {row["item_id"]: json.loads(row["value"]) for row in rows}

    def write(self, values: Mapping[str, Any]) -> None:
        """Keep values, in place of those of the same keys.

        Raises:
            InputError: A key or a value is longer than Milvus can hold.
        """
        rows = [
            {
                "item_id": key,
                "vector": [1.0, 0.0],
                "value": json.dumps(value, ensure_ascii=False, separators=(",", ":")),
            }
            for key, value in values.items()
        ]
        for row in rows:
            _check_length(str(row["item_id"]), _KEY_BYTES, "id")
            _check_length(str(row["value"]), _VALUE_BYTES, f"what is kept of {row['item_id']!r}")
        if not rows:
            return
        if not self._exists():
            self._store.create(self._fields(), _INDEX, FORMAT)
            self._is_made = True
        self._store.upsert(rows)
        self._store.settle()

    def delete(self, keys: Iterable[str]) -> int:
        """Remove values; return how many there were."""
        return self._store.delete(list(keys)) if self._exists() else 0

    def _exists(self) -> bool:
        """Whether there is a collection by now; another process may have made it."""
        self._is_made = self._is_made or self._store.exists()
        return self._is_made

    def _fields(self) -> list[dict[str, Any]]:
        fields: list[dict[str, Any]] = [
            {
                "field_name": "item_id",
                "datatype": DataType.VARCHAR,
                "is_primary": True,
                "max_length": _KEY_BYTES + _TENANT_BYTES + 1,
            },
            # Every Milvus collection needs a vector; this one means nothing.
            {"field_name": "vector", "datatype": DataType.FLOAT_VECTOR, "dim": 2},
            {"field_name": "value", "datatype": DataType.VARCHAR, "max_length": 65_535},
        ]
        if self._is_shared:
            tenant = {"is_partition_key": True, "max_length": _TENANT_BYTES}
            fields.append({"field_name": "tenant", "datatype": DataType.VARCHAR, **tenant})
        return fields


def _check_length(text: str, most: int, what: str) -> None:
    if len(text) * 4 > most and len(text.encode()) > most:
        raise InputError(f"{what} is longer than {most:,} bytes: {text[:40]!r}...")

"""Encoder and index as a server needs them: shared by threads, and timed.

OpenVINO computes one batch at a time, and an index forgets what it has in memory when it is written
to: both need a lock that a job, which is alone, can do without.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines import Settings
from retrieval import Encoder, ItemIndex, Neighbors, StoredItems, UpsertCounts
from serving.observability.metrics import Metrics

_OF_HELD = ("item_id", "content_hash", "label")


class ServedEncoder(Encoder):
    """An encoder for several threads.

    Questions are not kept on disk: a cache of them would grow for as long as the server runs.

    Args:
        metrics: Told the seconds.
        name: As in `Encoder`; so the others.
    """

    def __init__(self, metrics: Metrics, name: str, **options: Any) -> None:
        super().__init__(name, **options)
        self._cache = None
        self._metrics = metrics
        self._lock = threading.Lock()

    def encode(
        self, texts: Sequence[str], *, progress: bool | None = None
    ) -> npt.NDArray[np.float32]:
        """Embed texts, one call at a time."""
        with self._lock, self._metrics.engine("encoder"):
            return super().encode(texts, progress=False if progress is None else progress)


class Held(NamedTuple):
    """What is kept of an item: a hash of all of it, and its label, empty where it has none."""

    content_hash: str
    label: str


class ServedIndex(ItemIndex):
    """An index for several threads: whoever reads waits while somebody writes.

    Args:
        metrics: Told the seconds.
        options: As in `ItemIndex`.
    """

    def __init__(self, metrics: Metrics, **options: Any) -> None:
        self._metrics = metrics
        self._lock = threading.RLock()
        super().__init__(**options)

    @property
    def exists(self) -> bool:
        """Whether there is a collection; the first upsert makes it."""
        return self._layout is not None

    @property
    def is_shared(self) -> bool:
        """Whether other processes may write to it: to a Lite file none can."""
        return not self._store.is_lite

    def is_current(self) -> bool:
        """Whether what was opened, or that there was nothing, still holds."""
        if self.exists:
            return super().is_current()
        with self._lock:  # an upsert of one's own may just be making it
            return self.exists or not self._store.exists()

    def held(self, ids: Sequence[str]) -> dict[str, Held]:
        """Id → what is kept of it, for those of the ids that exist."""
        if not self.exists:
            return {}
        return _held(self._store.get([str(one) for one in ids], _OF_HELD))

    def mark(self) -> int:
        """Read all items; return a number by which to tell whether labeled ones have changed."""
        if not self.exists:
            return 0
        return sum(mark_of(_held(page)) for page in self._store.pages(_OF_HELD))

    def neighbors(self, *args: Any, **options: Any) -> Neighbors:
        """Find like items; see `ItemIndex.neighbors`."""
        with self._lock, self._metrics.engine("milvus"):
            return super().neighbors(*args, **options)

    def read(self, **options: Any) -> StoredItems:
        """Read the items; see `ItemIndex.read`."""
        # Of a server's items nothing is kept in memory that a write would put out of date.
        with nullcontext() if self.is_shared else self._lock, self._metrics.engine("milvus"):
            return super().read(**options)

    def upsert(self, *args: Any, **options: Any) -> UpsertCounts:
        """Write items; see `ItemIndex.upsert`. Their vectors had better be made before."""
        with self._lock, self._metrics.engine("milvus"):
            return super().upsert(*args, **options)

    def refresh(self) -> None:
        """Let go of what is in memory; see `ItemIndex.refresh`."""
        with self._lock:
            super().refresh()

    def delete(self, ids: Sequence[str]) -> int:
        """Remove items; see `ItemIndex.delete`."""
        with self._lock, self._metrics.engine("milvus"):
            return super().delete(ids)


def mark_of(held: Mapping[str, Held]) -> int:
    """A number that stands for those of the items that have a label; those of parts add up."""
    return sum(
        int.from_bytes(blake2b(f"{item_id} {one.content_hash}".encode(), digest_size=8).digest())
        for item_id, one in held.items()
        if one.label
    )


class ServedEncoders:
    """Makes encoders, each once: for the settings that name none, those the collections ask for.

    Args:
        settings: `encoder` says how.
        metrics: Told the seconds.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings.encoder
        self._metrics = metrics
        self._lock = threading.Lock()
        self._made: dict[str, ServedEncoder] = {}

    def __call__(self, name: str) -> Encoder:
        """The encoder of the settings, or else of that name, ready to answer."""
        chosen = self._settings
        name = chosen.name if "name" in chosen.model_fields_set else name
        with self._lock:
            if name not in self._made:
                encoder = ServedEncoder(
                    self._metrics,
                    name,
                    backend=chosen.backend,
                    precision=chosen.precision,
                    batch_size=chosen.batch_size,
                    cache_dir=chosen.cache_dir if chosen.cache else False,
                )
                encoder.encode(["ready?"])  # loads it
                self._made[name] = encoder
            return self._made[name]


def _held(rows: Sequence[Mapping[str, Any]]) -> dict[str, Held]:
    return {row["item_id"]: Held(row["content_hash"], row["label"]) for row in rows}


def open_served_index(
    settings: Settings,
    encoder: Callable[[str], Encoder],
    metrics: Metrics,
    tenant: str | None,
) -> ServedIndex:
    """Open the collection of the settings.

    Args:
        settings: `index` says where it is.
        encoder: Makes the collection's encoder.
        metrics: Told the seconds.
        tenant: Whose items are seen.

    Raises:
        StoreError: Milvus does not answer.
        InputError: The collection was made for tenants, or for none, or with another encoder.
    """
    chosen = settings.index
    return ServedIndex(
        metrics,
        encoder=encoder,
        uri=chosen.uri,
        collection=chosen.collection,
        token=chosen.token.get_secret_value() if chosen.token else None,
        index=chosen.kind,
        index_params=chosen.params,
        store_text=settings.serve.store_text,
        timeout=settings.serve.milvus_timeout,
        tenant=tenant,
    )

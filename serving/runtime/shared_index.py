"""Encoder and index as a server needs them: shared by threads, and timed.

OpenVINO computes one batch at a time, and an index forgets what it has in memory when it is written
to: both need a lock that a job, which is alone, can do without.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from hashlib import blake2b
from typing import Any, NamedTuple

from pipelines import Settings, make_encoder
from retrieval import AS_SENT, Encoder, EncoderIdentity, ItemIndex, MakeEncoder
from serving.observability.metrics import Metrics

_OF_HELD = ("item_id", "content_hash", "label")


class Held(NamedTuple):
    """What is kept of an item: a hash of all of it, and its label, empty where it has none."""

    content_hash: str
    label: str


class SharedIndex:
    """An index for several threads: whoever reads waits while somebody writes.

    Args:
        index: Is guarded from now on.
        metrics: Told the seconds.

    Attributes:
        index: For whoever asks and writes.
    """

    def __init__(self, index: ItemIndex, metrics: Metrics) -> None:
        self.index = index
        self._metrics = metrics
        self._lock = threading.RLock()
        index.guard = self._turn

    @property
    def is_shared(self) -> bool:
        """Whether other processes may write to it: to a Lite file none can."""
        return not self.index.store.is_lite

    def is_current(self) -> bool:
        """Whether what was opened, or that there was nothing, still holds."""
        if self.index.exists:
            return self.index.is_current()
        with self._lock:  # an upsert of one's own may just be making it
            return self.index.exists or not self.index.store.exists()

    def held(self, ids: Sequence[str]) -> dict[str, Held]:
        """Id → what is kept of it, for those of the ids that exist."""
        if not self.index.exists:
            return {}
        return _held(self.index.store.get([str(one) for one in ids], _OF_HELD))

    def mark(self) -> int:
        """Read all items; return a number by which to tell whether labeled ones have changed."""
        if not self.index.exists:
            return 0
        return sum(mark_of(_held(page)) for page in self.index.store.pages(_OF_HELD))

    @contextmanager
    def _turn(self, verb: str) -> Iterator[None]:
        # Of a server's items nothing is kept in memory that a write would put out of date.
        turn = nullcontext() if verb == "read" and self.is_shared else self._lock
        with turn, nullcontext() if verb == "refresh" else self._metrics.engine("milvus"):
            yield


def mark_of(held: Mapping[str, Held]) -> int:
    """Return a number that stands for the items that have a label; those of parts add up."""
    return sum(
        int.from_bytes(blake2b(f"{item_id} {one.content_hash}".encode(), digest_size=8).digest())
        for item_id, one in held.items()
        if one.label
    )


class SharedEncoders:
    """Makes encoders for several threads, each once: where the settings name none, as asked for.

    Args:
        settings: `encoder` says how.
        metrics: Told the seconds.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._lock = threading.Lock()
        self._made: dict[str | EncoderIdentity | None, Encoder] = {}

    def __call__(self, asked: str | EncoderIdentity) -> Encoder:
        """Return the encoder of the settings, or else the one asked for, ready to answer."""
        which = None if self._settings.encoder.is_named else asked
        with self._lock:
            if which not in self._made:
                # Vectors of questions would grow for as long as it runs.
                encoder = make_encoder(self._settings, which, keep_vectors=False)
                encoder.guard = _in_turn(self._metrics)
                encoder.encode(["ready?"])  # loads it
                self._made[which] = encoder
            return self._made[which]


def _in_turn(metrics: Metrics) -> Callable[[str], AbstractContextManager[None]]:
    lock = threading.Lock()

    @contextmanager
    def turn(_: str) -> Iterator[None]:
        with lock, metrics.engine("encoder"):
            yield

    return turn


def _held(rows: Sequence[Mapping[str, Any]]) -> dict[str, Held]:
    return {row["item_id"]: Held(row["content_hash"], row["label"]) for row in rows}


def open_shared_index(
    settings: Settings,
    encoder: MakeEncoder,
    metrics: Metrics,
    tenant: str | None,
) -> SharedIndex:
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
    index = ItemIndex(
        encoder=encoder,
        uri=chosen.uri,
        collection=chosen.collection,
        token=chosen.token.get_secret_value() if chosen.token else None,
        index=chosen.kind,
        index_params=chosen.params,
        store_text=settings.serve.store_text,
        timeout=settings.serve.milvus_timeout,
        tenant=tenant,
        pictures=AS_SENT,
    )
    return SharedIndex(index, metrics)

"""Encode items, keep them in Milvus, pull their labeled neighbors as of a date."""

from retrieval.encoder import Encoder
from retrieval.errors import (
    ArtifactError,
    EncoderMismatchError,
    IndexReplacedError,
    InputError,
    LikewiseError,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
    TableError,
)
from retrieval.filters import Between
from retrieval.index import ItemIndex
from retrieval.neighbors import Neighbors
from retrieval.snapshot import StoredItems
from retrieval.upsert import UpsertCounts

__all__ = [
    "ArtifactError",
    "Between",
    "Encoder",
    "EncoderMismatchError",
    "IndexReplacedError",
    "InputError",
    "ItemIndex",
    "LikewiseError",
    "Neighbors",
    "StoreError",
    "StoreLockedError",
    "StoreUnavailableError",
    "StoredItems",
    "TableError",
    "UpsertCounts",
]

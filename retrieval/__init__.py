"""Encode items, keep them in Milvus, pull their labeled neighbors as of a date."""

from retrieval.encoding.encoder import Encoder
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
from retrieval.memory_search import StoredItems
from retrieval.neighbors import Neighbors
from retrieval.writing import UpsertCounts

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

"""Encode items, keep them in Milvus, pull their labeled neighbors as of a date."""

from retrieval.encoder import Encoder
from retrieval.errors import (
    EncoderMismatchError,
    InputError,
    LikewiseError,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
    TableError,
)
from retrieval.filters import Between
from retrieval.index import ItemIndex, UpsertCounts
from retrieval.neighbors import Neighbors

__all__ = [
    "Between",
    "Encoder",
    "EncoderMismatchError",
    "InputError",
    "ItemIndex",
    "LikewiseError",
    "Neighbors",
    "StoreError",
    "StoreLockedError",
    "StoreUnavailableError",
    "TableError",
    "UpsertCounts",
]

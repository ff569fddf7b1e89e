"""Encode items, keep them in Milvus, pull their labeled neighbors as of a date."""

from retrieval.artifact import Artifact, check_replaceable, read_artifact, write_artifact
from retrieval.encoding.cache import default_cache_dir
from retrieval.encoding.encoder import Encoder, progress_bar
from retrieval.encoding.weights import EncoderIdentity
from retrieval.errors import (
    ArtifactError,
    EncoderMismatchError,
    IndexReplacedError,
    InputError,
    LikewiseError,
    Offense,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
    TableError,
)
from retrieval.filters import Between, Kind, Where, parse_conditions
from retrieval.index import ItemIndex
from retrieval.items import content_ids, item_texts, validate_items
from retrieval.memory_search import StoredItems
from retrieval.milvus.schema import Layout
from retrieval.milvus.store import MOST_NEIGHBORS
from retrieval.neighbors import TIE_DIGITS, Neighbors
from retrieval.private_index import (
    Finalizer,
    open_private_index,
    private_folders,
    remove_private_index,
)
from retrieval.queries import to_vectors
from retrieval.saved_model import find_encoder, place_in, place_of, understood
from retrieval.versions.examination import Examination, examine
from retrieval.versions.versions import Versions
from retrieval.writing import UpsertCounts

__all__ = [
    "MOST_NEIGHBORS",
    "TIE_DIGITS",
    "Artifact",
    "ArtifactError",
    "Between",
    "Encoder",
    "EncoderIdentity",
    "EncoderMismatchError",
    "Examination",
    "Finalizer",
    "IndexReplacedError",
    "InputError",
    "ItemIndex",
    "Kind",
    "Layout",
    "LikewiseError",
    "Neighbors",
    "Offense",
    "StoreError",
    "StoreLockedError",
    "StoreUnavailableError",
    "StoredItems",
    "TableError",
    "UpsertCounts",
    "Versions",
    "Where",
    "check_replaceable",
    "content_ids",
    "default_cache_dir",
    "examine",
    "find_encoder",
    "item_texts",
    "open_private_index",
    "parse_conditions",
    "place_in",
    "place_of",
    "private_folders",
    "progress_bar",
    "read_artifact",
    "remove_private_index",
    "to_vectors",
    "understood",
    "validate_items",
    "write_artifact",
]

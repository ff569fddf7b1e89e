"""Encode items, keep them in Milvus, pull their labeled neighbors as of a date."""

from retrieval.artifact import (
    Artifact as Artifact,
    check_replaceable as check_replaceable,
    read_artifact as read_artifact,
    write_artifact as write_artifact,
)
from retrieval.encoding.cache import CacheWarning, default_cache_dir as default_cache_dir
from retrieval.encoding.encoder import Encoder, progress_bar as progress_bar
from retrieval.encoding.weights import EncoderIdentity as EncoderIdentity
from retrieval.errors import (
    ArtifactError,
    EncoderMismatchError,
    IndexReplacedError,
    InputError,
    LikewiseError,
    Offense as Offense,
    StoreError,
    StoreLockedError,
    StoreUnavailableError,
    TableError,
    first_few as first_few,
    masked as masked,
)
from retrieval.files import (
    append_json_lines as append_json_lines,
    append_whole as append_whole,
    leftovers as leftovers,
    remove_leftovers as remove_leftovers,
    replacing as replacing,
    replacing_files as replacing_files,
    whole_lines as whole_lines,
)
from retrieval.filters import (
    Between,
    Kind as Kind,
    Where as Where,
    parse_conditions as parse_conditions,
)
from retrieval.index import ItemIndex
from retrieval.items import (
    content_ids as content_ids,
    item_texts as item_texts,
    validate_items as validate_items,
)
from retrieval.memory.search import StoredItems
from retrieval.memory.store import IN_MEMORY as IN_MEMORY
from retrieval.milvus.schema import Layout as Layout
from retrieval.milvus.store import MOST_NEIGHBORS as MOST_NEIGHBORS
from retrieval.neighbors import TIE_DIGITS as TIE_DIGITS, Neighbors
from retrieval.queries import to_vectors as to_vectors
from retrieval.saved_model import (
    card_cell as card_cell,
    card_list as card_list,
    card_page as card_page,
    card_versions as card_versions,
    find_encoder as find_encoder,
    json_ready as json_ready,
    place_in as place_in,
    place_of as place_of,
    saved_place as saved_place,
    understood as understood,
)
from retrieval.versions.examination import Examination as Examination, examine as examine
from retrieval.versions.versions import Versions as Versions
from retrieval.writing import UpsertCounts

__all__ = [
    "ArtifactError",
    "Between",
    "CacheWarning",
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

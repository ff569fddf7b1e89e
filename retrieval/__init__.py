"""Encode items, keep them in Milvus, pull their labeled neighbors as of a date."""

from retrieval.arguments import (
    require_characters as require_characters,
    require_count as require_count,
    require_kind as require_kind,
    require_number as require_number,
    require_path as require_path,
)
from retrieval.artifact import (
    Artifact as Artifact,
    check_replaceable as check_replaceable,
    read_artifact as read_artifact,
    write_artifact as write_artifact,
)
from retrieval.compression.distillation import Distillation, distill
from retrieval.compression.quantization import LabelsMoveError, Quantization, quantize
from retrieval.encoding.adaptation.fusion import Fusion, weigh_pictures
from retrieval.encoding.adaptation.gate import Gain as Gain
from retrieval.encoding.adaptation.ladder.inputs import METHODS as METHODS
from retrieval.encoding.adaptation.ladder.report import Rung, TuneReport
from retrieval.encoding.adaptation.ladder.tune import tune
from retrieval.encoding.adaptation.succession import (
    gain_over as gain_over,
    set_aside as set_aside,
)
from retrieval.encoding.cache import CacheWarning
from retrieval.encoding.encoder import (
    Encoder,
    MakeEncoder as MakeEncoder,
    progress_bar as progress_bar,
)
from retrieval.encoding.endpoint import Endpoint, EndpointError
from retrieval.encoding.reading import (
    Reading as Reading,
    ReadingCounts as ReadingCounts,
    UnreadTextWarning,
)
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
    masked_values as masked_values,
)
from retrieval.files import (
    append_json_lines as append_json_lines,
    append_whole as append_whole,
    default_cache_dir as default_cache_dir,
    leave_on_disk as leave_on_disk,
    leftovers as leftovers,
    remove_leftovers as remove_leftovers,
    replacing as replacing,
    replacing_files as replacing_files,
    whole_lines as whole_lines,
)
from retrieval.filters import (
    Between,
    Where as Where,
    parse_conditions as parse_conditions,
    parse_where as parse_where,
    to_mask as to_mask,
)
from retrieval.generation.budget import Budget, Price, Usage as Usage
from retrieval.generation.choices import (
    NONE as NONE,
    Case as Case,
    Choice as Choice,
    choice_request as choice_request,
    choose as choose,
    confirm_request as confirm_request,
)
from retrieval.generation.errors import LanguageModelError
from retrieval.generation.fences import is_suspicious as is_suspicious
from retrieval.generation.language_model import LanguageModel
from retrieval.generation.prompt_store import PromptScore as PromptScore, PromptStore
from retrieval.generation.replies import Reply as Reply, Request as Request
from retrieval.generation.templates import (
    PromptTemplate,
    Trusted as Trusted,
    packaged_templates as packaged_templates,
    read_template as read_template,
)
from retrieval.graph.concepts import Concept as Concept, Concepts as Concepts
from retrieval.graph.graph import LINK_COLUMNS as LINK_COLUMNS, ConceptGraph
from retrieval.graph.proposals import propose_concepts as propose_concepts
from retrieval.graph.reading.sources import CONCEPT_FILES as CONCEPT_FILES
from retrieval.graph.tree import ConceptTree as ConceptTree
from retrieval.guarding import Lock as Lock
from retrieval.index import ItemIndex
from retrieval.items import (
    column_name as column_name,
    column_names as column_names,
    content_ids as content_ids,
    item_texts as item_texts,
    named_columns as named_columns,
    validate_items as validate_items,
)
from retrieval.languages.codes import (
    UNDETERMINED as UNDETERMINED,
    language_code as language_code,
    language_codes as language_codes,
)
from retrieval.languages.detection import detect_languages
from retrieval.languages.neutral import Neutralized as Neutralized, neutralize_languages
from retrieval.languages.preference import LanguagePreference, language_preference
from retrieval.languages.recorded import (
    DETECTED as DETECTED,
    language_column as language_column,
    record_languages as record_languages,
)
from retrieval.memory.search import StoredItems
from retrieval.memory.store import IN_MEMORY as IN_MEMORY
from retrieval.milvus.schema import Layout as Layout
from retrieval.milvus.store import MOST_NEIGHBORS as MOST_NEIGHBORS
from retrieval.neighbors.exact import search_exactly as search_exactly
from retrieval.neighbors.hits import TIE_DIGITS as TIE_DIGITS
from retrieval.neighbors.neighbors import Neighbors
from retrieval.pictures.column import as_words as as_words, read_pictures
from retrieval.pictures.content import (
    data_address as data_address,
    has_picture as has_picture,
    shown as shown,
    text_of as text_of,
)
from retrieval.pictures.sources import AS_SENT as AS_SENT, PictureSources
from retrieval.queries import (
    item_ids as item_ids,
    to_reading as to_reading,
    to_vectors as to_vectors,
)
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
from retrieval.values.attributes import Kind as Kind, as_attribute as as_attribute
from retrieval.values.cells import (
    LOST as LOST,
    as_label_list as as_label_list,
    as_text as as_text,
    cell_texts as cell_texts,
    is_number as is_number,
    lost as lost,
)
from retrieval.values.dates import (
    ISO as ISO,
    NOT_A_DATE as NOT_A_DATE,
    check_date_format as check_date_format,
    parse_date as parse_date,
    parse_dates as parse_dates,
)
from retrieval.values.numbers import (
    AMBIGUOUS as AMBIGUOUS,
    NumberFormat as NumberFormat,
    Read as Read,
    read_numbers as read_numbers,
)
from retrieval.versions.examination import Examination as Examination, examine as examine
from retrieval.versions.versions import Versions as Versions
from retrieval.writing import UpsertCounts

__all__ = [
    "ArtifactError",
    "Between",
    "Budget",
    "CacheWarning",
    "ConceptGraph",
    "Distillation",
    "Encoder",
    "EncoderMismatchError",
    "Endpoint",
    "EndpointError",
    "Fusion",
    "IndexReplacedError",
    "InputError",
    "ItemIndex",
    "LabelsMoveError",
    "LanguageModel",
    "LanguageModelError",
    "LanguagePreference",
    "LikewiseError",
    "Neighbors",
    "PictureSources",
    "Price",
    "PromptStore",
    "PromptTemplate",
    "Quantization",
    "Rung",
    "StoreError",
    "StoreLockedError",
    "StoreUnavailableError",
    "StoredItems",
    "TableError",
    "TuneReport",
    "UnreadTextWarning",
    "UpsertCounts",
    "detect_languages",
    "distill",
    "language_preference",
    "neutralize_languages",
    "quantize",
    "read_pictures",
    "tune",
    "weigh_pictures",
]

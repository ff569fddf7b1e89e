"""The errors likewise raises on purpose, and what their messages leave out."""

from retrieval.errors.masking import masked as masked, masked_values as masked_values
from retrieval.errors.raised import (
    ArtifactError as ArtifactError,
    EncoderMismatchError as EncoderMismatchError,
    IndexReplacedError as IndexReplacedError,
    InputError as InputError,
    LikewiseError as LikewiseError,
    Offense as Offense,
    StoreError as StoreError,
    StoreLockedError as StoreLockedError,
    StoreUnavailableError as StoreUnavailableError,
    TableError as TableError,
    first_few as first_few,
)

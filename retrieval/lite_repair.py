"""Milvus Lite after a crash: index files that were cut off go, and are built anew on loading.

Rows are safe in Lite's log and segments. The file with a segment's index is written in place,
though, and half of one would keep the whole collection from being loaded.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

_log = logging.getLogger(__name__)

_MAGIC = b"\x93NUMPY"


def remove_torn_indexes(path: Path) -> int:
    """Remove the index files below a Lite path that a crash cut off; return how many.

    Nobody else may have the path open.
    """
    torn = [file for file in path.rglob("*.idx") if _is_torn(file)]
    for file in torn:
        file.unlink(missing_ok=True)
    if torn:
        _log.warning("%s: %d index files were cut off; they are built anew", path, len(torn))
    return len(torn)


def _is_torn(file: Path) -> bool:
    """Whether a file is empty, or an array that is shorter than its head says."""
    try:
        with file.open("rb") as content:
            start = content.read(len(_MAGIC))
        if start != _MAGIC:
            return _MAGIC.startswith(start)  # else it is an index of another kind
        np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return False
    except (ValueError, EOFError):
        return True
    return False

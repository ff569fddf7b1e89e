"""Temporary indexes, each removed some time after the object it belongs to.

An object can be garbage-collected anywhere, also while Milvus holds a lock of its own, and closing
an index needs that lock. Its end is therefore only noted; the index is closed where the next one is
opened, or when Python ends.
"""

import atexit
import shutil
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue

from retrieval.encoding.encoder import Encoder
from retrieval.index import ItemIndex

Finalizer = Callable[[], object]

# Folder → the index in it, None while it is being opened. SimpleQueue is the queue that a garbage
# collection may put into.
_open: dict[str, ItemIndex | None] = {}
_abandoned: SimpleQueue[str] = SimpleQueue()


def open_private_index(owner: object, encoder: Encoder | None) -> tuple[ItemIndex, Finalizer]:
    """Open an empty index in a folder of its own.

    Args:
        owner: The object it belongs to.
        encoder: Turns texts into vectors; None for the default one.

    Returns:
        The index, and what `remove_private_index` takes. The index goes when `owner` is gone.
    """
    _remove_abandoned()
    folder = tempfile.mkdtemp(prefix="likewise-")
    _open[folder] = None
    index = _open[folder] = ItemIndex(uri=str(Path(folder) / "private.db"), encoder=encoder)
    finalizer = weakref.finalize(owner, _abandoned.put, folder)
    finalizer.atexit = False
    return index, finalizer


def remove_private_index(finalizer: Finalizer) -> None:
    """Close the index now and remove its folder."""
    finalizer()
    _remove_abandoned()


def private_folders() -> list[str]:
    """Return the folders of open indexes: what a process that ends without closing leaves."""
    return list(_open)


def _remove_abandoned() -> None:
    while not _abandoned.empty():
        _remove(_abandoned.get())


@atexit.register
def _remove_all() -> None:
    for folder in private_folders():
        _remove(folder)


def _remove(folder: str) -> None:
    index = _open.pop(folder)
    if index is not None:
        index.close()
    shutil.rmtree(folder, ignore_errors=True)

"""Waiting for a server, which indexes what it was given in its own time."""

from __future__ import annotations

import logging
import time

from retrieval.milvus.store import Store

_log = logging.getLogger(__name__)

# It indexes segment by segment, and the largest may take some minutes.
_STALLED_SECONDS, _POLL_SECONDS = 300.0, 0.5


def wait_until_built(store: Store) -> None:
    """Wait until all that was written out is indexed.

    Where no row more is indexed for five minutes, that is logged as a warning, and the wait ends:
    the server is slow, or cannot build such an index, of which it says nothing.
    """
    least, since = None, time.monotonic()
    while unindexed := store.unindexed():
        if least is None or unindexed < least:
            least, since = unindexed, time.monotonic()
        elif time.monotonic() - since > _STALLED_SECONDS:
            _log.warning(
                "%s: %d rows are not indexed, and none was in the last %.0f s; they are searched "
                "slowly or roughly. Milvus is busy, or cannot build such an index",
                store.collection,
                unindexed,
                _STALLED_SECONDS,
            )
            return
        time.sleep(_POLL_SECONDS)

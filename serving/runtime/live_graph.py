"""The concepts beside a tenant's items, as they are now."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from retrieval import ConceptGraph, ItemIndex


class LiveGraph:
    """A tenant's concepts, for one thread at a time; read once, and again after a change.

    Args:
        index: The tenant's items.
    """

    def __init__(self, index: ItemIndex) -> None:
        self._index = index
        self._graph: ConceptGraph | None = None
        self._lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[ConceptGraph]:
        """Give the graph as it is; nobody else reads it meanwhile."""
        with self._lock:
            if self._graph is None:
                self._graph = ConceptGraph(self._index)
            else:
                self._graph.refresh()
            yield self._graph

"""The names of concepts as vectors, in a collection beside the items, by the items' own encoder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.errors import EncoderMismatchError
from retrieval.graph.concepts import Concepts
from retrieval.index import ItemIndex

SUFFIX = "_concepts"
_UNTOLD = "und"  # a language nobody told, as BCP 47 calls it
NAME, SYNONYM, PATH = "name", "synonym", "path"
_ATTRIBUTES = ("role", "language")


@dataclass(frozen=True)
class NameVectors:
    """The vectors of all names.

    Attributes:
        concepts: n concept ids.
        vectors: (m, d) unit rows: a name, a synonym or a path each.
        of: (m,) position of each row's concept, ascending.
        is_path: (m,) whether a row is a path.
    """

    concepts: tuple[str, ...]
    vectors: npt.NDArray[np.float32]
    of: npt.NDArray[np.intp]
    is_path: npt.NDArray[np.bool_]


class Names:
    """The collection of names.

    Args:
        index: Of the items. Where the names were encoded by another encoder, as before the items
            were indexed anew, they are encoded anew: vectors of two encoders are never compared.
    """

    def __init__(self, index: ItemIndex) -> None:
        self._items = index
        try:
            self._index = index.beside(SUFFIX)
        except EncoderMismatchError:
            index.store_beside(SUFFIX).drop()
            self._index = index.beside(SUFFIX)

    @property
    def index(self) -> ItemIndex:
        """The collection, to be searched as any."""
        return self._index

    def write(self, concepts: Concepts) -> None:
        """Make the collection hold the names of these concepts and no others."""
        rows = _rows(concepts)
        gone = set(self._index.ids()) - set(rows["item_id"])
        if not rows.empty:
            self._index.upsert(rows, text="text", attributes=_ATTRIBUTES, source="concepts")
        if gone:
            self._index.delete(sorted(gone))

    def mark(self, concepts: Concepts) -> str:
        """Return a hash of what the collection is to hold."""
        return hashlib.sha256(json.dumps(_rows(concepts).values.tolist()).encode()).hexdigest()[:32]

    @property
    def space(self) -> str:
        """A hash of the encoder: of another one another."""
        encoder = self._items.encoder.identity
        told = [encoder.revision, encoder.dim, encoder.item_prompt, encoder.truncate_dim]
        return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()[:32]

    def read(self, concepts: Concepts) -> NameVectors:
        """Read the vectors of all names, in the order of the concepts."""
        position = {one: place for place, one in enumerate(concepts)}
        if not self._index.exists or not position:
            empty = np.empty((0, self._items.encoder.dim), dtype=np.float32)
            return NameVectors((), empty, np.empty(0, dtype=np.intp), np.empty(0, dtype=bool))
        self._index.refresh()
        stored = self._index.read()
        of = np.array([position.get(_concept(one), -1) for one in stored.ids], dtype=np.intp)
        order = np.argsort(of, kind="stable")
        order = order[of[order] >= 0]
        is_path = np.array([str(one)[0] == PATH[0] for one in stored.ids[order]], dtype=bool)
        return NameVectors(tuple(concepts), stored.vectors[order], of[order], is_path)


def _rows(concepts: Concepts) -> pd.DataFrame:
    """Return a row for each name, and one for the path of each concept that is not a root."""
    rows = []
    for concept_id, one in concepts.items():
        texts = [(NAME, one.name, one.language)]
        texts += [(SYNONYM, text, "") for text in one.synonyms]
        if len(concepts.paths[concept_id]) > 1:
            texts.append((PATH, concepts.path(concept_id), one.language))
        rows += [
            (f"{role[0]}{number}:{concept_id}", text, role, language or _UNTOLD)
            for number, (role, text, language) in enumerate(texts)
        ]
    return pd.DataFrame(rows, columns=["item_id", "text", "role", "language"], dtype=object)


def _concept(row: str) -> str:
    return row.partition(":")[2]

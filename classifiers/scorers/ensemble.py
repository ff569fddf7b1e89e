"""What neighbors, prototypes and the head each say about an item's label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, softmax

from classifiers.blend import HEAD, NEIGHBORS, PROTOTYPES
from classifiers.inputs import stored_names
from classifiers.scorers.linear_head import LinearHead
from classifiers.scorers.prototypes import Prototypes, Vectors
from classifiers.scorers.temperature import Scaling
from classifiers.scorers.votes import FloatArray, count_votes, vote_weights
from retrieval import InputError

# How fast a prototype's say fades with similarity, before it is calibrated.
_SLOPE = 20.0
_MIDDLE = 0.5

# What calibrates a part where no out-of-fold answers can tell; from BANKING77's training folds. A
# head of a single example a label is unsure of itself, prototypes drawn to unlabeled items are too
# sure.
_HEAD_SLOPE = 2.0
_DRAWN_SLOPES = {PROTOTYPES: 0.6, HEAD: 1.4}


class NewLabelsError(InputError):
    """The index has labels that came after `fit`; `catch_up` learns them."""


@dataclass(frozen=True)
class Sources:
    """Everything that has a say, and how it is read.

    Attributes:
        names: (C,) the labels.
        exclusive: Whether an item has one label, or any number.
        temperature: How fast a neighbor's vote fades, in cosine similarity.
        prototypes: What each label looks like; None to leave them out.
        head: A linear head; None where there is none.
        scalings: Part → what calibrates it on its own, before they are blended.
    """

    names: npt.NDArray[np.object_]
    exclusive: bool
    temperature: float
    prototypes: Prototypes | None = None
    head: LinearHead | None = None
    scalings: Mapping[str, Scaling] = field(default_factory=dict)

    def renamed(self, names: npt.NDArray[np.object_]) -> Sources:
        """Return the sources for these labels."""
        prototypes = None if self.prototypes is None else self.prototypes.renamed(names)
        return replace(self, names=names, prototypes=prototypes)

    def default_scalings(self) -> dict[str, Scaling]:
        """Return what calibrates the parts before there are out-of-fold answers."""
        if not self.exclusive:
            return {}
        is_drawn = self.prototypes is not None and bool(self.prototypes.pull.any())
        slopes = _DRAWN_SLOPES if is_drawn else {HEAD: _HEAD_SLOPE}
        return {part: Scaling(slope=slope) for part, slope in slopes.items()}

    @property
    def head_knows(self) -> npt.NDArray[np.bool_]:
        """Which labels the head was fitted on, (C,)."""
        if self.head is None:
            return np.zeros(len(self.names), dtype=bool)
        return np.isin(self.names.astype(str), self.head.names.astype(str))

    @cached_property
    def _place(self) -> pd.Index:
        """Where each label is among the names."""
        return pd.Index(self.names, dtype=object)

    def parts(
        self,
        vectors: Vectors,
        similarity: npt.NDArray[np.floating],
        labels: npt.NDArray[np.object_],
        *,
        votes_only: bool = False,
    ) -> dict[str, FloatArray]:
        """Return what each source says, (n, C); of the head only the labels it knows, in order.

        Args:
            vectors: (n, d) the items.
            similarity: (n, k) of their neighbors, NaN where there is none.
            labels: (n, k) the neighbors' labels as stored in the index.
            votes_only: Leave prototypes and head out.
        """
        votes = {NEIGHBORS: self.votes(similarity, labels)}
        return votes if votes_only else {**votes, **self.say(vectors)}

    def say(self, vectors: Vectors) -> dict[str, FloatArray]:
        """Return what prototypes and head, where there are any, say about items (n, d)."""
        said = {}
        if self.prototypes is not None:
            said[PROTOTYPES] = self.resemblance(vectors)
        if self.head is not None:
            still = np.isin(self.head.names.astype(str), self.names.astype(str))
            if still.any():
                said[HEAD] = self.head.proba(vectors, still)
        scalings = self.scalings or self.default_scalings()
        return {
            part: scalings[part].apply(proba) if part in scalings else proba
            for part, proba in said.items()
        }

    def votes(
        self, similarity: npt.NDArray[np.floating], labels: npt.NDArray[np.object_]
    ) -> FloatArray:
        """Add up the votes of neighbors, (n, C), from their similarity and labels, (n, k).

        Raises:
            NewLabelsError: The index has a label that came after `fit`.
        """
        weights = vote_weights(similarity, self.temperature)
        if self.exclusive:
            flat = self._place.get_indexer(pd.Index(labels.ravel(), dtype=object))
            position = flat.reshape(labels.shape)
            unknown = labels[(weights > 0) & (position < 0)]
            if len(unknown):
                raise NewLabelsError(
                    f"the index has labels that came after fit: {unknown[0]!r}; fit again"
                )
            return count_votes(weights, position, len(self.names))
        kind, stored = pd.factorize(pd.Series(labels.ravel(), dtype=object))
        if not len(stored):  # no item has any neighbor
            return np.zeros((len(labels), len(self.names)))
        has = np.zeros((len(stored), len(self.names)))
        for row, value in enumerate(stored):
            has[row, self._place.get_indexer(pd.Index(stored_names(value), dtype=object))] = 1.0
        shares = count_votes(weights, kind.reshape(labels.shape), len(stored))
        shares[~(weights > 0).any(axis=1)] = 0.0
        votes: FloatArray = np.minimum(shares @ has, 1.0)
        return votes

    def resemblance(self, vectors: Vectors) -> FloatArray:
        """Return what the prototypes say about items (n, d): probabilities (n, C)."""
        assert self.prototypes is not None
        similarity = self.prototypes.similarity(vectors)
        if not self.exclusive:
            several: FloatArray = expit(_SLOPE * (similarity - _MIDDLE))
            return several
        blank = self.prototypes.is_blank()
        if not blank.all():
            similarity[:, blank] = -np.inf  # nothing is known about what the label looks like
        one: FloatArray = softmax(_SLOPE * similarity, axis=1)
        return one

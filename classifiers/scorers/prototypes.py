"""What each label looks like: the middle of its examples, of its description, of items like them.

A prototype is a direction in the space of the vectors. It starts from what there is for a label: a
description counts as much as 1.5 examples. Unlabeled items, where given beside examples, sharpen it
twice: what all items share is taken out of every vector (centering), and each prototype is drawn
toward the items nearest to it (soft k-means on the sphere that starts from the labels; Banerjee et
al., "Clustering on the Unit Hypersphere using von Mises-Fisher Distributions", JMLR 2005). Without
an example they are first guessed, see `classifiers.training.adaptation`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import softmax

from classifiers.arrays import FloatArray, Positions, Vectors
from retrieval import Encoder, Reading, ReadingCounts

# A description is read in several ways; the mean of their vectors depends less on the wording.
_PHRASINGS = ("{}", "{}?", "This is about {}.", "The topic is {}.", "an example of {}")

# Chosen on the training folds of BANKING77; results are flat around each.
DESCRIPTION_WEIGHT = 1.5  # a description, in examples
_UNLABELED_WEIGHT = 5.0  # the unlabeled items of an average label, in examples
_UNLABELED_TEMPERATURE = 0.03
_ROUNDS = 10


@dataclass(frozen=True)
class Prototypes:
    """Sums from which the prototype of each label follows, so that an example can come and go.

    Attributes:
        names: (C,) the labels.
        sums: (C, d) sum of the centered unit vectors of the examples.
        counts: (C,) number of examples.
        described: (C, d) centered unit vector of the description; zero where there is none.
        center: (d,) what is subtracted from the vector of an item; zero without unlabeled items.
        described_center: (d,) the same for descriptions, which differ from items as a kind of text.
        pull: (C, d) what the unlabeled items add, in examples; zero without.
    """

    names: npt.NDArray[np.object_]
    sums: FloatArray
    counts: npt.NDArray[np.int64]
    described: FloatArray
    center: FloatArray
    described_center: FloatArray
    pull: FloatArray

    @classmethod
    def of(
        cls,
        names: npt.NDArray[np.object_],
        described: Mapping[str, FloatArray],
        dim: int,
        unlabeled: Vectors | None = None,
    ) -> Prototypes:
        """Start from descriptions alone.

        Args:
            names: (C,) the labels.
            described: Label → vector (dim,) of its description, for some of them or none.
            dim: Length of a vector.
            unlabeled: (m, dim) items that define the center.
        """
        center = np.zeros(dim) if unlabeled is None else unlabeled.mean(axis=0, dtype=np.float64)
        blank = np.zeros((len(names), dim))
        given = np.array(list(described.values()), dtype=np.float64).reshape(-1, dim)
        is_centered = unlabeled is not None and len(given) > 1
        middle = given.mean(axis=0) if is_centered else np.zeros(dim)
        vectors = blank.copy()
        vectors[pd.Index(names).get_indexer(pd.Index(list(described)))] = _unit(given - middle)
        counts = np.zeros(len(names), np.int64)
        return cls(names, blank, counts, vectors, center, middle, blank)

    def centered(self, vectors: Vectors | FloatArray) -> FloatArray:
        """Return unit vectors (n, d) without what all items share."""
        if not self.center.any():
            return np.asarray(vectors, dtype=np.float64)
        return _unit(vectors - self.center)

    def adding(self, labels: Positions, vectors: Vectors, sign: int = 1) -> Prototypes:
        """Return the prototypes with these examples added (sign -1: taken away).

        Args:
            labels: (n,) the position of each example's label in `names`.
            vectors: (n, d) the examples.
            sign: 1 or -1.
        """
        sums, counts = self.sums.copy(), self.counts.copy()
        np.add.at(sums, labels, sign * self.centered(vectors))
        np.add.at(counts, labels, sign)
        sums[counts == 0] = 0.0  # not the rounding left over
        return replace(self, sums=sums, counts=counts)

    def renamed(self, names: npt.NDArray[np.object_]) -> Prototypes:
        """Return the prototypes of these labels; new ones are blank."""
        there, old = _positions(names, self.names)
        blank = np.zeros((len(names), len(self.center)))
        parts = {}
        for part in ("sums", "described", "pull"):
            parts[part] = blank.copy()
            parts[part][there] = getattr(self, part)[old]
        counts = np.zeros(len(names), np.int64)
        counts[there] = self.counts[old]
        return replace(self, names=names, counts=counts, **parts)

    def describing(self, name: str, vector: FloatArray) -> Prototypes:
        """Return the prototypes with a description, (d,), of one label."""
        described = self.described.copy()
        position = pd.Index(self.names).get_loc(name)
        described[position] = _unit(vector - self.described_center)
        return replace(self, described=described)

    def drawn_to(self, unlabeled: Vectors) -> Prototypes:
        """Return the prototypes after soft k-means over unlabeled items (m, d)."""
        items = self.centered(unlabeled)
        scale = _UNLABELED_WEIGHT * len(self.names) / len(items)
        drawn = self
        for _ in range(_ROUNDS):
            shares = softmax(items @ drawn.directions().T / _UNLABELED_TEMPERATURE, axis=1)
            drawn = replace(drawn, pull=scale * (shares.T @ items))
        return drawn

    def directions(self) -> FloatArray:
        """Return the prototypes (C, d), unit vectors; zero for a label nothing is known about."""
        return _unit(self.sums + DESCRIPTION_WEIGHT * self.described + self.pull)

    def is_blank(self) -> npt.NDArray[np.bool_]:
        """Tell of which labels nothing is known, (C,)."""
        something = [part.any(axis=1) for part in (self.sums, self.described, self.pull)]
        blank: npt.NDArray[np.bool_] = ~np.any(something, axis=0)
        return blank

    def similarity(self, vectors: Vectors) -> FloatArray:
        """Return the cosine similarity of items and prototypes, (n, C)."""
        similarity: FloatArray = self.centered(vectors) @ self.directions().T
        return similarity


def describe(labels: Mapping[str, Sequence[str]], encoder: Encoder) -> dict[str, FloatArray]:
    """Turn label texts into one vector each.

    Args:
        labels: Label → its names or descriptions, one or more.
        encoder: Turns texts into vectors.

    Returns:
        Label → unit vector (d,), the mean over its texts in several phrasings.
    """
    phrased = {
        name: [phrasing.format(text) for text in texts for phrasing in _PHRASINGS]
        for name, texts in labels.items()
    }
    every = [text for texts in phrased.values() for text in texts]
    reading = encoder.read(every)
    vectors = reading.vectors
    # As they are, without the words around them.
    bare = slice(None, None, len(_PHRASINGS))
    as_given = Reading(vectors[bare], reading.readable[bare], reading.cut[bare])
    ReadingCounts.of(every[bare], as_given).warn("labels", stacklevel=7)
    ends = np.cumsum([len(texts) for texts in phrased.values()])[:-1]
    return {
        name: _unit(part.mean(axis=0, dtype=np.float64))
        for name, part in zip(phrased, np.split(vectors, ends), strict=True)
    }


def _positions(
    names: npt.NDArray[np.object_], others: npt.NDArray[np.object_]
) -> tuple[Positions, Positions]:
    """Return where the names common to both lie in the one and in the other."""
    _, one, other = np.intersect1d(names.astype(str), others.astype(str), return_indices=True)
    return one, other


def _unit(vectors: npt.NDArray[np.floating]) -> FloatArray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: FloatArray = np.divide(vectors, length, out=np.zeros(vectors.shape), where=length > 1e-12)
    return unit

"""Score labels by neighbors, prototypes and head, and blend what they say.

Neighbors, prototypes and head each give every label a probability. They are mixed linearly, so that
an answer is the sum of what its parts contribute, and a part that is sure cannot be vetoed by one
that knows nothing. The shares of the mixture are those nearest to sound defaults among all that are
as good as the best on out-of-fold answers, within half a standard error (after the rule of Breiman
et al., "Classification and Regression Trees", 1984): with few examples the defaults stay. A last
share is spread over all labels: no label is impossible. Then the whole is calibrated.

An item that is the same as a labeled one, to the encoder, is of its label as often as such items
agree, whatever the parts say: whoever corrects a label gets the correction when asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, softmax

from classifiers.arrays import FloatArray, Vectors
from classifiers.inputs import stored_names
from classifiers.scorers.linear_head import LinearHead
from classifiers.scorers.prototypes import Prototypes
from classifiers.scorers.temperature import Scaling
from classifiers.scorers.votes import count_votes, vote_weights
from retrieval import TIE_DIGITS, InputError

# How fast a prototype's say fades with similarity, before it is calibrated.
_SLOPE = 20.0
_MIDDLE = 0.5

# What calibrates a part where no out-of-fold answers can tell; from BANKING77's training folds. A
# head of a single example a label is unsure of itself, prototypes drawn to unlabeled items are too
# sure.
_HEAD_SLOPE = 2.0

NEIGHBORS, PROTOTYPES, HEAD = "neighbors", "prototypes", "head"
_DRAWN_SLOPES = {PROTOTYPES: 0.6, HEAD: 1.4}
_GUESSED_SLOPE = 0.8  # of a head of guesses alone
ANY = "any label"
SAME = "the same"
"""The votes of neighbors that the encoder cannot tell from the item; zeros where there is none."""

_SAME = 1 - 10.0**-TIE_DIGITS

Parts = Mapping[str, FloatArray]
"""Part → (n, C) probabilities."""

# Shares before anything is learned, chosen on BANKING77's training folds with 1 to 10 examples a
# label.
_DEFAULT = {NEIGHBORS: 0.3, PROTOTYPES: 0.1, HEAD: 0.6}
_WITHOUT_EXAMPLES = {NEIGHBORS: 0.1, PROTOTYPES: 0.9, HEAD: 0.0}
# The head has learned how the unlabeled items were guessed. If they have not drawn the prototypes,
# they were of few of the labels, and the names are all there is for the others.
_FROM_GUESSES = {NEIGHBORS: 0.05, PROTOTYPES: 0.15, HEAD: 0.8}
_FROM_FEW_LABELS = {NEIGHBORS: 0.05, PROTOTYPES: 0.45, HEAD: 0.5}
ANY_SHARE = 0.01
_STEPS = 10

# In standard errors. With a whole one full data kept the defaults, which cost 0.2 points on
# BANKING77's training folds; with none 10 examples a label chose by chance, which cost 0.5.
_TOLERANCE = 0.5


class NewLabelsError(InputError):
    """The index has labels that came after `fit`; `catch_up` learns them."""


@dataclass(frozen=True)
class Scorers:
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

    def renamed(self, names: npt.NDArray[np.object_]) -> Scorers:
        """Return the sources for these labels."""
        prototypes = None if self.prototypes is None else self.prototypes.renamed(names)
        return replace(self, names=names, prototypes=prototypes)

    def default_scalings(self) -> dict[str, Scaling]:
        """Return what calibrates the parts before there are out-of-fold answers."""
        if not self.exclusive:
            return {}
        slopes = _DRAWN_SLOPES if self.is_drawn else {HEAD: _HEAD_SLOPE}
        if self.prototypes is not None and not self.prototypes.counts.any():
            slopes = {**slopes, HEAD: _GUESSED_SLOPE}
        return {part: Scaling(slope=slope) for part, slope in slopes.items()}

    @property
    def is_drawn(self) -> bool:
        """Whether unlabeled items have drawn the prototypes."""
        return self.prototypes is not None and bool(self.prototypes.pull.any())

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
        places: npt.ArrayLike = 1.0,
        votes_only: bool = False,
    ) -> dict[str, FloatArray]:
        """Return what each source says, (n, C); of the head only the labels it knows, in order.

        Args:
            vectors: (n, d) the items.
            similarity: (n, k) of their neighbors, NaN where there is none.
            labels: (n, k) the neighbors' labels as stored in the index.
            places: (n, k) how many votes each has.
            votes_only: Leave prototypes and head out.
        """
        votes = self.all_votes(similarity, labels, places)
        return votes if votes_only else {**votes, **self.say(vectors)}

    def all_votes(
        self,
        similarity: npt.NDArray[np.floating],
        labels: npt.NDArray[np.object_],
        places: npt.ArrayLike = 1.0,
    ) -> dict[str, FloatArray]:
        """Return the votes of neighbors, and those of the same items where any item has one."""
        said = {NEIGHBORS: self.votes(similarity, labels, places)}
        is_same = similarity >= _SAME
        if is_same.any():
            votes = self.votes(np.where(is_same, similarity, np.nan), labels, places)
            votes[~is_same.any(axis=1)] = 0.0
            said[SAME] = votes
        return said

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
        self,
        similarity: npt.NDArray[np.floating],
        labels: npt.NDArray[np.object_],
        places: npt.ArrayLike = 1.0,
    ) -> FloatArray:
        """Add up the votes of neighbors, (n, C), from their similarity and labels, (n, k).

        Raises:
            NewLabelsError: The index has a label that came after `fit`.
        """
        weights = vote_weights(similarity, self.temperature, places)
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


@dataclass(frozen=True)
class Blend:
    """Shares of the mixture.

    Attributes:
        shares: Part → its share, `ANY` included; they sum to 1.
    """

    shares: dict[str, float]

    @classmethod
    def default(
        cls,
        parts: Iterable[str],
        floor: float,
        *,
        has_examples: bool = True,
        is_drawn: bool = False,
    ) -> Blend:
        """Return the shares to use before there are out-of-fold answers.

        Args:
            parts: What has a say.
            floor: The share of `ANY`.
            has_examples: Whether there are examples, or descriptions alone.
            is_drawn: Whether unlabeled items have drawn the prototypes.
        """
        there, trust = list(parts), _DEFAULT
        if not has_examples:
            guessed = _FROM_GUESSES if is_drawn else _FROM_FEW_LABELS
            trust = guessed if HEAD in there else _WITHOUT_EXAMPLES
        chosen = {part: trust[part] for part in there}
        total = sum(chosen.values())
        return cls(
            {**{part: (1 - floor) * one / total for part, one in chosen.items()}, ANY: floor}
        )

    def among(self, parts: Iterable[str]) -> Blend:
        """Return the blend of these parts alone, in their proportions; alike if they had no say."""
        kept = {part: self.shares[part] for part in parts}
        total, floor = sum(kept.values()), self.shares[ANY]
        proportions = {part: one / total if total else 1 / len(kept) for part, one in kept.items()}
        return Blend({**{part: (1 - floor) * one for part, one in proportions.items()}, ANY: floor})

    def improved(self, parts: Parts, targets: npt.NDArray[Any]) -> Blend:
        """Return the shares to take after seeing out-of-fold answers.

        Args:
            parts: What each part said, (m, C).
            targets: (m,) the position of the true label: judged by how many are named wrongly. Or
                (m, C) whether the item has each label: judged by the squared error.
        """
        floor, mine = self.shares[ANY], [self.shares[part] for part in parts]
        grid = [np.array(steps) / _STEPS for steps in _compositions(_STEPS, len(parts))]
        losses = np.stack([_losses(parts, shares, targets) for shares in grid])
        mean = losses.mean(axis=1)
        error = losses[mean.argmin()].std() / np.sqrt(losses.shape[1])
        good = np.flatnonzero(mean <= mean.min() + _TOLERANCE * error)
        distance = [float(np.square(grid[one] * (1 - floor) - mine).sum()) for one in good]
        chosen = grid[good[int(np.argmin(distance))]] * (1 - floor)
        return Blend({**dict(zip(parts, chosen.tolist(), strict=True)), ANY: floor})

    def contributions(self, parts: Parts, floor: float) -> dict[str, FloatArray]:
        """Return what each part adds to the mixture, each (n, C).

        Args:
            parts: Part → (n, C) probabilities.
            floor: Probability that `ANY` gives to each label.
        """
        shape = next(iter(parts.values())).shape
        added = {part: self.shares[part] * proba for part, proba in parts.items()}
        return {**added, ANY: np.full(shape, self.shares[ANY] * floor)}


def _compositions(total: int, n: int) -> Iterator[tuple[int, ...]]:
    """List the ways in which n whole numbers add up to a total."""
    if n == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, n - 1):
            yield (first, *rest)


def _losses(parts: Parts, shares: FloatArray, targets: npt.NDArray[Any]) -> FloatArray:
    """Return how wrong a mixture is about each of m items, (m,)."""
    mixture = sum(share * proba for share, proba in zip(shares, parts.values(), strict=True))
    if targets.ndim == 1:
        wrong: FloatArray = (np.argmax(mixture, axis=1) != targets).astype(np.float64)
        return wrong
    squared: FloatArray = np.square(mixture - targets).sum(axis=1)
    return squared


def completed(
    head: FloatArray, knows: npt.NDArray[np.bool_], others: FloatArray, *, exclusive: bool
) -> FloatArray:
    """Fill in what the head cannot say about labels that came after it was fitted.

    Those labels keep the probability that the other parts give them, and the head divides the rest
    among the labels it knows.

    Args:
        head: (n, number of labels it knows).
        knows: (C,) which of the labels it knows.
        others: (n, C) the mixture of the other parts.
        exclusive: Whether an item has one label only.
    """
    if knows.all():
        return head
    filled = others.copy()
    rest = 1 - others[:, ~knows].sum(axis=1, keepdims=True) if exclusive else 1.0
    filled[:, knows] = head * rest
    return filled

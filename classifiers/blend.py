"""What the parts say, blended into one probability.

Neighbors, prototypes and head each give every label a probability. They are mixed linearly, so that
an answer is the sum of what its parts contribute, and a part that is sure cannot be vetoed by one
that knows nothing. The shares of the mixture are those nearest to sound defaults among all that are
as good as the best on out-of-fold answers, within half a standard error (after the rule of Breiman
et al., "Classification and Regression Trees", 1984): with few examples the defaults stay. A last
share is spread over all labels: no label is impossible. Then the whole is calibrated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.scorers.votes import FloatArray

NEIGHBORS, PROTOTYPES, HEAD = "neighbors", "prototypes", "head"
ANY = "any label"

Parts = Mapping[str, FloatArray]
"""Part → (n, C) probabilities."""

# Shares before anything is learned, chosen on BANKING77's training folds with 1 to 10 examples a
# label.
_DEFAULT = {NEIGHBORS: 0.3, PROTOTYPES: 0.1, HEAD: 0.6}
_WITHOUT_EXAMPLES = {NEIGHBORS: 0.1, PROTOTYPES: 0.9, HEAD: 0.0}
ANY_SHARE = 0.01
_STEPS = 10

# In standard errors. With a whole one full data kept the defaults, which cost 0.2 points on
# BANKING77's training folds; with none 10 examples a label chose by chance, which cost 0.5.
_TOLERANCE = 0.5


@dataclass(frozen=True)
class Blend:
    """Shares of the mixture.

    Attributes:
        shares: Part → its share, `ANY` included; they sum to 1.
    """

    shares: dict[str, float]

    @classmethod
    def default(cls, parts: Iterable[str], floor: float, *, has_examples: bool = True) -> Blend:
        """Return the shares to use before there are out-of-fold answers.

        Args:
            parts: What has a say.
            floor: The share of `ANY`.
            has_examples: Whether there are examples, or descriptions alone.
        """
        trust = _DEFAULT if has_examples else _WITHOUT_EXAMPLES
        chosen = {part: trust[part] for part in parts}
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

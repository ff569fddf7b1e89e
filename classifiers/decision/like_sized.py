"""How far may an item be from sure? A limit for each label, by the labels that are of like size.

What holds on the whole need not hold for a label of few examples: whatever is of it is less sure,
and few answers are of it. So the limit of a label is where the wanted share of held-out answers to
labels of like size passed (Mondrian conformal prediction; Vovk, Gammerman and Shafer, "Algorithmic
Learning in a Random World", 2005), labels of like size being those of as many examples up to a
factor of two. Labels with plenty of examples are the largest class; their limit is that of all
answers. So it is where all labels are of one size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mapie.conformity_scores import LACConformityScore

from classifiers.arrays import BoolArray, FloatArray, Positions

# So many examples are plenty; beside labels of very many more, an eighth of their mean is.
PLENTY = 32
_RARER = 8
# Share of items of other labels whose sets may hold a rare one for the sake of its coverage. A
# grocer's 298 categories, of unseen product types: sets of 18.5 labels hold those of fewer than 32
# products for 94 %; without a bound they are of 22.8 and hold 97 %, with one limit 17.5 and 89 %.
_MOST_OTHERS = 0.05


@dataclass(frozen=True)
class Limits:
    """Limits by size.

    Attributes:
        shared: Of all answers together.
        by_size: Class of size → its limit.
        assured: The classes whose limit rests on answers enough.
    """

    shared: float
    by_size: Mapping[int, float]
    assured: frozenset[int]

    def of(self, sizes: npt.NDArray[np.integer]) -> tuple[FloatArray, BoolArray]:
        """Return limit and assurance of labels with so many examples, each (C,)."""
        assured = np.isin(size_class(sizes), list(self.assured))
        return limits_of(self.by_size, sizes, self.shared), assured


def limits_of(
    by_size: Mapping[int, float], sizes: npt.NDArray[np.integer], shared: float
) -> FloatArray:
    """Return the limits of labels with so many examples, (C,).

    Args:
        by_size: Class of size → limit. Of a class that is missing the next larger one's counts.
        sizes: (C,) numbers of examples.
        shared: The limit where there is no larger one.
    """
    classes, place = np.unique(size_class(sizes), return_inverse=True)
    found = [
        by_size[min(larger)] if (larger := [one for one in by_size if one >= size]) else shared
        for size in classes.tolist()
    ]
    return np.array(found, dtype=np.float64)[place]


def size_class(counts: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return classes of size: 0 for 1 example, 1 for 2 and 3, 2 for 4 to 7 ...; -1 for none."""
    _, exponent = np.frexp(counts)
    classes: npt.NDArray[np.int64] = exponent.astype(np.int64) - 1
    return classes


def plenty(counts: npt.NDArray[np.integer]) -> int:
    """Return from how many examples on a label is no rare one, beside labels of so many, (C,)."""
    there = counts[counts > 0]
    return max(PLENTY, int(there.mean() / _RARER)) if len(there) else PLENTY


def limits_by_size(
    scores: FloatArray,
    sizes: npt.NDArray[np.integer],
    share: float,
    shared: float,
    widest: Mapping[int, float] | None = None,
) -> Limits:
    """Find the limits within which the share of answers is.

    A class with too few answers for that has the highest of them for its limit, or the one of the
    next larger class where that is higher.

    Args:
        scores: (m,) of held-out answers, lower for surer.
        sizes: (m,) how many examples the true label of each had.
        share: Between 0 and 1.
        shared: The limit of all labels together, and of the largest class.
        widest: Class of size → what its limit may be at most, if that is above the shared one.
    """
    classes = size_class(sizes)
    largest, *smaller = np.unique(classes)[::-1].tolist()
    by_size = {largest: shared}
    assured = {largest} if (classes == largest).sum() >= needed(share) else set()
    larger = shared
    for one in smaller:
        own = scores[classes == one]
        if len(own) >= needed(share):
            assured.add(one)
            limit = conformal_quantile(own, share)
        else:
            limit = max(float(own.max()), larger)
        most = max(shared, (widest or {}).get(one, np.inf))
        if limit > most:
            assured.discard(one)
        by_size[one] = larger = min(limit, most)
    return Limits(shared, by_size, frozenset(assured))


def widest_by_size(
    doubts: FloatArray, targets: Positions, sizes: npt.NDArray[np.integer]
) -> dict[int, float]:
    """Return the limit of each class within which its labels are for few items of other labels.

    A set that holds a rare label whatever the item is tells nothing: where a wider limit would be
    needed, coverage cannot be promised.

    Args:
        doubts: (m, C) one minus the probability of each label, of held-out items.
        targets: (m,) position of the true label.
        sizes: (C,) how many examples the labels have.
    """
    others = np.arange(doubts.shape[1]) != targets[:, None]
    classes = size_class(sizes)
    return {
        one: float(np.quantile(doubts[:, inside][others[:, inside]], _MOST_OTHERS))
        for one in np.unique(classes).tolist()
        for inside in [classes == one]
        if others[:, inside].any()
    }


def needed(share: float) -> int:
    """Return how many answers a share takes."""
    # Rounded, or 9 answers would be 10 for a share of 0.9.
    return int(np.ceil(round(share / (1 - share), 9)))


def conformal_quantile(scores: FloatArray, share: float) -> float:
    """Return the score that a new answer is within with the probability `share` at least.

    Of answers too few for that it is the highest score.
    """
    # The rank that is wanted is (n + 1) times the share, rounded up: the last one, or beyond.
    if (len(scores) + 1) * share > len(scores) - 1 + 1e-9:
        return float(scores.max())
    quantiles = LACConformityScore().get_conformity_score_quantiles(
        scores[:, None], np.array([1 - share]), cv="prefit"
    )
    return float(np.ravel(quantiles)[0])

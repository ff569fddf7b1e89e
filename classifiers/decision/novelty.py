"""None of these: how unlike everything labeled is an item?

An item of no known label lies far from its neighbors, and they disagree. How much each of these
counts is learned without a single such item: every example plays the stranger once, with all
examples of its own label hidden from it. Real ones, where given, take the strangers' place.

An item of a label of few examples lies farther from them than is usual, as a stranger does. So labels
of like size have a threshold of their own, learned from held-out items of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve

from classifiers.arrays import BoolArray, FloatArray
from classifiers.decision.like_sized import conformal_quantile, limits_by_size, limits_of
from classifiers.scorers.temperature import FEWEST

NEAR = 5
# Similarity below which nothing is alike, for want of examples to learn it from. With the default
# encoder 0.2 % of BANKING77's training texts lie that far from every label's name, and 0.1 % of a
# grocer's products; about half of what has to do with neither does.
_STRANGE = 0.2
N_FEATURES = 6
_DIGITS = 6


def novelty_features(
    similarity: npt.NDArray[np.floating],
    proba: FloatArray,
    closeness: FloatArray,
) -> FloatArray:
    """Describe how an item lies among its neighbors.

    Args:
        similarity: (n, k) of the neighbors, falling; NaN where there is none.
        proba: (n, C) of the labels.
        closeness: (C,) how similar the examples of each label are to their own neighbors.

    Returns:
        (n, 6): similarity of the nearest, of the 5th and of the k-th neighbor, the local density
        (how much nearer the 5th is than is usual for the label), the probability of the label, and
        its lead over the second.
    """
    k = similarity.shape[1]
    padded = proba if proba.shape[1] > 1 else np.hstack([0 * proba, proba])
    top = np.partition(padded, -2, axis=1)[:, -2:]
    usual = closeness[proba.argmax(axis=1)]
    fifth = nth_similarity(similarity, NEAR)
    features: FloatArray = np.stack(
        [
            nth_similarity(similarity, 1),
            fifth,
            nth_similarity(similarity, k),
            fifth - usual,
            top[:, 1],
            top[:, 1] - top[:, 0],
        ],
        axis=1,
    )
    # Without the noise of single precision: items that read the same are equally new.
    return features.round(_DIGITS)


def nth_similarity(similarity: npt.NDArray[np.floating], n: int) -> FloatArray:
    """Return the similarity of the n-th neighbor, (m,); of the last where there are fewer.

    Args:
        similarity: (m, k), falling, NaN where there is no neighbor; without any it is -1.
        n: From 1.
    """
    there = (~np.isnan(similarity)).sum(axis=1)
    place = np.clip(np.minimum(n, there) - 1, 0, None)
    found = np.take_along_axis(similarity.astype(np.float64), place[:, None], axis=1)[:, 0]
    return np.where(there > 0, found, -1.0)


@dataclass(frozen=True)
class Novelty:
    """A score of how new an item is, and from where on it counts as unknown.

    Attributes:
        coef: (6,) weight of each feature.
        intercept: Of the score.
        threshold: Scores above it are of items unknown.
        by_size: The same for items of labels of some size; of the size of none `threshold`.
    """

    coef: FloatArray
    intercept: float
    threshold: float
    by_size: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def unlearned(cls) -> Novelty:
        """Return one minus the similarity of the nearest neighbor; few items are unknown by it."""
        coef = np.zeros(N_FEATURES)
        coef[0] = -1.0
        return cls(coef, 1.0, 1.0 - _STRANGE)

    def score(self, features: FloatArray) -> FloatArray:
        """Return (n,) scores, higher for items less like anything known."""
        scores: FloatArray = features @ self.coef + self.intercept
        return scores.round(_DIGITS)

    def thresholds(self, sizes: npt.NDArray[np.integer]) -> FloatArray:
        """Return the thresholds of items, (n,), of labels that have so many examples."""
        return limits_of(self.by_size, sizes, self.threshold)

    def fair_to(
        self,
        features: FloatArray,
        sizes: npt.NDArray[np.integer],
        is_cut: BoolArray,
        false_alarm_rate: float,
    ) -> Novelty:
        """Return one by which as many known items are called unknown, whatever their labels' size.

        Args:
            features: (m, 6) of held-out items.
            sizes: (m,) how many examples the true label of each has, or was cut to.
            is_cut: (m,) whether it was cut.
            false_alarm_rate: Share of them that is called unknown on the whole.
        """
        scores, share = self.score(features), 1 - false_alarm_rate
        if not 0 < share < 1:
            return self
        shared = conformal_quantile(scores[~is_cut], share)
        limits = limits_by_size(scores, sizes, share, shared)
        more = {size: limit - shared for size, limit in limits.by_size.items()}
        return replace(self, by_size={size: self.threshold + one for size, one in more.items()})


def fit_novelty(
    known: FloatArray,
    strangers: FloatArray,
    outside: FloatArray | None,
    false_alarm_rate: float,
) -> Novelty:
    """Learn to tell strangers from known items.

    Args:
        known: (m, 6) features of examples, out of fold.
        strangers: (s, 6) features of the same with their own label hidden.
        outside: (o, 6) features of items that are of none of the labels; None if there are none.
        false_alarm_rate: Share of known items that may be called unknown. With `outside` the
            threshold is where known and unknown items are told apart best instead (Youden's J).
    """
    others = strangers if outside is None else outside
    if len(known) < FEWEST or len(others) < 2:
        return Novelty.unlearned()
    features = np.concatenate([known, others])
    is_new = np.repeat([False, True], [len(known), len(others)])
    middle, spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    model = LogisticRegression(class_weight="balanced").fit((features - middle) / spread, is_new)
    coef = model.coef_[0] / spread
    novelty = Novelty(coef, float(model.intercept_[0] - middle @ coef), float("inf"))
    if outside is None:
        threshold = conformal_quantile(novelty.score(known), 1 - false_alarm_rate)
    else:
        false_alarms, found, thresholds = roc_curve(is_new, novelty.score(features))
        # roc_curve calls positive from the threshold on, `known` only past it.
        threshold = float(np.nextafter(thresholds[(found - false_alarms).argmax()], -np.inf))
    return replace(novelty, threshold=threshold)

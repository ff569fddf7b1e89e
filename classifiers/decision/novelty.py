"""None of these: how unlike everything labeled is an item?

An item of no known label lies far from its neighbors, and they disagree. How much each of these
counts is learned without a single such item: every example plays the stranger once, with all
examples of its own label hidden from it. Real ones, where given, take the strangers' place.

An item of a label of few examples lies farther from them than is usual, as a stranger does. Where
held-out items of labels of some size would be called unknown too often, an item counts as known,
too, if such a label is as probable for it as for most of them.
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
_TOLERATED = 2
_NEVER = -1.0
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
        doubts: Class of size → how far from sure a label of it may be (one minus its probability)
            for an item of a higher score to count as known all the same. Below 0: never.
    """

    coef: FloatArray
    intercept: float
    threshold: float
    doubts: Mapping[int, float] = field(default_factory=dict)

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

    def knows(
        self, scores: FloatArray, proba: FloatArray, sizes: npt.NDArray[np.integer]
    ) -> BoolArray:
        """Tell which items are not new, (n,).

        Args:
            scores: (n,) of the items; NaN where nothing could be seen, which is new.
            proba: (n, C) of the labels.
            sizes: (C,) how many examples they have.
        """
        most = limits_of(self.doubts, sizes, _NEVER)
        is_like = ((1 - proba <= most + np.finfo(np.float64).eps) & (most >= 0)).any(axis=1)
        known: BoolArray = (scores <= self.threshold) | (is_like & ~np.isnan(scores))
        return known

    def fair_to(
        self, scores: FloatArray, doubts: FloatArray, sizes: npt.NDArray[np.integer], alarms: float
    ) -> Novelty:
        """Return one that knows items of labels of any size.

        Args:
            scores: (m,) of held-out items.
            doubts: (m,) one minus the probability of the true label of each.
            sizes: (m,) how many examples that label has.
            alarms: Share of items that may be called unknown. Of no size it is more than twice
                that: to hold the share itself for labels of five examples would cost most of the
                strangers that are found (BANKING77: .64 become .3, against .53 for twice it).
        """
        share = 1 - _TOLERATED * alarms
        if not 0 < share < 1:
            return self
        left = np.where(scores <= self.threshold, _NEVER, doubts)
        limits = limits_by_size(left, sizes, share, _NEVER)
        # Too few answers do not tell how many would be left.
        few = limits_by_size(doubts, sizes, share, _NEVER).by_size
        found = {
            size: limit if size in limits.assured else few[size]
            for size, limit in limits.by_size.items()
        }
        return replace(self, doubts=found)


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

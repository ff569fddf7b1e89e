"""Measure labels: accuracy by item and by group, macro F1, calibration.

Groups are what was held out together: product types, customers, weeks. Items of one group are
alike, so that a few large groups can dominate an average over items; the average over groups gives
each the same say.

Probabilities mean what they say where of items labeled with 80 % certainty 80 % are right.
Confidence is the probability of the label named (Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017). Items are sorted by it and cut into bins of equal count (Naeini et al.,
"Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015), not into bins of equal
width, most of which a confident classifier leaves nearly empty. Items of the same confidence share
a bin, so that the order of the items does not matter; bins can therefore be fewer and uneven.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.arrays import BoolArray, FloatArray
from retrieval import InputError

Array = npt.NDArray[Any]

BINS = 15

Statistic = Callable[[FloatArray], float]
"""From how often each item counts, shape (n,), to a score."""


@dataclass(frozen=True)
class Accuracy:
    """Share of labels found among the k most probable ones.

    Attributes:
        by_item: k → mean over items.
        by_group: k → mean over groups of the mean within the group.
        n_items: Number of items.
        n_groups: Number of groups.
    """

    by_item: dict[int, float]
    by_group: dict[int, float]
    n_items: int
    n_groups: int


def accuracy(
    probabilities: FloatArray,
    classes: Array,
    y: Sequence[Any] | Array,
    groups: Sequence[Any] | Array,
    ks: Sequence[int] = (1, 5),
) -> Accuracy:
    """Score probabilities by item and by group.

    Args:
        probabilities: (n, n_classes), for example of `NeighborClassifier.predict_proba`.
        classes: (n_classes,) the label of each column.
        y: (n,) the true labels; one that is not among `classes` can only be missed.
        groups: (n,) what each item was held out with.
        ks: How many labels may be named.
    """
    found = {k: hits(probabilities, classes, y, k) for k in ks}
    group = pd.Series(list(groups), name="group")
    if len(group) != len(probabilities) or not len(group):
        raise InputError(f"{len(probabilities)} items have {len(group)} groups")
    by_group = {k: float(pd.Series(hit).groupby(group).mean().mean()) for k, hit in found.items()}
    return Accuracy(
        by_item={k: float(hit.mean()) for k, hit in found.items()},
        by_group=by_group,
        n_items=len(group),
        n_groups=int(group.nunique()),
    )


def hits(
    probabilities: FloatArray, classes: Array, y: Sequence[Any] | Array, k: int = 1
) -> BoolArray:
    """Tell for each item whether its label is among the k most probable ones, shape (n,).

    A label of probability 0 is never found: it was not named. Ties go to the class that sorts
    first.
    """
    if probabilities.shape != (len(y), len(classes)):
        expected = (len(y), len(classes))
        raise InputError(f"probabilities have shape {probabilities.shape}, expected {expected}")
    column = pd.Index(classes).get_indexer(pd.Index(list(y)))
    top = np.argsort(-probabilities, axis=1, kind="stable")[:, :k]
    named = np.take_along_axis(probabilities, top, axis=1) > 0
    found: BoolArray = ((top == column[:, None]) & named).any(axis=1)
    return found


def majority_proba(y_train: Sequence[Any] | Array, classes: Array, n: int) -> FloatArray:
    """Answer as the baseline that looks at no item: with the label shares of the training items.

    Args:
        y_train: Labels of the training items, all among `classes`.
        classes: (n_classes,) the label of each column.
        n: Number of items to label.

    Returns:
        (n, n_classes); its most probable label is the most frequent one.
    """
    column = pd.Index(classes).get_indexer(pd.Index(list(y_train)))
    if not len(column) or (column < 0).any():
        raise InputError("the training labels must not be empty and must all be among the classes")
    counts = np.bincount(column, minlength=len(classes)).astype(np.float64)
    return np.tile(counts / counts.sum(), (n, 1))


def confidence_bins(confidence: FloatArray, bins: int = BINS) -> npt.NDArray[np.intp]:
    """Return the bin of each item, shape (n,), numbered from 0 by rising confidence."""
    values = np.asarray(confidence, dtype=np.float64)
    if values.ndim != 1 or np.isnan(values).any() or bins < 1:
        raise InputError("confidence must be one number an item without NaN, in at least 1 bin")
    rank = pd.Series(values).rank(method="min").to_numpy() - 1
    bin_of_rank = (rank * bins // max(len(values), 1)).astype(np.intp)
    return np.unique(bin_of_rank, return_inverse=True)[1]


def reliability(confidence: FloatArray, correct: BoolArray, bins: int = BINS) -> pd.DataFrame:
    """Put the confidence of each bin beside what came true.

    Args:
        confidence: (n,) probability of the label named.
        correct: (n,) whether that label was right.
        bins: How many bins to aim for.

    Returns:
        One row a bin, by rising confidence: `bin`, `confidence` and `accuracy` (means over its
        items) and `n`.
    """
    if np.shape(confidence) != np.shape(correct):
        raise InputError("confidence and correct must be equally long")
    items = pd.DataFrame(
        {
            "bin": confidence_bins(confidence, bins),
            "confidence": confidence,
            "accuracy": np.asarray(correct, dtype=np.float64),
        }
    )
    grouped = items.groupby("bin")
    return grouped.mean().assign(n=grouped.size()).reset_index()


def calibration_error(confidence: FloatArray, correct: BoolArray, bins: int = BINS) -> float:
    """Return the expected calibration error: the mean over items of their bin's |gap|.

    0 is perfect. It is never measured as 0: with n items in b bins, chance alone gives a classifier
    that is right a share p of the time about ``0.8 * sqrt(p * (1 - p) * b / n)``.

    Args:
        confidence: (n,) probability of the label named.
        correct: (n,) whether that label was right.
        bins: How many bins to aim for.
    """
    return calibration_statistic(confidence, correct, bins)(np.ones(len(confidence)))


def calibration_statistic(
    confidence: FloatArray, correct: BoolArray, bins: int = BINS
) -> Statistic:
    """Return `calibration_error` as a function of how often each item counts, in fixed bins."""
    codes = confidence_bins(confidence, bins)
    gaps = np.asarray(confidence, dtype=np.float64) - np.asarray(correct, dtype=np.float64)

    def _error(weights: FloatArray) -> float:
        total = float(weights.sum())
        return float(np.abs(np.bincount(codes, weights * gaps)).sum()) / total if total else np.nan

    return _error


def group_codes(groups: Sequence[Any]) -> npt.NDArray[np.intp]:
    """Give the distinct groups numbers from 0; what has none is one group."""
    codes: npt.NDArray[np.intp] = pd.factorize(pd.Series(list(groups)), use_na_sentinel=False)[0]
    return codes


def mean(values: npt.NDArray[Any], counted: BoolArray | None = None) -> Statistic:
    """Return the mean over the items, or over those counted."""
    within = np.ones(len(values)) if counted is None else counted.astype(np.float64)
    numbers = within * values.astype(np.float64)

    def _mean(weights: FloatArray) -> float:
        # Not by @: BLAS wakes every core for it, and waits longer than it takes to add them up.
        total = float((weights * within).sum())
        return float((weights * numbers).sum()) / total if total else float("nan")

    return _mean


def mean_of_means(
    values: npt.NDArray[Any], codes: npt.NDArray[np.intp], counted: BoolArray | None = None
) -> Statistic:
    """Return the mean over labels or groups of their means; one without an item is left out."""
    within = np.ones(len(values)) if counted is None else counted.astype(np.float64)
    numbers = values.astype(np.float64)

    def _mean_of_means(weights: FloatArray) -> float:
        n = np.bincount(codes, weights * within)
        sums = np.bincount(codes, weights * within * numbers)
        return float((sums[n > 0] / n[n > 0]).mean()) if n.any() else float("nan")

    return _mean_of_means


def macro_f1(label: npt.NDArray[np.intp], predicted: npt.NDArray[np.intp]) -> Statistic:
    """Return scikit-learn's macro F1 over the labels that occur, a thousand times in a second."""
    n_labels = int(label.max()) + 1
    elsewhere = np.where(predicted < 0, n_labels, predicted)

    def _macro_f1(weights: FloatArray) -> float:
        hit = np.bincount(label, weights * (label == predicted), n_labels)
        n = np.bincount(label, weights, n_labels)
        named = np.bincount(elsewhere, weights, n_labels + 1)[:n_labels]
        return float((2 * hit[n > 0] / (n + named)[n > 0]).mean())

    return _macro_f1

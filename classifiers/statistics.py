"""Scores as functions of how often each item counts, which is what a bootstrap asks for."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.evaluation.metrics import BoolArray, FloatArray

Statistic = Callable[[FloatArray], float]
"""From how often each item counts, shape (n,), to a score."""


def group_codes(groups: Sequence[Any]) -> npt.NDArray[np.intp]:
    """Number the distinct groups from 0; what has none is one group."""
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

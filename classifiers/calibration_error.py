"""Do probabilities mean what they say? Of items labeled with 80 % certainty, 80 % should be right.

Confidence is the probability of the label named (Guo et al., "On Calibration of Modern Neural
Networks", ICML 2017). Items are sorted by it and cut into bins of equal count (Naeini et al.,
"Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015), not into bins of equal
width, most of which a confident classifier leaves nearly empty. Items of the same confidence share
a bin, so that the order of the items does not matter; bins can therefore be fewer and uneven.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.evaluation.metrics import BoolArray, FloatArray
from classifiers.statistics import Statistic
from retrieval import InputError

BINS = 15


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

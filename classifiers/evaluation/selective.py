"""What can be labeled without a person? Labels given only where the confidence is high enough."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from classifiers.arrays import BoolArray, FloatArray
from retrieval import InputError


@dataclass(frozen=True)
class Selective:
    """What can be labeled automatically at a precision, all the rest left to a person.

    Attributes:
        target: The precision asked for.
        threshold: Smallest confidence to label automatically; infinite where none reaches the
            target.
        tuned_precision: Precision on the items the threshold was chosen on; NaN where none is
            labeled.
        tuned_coverage: Share of those items labeled.
        precision: Precision on the items it is judged on; NaN where none is labeled.
        coverage: Share of those items labeled.
        n_labeled: How many of them.
    """

    target: float
    threshold: float
    tuned_precision: float
    tuned_coverage: float
    precision: float
    coverage: float
    n_labeled: int


def selective(
    tuning_confidence: FloatArray,
    tuning_correct: BoolArray,
    test_confidence: FloatArray,
    test_correct: BoolArray,
    target: float = 0.9,
) -> Selective:
    """Choose a confidence threshold on one set of items, and judge it on another.

    The threshold is the smallest one at which the tuning items above it are labeled at the target
    precision. It is chosen on out-of-fold answers and knows nothing of the test items, so the
    precision there can be below the target.

    Args:
        tuning_confidence: (m,) confidence in the label named, for example its probability.
        tuning_correct: (m,) whether that label was right.
        test_confidence: (n,) the same for the test items.
        test_correct: (n,) the same for the test items.
        target: Precision asked for, in (0, 1].
    """
    if not 0 < target <= 1:
        raise InputError(f"target must be in (0, 1], got {target}")
    curve = risk_coverage(tuning_confidence, tuning_correct)
    good = curve.loc[curve["precision"] >= target, "threshold"]
    threshold = float(good.min()) if len(good) else float("inf")
    tuned = np.asarray(tuning_confidence) >= threshold
    labeled = np.asarray(test_confidence) >= threshold
    return Selective(
        target=target,
        threshold=threshold,
        tuned_precision=_share(np.asarray(tuning_correct)[tuned]),
        tuned_coverage=_share(tuned),
        precision=_share(np.asarray(test_correct)[labeled]),
        coverage=_share(labeled),
        n_labeled=int(labeled.sum()),
    )


def risk_coverage(confidence: FloatArray, correct: BoolArray) -> pd.DataFrame:
    """Follow precision while ever less certain labels are accepted.

    The curve of selective classification (El-Yaniv and Wiener, JMLR 2010), with precision for risk.

    Args:
        confidence: (n,) confidence in the label named.
        correct: (n,) whether that label was right.

    Returns:
        One row a distinct confidence, falling: `threshold`, `coverage` (share of items at or above
        it) and `precision` (share of those labeled right).
    """
    certainty = np.asarray(confidence, dtype=np.float64)
    right = np.asarray(correct, dtype=bool)
    if certainty.ndim != 1 or certainty.shape != right.shape or np.isnan(certainty).any():
        raise InputError("confidence and correct must be equally long, without NaN")
    order = np.argsort(-certainty, kind="stable")
    ranked = certainty[order]
    # Items of equal confidence are accepted together or not at all.
    last = (
        np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
        if len(ranked)
        else np.array([], dtype=int)
    )
    accepted = last + 1
    return pd.DataFrame(
        {
            "threshold": ranked[last],
            "coverage": accepted / max(len(ranked), 1),
            "precision": np.cumsum(right[order])[last] / accepted,
        }
    )


def _share(values: BoolArray) -> float:
    return float(values.mean()) if len(values) else float("nan")

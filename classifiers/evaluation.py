"""How good are the labels? Accuracy by item and group, baselines, and what needs no person.

Groups are what was held out together: product types, customers, weeks. Items of one group are
alike, so that a few large groups can dominate an average over items; the average over groups gives
each the same say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval import InputError

Array = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


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
    """The baseline that looks at no item: every item gets the label shares of the training items.

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

"""Which share of the labels is right? By item and by group, and the majority label beside it.

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

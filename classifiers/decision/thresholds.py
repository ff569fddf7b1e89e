"""From which probability on does an item have a label, where it can have any number of them?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve

from classifiers.arrays import FloatArray

# A label with fewer positive examples takes the threshold that is best for all labels together.
_FEWEST = 10
_DEFAULT = 0.5


def fit_thresholds(
    proba: FloatArray, targets: npt.NDArray[np.bool_], names: npt.NDArray[np.object_]
) -> dict[str, float]:
    """Find the thresholds of highest F1 (Fan and Lin, "A study on threshold selection", 2007).

    Args:
        proba: (m, C) out-of-fold probabilities.
        targets: (m, C) whether the example has the label.
        names: (C,) the labels.

    Returns:
        Label → threshold.
    """
    shared = _best(proba.ravel(), targets.ravel())
    return {
        str(name): _best(proba[:, label], targets[:, label])
        if targets[:, label].sum() >= _FEWEST
        else shared
        for label, name in enumerate(names)
    }


def _best(proba: FloatArray, target: npt.NDArray[np.bool_]) -> float:
    """Return the threshold of highest F1, in the middle of the gap below it."""
    if not target.any() or target.all():
        return _DEFAULT
    precision, recall, cuts = precision_recall_curve(target, proba)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    best = int(f1[:-1].argmax())
    below = cuts[best - 1] if best else 0.0
    return float((cuts[best] + below) / 2)

"""Probabilities that mean what they say: temperature scaling on out-of-fold answers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from classifiers.arrays import FloatArray

_SMALLEST = 1e-12
# Fewer answers tell too little to bend probabilities by.
FEWEST = 30


@dataclass(frozen=True)
class Scaling:
    """Log-odds times `slope` plus `offset`; the identity by default.

    Attributes:
        slope: Inverse of the temperature.
        offset: Of each label's log-odds, where an item has any number of labels; else 0.
        exclusive: Whether an item has one label only.
    """

    slope: float = 1.0
    offset: float = 0.0
    exclusive: bool = True

    def apply(self, proba: FloatArray) -> FloatArray:
        """Return the calibrated probabilities, (n, C); their order within a row stays."""
        if (self.slope, self.offset) == (1.0, 0.0):
            return proba
        if not self.exclusive:
            clipped = np.clip(proba, _SMALLEST, 1 - _SMALLEST)
            several: FloatArray = expit(self.slope * logit(clipped) + self.offset)
            return several
        one: FloatArray = softmax(self.slope * _log(proba), axis=1)
        return one


def fit_scaling(proba: FloatArray, targets: npt.NDArray[Any]) -> Scaling:
    """Learn the scaling from out-of-fold answers.

    One label an item: temperature scaling (Guo et al., ICML 2017) by scikit-learn. Several: a
    sigmoid (Platt, 1999) shared by all labels. One more answer, as sure as most, counts as wrong
    (Laplace's rule of succession): that no answer was wrong does not mean that none will be.

    Args:
        proba: (m, C) probabilities.
        targets: (m,) the position of the true label; or (m, C) whether the item has each label.
    """
    if len(proba) < FEWEST:
        return Scaling(exclusive=targets.ndim == 1)
    if targets.ndim == 1:
        return _temperature(proba, targets)
    odds = logit(np.clip(proba, _SMALLEST, 1 - _SMALLEST)).reshape(-1, 1)
    if targets.all() or not targets.any():
        return Scaling(exclusive=False)
    has = targets.ravel().astype(bool)
    typical = [[np.median(odds[has])], [np.median(odds[~has])]]
    line = LogisticRegression(C=np.inf).fit(
        np.concatenate([odds, typical]), np.append(has, [False, True])
    )
    slope, offset = float(line.coef_[0, 0]), float(line.intercept_[0])
    if slope <= 0:  # answers worse than chance are not turned around
        return Scaling(exclusive=False)
    return Scaling(slope, offset, exclusive=False)


def _temperature(proba: FloatArray, targets: npt.NDArray[np.intp]) -> Scaling:
    # Only labels that occur can be told to scikit-learn; the others share what is left unsaid.
    present, compact = np.unique(targets, return_inverse=True)
    if len(present) < 2:
        return Scaling()
    scores, compact = _with_a_mistake(_log(proba[:, present]), compact)
    if len(present) == 2:  # of two classes scikit-learn wants one score s, and reads it as (-s, s)
        scores = (scores[:, 1] - scores[:, 0]) / 2
    model = FrozenEstimator(_Scores(np.arange(len(present))))
    # These answers are out of fold already: one split, with every row on its calibrating side.
    every = np.arange(len(scores))
    calibrated = CalibratedClassifierCV(
        model, method="temperature", ensemble=True, cv=[(every, every)]
    )
    with warnings.catch_warnings():
        # That labels are many and answers few is no fault here.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        fitted = calibrated.fit(scores, compact)
    return Scaling(slope=float(fitted.calibrated_classifiers_[0].calibrators[0].beta_))


def _with_a_mistake(
    scores: FloatArray, targets: npt.NDArray[np.intp]
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Add the answer of median lead once more, with the runner-up as its true label."""
    top = np.sort(scores, axis=1)[:, -2:]
    typical = scores[np.argsort(top[:, 1] - top[:, 0])[len(scores) // 2]]
    return np.vstack([scores, typical]), np.append(targets, np.argsort(typical)[-2])


class _Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # untyped bases
    """An estimator whose input is its answer: what is already predicted can be calibrated."""

    def __init__(self, classes: npt.NDArray[np.intp]) -> None:
        self.classes = classes
        self.classes_ = classes

    def fit(self, X: FloatArray, y: npt.NDArray[np.intp]) -> _Scores:
        return self

    def decision_function(self, X: FloatArray) -> FloatArray:
        return X

    def predict(self, X: FloatArray) -> npt.NDArray[np.intp]:
        label: npt.NDArray[np.intp] = X.argmax(axis=1)
        return label


def _log(proba: FloatArray) -> FloatArray:
    logs: FloatArray = np.log(np.maximum(proba, _SMALLEST))
    return logs

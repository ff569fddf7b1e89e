"""A linear head on the embeddings, kept as two arrays: scikit-learn's logistic regression.

Of more labels than that can be fitted to in reasonable time it is a sampled softmax.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from classifiers.arrays import FloatArray, Vectors
from classifiers.scorers.sampled_softmax import fit_softmax

# Inverse of the penalty: flat from 10 to 30 on the training folds of BANKING77, with 3 examples a
# label as with 130.
_C = 20.0
PENALTY = 1 / _C
_ITERATIONS = 300

# Examples times labels, which a fit takes a time in proportion to: 20 s on two cores. Past it the
# head learns from a part of the examples. Where that would be fewer than _FEWEST a label, the
# softmax is sampled, whose time is in proportion to the examples alone.
_BUDGET = 3_000_000
_FEWEST = 2
_MOST_SAMPLED = 200_000


@dataclass(frozen=True)
class LinearHead:
    """A fitted head.

    Attributes:
        names: (c,) the labels it knows.
        coef: (c, d) weights.
        intercept: (c,) intercepts.
        exclusive: Whether an item has one label (softmax) or any number (a sigmoid each).
    """

    names: npt.NDArray[np.object_]
    coef: FloatArray
    intercept: FloatArray
    exclusive: bool

    def proba(self, vectors: Vectors, among: npt.NDArray[np.bool_] | None = None) -> FloatArray:
        """Return the probability of the labels it knows, (n, c).

        Args:
            vectors: (n, d) unit vectors.
            among: (c,) which of them still exist; None for all.
        """
        which = slice(None) if among is None else np.flatnonzero(among)
        coef, intercept = self.coef[which].astype(np.float32), self.intercept[which]
        scores = (vectors @ coef.T).astype(np.float64) + intercept
        proba: FloatArray = softmax(scores, axis=1) if self.exclusive else expit(scores)
        return proba


def is_sampled(n_labels: int, *, exclusive: bool = True) -> bool:
    """Tell whether a head of so many labels is fitted by sampling among them."""
    return exclusive and _BUDGET // max(n_labels, 1) < _FEWEST * n_labels


def affordable(n_labels: int, *, exclusive: bool = True) -> int:
    """Return how many examples a head of so many labels learns from at most; 0: no head at all.

    Args:
        n_labels: How many labels.
        exclusive: Whether an item has one label, or any number.
    """
    sampled = is_sampled(n_labels, exclusive=exclusive)
    most = _MOST_SAMPLED if sampled else _BUDGET // max(n_labels, 1)
    return most if most >= _FEWEST * n_labels else 0


def fit_head(
    vectors: Vectors,
    targets: npt.NDArray[np.intp] | npt.NDArray[np.bool_],
    weights: FloatArray,
    names: npt.NDArray[np.object_],
    seed: int = 0,
) -> LinearHead | None:
    """Fit a head.

    Args:
        vectors: (n, d) examples.
        targets: (n,) the position of each one's label in `names`; or, where an item can have any
            number of labels, (n, C) whether it has each.
        weights: (n,) how much each example counts.
        names: (C,) the labels.
        seed: Of the samples among very many labels.

    Returns:
        The head of the labels there are examples of; None where fewer than two labels differ.
    """
    if targets.ndim == 2:
        return _several(vectors, targets, weights, names)
    if is_sampled(len(names)):
        return _sampled(vectors, targets, weights, names, seed)
    return _exclusive(vectors, targets, weights, names)


def _exclusive(
    vectors: Vectors,
    targets: npt.NDArray[np.generic],
    weights: FloatArray,
    names: npt.NDArray[np.object_],
) -> LinearHead | None:
    if len(np.unique(targets)) < 2:
        return None
    model = _fit(vectors, targets, weights)
    coef, intercept = model.coef_, model.intercept_
    if len(coef) == 1:  # two labels share one line; softmax over it and 0 is its sigmoid
        coef, intercept = np.vstack([0 * coef, coef]), np.append(0.0, intercept)
    return LinearHead(names[model.classes_], coef, intercept, exclusive=True)


def _sampled(
    vectors: Vectors,
    targets: npt.NDArray[np.generic],
    weights: FloatArray,
    names: npt.NDArray[np.object_],
    seed: int,
) -> LinearHead | None:
    present, compact = np.unique(targets, return_inverse=True)
    if len(present) < 2:
        return None
    with threadpool_limits(limits=1):  # one thread: the same digits whatever their number
        coef, intercept = fit_softmax(vectors, compact, weights, PENALTY, seed)
    return LinearHead(names[present], coef, intercept, exclusive=True)


def _several(
    vectors: Vectors,
    targets: npt.NDArray[np.generic],
    weights: FloatArray,
    names: npt.NDArray[np.object_],
) -> LinearHead | None:
    # A label that every example has, or none, cannot be told from the vectors.
    learnable = np.flatnonzero(targets.any(axis=0) & ~targets.all(axis=0))
    if not len(learnable):
        return None
    models = [_fit(vectors, targets[:, label], weights) for label in learnable]
    coef = np.vstack([model.coef_ for model in models])
    intercept = np.concatenate([model.intercept_ for model in models])
    return LinearHead(names[learnable], coef, intercept, exclusive=False)


def _fit(
    vectors: Vectors, targets: npt.NDArray[np.generic], weights: FloatArray
) -> LogisticRegression:
    model = LogisticRegression(C=_C, max_iter=_ITERATIONS)
    # One thread: small products gain nothing from two, and lose much where another process runs.
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        # That labels are many and examples few is what the head is for, and a solution to the
        # third digit is as good as the last.
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(vectors, targets, sample_weight=weights)

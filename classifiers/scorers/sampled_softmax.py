"""Fit a softmax over very many labels, each example beside a part of them at a time.

The loss is that of logistic regression. For an example only some labels enter the sum over all: in
each round a random tree over the labels' means parts them into leaves of labels that look alike,
and an example meets all labels of its leaf, which it could be taken for, and a few of the others,
each of which stands for many (importance sampling; Bengio and Senécal, "Adaptive Importance
Sampling to Accelerate Training of a Neural Probabilistic Language Model", 2008). Trees change from
round to round. Steps are those of Adagrad (Duchi, Hazan and Singer, JMLR 2011), with one rate a
label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifiers.arrays import FloatArray, Positions, Vectors

# Labels of a leaf at most, other labels beside them, examples a step.
_LEAF = 256
_OTHERS = 256
_STEP = 256
_ROUNDS = 15
_RATE = 4.0
# Cosine similarity with the mean of a label, times this, is its log-odds before anything is
# learned.
_SCALE = 10.0


def fit_softmax(
    vectors: Vectors, targets: Positions, weights: FloatArray, penalty: float, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Return coefficients (C, d) and intercepts (C,) of the labels 0 to C - 1.

    Args:
        vectors: (n, d) unit vectors of the examples.
        targets: (n,) the label of each; every label has an example.
        weights: (n,) how much each example counts.
        penalty: What half the squared coefficients are multiplied with, beside the sum of losses.
        seed: Of trees and samples.
    """
    rng = np.random.default_rng(seed)
    learning = _Learning.start(vectors, targets, weights, penalty)
    means = learning.coef.copy()
    order = np.argsort(targets, kind="stable")
    starts = np.searchsorted(targets[order], np.arange(len(means) + 1))
    for number in range(_ROUNDS):
        rate = np.float32(_RATE * (1 - number / _ROUNDS))
        for leaf in _leaves(means, rng):
            rows = np.concatenate([order[starts[one] : starts[one + 1]] for one in leaf])
            others = np.setdiff1d(np.arange(len(means)), leaf)
            drawn = rng.choice(others, min(_OTHERS, len(others)), replace=False)
            each = len(others) / max(len(drawn), 1)
            learning.meet(rng.permutation(rows), leaf, drawn, each, rate)
    return learning.coef.astype(np.float64), learning.intercept.astype(np.float64)


@dataclass(frozen=True)
class _Learning:
    """What changes from step to step, and what it is learned from.

    Attributes:
        vectors: (n, d) examples; `targets` and `weights`, (n,), of each.
        penalty: As of `fit_softmax`.
        coef: (C, d) and `intercept`, (C,): changed in place.
        seen: (C, 2) sum of the squared gradients so far, of coefficients and of intercept.
    """

    vectors: Vectors
    targets: Positions
    weights: Vectors
    penalty: float
    coef: Vectors
    intercept: Vectors
    seen: Vectors

    @classmethod
    def start(
        cls, vectors: Vectors, targets: Positions, weights: FloatArray, penalty: float
    ) -> _Learning:
        """Start from the mean of each label's examples."""
        n_labels = int(targets.max()) + 1
        sums = np.zeros((n_labels, vectors.shape[1]), dtype=np.float32)
        np.add.at(sums, targets, vectors * weights[:, None].astype(np.float32))
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), np.float32(1e-6))
        return cls(
            vectors,
            targets,
            weights.astype(np.float32),
            penalty,
            coef=_SCALE * sums,
            intercept=np.zeros(n_labels, np.float32),
            seen=np.full((n_labels, 2), 1e-6, np.float32),
        )

    def meet(
        self,
        rows: Positions,
        leaf: Positions,
        drawn: Positions,
        each: float,
        rate: np.float32,
    ) -> None:
        """Learn from the examples of a leaf, each beside the leaf's labels and the drawn ones.

        Args:
            rows: The examples, in the order to meet them.
            leaf: Their labels.
            drawn: Labels drawn from all others.
            each: How many labels a drawn one stands for.
            rate: Length of a step.
        """
        labels = np.concatenate([leaf, drawn])
        sampled = np.zeros(len(labels), np.float32)
        if len(drawn):
            sampled[len(leaf) :] = np.log(each)
        place = np.zeros(len(self.coef), np.intp)
        place[leaf] = np.arange(len(leaf))
        for start in range(0, len(rows), _STEP):
            some = rows[start : start + _STEP]
            wrong = self.vectors[some] @ self.coef[labels].T
            wrong += self.intercept[labels] + sampled
            wrong -= wrong.max(axis=1, keepdims=True)
            np.exp(wrong, out=wrong)
            wrong /= wrong.sum(axis=1, keepdims=True)
            wrong[np.arange(len(some)), place[self.targets[some]]] -= 1
            wrong *= self.weights[some, None]
            slope = wrong.T @ self.vectors[some]
            slope[: len(leaf)] += self.coef[leaf] * np.float32(self.penalty * len(some) / len(rows))
            self._step(labels, slope, wrong.sum(axis=0), rate)

    def _step(self, labels: Positions, slope: Vectors, lift: Vectors, rate: np.float32) -> None:
        self.seen[labels, 0] += np.square(slope).sum(axis=1)
        self.seen[labels, 1] += np.square(lift)
        length = np.sqrt(self.seen[labels])
        self.coef[labels] -= rate * slope / length[:, :1]
        # A tenth: the intercept is no direction, and what it learns of a few examples is chance.
        self.intercept[labels] -= np.float32(0.1) * rate * lift / length[:, 1]


def _leaves(means: Vectors, rng: np.random.Generator) -> list[npt.NDArray[np.intp]]:
    """Part labels of means (C, d) into leaves, halving them along the line through two of them."""
    leaves, todo = [], [rng.permutation(len(means))]
    while todo:
        some = todo.pop()
        if len(some) <= _LEAF:
            leaves.append(some)
            continue
        along = means[some] @ (means[some[0]] - means[some[1]])
        order = np.argsort(along, kind="stable")
        half = len(some) // 2
        todo += [some[order[:half]], some[order[half:]]]
    return leaves

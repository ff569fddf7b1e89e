import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from classifiers.scorers.sampled_softmax import fit_softmax

N_LABELS, EACH, DIM = 600, 5, 48


def _clusters(
    n_labels: int, each: int, seed: int, noise: float = 1.2
) -> tuple[np.ndarray, np.ndarray]:
    """Return unit vectors around the same centers for every seed, and their labels."""
    centers = np.random.default_rng(0).normal(size=(n_labels, DIM))
    targets = np.arange(n_labels * each) % n_labels
    noise_of = np.random.default_rng(seed + 1).normal(size=(len(targets), DIM))
    vectors = centers[targets] + noise * noise_of
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), targets


def _right(coef: np.ndarray, intercept: np.ndarray, fresh: np.ndarray, truth: np.ndarray) -> float:
    return float(((fresh @ coef.T + intercept).argmax(axis=1) == truth).mean())


def test_more_labels_than_a_leaf_holds_are_told_apart_better_than_by_the_nearest_example() -> None:
    vectors, targets = _clusters(N_LABELS, EACH, seed=0)
    fresh, truth = _clusters(N_LABELS, EACH, seed=1)
    coef, intercept = fit_softmax(vectors, targets, np.ones(len(targets)), 0.05, seed=0)
    assert coef.shape == (N_LABELS, DIM)
    assert intercept.shape == (N_LABELS,)
    nearest = targets[(fresh @ vectors.T).argmax(axis=1)]
    assert _right(coef, intercept, fresh, truth) > (nearest == truth).mean() + 0.05


def test_few_labels_are_told_apart_as_by_logistic_regression() -> None:
    vectors, targets = _clusters(12, 20, seed=0, noise=2.0)
    fresh, truth = _clusters(12, 50, seed=1, noise=2.0)
    coef, intercept = fit_softmax(vectors, targets, np.ones(len(targets)), 1 / 20, seed=0)
    exact = LogisticRegression(C=20.0, max_iter=300).fit(vectors, targets)
    assert _right(coef, intercept, fresh, truth) > exact.score(fresh, truth) - 0.03


def test_the_same_seed_learns_the_same() -> None:
    vectors, targets = _clusters(N_LABELS, 2, seed=0)
    weights = np.ones(len(targets))
    first, again, other = (fit_softmax(vectors, targets, weights, 0.05, seed=s) for s in (3, 3, 4))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("heavy", [0, 1])
def test_an_example_can_count_for_more(heavy: int) -> None:
    vectors = np.eye(DIM, dtype=np.float32)[[0, 0, 1]]
    weights = np.array([1.0, 1.0, 1.0])
    weights[heavy] = 4.0
    coef, intercept = fit_softmax(vectors, np.array([0, 1, 2]), weights, 0.05, seed=0)
    said = vectors[0] @ coef.T + intercept
    assert said[:2].argmax() == heavy

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from classifiers.arrays import Vectors
from classifiers.training.adaptation import adapt, evenness, guess, holds_all

DIM, N_LABELS = 24, 6


def _unit(vectors: np.ndarray) -> Vectors:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _world(labels: list[int], each: int = 60, seed: int = 0) -> tuple[Vectors, Vectors, np.ndarray]:
    """Return names that lie beside the middle of their items, items, and their labels."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(N_LABELS, DIM))
    names = _unit(middles + 1.1 * rng.normal(size=middles.shape))
    truth = np.repeat(labels, each)
    items = _unit(middles[truth] + 0.8 * rng.normal(size=(len(truth), DIM)))
    return names, items, truth


def _right(said: np.ndarray, truth: np.ndarray) -> float:
    return float((said.argmax(axis=1) == truth).mean())


def test_a_batch_of_all_labels_tells_what_the_names_do_not() -> None:
    gained = []
    for seed in range(5):
        names, items, truth = _world(list(range(N_LABELS)), seed=seed)
        guesses = guess(names, items, seed=0)
        np.testing.assert_allclose(guesses.sum(axis=1), 1, atol=1e-6)
        gained.append(_right(guesses, truth) - _right(items @ names.T, truth))
    assert min(gained) > -0.01
    assert np.mean(gained) > 0.03


def test_a_batch_of_few_of_the_labels_is_not_shared_out_among_all() -> None:
    gained = []
    for seed in range(5):
        names, items, truth = _world([1, 4], seed=seed)
        guesses = guess(names, items, seed=0)
        assert evenness(guesses) < 0.75
        gained.append(_right(guesses, truth) - _right(items @ names.T, truth))
    assert min(gained) > -0.01


@pytest.mark.parametrize("labels", [[0, 1, 2, 3, 4, 5], [1, 4]])
def test_the_head_answers_as_the_batch_was_guessed(labels: list[int]) -> None:
    names, items, _ = _world(labels)
    guesses = guess(names, items, seed=0)
    adapted = adapt(names, items, np.array(list("abcdef"), dtype=object), seed=0)
    assert adapted.head is not None
    assert adapted.head.names.tolist() == list("abcdef")
    assert _right(adapted.head.proba(items), guesses.argmax(axis=1)) > 0.95
    # Few of the labels draw no prototype.
    assert adapted.pull.any() == holds_all(guesses) == (len(labels) == N_LABELS)


def test_one_label_needs_no_head() -> None:
    names, items, _ = _world([0])
    assert adapt(names[:1], items, np.array(["a"], dtype=object), seed=0).head is None


def test_evenness_is_the_share_of_the_labels_that_effectively_occur() -> None:
    assert evenness(np.eye(4)) == 1
    assert evenness(np.eye(4)[[2, 2, 2]]) == 0.25
    assert evenness(np.eye(4)[[0, 0, 3, 3]]) == 0.5


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 9))
def test_any_batch_is_guessed(n_items: int, n_labels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = _unit(rng.normal(size=(n_items, DIM)))
    items[rng.integers(n_items)] = items[0]  # twins
    guesses = guess(_unit(rng.normal(size=(n_labels, DIM))), items, seed)
    assert guesses.shape == (n_items, n_labels)
    np.testing.assert_allclose(guesses.sum(axis=1), 1, atol=1e-5)
    assert (guesses >= 0).all()

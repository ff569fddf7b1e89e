import numpy as np

from classifiers.scorers.ensemble import Scorers
from classifiers.scorers.prototypes import Prototypes
from classifiers.training.scorers import TrainingSet, learn, pairs

NAMES = np.array(["a", "b", "c"], dtype=object)


def _scattered(n: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_every_example_is_as_often_there_as_it_has_labels() -> None:
    row, label = pairs(np.array([[True, True], [False, False], [False, True]]))
    assert (row.tolist(), label.tolist()) == ([0, 0, 2], [0, 1, 1])
    row, label = pairs(np.array([2, 0]))
    assert (row.tolist(), label.tolist()) == ([0, 1], [2, 0])


def test_only_what_is_asked_for_is_learned() -> None:
    vectors = _scattered(6, 8, 14)
    targets = np.arange(6) % 3
    train = TrainingSet(NAMES[targets], vectors, targets, NAMES[targets], described={})
    rows = np.array([0, 1, 3])
    bare = learn(Scorers(NAMES, True, 0.05), train, rows, with_head=False, seed=0)
    assert bare.prototypes is bare.head is None
    start = Prototypes.of(NAMES, {}, 8)
    full = learn(Scorers(NAMES, True, 0.05, start), train, rows, with_head=True, seed=0)
    assert full.prototypes is not None
    assert full.prototypes.counts.tolist() == [2, 1, 0]
    assert full.head is not None
    assert full.head.names.tolist() == ["a", "b"]


def test_a_description_teaches_the_head_a_label_without_examples() -> None:
    vectors = _scattered(6, 8, 15)
    targets = np.arange(6) % 2
    described = {"c": vectors[5].astype(np.float64)}
    train = TrainingSet(NAMES[targets], vectors, targets, NAMES[targets], described=described)
    learned = learn(Scorers(NAMES, True, 0.05), train, np.arange(5), with_head=True, seed=0)
    assert learned.head is not None
    assert learned.head.names.tolist() == ["a", "b", "c"]
    assert learned.head.proba(vectors[[5]]).argmax() == 2

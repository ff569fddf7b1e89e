import numpy as np
import pytest

from classifiers.evaluation.metrics import accuracy, hits, majority_proba
from retrieval import InputError

CLASSES = np.array(["a", "b", "c"], dtype=object)
PROBABILITIES = np.array([[0.7, 0.3, 0.0], [0.4, 0.0, 0.6], [0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])


def test_hits_counts_named_labels_only() -> None:
    y = ["b", "c", "a", "z"]
    assert hits(PROBABILITIES, CLASSES, y, k=1).tolist() == [False, True, False, False]
    assert hits(PROBABILITIES, CLASSES, y, k=2).tolist() == [True, True, False, False]
    assert hits(PROBABILITIES, CLASSES, y, k=3).tolist() == [True, True, True, False]
    assert not hits(PROBABILITIES, CLASSES, ["c", "a", "a", "b"], k=3)[[0, 3]].any()


def test_accuracy_by_group_gives_each_group_the_same_say() -> None:
    score = accuracy(PROBABILITIES, CLASSES, ["a", "c", "a", "a"], ["x", "x", "y", "x"], ks=(1, 3))
    assert score.by_item == {1: 0.75, 3: 1.0}
    assert score.by_group == {1: 0.5, 3: 1.0}
    assert (score.n_items, score.n_groups) == (4, 2)


def test_accuracy_refuses_what_does_not_match() -> None:
    with pytest.raises(InputError, match="4 items have 3 groups"):
        accuracy(PROBABILITIES, CLASSES, ["a"] * 4, ["x"] * 3)
    with pytest.raises(InputError, match=r"expected \(2, 3\)"):
        hits(PROBABILITIES, CLASSES, ["a", "b"])


def test_majority_names_the_most_frequent_label() -> None:
    proba = majority_proba(["b", "a", "b", "b"], CLASSES, n=2)
    assert proba.tolist() == [[0.25, 0.75, 0.0]] * 2
    with pytest.raises(InputError, match="among the classes"):
        majority_proba(["z"], CLASSES, n=2)

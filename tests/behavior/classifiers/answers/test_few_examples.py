"""One to ten examples a label, and labels with more than others."""

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from classifiers import NeighborClassifier
from retrieval import Encoder
from tests.classifiers.conftest import SHELVES, Shelf

ONE = [1] * 10
UNEQUAL = [1, 2, 10, 3, 1, 5, 8, 1, 4, 2]


def _few(shelf: Shelf, counts: Sequence[int]) -> tuple[list[str], list[str]]:
    """The first so many examples of each label."""
    labels = np.array(shelf.labels)
    rows = np.concatenate(
        [np.flatnonzero(labels == name)[:n] for name, n in zip(SHELVES, counts, strict=True)]
    )
    return [shelf.texts[row] for row in rows], labels[rows].tolist()


def _accuracy(classifier: NeighborClassifier, shelf: Shelf) -> float:
    return float(accuracy_score(shelf.new_labels, classifier.predict(shelf.new_texts)))


@pytest.mark.parametrize("counts", [ONE, UNEQUAL])
def test_few_examples_beat_names_and_do_not_lose_by_descriptions(
    encoder: Encoder, shelf: Shelf, counts: list[int]
) -> None:
    X, y = _few(shelf, counts)
    alone = NeighborClassifier(encoder=encoder).fit(X, y)
    described = NeighborClassifier(encoder=encoder).fit(X, y, labels=SHELVES)
    names = NeighborClassifier(encoder=encoder).fit(labels=SHELVES)
    best = _accuracy(described, shelf)
    assert best > _accuracy(names, shelf)
    assert best > _accuracy(alone, shelf) - 0.02
    assert _accuracy(alone, shelf) > 0.6
    proba = alone.predict_proba(shelf.new_texts)
    np.testing.assert_allclose(proba.sum(axis=1), 1)


def test_a_label_may_have_a_description_and_no_example(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(
        ["espresso beans", "cheddar block"], ["COFFEE", "CHEESE"], labels={"SOAP": "soap"}
    )
    assert clf.classes_.tolist() == ["CHEESE", "COFFEE", "SOAP"]
    assert clf.predict(["hand soap", "gouda", "latte"]).tolist() == ["SOAP", "CHEESE", "COFFEE"]
    # The description was an example to the head as well.
    assert clf.classify(["hand soap"])["parts"][0]["head"] > 0


def test_one_example_of_each_label_claims_no_more_than_it_can(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "cheese"], ["a", "b"])
    table = clf.classify(["espresso"])
    assert table["label"][0] == "a"
    assert table["known"][0]
    assert table["label_set"][0] is None
    assert 0.5 < table["probability"][0] < 1


def test_a_single_label_is_all_there_is(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "tea"] * 20, ["drink"] * 40)
    assert clf.predict_proba(["soap"]).tolist() == [[1.0]]
    assert clf.classify(["soap"])["label"].tolist() == ["drink"]
    # Another one can still come, and a head with it.
    clf.add_examples(["soap", "shampoo"], ["wash", "wash"])
    assert clf.predict(["hand soap", "green tea"]).tolist() == ["wash", "drink"]
    assert "head" not in clf.classify(["hand soap"])["parts"][0]
    parts = clf.refit_head().classify(["hand soap"])["parts"][0]
    assert parts["head"] > 0
    np.testing.assert_allclose(clf.predict_proba(["hand soap", "tea"]).sum(axis=1), 1)


def test_more_neighbors_than_items_are_all_items(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder, k=500).fit(["coffee", "cheese"], ["a", "b"])
    assert len(clf.classify(["espresso"], neighbors=500)["neighbors"][0]) == 2
    assert clf.predict(["espresso", "gouda"]).tolist() == ["a", "b"]

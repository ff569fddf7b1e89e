"""Only some labels come into question: for a call, or for each item."""

import numpy as np

from classifiers import NeighborClassifier
from retrieval import Encoder
from tests.classifiers.conftest import Shelf


def test_for_a_call(learned: NeighborClassifier, shelf: Shelf) -> None:
    wanted = ["SOUP", "BEEF"]
    columns = [learned.classes_.tolist().index(label) for label in wanted]
    free = learned.predict_proba(shelf.new_texts)
    bound = learned.predict_proba(shelf.new_texts, candidates=wanted)
    np.testing.assert_allclose(bound.sum(axis=1), 1)
    np.testing.assert_allclose(bound[:, columns].sum(axis=1), 1)
    # Those that are left keep their proportions.
    kept = free[:, columns] / free[:, columns].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(bound[:, columns], kept, atol=1e-6)
    assert set(learned.predict(shelf.new_texts, candidates=wanted)) == set(wanted)


def test_for_each_item(learned: NeighborClassifier) -> None:
    sets = [["SOUP"], ("BEEF", "DOG FOODS"), np.array(["CHEESE", "SOUP"]), {"COFFEE"}]
    texts = ["beef broth for dogs"] * 4
    table = learned.classify(texts, candidates=sets)
    for label, allowed, parts in zip(table["label"], sets, table["parts"], strict=True):
        assert label in allowed
        assert sum(parts.values()) <= 1 + 1e-9
    assert table["probability"][0] == table["probability"][3] == 1.0
    assert table["novelty"].nunique() == 1, "how new an item is does not depend on candidates"


def test_a_label_that_nothing_speaks_for_can_be_the_only_one(encoder: Encoder) -> None:
    pure = NeighborClassifier(encoder=encoder, k=1, head=None, calibrate=False)
    pure.fit(["coffee", "cheese", "soap"], ["a", "b", "c"])
    assert pure.predict_proba(["espresso"], candidates=["b", "c"]).tolist() == [[0, 0.5, 0.5]]


def test_labels_may_be_numbers(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "cheese", "soap"], [10, 20, 30])
    assert clf.predict(["espresso"], candidates=np.array([20, 30])).tolist() in ([20], [30])

"""Labels that form a tree: by paths, or by a mapping of parents."""

import numpy as np
import pytest

from classifiers import NeighborClassifier
from retrieval import Encoder, InputError
from tests.classifiers.conftest import ASTRONOMY, Shelf

PARENTS = {
    **dict.fromkeys(["BEEF", "CHEESE", "FROZEN PIZZA"], "chilled"),
    **dict.fromkeys(["COFFEE", "COLD CEREAL", "SOUP"], "dry"),
    **dict.fromkeys(["chilled", "dry"], "food"),
    **dict.fromkeys(["HAIR CARE PRODUCTS", "SOAP - LIQUID & BAR"], "body"),
}
# DOG FOODS and VITAMINS stand alone.


def _path(label: str) -> str:
    path = [label]
    while path[0] in PARENTS:
        path.insert(0, PARENTS[path[0]])
    return " > ".join(path)


@pytest.fixture(scope="module")
def by_parents(encoder: Encoder, shelf: Shelf) -> NeighborClassifier:
    clf = NeighborClassifier(encoder=encoder, hierarchy=PARENTS)
    return clf.fit(shelf.texts, shelf.labels)


@pytest.fixture(scope="module")
def by_path(encoder: Encoder, shelf: Shelf) -> NeighborClassifier:
    clf = NeighborClassifier(encoder=encoder, hierarchy=" > ")
    return clf.fit(shelf.texts, [_path(label) for label in shelf.labels])


def test_probabilities_add_up_along_the_tree(by_parents: NeighborClassifier, shelf: Shelf) -> None:
    tree = by_parents.tree_
    assert tree is not None
    nodes = tree.probabilities(by_parents.predict_proba(shelf.new_texts))
    position = {name: place for place, name in enumerate(tree.nodes)}
    for parent in ("chilled", "dry", "food", "body"):
        children = [position[child] for child, above in PARENTS.items() if above == parent]
        np.testing.assert_allclose(nodes[:, position[parent]], nodes[:, children].sum(axis=1))
    np.testing.assert_allclose(nodes[:, tree.depths == 0].sum(axis=1), 1)


def test_the_deepest_label_that_is_certain_enough_is_named(
    by_parents: NeighborClassifier, shelf: Shelf
) -> None:
    tree = by_parents.tree_
    assert tree is not None
    depth = dict(zip(tree.nodes, tree.depths.tolist(), strict=True))
    items = shelf.new_texts + ASTRONOMY
    tables = {wanted: by_parents.classify(items, confidence=wanted) for wanted in (0.5, 0.8, 0.95)}
    depths = []
    for wanted, table in tables.items():
        named = table["label"].notna()
        assert (table.loc[named, "probability"] >= wanted).all()
        assert table.loc[~named, "probability"].isna().all()
        depths.append([-1 if label is None else depth[label] for label in table["label"]])
    assert (np.diff(depths, axis=0) <= 0).all(), "more certainty is not deeper"
    assert np.mean(depths[0]) > np.mean(depths[2])
    assert set(PARENTS.values()) & set(tables[0.95]["label"]), "some are named by an inner node"
    leaves = np.array(shelf.new_labels) == tables[0.5]["label"][:400]
    assert leaves.mean() > 0.93


def test_predict_stays_with_the_labels_of_the_examples(
    by_parents: NeighborClassifier, shelf: Shelf
) -> None:
    assert set(by_parents.predict(shelf.new_texts)) == set(shelf.labels)


def test_paths_tell_the_same_tree(
    by_path: NeighborClassifier, by_parents: NeighborClassifier, shelf: Shelf
) -> None:
    paths = by_path.classify(shelf.new_texts[:50])["label"]
    names = by_parents.classify(shelf.new_texts[:50])["label"]
    assert paths.map(lambda path: path.rpartition(" > ")[2]).tolist() == names.tolist()
    assert paths.iloc[0] == _path(names.iloc[0])


def test_a_new_label_finds_its_place(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder, hierarchy=" > ")
    clf.fit(["coffee", "cheese"], ["food > drinks > coffee", "food > cheese"])
    clf.add_label("food > drinks > tea", "tea bags")
    assert clf.tree_ is not None
    assert "food > drinks > tea" in clf.tree_.nodes
    table = clf.classify(["green tea"], confidence=0.99)
    assert table["label"][0] in clf.tree_.nodes
    for add in (clf.add_label, lambda name: clf.add_examples(["soap"], [name])):
        with pytest.raises(InputError, match="has a blank part"):
            add("soap > > bar")
    assert clf.predict(["green tea"]).tolist() == ["food > drinks > tea"], "nothing was written"


@pytest.mark.parametrize(
    ("hierarchy", "message"),
    [
        ({"a": "b", "b": "a"}, "goes round in a circle"),
        (" ", "separator must be a string that is not blank"),
        (3, "hierarchy must be a separator or child → parent, got 3"),
    ],
)
def test_a_tree_must_be_one(encoder: Encoder, hierarchy: object, message: str) -> None:
    clf = NeighborClassifier(encoder=encoder, hierarchy=hierarchy)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        clf.fit(["coffee", "cheese"], ["a", "b"])

"""Items that have any number of labels."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from classifiers import NeighborClassifier
from retrieval import Encoder, InputError, ItemIndex
from tests.classifiers.conftest import ASTRONOMY, Shelf

_FOOD = {"BEEF", "CHEESE", "COFFEE", "COLD CEREAL", "FROZEN PIZZA", "SOUP"}


def _lists(labels: list[str], *, empty: str = "VITAMINS") -> list[list[str]]:
    """Each category, "food" where it is, and nothing at all for one of them."""
    return [
        [] if label == empty else [label, *(["food"] if label in _FOOD else [])] for label in labels
    ]


@pytest.fixture(scope="module")
def several(encoder: Encoder, shelf: Shelf) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder).fit(shelf.texts, _lists(shelf.labels))


def _indicator(lists: list[list[str]], classes: list[str]) -> np.ndarray:
    return np.array([[name in one for name in classes] for one in lists])


def test_each_item_gets_a_list_of_labels(several: NeighborClassifier, shelf: Shelf) -> None:
    predicted = several.predict(shelf.new_texts)
    assert predicted.shape == (len(shelf.new_texts),)
    assert all(isinstance(one, list) for one in predicted)
    assert sorted(predicted[shelf.new_labels.index("CHEESE")]) == ["CHEESE", "food"]
    classes = several.classes_.tolist()
    assert classes == sorted({*shelf.labels, "food"} - {"VITAMINS"})
    truth = _indicator(_lists(shelf.new_labels), classes)
    assert f1_score(truth, _indicator(predicted.tolist(), classes), average="macro") > 0.9


def test_an_item_may_have_no_label(several: NeighborClassifier, shelf: Shelf) -> None:
    is_vitamin = np.array(shelf.new_labels) == "VITAMINS"
    has_none = np.array([one == [] for one in several.predict(shelf.new_texts)])
    assert has_none[is_vitamin].mean() > 0.8
    assert has_none[~is_vitamin].mean() < 0.1


def test_probabilities_are_of_each_label_alone(several: NeighborClassifier) -> None:
    proba = several.predict_proba(["shredded cheddar cheese"])[0]
    assert proba.sum() > 1.5
    assert ((proba >= 0) & (proba <= 1)).all()


def test_the_table_holds_lists(several: NeighborClassifier) -> None:
    table = several.classify(["shredded cheddar cheese", ASTRONOMY[0]])
    row = table.iloc[0]
    assert sorted(row["label"]) == ["CHEESE", "food"]
    assert row["probability"] == sorted(row["probability"], reverse=True)
    assert row["label_set"] == row["label"]
    assert row["neighbors"][0]["label"] == ["CHEESE", "food"]
    assert table["known"].tolist() == [True, False]
    assert several.predict([]).shape == (0,)


def test_candidates_leave_the_other_labels_out(several: NeighborClassifier) -> None:
    predicted = several.predict(["shredded cheddar cheese"] * 2, candidates=[["food"], ["COFFEE"]])
    assert predicted.tolist() == [["food"], []]


def test_labels_and_examples_come_and_go(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder)
    clf.fit(["coffee", "cheese", "soap"] * 4, [["drink", "food"], ["food"], []] * 4)
    clf.add_label("stars", "astronomy and telescopes")
    clf.add_examples(["orange juice", "gravel"], [["drink"], ["stones"]])
    assert clf.classes_.tolist() == ["drink", "food", "stars", "stones"]
    clf.refit_head()
    assert "stones" in clf.predict(["gravel"])[0]
    held = clf.index_.read(labeled=True)
    assert clf.remove_examples(held.ids[held.labels == '["stones"]'].tolist()) == 1
    assert clf.classes_.tolist() == ["drink", "food", "stars"]


def test_a_label_that_all_examples_have_is_given_to_all(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "tea"] * 20, [["drink"]] * 40)
    assert clf.predict(["espresso"]).tolist() == [["drink"]]


def test_what_needs_one_label_an_item_is_refused(
    encoder: Encoder, several: NeighborClassifier, index: ItemIndex
) -> None:
    with pytest.raises(InputError, match="predict_set is for items of one label"):
        several.predict_set(["cheese"])
    X, y = ["coffee", "cheese"], [["a"], ["a", "b"]]
    with pytest.raises(InputError, match="hierarchy is for items of one label"):
        NeighborClassifier(encoder=encoder, hierarchy=" > ").fit(X, y)
    with pytest.raises(InputError, match="prior is for items of one label"):
        NeighborClassifier(encoder=encoder, prior="uniform").fit(X, y)
    with pytest.raises(InputError, match="stores one label an item"):
        NeighborClassifier(index=index).fit(X, y)
    with pytest.raises(InputError, match="one label an item, or lists of labels"):
        several.add_examples(["tea"], ["food"])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([["a"], "b"], "row 2 is not a list of strings"),
        ([["a"], [1]], "row 2 is not a list of strings"),
        ([["a"], None], "row 2 is not a list of strings"),
        ([["a"], [" "]], "row 2 holds a blank label"),
        ([[], []], "all labels are missing: 2 empty lists"),
    ],
)
def test_lists_must_hold_strings(encoder: Encoder, y: list[object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        NeighborClassifier(encoder=encoder).fit(["one", "two"], y)

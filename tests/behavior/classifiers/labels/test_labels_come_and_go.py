"""Labels and examples are added and removed without training; the head says what it knows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifiers import LabelSpellingWarning, NeighborClassifier
from retrieval import Encoder, InputError, ItemIndex
from tests.classifiers.conftest import TEXT, Shelf

TEA = ["green tea bags", "earl grey tea", "chamomile tea, loose leaf"]
NEW_TEA = ["peppermint tea bags", "black tea 20 CT"]


def _classifier(encoder: Encoder, shelf: Shelf, n: int = 200) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder).fit(shelf.texts[:n], shelf.labels[:n])


def _ids_of(classifier: NeighborClassifier, label: str) -> list[str]:
    held = classifier.index_.read(labeled=True)
    ids = held.ids[held.labels.astype(str) == label].tolist()
    return [one for one in ids if one in classifier.knowledge_.example_ids]


def test_an_added_label_is_named_at_once(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(labels=["COFFEE", "CHEESE"])
    assert set(clf.predict(NEW_TEA)) <= {"COFFEE", "CHEESE"}
    assert clf.add_label("TEA", ["tea", "herbal infusions"]) is clf
    assert clf.classes_.tolist() == ["CHEESE", "COFFEE", "TEA"]
    assert clf.predict([*NEW_TEA, "gouda"]).tolist() == ["TEA", "TEA", "CHEESE"]
    clf.add_label("hand_soap ")
    assert clf.predict(["lavender soap for hands"]).tolist() == ["hand_soap"]
    np.testing.assert_allclose(clf.predict_proba(NEW_TEA).sum(axis=1), 1)


def test_a_label_is_added_to_a_trained_classifier(encoder: Encoder, shelf: Shelf) -> None:
    clf = _classifier(encoder, shelf)
    before = clf.predict(shelf.new_texts)
    clf.add_label("TEA", "tea bags and loose leaf tea")
    table = clf.classify(NEW_TEA)
    assert table["label"].tolist() == ["TEA", "TEA"]
    assert [parts["head"] for parts in table["parts"]] == [None, None], "the head does not know it"
    assert (clf.predict(shelf.new_texts) == before).mean() > 0.98
    assert clf.classify(["ground coffee"])["parts"][0]["head"] > 0
    # It learns it from the description alone, too.
    clf.refit_head()
    assert clf.classify(NEW_TEA)["parts"][0]["head"] is not None


def test_added_examples_vote_at_once_and_the_head_learns_when_told(
    encoder: Encoder, shelf: Shelf
) -> None:
    clf = _classifier(encoder, shelf)
    clf.add_examples(TEA, ["TEA"] * 3)
    assert "TEA" in clf.classes_
    table = clf.classify(NEW_TEA)
    assert table["label"].tolist() == ["TEA", "TEA"]
    assert {one["label"] for one in table["neighbors"][0][:2]} == {"TEA"}
    assert [parts["head"] for parts in table["parts"]] == [None, None]
    unknown = clf.explain(NEW_TEA).query("part == 'head' and label == 'TEA'")
    assert unknown["contribution"].isna().all()
    proba = clf.predict_proba(NEW_TEA)
    np.testing.assert_allclose(proba.sum(axis=1), 1)

    assert clf.refit_head() is clf
    parts = clf.classify(NEW_TEA)["parts"]
    assert all(one["head"] > 0 for one in parts)
    assert clf.predict(NEW_TEA).tolist() == ["TEA", "TEA"]


def test_adding_the_same_examples_again_changes_nothing(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "cheese"], ["a", "b"])
    proba = clf.predict_proba(["espresso"])
    clf.add_examples(["cheese"], ["b"])
    assert clf.index_.count() == 2
    np.testing.assert_allclose(clf.predict_proba(["espresso"]), proba, atol=1e-6)


def test_an_example_of_the_same_id_is_replaced(encoder: Encoder) -> None:
    X = pd.DataFrame({"sku": ["1", "2", "3"], "name": ["coffee", "cheese", "soap"]})
    clf = NeighborClassifier(encoder=encoder).fit(X, ["drink", "food", "wash"], item_id="sku")
    moved = pd.DataFrame({"sku": ["3"], "name": ["soap shaped chocolate"]})
    clf.add_examples(moved, ["food"])
    assert clf.classes_.tolist() == ["drink", "food"], "the last example of wash is gone"
    assert clf.predict(["bar of soap"]).tolist() == ["food"]
    assert clf.index_.count() == 3


def test_removing_examples_is_as_if_they_had_never_been_added(
    encoder: Encoder, shelf: Shelf
) -> None:
    clf = _classifier(encoder, shelf)
    before = clf.predict_proba(shelf.new_texts)
    clf.add_examples(TEA, ["TEA"] * 3)
    assert clf.remove_examples([*_ids_of(clf, "TEA"), "no such id"]) == 3
    assert "TEA" not in clf.classes_
    np.testing.assert_allclose(clf.predict_proba(shelf.new_texts), before, atol=1e-6)


def test_a_label_goes_with_its_last_example(encoder: Encoder, shelf: Shelf) -> None:
    clf = _classifier(encoder, shelf)
    removed = clf.remove_examples(_ids_of(clf, "COFFEE"))
    assert removed == shelf.labels[:200].count("COFFEE")
    assert "COFFEE" not in clf.classes_
    assert set(clf.predict(shelf.new_texts)) == set(clf.classes_)
    np.testing.assert_allclose(clf.predict_proba(["espresso"]).sum(axis=1), 1)
    clf.refit_head()
    np.testing.assert_allclose(clf.predict_proba(["espresso"]).sum(axis=1), 1)
    with pytest.raises(InputError, match="unknown label 'COFFEE'"):
        clf.predict(["espresso"], candidates=["COFFEE"])


def test_a_described_label_stays_without_examples(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(
        ["espresso", "cheddar"], ["drink", "food"], labels={"drink": "coffee and tea"}
    )
    assert clf.remove_examples(_ids_of(clf, "drink")) == 1
    assert clf.classes_.tolist() == ["drink", "food"]
    assert clf.predict(["cup of tea"]).tolist() == ["drink"]


def test_all_labels_may_be_exchanged(encoder: Encoder, shelf: Shelf) -> None:
    clf = _classifier(encoder, shelf, 100)
    first = list(clf.knowledge_.example_ids)
    clf.add_examples([*TEA, "whole milk"], ["TEA"] * 3 + ["MILK"])
    clf.remove_examples(first)
    assert clf.classes_.tolist() == ["MILK", "TEA"]
    table = clf.classify([*NEW_TEA, "milk 2%"])
    assert table["label"].tolist() == ["TEA", "TEA", "MILK"]
    np.testing.assert_allclose(clf.predict_proba(NEW_TEA).sum(axis=1), 1)
    clf.refit_head()
    assert clf.predict([*NEW_TEA, "milk 2%"]).tolist() == ["TEA", "TEA", "MILK"]


def test_one_label_is_left_and_another_comes(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder)
    clf.fit(["coffee", "tea"] * 20 + ["soap"] * 20, ["drink"] * 40 + ["wash"] * 20)
    clf.remove_examples(_ids_of(clf, "wash"))
    assert clf.refit_head().predict_proba(["soap"]).tolist() == [[1.0]]
    clf.add_label("wash", "soap and shampoo")
    assert clf.predict(["soap", "coffee"]).tolist() == ["wash", "drink"]
    np.testing.assert_allclose(clf.predict_proba(["soap"]).sum(axis=1), 1)


def test_an_index_of_ones_own_follows(index: ItemIndex) -> None:
    clf = NeighborClassifier(index=index).fit()
    clf.add_label("TEA", "tea bags")
    assert clf.predict(NEW_TEA).tolist() == ["TEA", "TEA"]
    assert index.count() == 160, "descriptions are no items"
    parts = clf.classify(NEW_TEA)["parts"][0]
    assert parts["neighbors"] == 0, "no item votes for it"
    assert parts["prototypes"] > 0.5
    np.testing.assert_allclose(clf.predict_proba(NEW_TEA).sum(axis=1), 1)
    item = pd.DataFrame({"item_id": ["t1"], **{column: ["green tea"] for column in TEXT}})
    with pytest.raises(InputError, match="keeps dates or attributes of its items"):
        clf.add_examples(item, ["TEA"])
    assert index.count() == 160
    pure = NeighborClassifier(index=index, head=None).fit()
    with pytest.raises(InputError, match="describing labels takes prototypes=True"):
        pure.add_label("TEA", "tea bags")


def test_examples_go_into_an_index_of_ones_own(
    tmp_path: Path, encoder: Encoder, groceries: pd.DataFrame
) -> None:
    with ItemIndex(str(tmp_path / "mine.db"), encoder=encoder) as mine:
        mine.upsert(groceries, text=TEXT, label="category")
        clf = NeighborClassifier(index=mine).fit()
        item = pd.DataFrame({"item_id": ["t1"], **{column: ["green tea"] for column in TEXT}})
        clf.add_examples(item, ["TEA"])
        assert mine.count() == 161
        assert clf.classify(NEW_TEA)["neighbors"][0][0]["label"] == "TEA"
        assert clf.remove_examples(["t1"]) == 1
        assert mine.count() == 160


# --- what is refused changes nothing --------------------------------------------------------------


@pytest.fixture(scope="module")
def small(encoder: Encoder) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder).fit(["coffee", "cheese"], ["drink", "food"])


@pytest.mark.parametrize(
    ("name", "description", "message"),
    [
        ("drink", None, "label 'drink' exists; add_examples adds to it"),
        (" drink ", None, "label 'drink' exists"),
        (" ", None, "blank name"),
        (3, None, "not two strings"),
        ("tea", [], "'tea' has no description"),
        ("tea", " ", "blank name or description"),
    ],
)
def test_bad_labels_are_not_added(
    small: NeighborClassifier, name: object, description: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        small.add_label(name, description)  # type: ignore[arg-type]
    assert small.classes_.tolist() == ["drink", "food"]
    assert small.predict(["espresso"]).tolist() == ["drink"]


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (["tea"], [1], "labels must be of the kind of 'drink'"),
        (["tea"], [["drink"]], "one label an item, or lists of labels, as fit was given"),
        (["tea"], ["drink", "food"], "X has 1 rows and y has 2"),
        (["tea", ""], ["drink", "food"], "row 2 is not a text"),
        (["tea"], [None], "all labels are missing"),
        (pd.DataFrame({"name": ["tea"]}), ["drink"], "no text column text"),
    ],
)
def test_bad_examples_are_not_added(
    small: NeighborClassifier, X: object, y: list[object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        small.add_examples(X, y)  # type: ignore[arg-type]
    assert small.index_.count() == 2
    assert small.predict(["espresso"]).tolist() == ["drink"]


def test_not_everything_can_be_removed(small: NeighborClassifier) -> None:
    with pytest.raises(InputError, match="would leave no label; nothing was removed"):
        small.remove_examples(list(small.knowledge_.example_ids))
    with pytest.raises(InputError, match="ids must be a list of item ids, got the string 'abc'"):
        small.remove_examples("abc")
    assert small.remove_examples(["no", "such", "id"]) == 0
    assert small.predict(["espresso", "gouda"]).tolist() == ["drink", "food"]


def test_a_new_label_that_looks_like_an_old_one_is_told(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "cheese"], ["DRINK", "FOOD"])
    with pytest.warns(LabelSpellingWarning, match="'DRINK' / 'drink'"):
        clf.add_examples(["tea"], ["drink"])
    with pytest.raises(InputError, match="label 'Food' exists, spelled 'FOOD'"):
        clf.add_label("Food")
    assert clf.classes_.tolist() == ["DRINK", "FOOD", "drink"]


def test_labels_that_are_no_strings_cannot_be_described(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["coffee", "cheese"], [1, 2])
    with pytest.raises(InputError, match="use add_examples"):
        clf.add_label("tea")
    assert clf.add_examples(["soap"], [3]).predict(["hand soap"]).tolist() == [3]


def test_without_a_head_there_is_none_to_fit(encoder: Encoder) -> None:
    pure = NeighborClassifier(encoder=encoder, head=None).fit(["coffee", "cheese"], ["a", "b"])
    with pytest.raises(InputError, match="head=None: there is no head to fit"):
        pure.refit_head()

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifiers import NeighborClassifier
from classifiers.scorers.ensemble import HEAD
from retrieval import Encoder, InputError, ItemIndex

DRINKS = pd.DataFrame(
    [
        ("t1", "green tea", "tea"),
        ("t2", "black tea bags", "tea"),
        ("t3", "chamomile herbal tea", "tea"),
        ("c1", "espresso coffee beans", "coffee"),
        ("c2", "arabica ground coffee", "coffee"),
        ("s1", "lavender hand soap", "soap"),
    ],
    columns=["item_id", "text", "kind"],
)
X, Y = DRINKS[["item_id", "text"]], DRINKS["kind"]


@pytest.fixture
def drinks(encoder: Encoder) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder).fit(X, Y)


def _state(clf: NeighborClassifier) -> tuple[object, ...]:
    known = clf.knowledge_
    prototypes = known.trained.sources.prototypes
    assert prototypes is not None
    counts = dict(zip(known.names, known.counts.tolist(), strict=True))
    held = clf.index_.read(labeled=True)
    return (
        clf.classes_.tolist(),
        counts,
        dict(zip(prototypes.names, prototypes.counts.tolist(), strict=True)),
        known.example_ids,
        sorted(zip(held.ids.tolist(), held.labels.tolist(), strict=True)),
    )


def _said(clf: NeighborClassifier) -> np.ndarray:
    return clf.predict_proba(["oolong tea", "latte", "shampoo"])


# --- labels -------------------------------------------------------------------------------------


def test_a_new_label_is_named_at_once(drinks: NeighborClassifier) -> None:
    assert drinks.predict(["aged cheddar cheese"]).tolist() != ["cheese"]
    drinks.add_label("cheese", ["cheddar, gouda and brie", "sliced or shredded cheese"])
    assert drinks.classes_.tolist() == ["cheese", "coffee", "soap", "tea"]
    assert drinks.predict(["aged cheddar cheese", "green tea"]).tolist() == ["cheese", "tea"]
    assert np.allclose(_said(drinks).sum(axis=1), 1)


def test_a_name_alone_describes_a_label(drinks: NeighborClassifier) -> None:
    drinks.add_label("blue_cheese")
    assert drinks.predict(["cheese"]).tolist() == ["blue_cheese"]


@pytest.mark.parametrize("name", ["tea", " tea "])
def test_a_label_that_exists_is_not_added(drinks: NeighborClassifier, name: str) -> None:
    before = _state(drinks)
    with pytest.raises(InputError, match="'tea' exists; add_examples"):
        drinks.add_label(name, "leaves in water")
    assert _state(drinks) == before


def test_labels_that_are_no_strings_cannot_be_described(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(["tea", "soap"], [1, 2])
    with pytest.raises(InputError, match="no strings"):
        clf.add_label("3", "cheese")
    clf.add_examples(["cheddar cheese"], [3])
    assert clf.predict(["cheese"]).tolist() == [3]
    assert clf.classes_.dtype.kind == "i"


def test_a_spelling_of_a_label_that_exists_is_doubted(drinks: NeighborClassifier) -> None:
    with pytest.warns(UserWarning, match="Tea"):
        drinks.add_examples(["darjeeling"], ["Tea"])


# --- examples come ------------------------------------------------------------------------------


def test_new_examples_vote_at_once_and_the_head_learns_them_when_told(
    drinks: NeighborClassifier,
) -> None:
    drinks.add_examples(["cheddar cheese", "gouda cheese"], ["cheese", "cheese"])
    row = drinks.classify(["brie cheese"]).iloc[0]
    assert row["label"] == "cheese"
    assert row["parts"][HEAD] is None
    assert drinks.classify(["green tea bags"]).iloc[0]["parts"][HEAD] > 0
    assert drinks.refit_head() is drinks
    taught = drinks.classify(["brie cheese"]).iloc[0]
    assert taught["label"] == "cheese"
    assert taught["parts"][HEAD] > 0


def test_examples_that_come_and_go_leave_no_trace(drinks: NeighborClassifier) -> None:
    before, said = _state(drinks), _said(drinks)
    more = pd.DataFrame({"item_id": ["t9", "x9"], "text": ["matcha tea", "cheddar cheese"]})
    drinks.add_examples(more, ["tea", "cheese"])
    assert _state(drinks) != before
    assert drinks.remove_examples(["t9", "x9", "nobody", "t9"]) == 2
    assert _state(drinks) == before
    assert _said(drinks) == pytest.approx(said, abs=1e-6)


def test_an_example_that_comes_again_does_not_count_twice(drinks: NeighborClassifier) -> None:
    before, said = _state(drinks), _said(drinks)
    drinks.add_examples(X.iloc[:2], Y.iloc[:2])
    assert _state(drinks) == before
    assert _said(drinks) == pytest.approx(said, abs=1e-6)


def test_an_example_can_be_given_another_label(drinks: NeighborClassifier) -> None:
    drinks.add_examples(X.iloc[:1], ["coffee"])
    counts = dict(zip(drinks.classes_, drinks.knowledge_.counts, strict=True))
    assert counts == {"coffee": 3, "soap": 1, "tea": 2}
    assert len(drinks.knowledge_.example_ids) == 6
    # A label that loses its last example this way goes, as it does where examples are removed.
    drinks.add_examples(X.iloc[-1:], ["tea"])
    assert drinks.classes_.tolist() == ["coffee", "tea"]
    assert np.allclose(_said(drinks).sum(axis=1), 1)


def test_adding_and_fitting_at_once_see_the_same(encoder: Encoder) -> None:
    grown = NeighborClassifier(encoder=encoder).fit(X.iloc[:4], Y.iloc[:4])
    grown.add_examples(X.iloc[4:], Y.iloc[4:]).refit_head()
    whole = NeighborClassifier(encoder=encoder).fit(X, Y)
    assert _state(grown) == _state(whole)
    assert _said(grown) == pytest.approx(_said(whole), abs=1e-4)


@pytest.mark.parametrize(
    ("y", "message"),
    [([1], "of the kind of 'coffee'"), ([["tea"]], "one label an item, or lists"), ([None], "y:")],
)
def test_examples_of_another_kind_are_refused(
    drinks: NeighborClassifier, y: list[object], message: str
) -> None:
    before = _state(drinks)
    with pytest.raises(InputError, match=message):
        drinks.add_examples(["earl grey"], y)
    assert _state(drinks) == before


# --- examples go --------------------------------------------------------------------------------


def test_a_label_goes_with_its_last_example(drinks: NeighborClassifier) -> None:
    assert drinks.remove_examples(["s1"]) == 1
    assert drinks.classes_.tolist() == ["coffee", "tea"]
    assert _said(drinks).shape == (3, 2)
    assert np.allclose(_said(drinks).sum(axis=1), 1)
    # The head had learned it; it must not speak of it any more, nor after it is fitted anew.
    assert np.allclose(_said(drinks.refit_head()).sum(axis=1), 1)


def test_a_label_with_a_description_stays(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(X, Y, labels={"soap": "soap and hand wash"})
    clf.remove_examples(["s1"])
    assert clf.classes_.tolist() == ["coffee", "soap", "tea"]
    assert clf.predict(["liquid hand wash"]).tolist() == ["soap"]


def test_the_last_label_of_all_stays_with_all_its_examples(drinks: NeighborClassifier) -> None:
    before = _state(drinks)
    with pytest.raises(InputError, match="no label; nothing was removed"):
        drinks.remove_examples(X["item_id"].tolist())
    assert _state(drinks) == before


def test_ids_nobody_knows_remove_nothing(drinks: NeighborClassifier) -> None:
    before = _state(drinks)
    assert drinks.remove_examples([]) == 0
    assert drinks.remove_examples(["nobody"]) == 0
    assert _state(drinks) == before
    with pytest.raises(InputError, match="got the string 's1'"):
        drinks.remove_examples("s1")


def test_all_labels_of_the_head_may_go(drinks: NeighborClassifier) -> None:
    drinks.add_examples(["cheddar cheese", "cat food"], ["cheese", "pets"])
    drinks.remove_examples(X["item_id"].tolist())
    assert drinks.predict(["gouda", "food for kittens"]).tolist() == ["cheese", "pets"]
    assert np.allclose(_said(drinks).sum(axis=1), 1)


def test_one_label_can_be_left(drinks: NeighborClassifier) -> None:
    drinks.remove_examples(["t1", "t2", "t3", "s1"])
    assert _said(drinks.refit_head()) == pytest.approx(np.ones((3, 1)))


def test_a_learned_blend_gets_by_without_its_head(encoder: Encoder, texts: list[str]) -> None:
    kinds = ["even", "odd"] * (len(texts) // 2)
    table = pd.DataFrame({"item_id": [f"i{row}" for row in range(len(texts))], "text": texts})
    clf = NeighborClassifier(encoder=encoder, calibrate=False).fit(table, kinds)
    clf.remove_examples(table["item_id"][1::2].tolist())
    clf.add_examples(["a comet"], ["odd"])
    clf.remove_examples(["nobody"])
    clf.refit_head()
    assert np.allclose(_said(clf).sum(axis=1), 1)
    alone = clf.add_examples(["b"], ["odd"])
    odd = set(alone.knowledge_.example_ids) - set(table["item_id"])
    alone.remove_examples(list(odd))
    assert np.allclose(_said(alone.refit_head()), 1)


# --- lists of labels, no examples, an index of one's own ----------------------------------------


def test_lists_of_labels_come_and_go_as_well(encoder: Encoder) -> None:
    y = [["hot", "tea"], ["tea"], ["hot"], ["hot", "coffee"], ["coffee"], []]
    clf = NeighborClassifier(encoder=encoder).fit(X, y)
    said = _said(clf)
    more = pd.DataFrame({"item_id": ["x9"], "text": ["iced tea with lemon"]})
    clf.add_examples(more, [["cold", "tea"]])
    assert clf.classes_.tolist() == ["coffee", "cold", "hot", "tea"]
    assert clf.knowledge_.counts.tolist() == [2, 1, 3, 3]
    clf.remove_examples(["x9"])
    assert clf.classes_.tolist() == ["coffee", "hot", "tea"]
    assert _said(clf) == pytest.approx(said, abs=1e-6)


def test_without_any_example_it_learns_from_the_first_ones(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder).fit(labels=["tea", "coffee"])
    assert clf.predict(["latte", "herbal infusion tea"]).tolist() == ["coffee", "tea"]
    clf.add_examples(["yerba mate", "cheddar"], ["tea", "cheese"]).refit_head()
    assert clf.predict(["mate", "gouda cheese"]).tolist() == ["tea", "cheese"]
    assert np.allclose(_said(clf).sum(axis=1), 1)


def test_in_an_index_of_ones_own_items_come_and_go(tmp_path: Path, encoder: Encoder) -> None:
    with ItemIndex(str(tmp_path / "mine.db"), encoder=encoder) as mine:
        clf = NeighborClassifier(index=mine).fit(X, Y)
        clf.add_label("cheese", "cheddar and gouda")
        assert mine.count() == 6, "a description is no item"
        assert clf.predict(["gouda cheese"]).tolist() == ["cheese"]
        clf.add_examples(pd.DataFrame({"item_id": ["t9"], "text": ["matcha tea"]}), ["tea"])
        assert mine.count() == 7
        clf.remove_examples(["t9", "s1"])
        assert mine.count() == 5
        assert clf.classes_.tolist() == ["cheese", "coffee", "tea"]
        assert clf.refit_head().predict(["green tea bags"]).tolist() == ["tea"]
        # An item that is no example is not the classifier's to remove.
        other = pd.DataFrame({"item_id": ["u1"], "text": ["oat milk"], "label": [None]})
        mine.upsert(other, text=["text"], label="label")
        assert clf.remove_examples(["u1"]) == 0
        assert mine.count() == 6


def test_without_a_head_there_is_none_to_fit(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder, head=None).fit(X, Y)
    with pytest.raises(InputError, match="no head to fit"):
        clf.refit_head()
    assert clf.knowledge_.trained.sources.prototypes is None
    clf.add_examples(["cheddar"], ["cheese"])
    assert clf.predict(["cheddar cheese"]).tolist() == ["cheese"]


# --- trees --------------------------------------------------------------------------------------


def test_the_tree_grows_with_the_labels(encoder: Encoder) -> None:
    paths = ("food > " + Y).tolist()
    clf = NeighborClassifier(encoder=encoder, hierarchy=" > ").fit(X, paths)
    assert clf.tree_ is not None
    assert "pets" not in clf.tree_.nodes
    clf.add_examples(["cat food"], ["pets > cats"])
    assert {"pets", "pets > cats", "food"} <= set(clf.tree_.nodes)
    with pytest.raises(InputError, match="hierarchy is for items of one label"):
        NeighborClassifier(encoder=encoder, hierarchy=" > ").fit(X, [[path] for path in paths])

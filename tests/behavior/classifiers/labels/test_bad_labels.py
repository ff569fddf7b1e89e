"""Bad input: a clear error, or a documented behavior."""

import numpy as np
import pandas as pd
import pytest

from classifiers import LabelSpellingWarning, NeighborClassifier, normalize_labels
from retrieval import Encoder, InputError, UnreadTextWarning
from tests.classifiers.conftest import Shelf

LONG = "coffee " * 15_000


def _fit(encoder: Encoder, X: object, y: object, **parameters: object) -> NeighborClassifier:
    clf = NeighborClassifier(encoder=encoder, **parameters)  # type: ignore[arg-type]
    return clf.fit(X, y)  # type: ignore[arg-type]


# --- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (["a", "b", "c"], "X has 2 rows and y has 3"),
        (["a"], "X has 2 rows and y has 1"),
        ([None, None], r"all labels are missing \(2 of 2: row 1, 2\)"),
        ([np.nan, pd.NA], "all labels are missing"),
        (pd.Series([None, "a"]), r"a label is missing \(1 of 2: row 1\)"),
        (["a", " "], r"a label is missing \(1 of 2: row 2\)"),
        ([1.5, 2.5], "all strings, all integers or all booleans"),
        (np.array([1.0, 2.0]), "all strings, all integers or all booleans"),
        (["a", 1], "one kind only"),
        ([True, "a"], "one kind only"),
        ([1, False], "one kind only"),
        ("ab", "y must be one label for each row of X, got str"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(
    encoder: Encoder, y: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _fit(encoder, ["coffee", "cheese"], y)


def test_labels_that_differ_by_case_or_blanks_are_told(encoder: Encoder) -> None:
    X = ["espresso", "latte", "mocha", "gouda"]
    y = ["Coffee", "coffee ", "coffee", "cheese"]
    with pytest.warns(LabelSpellingWarning, match="'coffee' / 'Coffee'.*normalize_labels"):
        clf = _fit(encoder, X, y)
    # Blanks around a label never count; case does.
    assert clf.classes_.tolist() == ["Coffee", "cheese", "coffee"]
    clean = _fit(encoder, X, normalize_labels(y))
    assert clean.classes_.tolist() == ["cheese", "coffee"]


def test_labels_and_descriptions_must_be_of_one_kind(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder)
    with pytest.raises(InputError, match="convert y to strings"):
        clf.fit(["coffee", "cheese"], [1, 2], labels={"1": "drinks"})


# --- texts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (["coffee", ""], "row 2 is not a text: ''"),
        (["coffee", " \n"], "row 2 is not a text"),
        (["coffee", None], "row 2 is not a text: None"),
        (["coffee", float("nan")], "row 2 is not a text: nan"),
        ([b"coffee", "cheese"], "row 1 is not a text"),
        ("coffee", "X must be a list or Series of texts, or a DataFrame; got str"),
    ],
)
def test_what_is_no_text_is_refused(
    encoder: Encoder, learned: NeighborClassifier, X: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _fit(encoder, X, ["a", "b"])
    for method in (learned.predict, learned.classify, learned.novelty, learned.predict_set):
        with pytest.raises(InputError, match=message):
            method(X)  # type: ignore[operator]


def test_a_long_text_is_read_from_its_start(encoder: Encoder) -> None:
    assert len(LONG) > 100_000
    with pytest.warns(UnreadTextWarning, match=r"examples: of 2 texts 1 \(50%\) are as long as"):
        clf = _fit(encoder, [LONG, "cheese"], ["drink", "food"])
    assert clf.predict([LONG + "cheese", "gouda"]).tolist() == ["drink", "food"]
    with pytest.warns(UnreadTextWarning):
        clf.add_examples([LONG + " soap"], ["drink"])
    assert clf.index_.count() == 3


def test_a_missing_text_column_is_blank_and_a_missing_text_an_error(encoder: Encoder) -> None:
    X = pd.DataFrame({"name": ["coffee", None], "more": [np.nan, "cheese, sliced"]})
    clf = _fit(encoder, X, ["drink", "food"])
    assert clf.predict(X).tolist() == ["drink", "food"]
    nothing = pd.DataFrame({"name": ["coffee", None], "more": [np.nan, np.nan]})
    with pytest.raises(InputError, match="row 2, column name, more holds no text"):
        _fit(encoder, nothing, ["drink", "food"])
    with pytest.raises(InputError, match="row 2, column name, more holds no text"):
        clf.predict(nothing)


def test_ids_that_are_numbers_are_ids(encoder: Encoder, shelf: Shelf) -> None:
    X = pd.DataFrame({"item_id": range(60), "text": shelf.texts[:60]})
    clf = _fit(encoder, X, shelf.labels[:60])
    table = clf.classify(X)
    assert table["item_id"].tolist() == [str(number) for number in range(60)]
    for own, neighbors in zip(table["item_id"], table["neighbors"], strict=True):
        assert own not in {one["item_id"] for one in neighbors}
    assert clf.remove_examples([0, 1, "2"]) == 3  # type: ignore[list-item]


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (["COFEE"], "unknown label 'COFEE'; did you mean 'COFFEE'"),
        ([["SOUP"], ["TEA"]], "item 2: unknown label 'TEA'"),
        ([["SOUP"]], "lists for 1 items, there are 2"),
        ([["SOUP"], []], "item 2: no label is left"),
        ([], "no label is left"),
        ("SOUP", "candidates must be a list of labels, got the string 'SOUP'"),
        ([None], "unknown label None"),
    ],
)
def test_candidates_must_be_labels(
    learned: NeighborClassifier, candidates: object, message: str
) -> None:
    for method in (learned.predict, learned.classify, learned.predict_set, learned.explain):
        with pytest.raises(InputError, match=message):
            method(["broth", "stew"], candidates=candidates)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"head": "tree"}, "head must be 'linear' or None, got 'tree'"),
        ({"prior": "even"}, "prior must be None, 'uniform' or label → share, got 'even'"),
        ({"prior": 0.5}, "prior must be None, 'uniform' or label → share, got 0.5"),
        ({"prior": {"drink": 1.0}}, "prior: no share above 0 for label 'food'"),
        ({"prior": {"drink": 1.0, "food": 0.0}}, "prior: no share above 0 for label 'food'"),
    ],
)
def test_bad_parameters_are_told_by_fit(
    encoder: Encoder, parameters: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _fit(encoder, ["coffee", "cheese"], ["drink", "food"], **parameters)


def test_groups_must_fit_the_examples(encoder: Encoder) -> None:
    clf = NeighborClassifier(encoder=encoder)
    with pytest.raises(InputError, match="groups holds 1 values for 2 examples"):
        clf.fit(["coffee", "cheese"], ["a", "b"], groups=["x"])
    with pytest.raises(InputError, match="the index has no attribute 'shop'"):
        clf.fit(["coffee", "cheese"], ["a", "b"], groups="shop")

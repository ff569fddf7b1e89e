"""The forms in which tables give labels: columns, frames, Series, lists, indicator matrices."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import KFold, cross_val_score
from sklearn.preprocessing import MultiLabelBinarizer

from classifiers import NeighborClassifier, label_issues
from retrieval import Encoder, InputError

X = ["iced coffee", "iced tea", "hot coffee", "plain water"] * 5
LISTS = [["coffee", "cold"], ["cold", "tea"], ["coffee"], []] * 5
NAMES = ["coffee", "cold", "tea"]
MATRIX = np.array([[name in one for name in NAMES] for one in LISTS], dtype=int)
Y = ["a", "b", "a", "c"] * 5


def _fit(encoder: Encoder, y: object, **options: object) -> NeighborClassifier:
    return NeighborClassifier(encoder=encoder, **options).fit(X, y)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "y",
    [
        np.array(Y).reshape(-1, 1),
        np.array(Y, dtype=object).reshape(-1, 1),
        pd.DataFrame({"kind": Y}),
        pd.DataFrame({0: pd.Categorical(Y)}),
    ],
)
def test_a_column_of_labels_is_flattened_and_told(encoder: Encoder, y: object) -> None:
    with pytest.warns(DataConversionWarning, match="column-vector y") as caught:
        clf = _fit(encoder, y)
    assert caught[0].filename == __file__
    assert clf.classes_.tolist() == ["a", "b", "c"]
    with pytest.warns(DataConversionWarning):
        assert clf.score(X, y) == 1  # type: ignore[arg-type]
    with pytest.warns(DataConversionWarning) as told:
        clf.add_examples(X, y)  # type: ignore[arg-type]
    assert told[0].filename == __file__


def test_numbers_in_a_column_stay_numbers(encoder: Encoder) -> None:
    with pytest.warns(DataConversionWarning):
        clf = _fit(encoder, np.array([[1], [0], [1], [0]] * 5))
    assert clf.classes_.tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["str", "category", "object", "string[python]"])
def test_a_series_of_any_dtype_is_labels(encoder: Encoder, kind: str) -> None:
    assert _fit(encoder, pd.Series(Y, dtype=kind)).classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (MATRIX, ["0", "1", "2"]),
        (MATRIX.astype(bool), ["0", "1", "2"]),
        (csr_array(MATRIX), ["0", "1", "2"]),
        (pd.DataFrame(MATRIX, columns=NAMES), NAMES),
        (pd.DataFrame(MATRIX.astype(bool), columns=NAMES), NAMES),
        (pd.Series([np.array(one, dtype=object) for one in LISTS]), NAMES),
        ([set(one) for one in LISTS], NAMES),
    ],
)
def test_an_indicator_matrix_is_lists_of_labels(
    encoder: Encoder, y: object, names: list[str]
) -> None:
    clf, lists = _fit(encoder, y), _fit(encoder, LISTS)
    assert clf.classes_.tolist() == names
    assert clf.predict_proba(X) == pytest.approx(lists.predict_proba(X), abs=1e-6)
    assert clf.score(X, y) == lists.score(X, LISTS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.array([[1, 2]] * 20), r"y has shape \(20, 2\): .* indicator matrix"),
        (np.array([[0.5, 1.0]] * 20), "indicator matrix"),
        (pd.DataFrame({"a": Y, "b": Y}), "indicator matrix"),
        (np.zeros((20, 2, 2)), "indicator matrix"),
        (np.zeros((20, 2)), "all labels are missing: 20 empty lists"),
        ([[1, 2]] * 20, r"row 1 is not a list of strings: \[1, 2\] holds 1; in lists, labels are"),
        ([*LISTS[:-1], None], "row 20 is not a list of strings.* empty list"),
        ([["a", ["b"]]] * 20, "row 1 is not a list of strings"),
        ([*Y[:-1], 1.5], "one kind only; row 20 is 1.5, of type float"),
        ([*Y[:-1], "\u200b"], "a label is missing .1 of 20: row 20"),
        ([*Y[:-1], "\ud83d"], "y: row 20 holds half a character"),
        ([*LISTS[:-1], ["\ud83d"]], "y: row 20: label holds half a character"),
        ({"a": 1}, "got dict"),
        ((one for one in Y), "got generator"),
        ({"a", "b"}, "got set"),
        (3, "got int"),
        (b"ab", "got bytes"),
        (pd.Timestamp("2024-01-01"), "got Timestamp"),
        ([pd.Timestamp("2024-01-01")] * 20, "one kind only; row 1"),
    ],
)
def test_what_is_no_labels_is_told(encoder: Encoder, y: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _fit(encoder, y)


def test_items_of_no_label_can_be_added(encoder: Encoder) -> None:
    clf = _fit(encoder, LISTS)
    clf.add_examples(["sparkling water"], [[]])
    clf.add_examples(["mineral water", "cola"], [[], ["cold"]])
    assert clf.knowledge_.counts.tolist() == [10, 11, 5]
    assert len(clf.knowledge_.example_ids) == 23
    assert clf.predict(["sparkling water"]).tolist() == [[]]


def test_an_item_may_have_very_many_labels(encoder: Encoder) -> None:
    many = [f"tag number {one:03d} of a long list of tags" for one in range(200)]
    clf = _fit(encoder, [many, *LISTS[1:]])
    assert len(clf.classes_) == 203


def test_lists_are_scored_and_cross_validated(encoder: Encoder) -> None:
    clf = _fit(encoder, LISTS)
    assert clf.score(X, LISTS) == pytest.approx(1, abs=0.5)
    right = [sorted(one) == told for one, told in zip(clf.predict(X), LISTS, strict=True)]
    assert clf.score(X, LISTS) == np.mean(right)
    assert clf.score(X, LISTS, sample_weight=right) in (1, pytest.approx(1))
    with pytest.raises(InputError, match="one label an item, or lists"):
        clf.score(X, Y)
    with pytest.raises(InputError, match="X has 20 rows and y has 19"):
        clf.score(X, LISTS[1:])
    made = NeighborClassifier(encoder=encoder)
    by_lists = cross_val_score(made, X, LISTS, cv=KFold(2), error_score="raise")
    matrix = MultiLabelBinarizer().fit_transform(LISTS)
    by_matrix = cross_val_score(made, X, matrix, cv=2, error_score="raise")
    by_sets = cross_val_score(made, X, list(map(set, LISTS)), cv=2, error_score="raise")
    assert by_lists.tolist() == by_matrix.tolist() == by_sets.tolist()


def test_scores_of_one_label_are_those_of_scikit_learn(encoder: Encoder) -> None:
    clf = _fit(encoder, Y)
    assert clf.score(X, Y) == 1
    assert clf.score(X, ["c"] * 20) == 0.25
    assert clf.score(X[:2], ["a", "z"], sample_weight=[3, 1]) == 0.75
    with pytest.raises(InputError, match="sample_weight"):
        clf.score(X[:2], ["a", "b"], sample_weight=["x", "y"])
    numbers = _fit(encoder, [1, 0, 1, 0] * 5)
    assert numbers.score(X, pd.Series([1, 0, 1, 0] * 5, dtype="Int64")) == 1


def test_a_series_maps_labels_to_words_and_shares(encoder: Encoder) -> None:
    words = pd.Series({"dairy": "milk, cheese", "snacks": "chips, cookies"})
    clf = NeighborClassifier(encoder=encoder).fit(labels=words)
    assert clf.predict(["greek yogurt"]).tolist() == ["dairy"]
    names = NeighborClassifier(encoder=encoder).fit(labels=pd.Series(["milk", "chips"]))
    assert names.classes_.tolist() == ["chips", "milk"]
    with pytest.raises(InputError, match="'a' appears twice"):
        clf.fit(labels=pd.Series(["x", "y"], index=["a", "a"]))
    with pytest.raises(InputError, match="labels: not two strings: 'b'"):
        clf.fit(labels=pd.Series({"a": "x", "b": np.nan}))
    shares = {"a": 0.5, "b": 0.2, "c": 0.3}
    by_series = _fit(encoder, Y, prior=pd.Series(shares))
    by_mapping = _fit(encoder, Y, prior=shares)
    assert np.array_equal(by_series.predict_proba(X), by_mapping.predict_proba(X))
    with pytest.raises(InputError, match="prior: no share above 0 for label 'c'"):
        _fit(encoder, Y, prior=pd.Series({"a": 0.5, "b": 0.5}))
    with pytest.raises(InputError, match="prior: label 'a' appears twice"):
        _fit(encoder, Y, prior=pd.Series([1.0, 2.0], index=["a", "a"]))


def test_issues_of_lists_are_refused_in_any_form() -> None:
    for y in (LISTS, [np.array(one) for one in LISTS], MATRIX):
        with pytest.raises(InputError, match="one label for each example"):
            label_issues(X, y)

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from sklearn.linear_model import Ridge

from classifiers.labels.issues import (
    _contradicting_duplicate,
    _LeaveOneOutFits,
    _Near,
    _witnesses,
    label_issues,
)
from retrieval import Encoder, InputError
from retrieval.items import item_texts

CATEGORIES = ["CHEESE", "COFFEE", "FROZEN PIZZA", "SOAP - LIQUID & BAR"]
COLUMNS = [
    "row",
    "text",
    "label",
    "suggested_label",
    "score",
    "agreement",
    "kind",
    "neighbor_row",
    "neighbor_text",
    "neighbor_label",
    "similarity",
]


@pytest.fixture(scope="module")
def items(groceries: pd.DataFrame) -> pd.DataFrame:
    """Groceries that differ in their text."""
    return groceries.drop_duplicates(["product_type", "package_size", "brand"], ignore_index=True)


@pytest.fixture(scope="module")
def flipped(items: pd.DataFrame) -> pd.Series:
    """The labels of the items, ten of them another one."""
    labels = items["category"].astype(object).copy()
    for row in np.random.default_rng(3).choice(len(items), 10, replace=False):
        labels[row] = CATEGORIES[(CATEGORIES.index(labels[row]) + 1) % 4]
    return labels


@pytest.fixture(scope="module")
def issues(items: pd.DataFrame, flipped: pd.Series, encoder: Encoder) -> pd.DataFrame:
    return label_issues(items.drop(columns="category"), flipped, encoder=encoder)


def test_flipped_labels_rank_on_top(
    items: pd.DataFrame, flipped: pd.Series, issues: pd.DataFrame
) -> None:
    wrong = set(np.flatnonzero(items["category"] != flipped))
    assert len(wrong) == 10
    assert set(issues["row"][:10]) == wrong
    assert len(issues) < 20
    truth = items["category"][issues["row"][:10]].tolist()
    assert issues["suggested_label"][:10].tolist() == truth


def test_an_issue_shows_what_is_wrong(
    items: pd.DataFrame, flipped: pd.Series, issues: pd.DataFrame
) -> None:
    assert list(issues) == ["row", "item_id", *COLUMNS[1:]]
    assert issues["score"].is_monotonic_increasing
    assert issues["score"].between(0, 1).all()
    assert issues["agreement"].between(0, 1).all()
    first = issues.iloc[0]
    assert first["score"] < 0.5
    assert first["item_id"] == items["item_id"][first["row"]]
    assert first["label"] == flipped[first["row"]] != first["neighbor_label"]
    assert first["neighbor_label"] == flipped[first["neighbor_row"]]
    assert first["text"].startswith(items["product_type"][first["row"]])
    assert first["neighbor_text"].startswith(items["product_type"][first["neighbor_row"]])
    assert first["row"] != first["neighbor_row"]
    assert 0 < first["similarity"] <= 1


def test_the_linear_fit_tells_apart_what_the_neighbors_judge_alike(
    items: pd.DataFrame, flipped: pd.Series, encoder: Encoder
) -> None:
    issues = label_issues(items.drop(columns="category"), flipped, encoder=encoder, k=1)
    outvoted = issues[issues["agreement"] == 0]
    assert len(outvoted) > 10
    assert outvoted["score"].nunique() == len(outvoted)


def test_no_example_confirms_itself(encoder: Encoder) -> None:
    texts = ["ground coffee", "coffee beans", "roast coffee", "hand soap", "soap bar", "bath soap"]
    issues = label_issues(texts, ["drink"] * 3 + ["wash"] * 2 + ["drink"], encoder=encoder, k=5)
    assert list(issues) == COLUMNS
    assert issues["row"][0] == 5
    assert issues["suggested_label"][0] == "wash"
    assert issues["neighbor_row"][0] in (3, 4)
    assert issues["agreement"][0] < 0.1


def test_identical_texts_with_other_labels_are_found(items: pd.DataFrame, encoder: Encoder) -> None:
    texts = item_texts(items, ["product_type", "package_size", "brand"])
    doubled = [*texts, f" {texts[0].lower()}"]
    labels = [*items["category"], "COFFEE"]
    assert items["category"][0] == "CHEESE"
    issues = label_issues(doubled, labels, encoder=encoder).set_index("row")
    last = len(doubled) - 1
    wrong, right = issues.loc[last], issues.loc[0]
    assert wrong["kind"] == right["kind"] == "near-duplicate"
    assert (wrong["neighbor_row"], wrong["neighbor_label"]) == (0, "CHEESE")
    assert (right["neighbor_row"], right["neighbor_label"]) == (last, "COFFEE")
    assert right["similarity"] == pytest.approx(1)
    assert wrong["score"] < right["score"]
    assert wrong["suggested_label"] == right["suggested_label"] == "CHEESE"


def test_the_similarity_of_duplicates_can_be_set(encoder: Encoder) -> None:
    texts = ["ground coffee", "coffee, ground", "hand soap", "soap bar"]
    labels = ["beans", "drink", "wash", "wash"]
    strict = label_issues(texts, labels, encoder=encoder, duplicate_similarity=1.0)
    loose = label_issues(texts, labels, encoder=encoder, duplicate_similarity=0.8)
    assert "near-duplicate" not in set(strict["kind"])
    assert loose.set_index("row")["kind"][[0, 1]].tolist() == ["near-duplicate"] * 2


def test_clean_labels_raise_no_issue(encoder: Encoder) -> None:
    texts = ["ground coffee", "coffee beans", "roast coffee", "hand soap", "soap bar", "bath soap"]
    issues = label_issues(texts, [1, 1, 1, 2, 2, 2], encoder=encoder)
    assert issues.empty
    assert list(issues) == COLUMNS


@pytest.mark.parametrize("kind", [int, bool, str])
def test_labels_keep_their_kind(kind: type, encoder: Encoder) -> None:
    texts = ["ground coffee", "coffee beans", "roast coffee", "hand soap", "soap bar", "bath soap"]
    labels = [kind(value) for value in (1, 1, 1, 0, 0, 1)]
    first = label_issues(pd.Series(texts, index=list("abcdef")), labels, encoder=encoder).iloc[0]
    assert first["row"] == 5
    assert first["label"] == kind(1)
    assert first["suggested_label"] == first["neighbor_label"] == kind(0)


def test_two_examples_can_only_contradict_each_other(encoder: Encoder) -> None:
    issues = label_issues(["soap", "soap"], ["a", "b"], encoder=encoder)
    assert issues["kind"].tolist() == ["near-duplicate"] * 2
    assert issues["neighbor_row"].tolist() == [1, 0]
    assert issues["agreement"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (["a text"], ["a", "b"], "X has 1 rows and y has 2"),
        (["one", " "], ["a", "b"], "row 2 is not a text"),
        (["one", "two"], ["a", np.nan], "a label is missing"),
        (["one", "two"], ["a", "a"], "every label in y is 'a'"),
        (["one"], [3], "every label in y is '3'"),
        ([], [], "X is empty"),
        (["one", "two"], [["a"], ["b", "c"]], "lists of labels"),
    ],
)
def test_what_cannot_be_judged_is_refused(X: list[str], y: list[object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        label_issues(X, y)


def test_parameters_are_checked() -> None:
    for k in (0, 2.5, True):
        with pytest.raises(InputError, match="k must be"):
            label_issues(["one", "two"], ["a", "b"], k=k)  # type: ignore[arg-type]
    for similarity in (0.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="duplicate_similarity must be"):
            label_issues(["one", "two"], ["a", "b"], duplicate_similarity=similarity)


@given(st.integers(0, 10_000), st.integers(3, 12), st.integers(2, 4))
def test_leave_one_out_fits_equal_refitting(seed: int, n: int, n_classes: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 5)).astype(np.float32)
    codes = rng.integers(0, n_classes, n)
    fits = _LeaveOneOutFits(vectors, codes, n_classes).of(slice(0, n))
    inputs = np.column_stack([vectors, np.ones(n)])
    for row in range(n):
        others = np.arange(n) != row
        model = Ridge(alpha=1.0, fit_intercept=False)
        model.fit(inputs[others], np.eye(n_classes)[codes[others]])
        expected = model.predict(inputs[[row]])[0].clip(0, 1)
        np.testing.assert_allclose(fits[row], expected, atol=1e-4)


def test_the_witness_carries_the_suggested_label_if_any_neighbor_does() -> None:
    near = _Near(
        rows=np.array([[1, 2, 3], [0, 2, -1], [3, -1, -1], [2, 1, 0]]),
        similarity=np.array(
            [[0.9, 0.8, 0.7], [0.9, 0.8, np.nan], [0.5, np.nan, np.nan], [0.98, 0.5, 0.1]]
        ),
        count=np.ones((4, 3), dtype=np.int64),
        places=np.ones((4, 3)),
    )
    codes = np.array([0, 1, 2, 2])
    suggested = np.array([2, 3, 0, 0])
    partner = _contradicting_duplicate(near, codes, 0.97)
    assert not partner.any()
    assert _witnesses(near, codes, suggested, partner).tolist() == [1, 0, -1, 2]
    partner = _contradicting_duplicate(near, codes, 0.85)
    assert np.argwhere(partner).tolist() == [[0, 0], [1, 0]]
    assert _witnesses(near, codes, suggested, partner).tolist() == [0, 0, -1, 2]

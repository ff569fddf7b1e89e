import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from classifiers import NeighborClassifier
from classifiers.evaluation.cross_validation import cross_evaluate, fold_rows, sample_rows
from retrieval import Encoder, InputError, ItemIndex
from tests.classifiers.conftest import TEXT

LABELS = st.lists(st.sampled_from("abcdef"), min_size=2, max_size=40).filter(
    lambda labels: max(map(labels.count, labels)) > 1
)


@given(LABELS, st.integers(2, 8))
def test_every_item_is_held_out_once(labels: list[str], folds: int) -> None:
    splits = fold_rows(labels, folds)
    assert sorted(np.concatenate([test for _, test in splits])) == list(range(len(labels)))
    for train, test in splits:
        assert len(test)
        assert sorted([*train, *test]) == list(range(len(labels)))
    assert len(splits) == min(folds, max(map(labels.count, labels)))


@given(LABELS, st.integers(2, 8))
def test_a_label_of_two_examples_is_never_held_out_whole(labels: list[str], folds: int) -> None:
    for train, test in fold_rows(labels, folds):
        seen = {labels[row] for row in train}
        assert all(labels[row] in seen for row in test if labels.count(labels[row]) > 1)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=40).filter(lambda g: len(set(g)) > 1))
def test_a_group_is_on_one_side(groups: list[int]) -> None:
    splits = fold_rows(["a"] * len(groups), 5, groups=groups)
    assert len(splits) == len(set(groups))
    for train, test in splits:
        assert not {groups[row] for row in train} & {groups[row] for row in test}


def test_what_cannot_be_held_out_is_refused() -> None:
    with pytest.raises(InputError, match="no label has two examples"):
        fold_rows(["a", "b", "c"], 5)
    with pytest.raises(InputError, match="all items are of one group"):
        fold_rows(["a", "b", "a"], 5, groups=["x"] * 3)
    with pytest.raises(InputError, match="3 items have 2 groups"):
        fold_rows(["a", "b", "a"], 5, groups=["x", "y"])
    with pytest.raises(InputError, match="at least 2"):
        fold_rows(["a", "a"], 1)


def test_groceries_label_each_other(encoder: Encoder, groceries: pd.DataFrame) -> None:
    classifier = NeighborClassifier(encoder=encoder, k=5)
    X, y = groceries[["item_id", *TEXT]], groceries["category"]
    evaluation = cross_evaluate(classifier, X, y, folds=2)
    answers = evaluation.answers
    assert answers["item_id"].tolist() == groceries["item_id"].tolist()
    assert answers["label"].tolist() == y.tolist()
    assert answers["fold"].value_counts().tolist() == [80] * 2
    assert (answers["examples"] == 20).all()
    assert evaluation.scores["accuracy"] > 0.8
    assert evaluation.baseline["accuracy"] <= 0.25
    assert not hasattr(classifier, "classes_")


def test_confidence_is_learned_without_ones_own_group(
    encoder: Encoder, groceries: pd.DataFrame
) -> None:
    # Each text is there twice, with a label by chance: only its twin, of the same group, can tell.
    group = [*range(len(groceries))] * 2
    label = np.random.default_rng(0).choice(["a", "b"], len(groceries))[group].tolist()
    twice = pd.concat([groceries[TEXT]] * 2, ignore_index=True)
    items = twice.assign(item_id=[f"item {row}" for row in range(len(twice))])
    classifier = NeighborClassifier(encoder=encoder, k=1)
    evaluation = cross_evaluate(classifier, items, label, folds=2, groups=group)
    assert evaluation.scores["accuracy"] < 0.6
    assert evaluation.answers["probability"].mean() < 0.7


@given(st.integers(2, 200), st.integers(1, 220), st.integers(0, 3))
def test_a_sample_is_held_out_once_and_all_the_rest_is_learned_from(
    n: int, sample: int, seed: int
) -> None:
    drawn = sample_rows(n, sample, seed=seed)
    if sample >= n:
        assert drawn is None
        return
    assert drawn is not None
    train, test = drawn
    assert len(test) == sample
    assert sorted([*train, *test]) == list(range(n))


@given(st.lists(st.integers(0, 90), min_size=150, max_size=200), st.integers(60, 120))
def test_a_sample_is_of_whole_groups(groups: list[int], sample: int) -> None:
    drawn = sample_rows(len(groups), sample, groups=groups)
    if drawn is None:
        return
    train, test = drawn
    held = {groups[row] for row in test}
    assert not held & {groups[row] for row in train}
    assert sorted([*train, *test]) == list(range(len(groups)))
    largest = max(groups.count(group) for group in held)
    assert sample <= len(test) < sample + largest
    assert len(held) >= 30


def test_few_groups_are_not_sampled() -> None:
    # Of one group held out, an interval over groups would have no width at all.
    assert sample_rows(1_000, 200, groups=[row % 5 for row in range(1_000)]) is None
    assert sample_rows(1_000, 200, groups=[row % 200 for row in range(1_000)]) is not None
    assert sample_rows(1_000, 990, groups=[row // 20 for row in range(1_000)]) is None


def test_a_sample_is_labeled_by_all_the_rest(encoder: Encoder, groceries: pd.DataFrame) -> None:
    X, y = groceries[["item_id", *TEXT]], groceries["category"]
    classifier = NeighborClassifier(encoder=encoder, k=5)
    train, test = sample_rows(len(X), 50, seed=1) or ((), ())
    evaluation = cross_evaluate(classifier, X, y, sample=50, seed=1)
    answers = evaluation.answers
    assert answers["item_id"].tolist() == X["item_id"].iloc[test].tolist()
    assert (answers["fold"] == 1).all()
    assert answers["examples"].tolist() == y.iloc[test].map(y.iloc[train].value_counts()).tolist()
    fitted = NeighborClassifier(encoder=encoder, k=5).fit(X.iloc[train], y.iloc[train], text=TEXT)
    assert answers["predicted"].tolist() == fitted.predict(X.iloc[test]).tolist()
    assert len(cross_evaluate(classifier, X, y, folds=2, sample=len(X)).answers) == len(X)


def test_a_label_of_one_example_is_an_error_and_does_not_fail(
    encoder: Encoder, groceries: pd.DataFrame
) -> None:
    few = groceries.groupby("category").head(6)
    y = ["one of its kind", *few["category"].tolist()[1:]]
    texts = few["product_type"].tolist()
    outside = groceries["product_type"].tolist()[-7:]
    evaluation = cross_evaluate(
        NeighborClassifier(encoder=encoder, k=3), texts, y, folds=3, outside=outside
    )
    assert evaluation.counts["unknown_label_items"] == 1
    assert not evaluation.answers["correct"][0]
    assert evaluation.counts["outside"] == 7 + 1
    assert evaluation.answers["item_id"].tolist() == [str(row) for row in range(len(texts))]


def test_an_index_would_show_every_fold_to_every_other(index: ItemIndex) -> None:
    with pytest.raises(InputError, match="without an index"):
        cross_evaluate(NeighborClassifier(index), ["a", "b"], ["x", "x"])

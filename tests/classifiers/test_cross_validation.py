import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers import NeighborClassifier
from classifiers.cross_validation import cross_evaluate, fold_rows
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


@pytest.mark.parametrize("grouped", [False, True])
def test_a_sample_gets_the_answers_it_gets_among_all(
    encoder: Encoder, groceries: pd.DataFrame, grouped: bool
) -> None:
    X, y = groceries[["item_id", *TEXT]], groceries["category"]
    groups = (groceries.index % 7).tolist() if grouped else None
    classifier = NeighborClassifier(encoder=encoder, k=5)
    whole = cross_evaluate(classifier, X, y, groups=groups, folds=3)
    part = cross_evaluate(classifier, X, y, groups=groups, folds=3, sample=50)
    answers = whole.answers.set_index("item_id").loc[part.answers["item_id"]].reset_index()
    pd.testing.assert_frame_equal(part.answers, answers, check_exact=False, rtol=1e-9)
    assert len(part.answers) == 50 == part.answers["item_id"].nunique()
    assert part.answers["item_id"].tolist() != X["item_id"].tolist()[:50]
    assert part.counts.get("groups") == (7 if grouped else None)
    more = cross_evaluate(classifier, X, y, groups=groups, folds=3, sample=500)
    assert len(more.answers) == len(X)


def test_folds_that_a_sample_leaves_empty_are_left_out(
    encoder: Encoder, groceries: pd.DataFrame
) -> None:
    X, y = groceries[["item_id", *TEXT]], groceries["category"]
    outside = ["cat litter"] * 4
    one = cross_evaluate(NeighborClassifier(encoder=encoder, k=5), X, y, sample=1, outside=outside)
    assert len(one.answers) == 1
    assert one.counts["outside"] == 4


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

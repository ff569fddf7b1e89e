import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import f1_score, recall_score

from classifiers.evaluation.metrics import group_codes, macro_f1, mean, mean_of_means

# Label, prediction (-1: a label that does not occur), weight of each item.
ITEMS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-1, 3), st.integers(0, 3)), min_size=1, max_size=40
).filter(lambda items: any(weight for _, _, weight in items))


@given(ITEMS)
def test_macro_scores_are_scikit_learns(items: list[tuple[int, int, int]]) -> None:
    # Numbered without gaps, as they come out of factorize.
    names = sorted({label for label, _, _ in items})
    label = np.array([names.index(one) for one, _, _ in items])
    predicted = np.array([names.index(one) if one in names else -1 for _, one, _ in items])
    weights = np.array([weight for _, _, weight in items], dtype=float)
    there = sorted(set(label[weights > 0]))
    options = {"labels": there, "sample_weight": weights, "average": "macro", "zero_division": 0}
    f1 = f1_score(label, predicted, **options)
    assert macro_f1(label, predicted)(weights) == pytest.approx(f1)
    recall = recall_score(label, predicted, **options)
    assert mean_of_means(label == predicted, label)(weights) == pytest.approx(recall)


def test_means_count_what_is_counted() -> None:
    values, weights = np.array([1.0, 2.0, 6.0]), np.array([1.0, 0.0, 3.0])
    assert mean(values)(weights) == 19 / 4
    assert mean(values, np.array([True, True, False]))(weights) == 1
    assert np.isnan(mean(values, np.array([False, True, False]))(weights))
    codes = np.array([0, 1, 1])
    assert mean_of_means(values, codes)(np.ones(3)) == (1 + 4) / 2
    assert mean_of_means(values, codes, np.array([False, True, True]))(np.ones(3)) == 4
    assert np.isnan(mean_of_means(values, codes)(np.zeros(3)))


def test_items_without_a_group_are_one_group() -> None:
    assert group_codes(["x", None, "y", "x", None]).tolist() == [0, 1, 2, 0, 1]

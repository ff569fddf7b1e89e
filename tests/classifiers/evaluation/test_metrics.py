import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from classifiers.evaluation.metrics import (
    accuracy,
    calibration_error,
    calibration_statistic,
    confidence_bins,
    hits,
    majority_proba,
    reliability,
)
from retrieval import InputError

CLASSES = np.array(["a", "b", "c"], dtype=object)
PROBABILITIES = np.array([[0.7, 0.3, 0.0], [0.4, 0.0, 0.6], [0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])

ITEMS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.25, 0.5, 0.9, 1.0]), st.booleans()),
    min_size=1,
    max_size=60,
)


def test_hits_counts_named_labels_only() -> None:
    y = ["b", "c", "a", "z"]
    assert hits(PROBABILITIES, CLASSES, y, k=1).tolist() == [False, True, False, False]
    assert hits(PROBABILITIES, CLASSES, y, k=2).tolist() == [True, True, False, False]
    assert hits(PROBABILITIES, CLASSES, y, k=3).tolist() == [True, True, True, False]
    assert not hits(PROBABILITIES, CLASSES, ["c", "a", "a", "b"], k=3)[[0, 3]].any()


def test_accuracy_by_group_gives_each_group_the_same_say() -> None:
    score = accuracy(PROBABILITIES, CLASSES, ["a", "c", "a", "a"], ["x", "x", "y", "x"], ks=(1, 3))
    assert score.by_item == {1: 0.75, 3: 1.0}
    assert score.by_group == {1: 0.5, 3: 1.0}
    assert (score.n_items, score.n_groups) == (4, 2)


def test_accuracy_refuses_what_does_not_match() -> None:
    with pytest.raises(InputError, match="4 items have 3 groups"):
        accuracy(PROBABILITIES, CLASSES, ["a"] * 4, ["x"] * 3)
    with pytest.raises(InputError, match=r"expected \(2, 3\)"):
        hits(PROBABILITIES, CLASSES, ["a", "b"])


def test_majority_names_the_most_frequent_label() -> None:
    proba = majority_proba(["b", "a", "b", "b"], CLASSES, n=2)
    assert proba.tolist() == [[0.25, 0.75, 0.0]] * 2
    with pytest.raises(InputError, match="among the classes"):
        majority_proba(["z"], CLASSES, n=2)


def _arrays(items: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([c for c, _ in items]), np.array([ok for _, ok in items], dtype=bool)


def test_bins_hold_equally_many_items() -> None:
    confidence = np.random.default_rng(0).random(150)
    bins = confidence_bins(confidence)
    assert np.bincount(bins).tolist() == [10] * 15
    assert (np.diff(bins[np.argsort(confidence)]) >= 0).all()


def test_a_table_worked_out_by_hand() -> None:
    confidence = np.array([0.9, 0.2, 0.8, 0.4])
    correct = np.array([True, False, False, True])
    expected = pd.DataFrame(
        {"bin": [0, 1], "confidence": [0.3, 0.85], "accuracy": [0.5, 0.5], "n": [2, 2]}
    )
    pd.testing.assert_frame_equal(reliability(confidence, correct, bins=2), expected)
    assert calibration_error(confidence, correct, bins=2) == pytest.approx((0.2 + 0.35) / 2)


def test_what_is_right_as_often_as_it_says_has_no_error() -> None:
    confidence = np.repeat([0.25, 0.75], 8)
    correct = np.array([*[1, 0, 0, 0] * 2, *[1, 1, 1, 0] * 2], dtype=bool)
    assert calibration_error(confidence, correct) == 0
    assert calibration_error(confidence, ~correct) == pytest.approx(0.5)


@given(ITEMS)
def test_items_of_one_confidence_share_a_bin(items: list[tuple[float, bool]]) -> None:
    confidence, _ = _arrays(items)
    bins = confidence_bins(confidence, 7)
    assert pd.Series(bins).groupby(confidence).nunique().eq(1).all()
    assert sorted(set(bins)) == list(range(bins.max() + 1))
    assert bins.max() < 7


@given(ITEMS, st.randoms())
def test_the_order_of_the_items_does_not_matter(
    items: list[tuple[float, bool]], random: object
) -> None:
    shuffled = items.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    error = calibration_error(*_arrays(items))
    assert error == pytest.approx(calibration_error(*_arrays(shuffled)))
    assert 0 <= error <= 1


@given(ITEMS)
def test_the_error_is_the_tables(items: list[tuple[float, bool]]) -> None:
    table = reliability(*_arrays(items))
    assert table["n"].sum() == len(items)
    gaps = (table["confidence"] - table["accuracy"]).abs()
    assert calibration_error(*_arrays(items)) == pytest.approx(
        (gaps * table["n"]).sum() / len(items)
    )


def test_a_weight_is_a_repetition() -> None:
    confidence, correct = np.array([0.3, 0.6, 0.9]), np.array([True, True, False])
    weighted = calibration_statistic(confidence, correct, 3)(np.array([0.0, 2.0, 1.0]))
    assert weighted == pytest.approx((2 * 0.4 + 0.9) / 3)


def test_bad_input_is_refused_and_nothing_has_no_error() -> None:
    with pytest.raises(InputError, match="without NaN"):
        calibration_error(np.array([np.nan]), np.array([True]))
    with pytest.raises(InputError, match="equally long"):
        reliability(np.array([0.5]), np.array([True, False]))
    assert np.isnan(calibration_error(np.array([]), np.array([], dtype=bool)))

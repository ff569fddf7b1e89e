import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.calibration_error import (
    calibration_error,
    calibration_statistic,
    confidence_bins,
    reliability,
)
from retrieval import InputError

ITEMS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.25, 0.5, 0.9, 1.0]), st.booleans()),
    min_size=1,
    max_size=60,
)


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

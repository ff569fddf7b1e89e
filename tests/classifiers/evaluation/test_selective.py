import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from classifiers.evaluation.selective import risk_coverage, selective
from retrieval import InputError


def test_risk_coverage_accepts_equal_confidence_together() -> None:
    curve = risk_coverage(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, False, True, False]))
    expected = pd.DataFrame(
        {
            "threshold": [0.9, 0.5, 0.1],
            "coverage": [0.25, 0.75, 1.0],
            "precision": [1.0, 2 / 3, 0.5],
        }
    )
    pd.testing.assert_frame_equal(curve, expected)


def test_risk_coverage_of_nothing_is_empty_and_of_nan_is_refused() -> None:
    assert risk_coverage(np.array([]), np.array([], dtype=bool)).empty
    with pytest.raises(InputError, match="NaN"):
        risk_coverage(np.array([np.nan]), np.array([True]))


ANSWERS = st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.6, 0.9]), st.booleans()), max_size=30)


@given(ANSWERS, ANSWERS, st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_selective_takes_the_lowest_threshold_that_reaches_the_target(
    tuning: list[tuple[float, bool]], test: list[tuple[float, bool]], target: float
) -> None:
    confidence = np.array([c for c, _ in tuning])
    correct = np.array([ok for _, ok in tuning], dtype=bool)
    test_confidence = np.array([c for c, _ in test])
    test_correct = np.array([ok for _, ok in test], dtype=bool)
    result = selective(confidence, correct, test_confidence, test_correct, target)
    for threshold in np.unique(confidence):
        reached = correct[confidence >= threshold].mean() >= target
        assert not (reached and threshold < result.threshold)
    if np.isfinite(result.threshold):
        assert result.tuned_precision >= target
    labeled = test_confidence >= result.threshold
    assert result.n_labeled == labeled.sum()
    if labeled.any():
        assert result.precision == test_correct[labeled].mean()
        assert result.coverage == labeled.mean()
    else:
        assert np.isnan(result.precision)


def test_selective_knows_nothing_of_the_test_items() -> None:
    confidence, correct = np.array([0.9, 0.8, 0.4]), np.array([True, True, False])
    unseen = np.array([0.85, 0.2])
    kind = selective(confidence, correct, unseen, np.array([True, True]))
    cruel = selective(confidence, correct, unseen, np.array([False, False]))
    assert kind.threshold == cruel.threshold == 0.8
    assert (kind.precision, cruel.precision) == (1.0, 0.0)
    assert kind.coverage == cruel.coverage == 0.5


def test_selective_labels_nothing_where_the_target_is_out_of_reach() -> None:
    result = selective(np.array([0.9]), np.array([False]), np.array([1.0]), np.array([True]))
    assert (result.threshold, result.coverage, result.n_labeled) == (float("inf"), 0.0, 0)
    with pytest.raises(InputError, match="target"):
        selective(np.array([0.9]), np.array([True]), np.array([1.0]), np.array([True]), target=90)

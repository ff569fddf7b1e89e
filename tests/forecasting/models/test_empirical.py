import numpy as np
import pytest
from hypothesis import given, strategies as st

from forecasting.models import empirical
from forecasting.models.empirical import describe, weighted_summary

LEVELS = (0.1, 0.5, 0.9)


def described(curves, weights=None):
    curves = np.array(curves, dtype=float)
    position = np.arange(len(curves))[None, :]
    weights = np.ones(position.shape) if weights is None else np.array([weights], dtype=float)
    return describe(curves, position, weights, LEVELS)


def test_weighted_mean_and_quantiles_by_hand():
    values = np.array([[4.0, 1.0, np.nan, 2.0], [7.0, 7.0, 7.0, 7.0]])
    weights = np.array([[1.0, 2.0, 9.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    mean, quantiles = weighted_summary(values, weights, (0.5, 0.6, 1.0))
    assert mean[0] == pytest.approx((4 + 2 + 2) / 4)
    np.testing.assert_array_equal(quantiles[0], [1, 2, 4])
    assert np.isnan(mean[1])
    assert np.isnan(quantiles[1]).all()


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=12),
    st.floats(0.05, 0.95),
)
def test_weights_are_numbers_of_copies(pairs, level):
    copies = [value for value, n in pairs for _ in range(n)]
    values, weights = (np.array([part], dtype=float) for part in zip(*pairs, strict=True))
    mean, quantile = weighted_summary(values, weights, (level,))
    if not copies:
        assert np.isnan(mean[0])
        return
    assert mean[0] == pytest.approx(np.mean(copies))
    assert quantile[0, 0] == np.quantile(copies, level, method="inverted_cdf")


def test_a_curve_counts_for_the_ages_it_reached():
    made = described([[4, 2, 6], [2, 4, np.nan], [0, np.nan, np.nan]])
    np.testing.assert_allclose(made.mean, [[2, 3, 6]])
    np.testing.assert_array_equal(made.total_quantiles, [[12, 12, 12]])  # of the finished one


def test_an_age_nobody_reached_is_like_the_one_before():
    made = described([[4, 2, np.nan, np.nan], [2, np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(made.mean, [[3, 2, 2, 2]])
    np.testing.assert_array_equal(made.quantiles[0, 3], made.quantiles[0, 1])
    # None is finished: the means over the ages seen, 3 and 2, times four ages.
    np.testing.assert_array_equal(made.total_quantiles, [[8, 8, 12]])


def test_an_unknown_first_age_is_like_the_first_known_one():
    np.testing.assert_allclose(described([[np.nan, 5, 3]]).mean, [[5, 5, 3]])


def test_a_curve_without_weight_says_nothing():
    made = described([[1, 1], [9, 9], [np.nan, np.nan]], weights=[1, 0, 1])
    np.testing.assert_allclose(made.mean, [[1, 1]])
    np.testing.assert_array_equal(made.total_quantiles, [[2, 2, 2]])
    nobody = described([[1, 1]], weights=[0])
    assert np.isnan(nobody.mean).all()
    assert np.isnan(nobody.total_quantiles).all()


def test_no_column_and_no_row():
    curves = np.ones((2, 3))
    none = describe(curves, np.empty((4, 0), np.int64), np.empty((4, 0)), LEVELS)
    assert none.mean.shape == (4, 3)
    assert np.isnan(none.mean).all()
    empty = describe(curves, np.empty((0, 2), np.int64), np.empty((0, 2)), LEVELS)
    assert empty.quantiles.shape == (0, 3, 3)


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    curves = rng.poisson(2, (30, 4)).astype(float)
    position, weights = rng.integers(0, 30, (9, 5)), rng.random((9, 5))
    whole = describe(curves, position, weights, LEVELS)
    monkeypatch.setattr(empirical, "_CELLS", 40)
    parts = describe(curves, position, weights, LEVELS)
    np.testing.assert_array_equal(whole.mean, parts.mean)
    np.testing.assert_array_equal(whole.quantiles, parts.quantiles)
    np.testing.assert_array_equal(whole.total_quantiles, parts.total_quantiles)

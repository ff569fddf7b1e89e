"""Holes in launch curves are filled at the curve's level, by the shape that all have."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from forecasting.features.completion import completed, lifted

NAN = np.nan


def test_ages_not_seen_follow_the_shape_at_the_level_of_the_curve() -> None:
    # The first curve sold 6 where the second sold 3: twice as much.
    found = completed(np.array([[4, 2, NAN], [2, 1, 1]]))
    np.testing.assert_allclose(found, [[4, 2, 2], [2, 1, 1]])


def test_an_age_that_none_reached_is_like_the_one_before() -> None:
    found = completed(np.array([[4, 2, NAN, NAN], [2, 1, NAN, NAN]]))
    np.testing.assert_allclose(found, [[4, 2, 2, 2], [2, 1, 1, 1]])


def test_a_gap_is_filled_too() -> None:
    found = completed(np.array([[4, NAN, 2], [4, 3, 2]]))
    np.testing.assert_allclose(found, [[4, 3, 2], [4, 3, 2]])


@pytest.mark.parametrize(
    "curves", [np.empty((0, 3)), np.full((2, 3), NAN), np.array([[0, NAN], [0, 0]])]
)
def test_nothing_sold_or_seen_is_completed_by_zeros(curves: np.ndarray) -> None:
    np.testing.assert_array_equal(completed(curves), np.nan_to_num(curves))


@given(st.lists(st.integers(0, 9), min_size=12, max_size=12), st.integers(1, 3))
def test_what_was_seen_stays(sold: list[int], seen: int) -> None:
    curves = np.array(sold, dtype=float).reshape(3, 4)
    curves[0, seen:] = NAN
    found = completed(curves)
    known = np.isfinite(curves)
    np.testing.assert_array_equal(found[known], curves[known])
    assert (found >= 0).all()
    assert np.isfinite(found).all()


def test_best_sellers_that_are_sold_out_do_not_pull_the_shape_down() -> None:
    """Half of the curves sell tenfold, and are never there at age 1: it is as good as age 0."""
    shape = np.array([4.0, 4.0, 2.0, 1.0])
    curves = np.array([1.0, 10.0] * 20)[:, None] * shape
    holed = curves.copy()
    holed[1::2, 1] = NAN
    np.testing.assert_allclose(completed(holed), curves, rtol=1e-3)


def test_only_ages_that_have_passed_are_lifted() -> None:
    curves = np.array([[4, NAN, 2], [4, 3, 2], [8, NAN, NAN], [NAN, NAN, NAN]])
    scale = np.array([[1.0, 2.0, 1.0]] * 4)
    found = lifted(curves, scale, np.array([5, 5, 1, 5]))
    np.testing.assert_allclose(found, [[4, 3, 2], [4, 3, 2], [8, 6, NAN], [NAN] * 3])
    whole = curves[1:2]
    assert lifted(whole, scale[:1], np.array([5])) is whole

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.analogues import Pool
from forecasting.features import (
    History,
    Launches,
    analogue_curves,
    neighbor_features,
    own_features,
)
from forecasting.panel import NEVER, Grid, Panel

HORIZON = 3
GRID = Grid("W-MON", pd.Timestamp("2024-01-01"))


def history(units):
    """Two incumbents and two launches (periods 1 and 3) over six periods."""
    visible = np.array([0, 2, 1, 3])
    launch = np.array([NEVER, NEVER, 1, 3])
    known = np.where(np.arange(units.shape[1]) < visible[:, None], np.nan, units)
    panel = Panel(np.array(list("abcd"), object), GRID, known.astype(np.float32), visible, launch)
    attributes = pd.DataFrame({"price": [1.0, 2.0, 4.0, 8.0], "kind": ["x", "y", "x", None]})
    return History(panel, attributes, HORIZON)


UNITS = np.array([[1, 2, 3, 4, 5, 6], [0, 0, 8, 0, 4, 0], [0, 7, 5, 3, 1, 1], [0, 0, 0, 6, 2, 4]])


def row(standing):
    return Launches(
        ids=np.array(["new"], object),
        vectors=np.ones((1, 2), np.float32),
        period=np.array([standing + 2]),
        standing=np.array([standing]),
        attributes=pd.DataFrame({"price": [4.0], "kind": ["x"]}),
    )


def pools():
    incumbents = Pool(np.array([[0, 1, -1]]), np.array([[0.9, 0.9, np.nan]]))
    launches = Pool(np.array([[2, 3, -1]]), np.array([[0.8, 0.8, np.nan]]))
    return incumbents, launches


def features(units, standing):
    made = history(units)
    return own_features(made, row(standing)).join(neighbor_features(made, row(standing), *pools()))


def test_levels_and_totals_by_hand():
    made = features(UNITS, 4).iloc[0]
    # Means over periods 0..4 and 2..4, the periods in which each was visible.
    assert np.expm1(made["incumbent_level"]) == pytest.approx((3 + 4) / 2)
    # Launch c sold 7 + 5 + 3; d had shown two of three ages and does not count as a total.
    assert np.expm1(made["launch_total"]) == pytest.approx(15)
    assert made["launch_finished"] == 1
    assert np.expm1(made["launch_rate"]) == pytest.approx((5 + 4) / 2)
    assert made["lead"] == 1
    assert made["price_to_launches"] == pytest.approx(np.log(4 / 6))


def test_a_curve_contributes_the_ages_it_had_reached():
    made = history(UNITS)
    _, launches = pools()
    np.testing.assert_allclose(analogue_curves(made, np.array([3]), launches), [[6.5, 5, 3]])
    np.testing.assert_allclose(analogue_curves(made, np.array([4]), launches), [[6.5, 3.5, 3]])
    np.testing.assert_allclose(analogue_curves(made, np.array([2]), launches), [[7, 5, np.nan]])


def test_no_analogue_at_all_leaves_gaps_not_numbers():
    made = history(UNITS)
    nothing = Pool(np.full((1, 3), -1), np.full((1, 3), np.nan))
    table = neighbor_features(made, row(4), nothing, nothing)
    assert table.filter(like="level").isna().all(axis=None)
    assert table.filter(like="total").isna().all(axis=None)


@given(st.integers(3, 4), st.lists(st.integers(0, 99), min_size=24, max_size=24))
def test_nothing_after_the_standing_period_is_read(standing, noise):
    corrupted = UNITS.copy()
    corrupted[:, standing + 1 :] = np.reshape(noise, UNITS.shape)[:, standing + 1 :]
    pd.testing.assert_frame_equal(
        features(corrupted, standing), features(UNITS, standing), check_exact=True
    )
    _, launches = pools()
    when = np.array([standing])
    np.testing.assert_array_equal(
        analogue_curves(history(corrupted), when, launches),
        analogue_curves(history(UNITS), when, launches),
    )


def test_what_was_sold_by_then_is_read():
    changed = UNITS.copy()
    changed[0, 4] += 10
    assert (
        features(changed, 4)["incumbent_level"].iloc[0]
        > features(UNITS, 4)["incumbent_level"].iloc[0]
    )

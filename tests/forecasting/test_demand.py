from __future__ import annotations

import numpy as np
import pandas as pd

from forecasting import LaunchForecaster, past_demand
from tests.forecasting.conftest import CUTOFF, HORIZON, Slice

FORECASTER = LaunchForecaster(text="text", horizon=HORIZON)


def test_nothing_after_the_cutoff_moves_a_bit_of_it(small: Slice) -> None:
    demand = past_demand(FORECASTER, small.items, small.sales, CUTOFF)
    rng = np.random.default_rng(1)
    sales = small.sales.copy()
    later = sales["ds"] > CUTOFF
    sales.loc[later, "y"] = rng.integers(0, 1000, later.sum())
    items = small.items.copy()
    unseen = ~items["item_id"].isin(sales.loc[~later, "unique_id"])
    items.loc[unseen, "text"] = [f"garbage {n}" for n in range(unseen.sum())]
    assert later.any() and unseen.any()
    again = past_demand(FORECASTER, items, sales, CUTOFF)
    pd.testing.assert_frame_equal(again, demand, check_exact=True)


def test_it_is_relative_to_the_market_and_each_kind_by_itself(small: Slice) -> None:
    demand = past_demand(FORECASTER, small.items, small.sales, CUTOFF)
    launches = small.items.set_index("item_id")["launch_date"]
    assert (launches[demand.index[demand["launched"]]] <= CUTOFF).all()
    assert launches[demand.index[~demand["launched"]]].isna().all()
    for _, part in demand.groupby("launched"):
        assert len(part) > 50
        np.testing.assert_allclose([part["level"].mean(), part["level"].std()], [0, 1], atol=0.02)
    assert (demand.loc[~demand["launched"], "shape"] == 0).all()
    # Ten times the units everywhere is the same demand.
    tenfold = small.sales.assign(y=10 * small.sales["y"])
    again = past_demand(FORECASTER, small.items, tenfold, CUTOFF)
    assert np.corrcoef(again["level"], demand["level"])[0, 1] > 0.999

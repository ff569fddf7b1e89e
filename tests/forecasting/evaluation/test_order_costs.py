"""What orders would have cost, by hand."""

import numpy as np
import pandas as pd
import pytest

from forecasting.evaluation.order_costs import order_costs
from retrieval import InputError

LEVELS = (0.1, 0.5, 0.9)


def totals() -> pd.DataFrame:
    """Two methods, three launches: one knows what comes."""
    came = np.array([4.0, 10.0, 0.0])
    ours = pd.DataFrame({"0.1": came, "0.5": came, "0.9": came, "mean": came, "y": came})
    other = ours.assign(**{"0.1": 0.0, "0.5": 4.0, "0.9": 8.0, "mean": 5.0})
    both = pd.concat([ours.assign(method="ours"), other.assign(method="other")])
    return both.assign(cutoff=pd.Timestamp("2024-01-01"), unique_id=["a", "b", "c"] * 2)


def test_what_is_left_over_and_what_is_missing_is_paid() -> None:
    found = order_costs(totals(), LEVELS, "ours", overage_cost=1.0, underage_cost=4.0)
    # 4 / 5 lies three quarters of the way from the median, 4, to the 0.9 quantile, 8: 7 units.
    assert found["cost"].tolist() == [0.0, (7 - 4) + 4 * (10 - 7) + 7]
    assert found["naive_cost"].tolist() == [0.0, 1 + 4 * 5 + 5]
    assert found.loc["other", "difference"] == 22
    assert found.loc["other", "verdict"] == "worse"
    assert np.isnan(found.loc["ours", "difference"])


def test_beyond_the_levels_forecast_the_outermost_is_ordered_in_packs() -> None:
    found = order_costs(totals(), LEVELS, "ours", overage_cost=1, underage_cost=99, pack_size=5)
    # 8 units are two packs of five; of our 4 one pack is made.
    assert found["cost"].tolist() == [1.0, 6 + 0 + 10]


def test_a_cost_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="underage_cost must be above 0, got 0"):
        order_costs(totals(), LEVELS, "ours", overage_cost=1, underage_cost=0)

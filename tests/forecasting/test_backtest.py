import numpy as np
import pandas as pd
import pytest

from forecasting import backtest
from forecasting.baselines import BASELINES
from retrieval import InputError

CUTOFF = pd.Timestamp("2017-08-21")
SECOND = pd.Timestamp("2017-10-02")
HORIZON = 6


@pytest.fixture(scope="module")
def result(grocery, fitted):
    return backtest(fitted, grocery.items, grocery.sales, cutoffs=[SECOND, CUTOFF])


def test_every_launch_with_a_whole_horizon_is_scored_once(grocery, result):
    end = grocery.sales["ds"].max()
    launch = grocery.items.set_index("item_id")["launch_date"]
    complete = launch[launch + pd.Timedelta(weeks=HORIZON - 1) <= end]
    expected = {
        CUTOFF: complete[(complete > CUTOFF) & (complete <= SECOND)],
        SECOND: complete[complete > SECOND],
    }
    for cutoff, cohort in expected.items():
        for _, totals in result.totals[result.totals["cutoff"] == cutoff].groupby("method"):
            assert sorted(totals["unique_id"]) == sorted(cohort.index)


def test_what_came_is_beside_the_forecast(grocery, result):
    sold = grocery.sales.set_index(["unique_id", "ds"])["y"]
    some = result.predictions.sample(200, random_state=0)
    expected = [sold.get(key, 0) for key in zip(some["unique_id"], some["ds"], strict=True)]
    np.testing.assert_array_equal(some["y"], expected)
    total = result.predictions.groupby(["method", "unique_id"])["y"].sum()
    np.testing.assert_allclose(
        result.totals.set_index(["method", "unique_id"])["y"].sort_index(), total.sort_index()
    )


def test_compare_has_every_method_and_its_verdict(result):
    compared = result.compare()
    assert list(compared.index) == ["LaunchForecaster", *BASELINES]
    assert compared.loc["zeros", "wape_total"] == 1
    assert compared.loc["zeros", "bias"] == -1
    assert compared.loc["zeros", "verdict"] == "worse"
    assert np.isnan(compared.loc["LaunchForecaster", "difference"])
    columns = {"wape_total", "wape_curve", "rmse_total", "bias", "wql", "coverage_80", "n_items"}
    assert columns <= set(compared.columns)
    assert set(result.metrics.index.get_level_values("cutoff")) == {CUTOFF, SECOND}


def test_the_forecast_is_that_of_a_forecaster_fitted_at_the_cutoff(grocery, fitted, result):
    mine = result.totals.query("method == 'LaunchForecaster' and cutoff == @CUTOFF")
    cohort = grocery.items.set_index("item_id").loc[mine["unique_id"]].reset_index()
    alone = fitted.predict_total(cohort)
    np.testing.assert_allclose(mine["mean"], alone["mean"], rtol=1e-9)
    np.testing.assert_array_equal(mine["0.5"], alone["0.5"])


def test_the_forecasts_can_be_explained(grocery, result):
    assert list(result.forecasts.columns)[:5] == ["unique_id", "cutoff", "ds", "age", "mean"]
    assert len(result.forecasts) * (1 + len(BASELINES)) == len(result.predictions)
    last = result.forecasts[result.forecasts["cutoff"] == SECOND]
    cohort = grocery.items[grocery.items["item_id"].isin(last["unique_id"])]
    assert set(result.forecaster.explain(cohort)["unique_id"]) == set(last["unique_id"])


def test_a_cutoff_without_launches_is_refused(grocery, fitted):
    with pytest.raises(InputError, match="no launch after it has 6 observed periods"):
        backtest(fitted, grocery.items, grocery.sales, cutoffs=["2017-12-25"])
    with pytest.raises(InputError, match="cutoffs is empty"):
        backtest(fitted, grocery.items, grocery.sales, cutoffs=[])
    with pytest.raises(InputError, match="no launch after it"):
        backtest(fitted, grocery.items, grocery.sales, cutoffs=[CUTOFF], last=CUTOFF)

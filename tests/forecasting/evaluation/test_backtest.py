from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecasting import backtest
from forecasting.evaluation.baselines import BASELINES
from forecasting.evaluation.slices import THIRDS
from retrieval import InputError
from tests.forecasting.conftest import Slice, new_forecaster

CUTOFF = pd.Timestamp("2017-08-21")
SECOND = pd.Timestamp("2017-10-02")
HORIZON = 6
UNSOLD = "unsold"


@pytest.fixture(scope="module")
def with_unsold(grocery) -> Slice:
    """The shop, and a product launched after each cutoff that nobody bought."""
    like = grocery.later.head(2)
    dates = [CUTOFF + pd.Timedelta(weeks=1), SECOND + pd.Timedelta(weeks=1)]
    unsold = like.assign(item_id=[f"{UNSOLD} 1", f"{UNSOLD} 2"], launch_date=dates)
    return Slice(pd.concat([grocery.items, unsold], ignore_index=True), grocery.sales)


@pytest.fixture(scope="module")
def result(with_unsold, fitted):
    return backtest(fitted, with_unsold.items, with_unsold.sales, cutoffs=[SECOND, CUTOFF])


def test_every_launch_with_a_whole_horizon_is_scored_once(with_unsold, result):
    end = with_unsold.sales["ds"].max()
    launch = with_unsold.items.set_index("item_id")["launch_date"]
    complete = launch + pd.Timedelta(weeks=HORIZON - 1) <= end
    expected = {
        CUTOFF: launch.index[complete & (launch > CUTOFF) & (launch <= SECOND)],
        SECOND: launch.index[complete & (launch > SECOND)],
    }
    for cutoff, cohort in expected.items():
        for _, totals in result.totals[result.totals["cutoff"] == cutoff].groupby("method"):
            assert sorted(totals["unique_id"]) == sorted(cohort)
    left_out = launch.index[~complete & (launch > SECOND)]
    assert sorted(result.left_out["unique_id"]) == sorted(left_out)
    assert len(left_out)
    assert list(result.left_out.columns) == ["unique_id", "cutoff", "reason"]
    assert set(result.left_out["cutoff"]) == {SECOND}


def test_what_nobody_bought_is_scored_like_the_rest(result):
    unsold = result.totals[result.totals["unique_id"].str.startswith(UNSOLD)]
    assert len(unsold) == 2 * (1 + len(BASELINES))
    assert (unsold["y"] == 0).all()
    ours = result.items[result.items["unique_id"].str.startswith(UNSOLD)]
    assert (ours["level"] > 0).all()


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
    assert compared.loc["zeros", ["verdict", "wql_verdict"]].tolist() == ["worse", "worse"]
    assert compared.loc["LaunchForecaster", ["difference", "verdict", "wql_low"]].isna().all()
    assert list(compared.columns) == [
        "wape_total", "wape_curve", "rmse_total", "bias", "wql", "wql_curve", "coverage_80",
        "width_80", "n_items", "difference", "low", "high", "verdict",
        "wql_difference", "wql_low", "wql_high", "wql_verdict",
    ]  # fmt: skip
    pd.testing.assert_frame_equal(compared, result.compare(seed=0, draws=2000))
    assert set(result.metrics.index.get_level_values("cutoff")) == {CUTOFF, SECOND}


def test_the_verdict_turns_when_methods_change_places(result):
    names = {"LaunchForecaster": "zeros", "zeros": "LaunchForecaster"}
    swapped = replace(result, totals=result.totals.replace({"method": names}))
    there, back = result.compare().loc["zeros"], swapped.compare().loc["zeros"]
    assert (there["verdict"], back["verdict"]) == ("worse", "better")
    assert back["difference"] == pytest.approx(-there["difference"])


def test_the_forecast_is_that_of_a_forecaster_fitted_at_the_cutoff(with_unsold, fitted, result):
    mine = result.totals.query("method == 'LaunchForecaster' and cutoff == @CUTOFF")
    cohort = with_unsold.items.set_index("item_id").loc[mine["unique_id"]].reset_index()
    alone = fitted.predict_total(cohort)
    np.testing.assert_allclose(mine["mean"], alone["mean"], rtol=1e-9)
    np.testing.assert_array_equal(mine["0.5"], alone["0.5"])


def test_the_forecasts_can_be_explained(grocery, result):
    assert list(result.forecasts.columns)[:5] == ["unique_id", "cutoff", "ds", "age", "mean"]
    assert len(result.forecasts) * (1 + len(BASELINES)) == len(result.predictions)
    last = result.forecasts[result.forecasts["cutoff"] == SECOND]
    cohort = grocery.items[grocery.items["item_id"].isin(last["unique_id"])]
    assert set(result.forecaster.explain(cohort)["unique_id"]) <= set(last["unique_id"])


def test_items_tell_what_is_known_of_each_launch(with_unsold, result):
    items = result.items
    told = ["category", "name", "similarity", "level"]
    assert list(items.columns) == ["unique_id", "cutoff", *told]
    known = with_unsold.items.set_index("item_id")["product_category"]
    assert items["category"].tolist() == known.loc[items["unique_id"]].tolist()
    ours = result.totals[result.totals["method"] == "LaunchForecaster"]
    pd.testing.assert_series_equal(
        items["level"], ours["mean"].reset_index(drop=True), check_names=False
    )
    last = items[items["cutoff"] == SECOND].set_index("unique_id")
    cohort = with_unsold.items[with_unsold.items["item_id"].isin(last.index)]
    best = result.forecaster.explain(cohort).groupby("unique_id")["similarity"].max()
    np.testing.assert_allclose(last["similarity"], best.loc[last.index])


@pytest.mark.parametrize("what", ["category", "similarity", "cohort", "level"])
def test_groups_hold_every_launch_once_and_their_errors_add_up(result, what):
    scores, whole = result.by(what), result.compare()
    assert scores.index.names == [what, "method"]
    ours, compared = scores.xs("LaunchForecaster", level="method"), whole.loc["LaunchForecaster"]
    assert ours["n_items"].sum() == compared["n_items"] == len(result.items)
    # RMSE needs no units to add up: the mean of squares over all is that of the groups, weighted.
    squares = (ours["rmse_total"] ** 2 * ours["n_items"]).sum() / ours["n_items"].sum()
    assert np.sqrt(squares) == pytest.approx(compared["rmse_total"])
    assert list(scores.columns) == list(whole.columns[:9])


def test_thirds_go_from_the_lowest_forecast_to_the_highest(result):
    assert result.by("level").index.get_level_values("level").unique().tolist() == list(THIRDS)


def test_ages_are_scored_each_on_its_own(result):
    scores = result.by("age")
    assert scores.index.get_level_values("age").unique().tolist() == list(range(HORIZON))
    first = result.predictions.query("method == 'global mean' and age == 0")
    expected = (first["0.5"] - first["y"]).abs().sum() / first["y"].sum()
    assert scores.loc[(0, "global mean"), "wape"] == pytest.approx(expected)


def test_an_unknown_group_or_picture_is_answered_with_what_exists(result):
    with pytest.raises(InputError, match="age, category, similarity, cohort, level"):
        result.by("color")
    with pytest.raises(InputError, match="comparison, age, coverage"):
        result.plot("pie")


def test_calibration_surrounds_what_it_should(result):
    shares = result.calibration
    assert shares.loc[("zeros", 0.5), "below"] == 0
    zeros = (result.totals.query("method == 'zeros'")["y"] == 0).mean()
    assert shares.loc[("zeros", 0.5), "up_to"] == pytest.approx(zeros)


def test_the_order_of_rows_changes_no_bit(with_unsold, fitted, result):
    items = with_unsold.items.sample(frac=1, random_state=2)
    sales = with_unsold.sales.sample(frac=1, random_state=3)
    again = backtest(fitted, items, sales, cutoffs=[SECOND])
    for name in ("predictions", "totals", "items", "left_out"):
        table = getattr(result, name)
        table = table[table["cutoff"] == SECOND].reset_index(drop=True)
        pd.testing.assert_frame_equal(getattr(again, name), table, check_exact=True)


def daily(weekly: Slice) -> Slice:
    """Each product's weekly sales on a day of the week of its own."""
    day = pd.to_timedelta(weekly.sales["unique_id"].str[-1].astype(int) % 7, unit="D")
    return moved(weekly, weekly.sales["ds"] + day)


def moved(weekly: Slice, ds: pd.Series) -> Slice:
    """The same sales at other dates, and launches at the first of them."""
    sales = weekly.sales.assign(ds=ds).groupby(["unique_id", "ds"], as_index=False)["y"].sum()
    first = weekly.items["item_id"].map(sales.groupby("unique_id")["ds"].min())
    launch = first.where(weekly.items["launch_date"].notna())
    return Slice(weekly.items.assign(launch_date=launch), sales)


FREQUENCIES = {
    "D": (daily, 10, 14),
    "MS": (lambda weekly: moved(weekly, weekly.sales["ds"].dt.to_period("M").dt.start_time), 2, 2),
}


@pytest.mark.parametrize("freq", list(FREQUENCIES))
def test_windows_end_where_the_last_horizon_is_over_at_any_frequency(grocery, encoder, freq):
    make, horizon, step = FREQUENCIES[freq]
    data = make(grocery)
    forecaster = new_forecaster(encoder, freq=freq, horizon=horizon)
    result = backtest(forecaster, data.items, data.sales, n_windows=1, step=step)
    offset = pd.tseries.frequencies.to_offset(freq)
    last_scored = data.sales["ds"].max() - (horizon - 1) * offset
    cutoff = last_scored - (step or 4) * offset
    assert set(result.items["cutoff"]) == {cutoff}
    launch = data.items.set_index("item_id")["launch_date"]
    expected = launch.index[(launch > cutoff) & (launch <= last_scored)]
    assert sorted(result.items["unique_id"]) == sorted(expected)
    ours = result.forecasts
    first = launch.loc[ours["unique_id"]]
    dates = [date + age * offset for date, age in zip(first, ours["age"], strict=True)]
    assert ours["ds"].tolist() == dates
    sold = data.sales.set_index(["unique_id", "ds"])["y"]
    mine = result.predictions[result.predictions["method"] == "LaunchForecaster"]
    came = [sold.get(key, 0) for key in zip(mine["unique_id"], mine["ds"], strict=True)]
    np.testing.assert_array_equal(mine["y"], came)


def test_a_window_needs_a_number_and_cutoffs_a_launch(grocery, fitted):
    data = (grocery.items, grocery.sales)
    with pytest.raises(InputError, match="no launch after it has 6 observed periods"):
        backtest(fitted, *data, cutoffs=["2017-12-25"])
    with pytest.raises(InputError, match="got neither"):
        backtest(fitted, *data)
    with pytest.raises(InputError, match="got both"):
        backtest(fitted, *data, cutoffs=[CUTOFF], n_windows=2)
    with pytest.raises(InputError, match="step is the distance of the cutoffs that n_windows"):
        backtest(fitted, *data, cutoffs=[CUTOFF], step=2)

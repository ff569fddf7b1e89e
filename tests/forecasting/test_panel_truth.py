"""The facts of `docs/sales-data.md`, told to the forecaster, reach its panel and its forecasts."""

import numpy as np
import pandas as pd
import pytest

from forecasting import LaunchForecaster
from retrieval import Encoder, TableError
from tests.forecasting.conftest import CUTOFF, Slice, fewer_incumbents, new_forecaster


@pytest.fixture(scope="module")
def grocery(grocery: Slice) -> Slice:
    return fewer_incumbents(grocery)


@pytest.fixture(scope="module")
def voting(grocery: Slice, encoder: Encoder) -> LaunchForecaster:
    return fit(encoder, grocery.items, grocery.sales)


@pytest.fixture(scope="module")
def launch(grocery: Slice) -> str:
    """A launch that sold in its second week, half a year before the cutoff."""
    past = grocery.items[grocery.items["launch_date"] <= pd.Timestamp("2017-06-05")]
    second = past.set_index("item_id")["launch_date"] + pd.Timedelta(weeks=1)
    sales = grocery.sales.set_index("unique_id")
    sold = sales[sales["ds"] == sales.index.map(second)]
    return str(sold["y"].idxmax())


@pytest.fixture(scope="module")
def second_week(grocery: Slice, launch: str) -> pd.Series:
    date = grocery.items.set_index("item_id").loc[launch, "launch_date"]
    at = grocery.sales["ds"] == date + pd.Timedelta(weeks=1)
    return (grocery.sales["unique_id"] == launch) & at


def fit(
    encoder: Encoder, items: pd.DataFrame, sales: pd.DataFrame, **told: str
) -> LaunchForecaster:
    return new_forecaster(encoder, method="knn", **told).fit(items, sales, cutoff=CUTOFF)


def curve_of(forecaster: LaunchForecaster, item: str) -> np.ndarray:
    return forecaster.history_.curves[list(forecaster.panel_.ids).index(item)]


def forecast_like(forecaster: LaunchForecaster, grocery: Slice, item: str) -> float:
    """The total forecast of a new item with the same text."""
    new = grocery.items[grocery.items["item_id"] == item]
    new = new.assign(item_id="new", launch_date=CUTOFF + pd.Timedelta(weeks=1))
    return float(forecaster.predict_total(new)["mean"].iloc[0])


def test_a_week_without_stock_is_unknown_not_low(
    grocery: Slice,
    encoder: Encoder,
    voting: LaunchForecaster,
    launch: str,
    second_week: pd.Series,
) -> None:
    sales = grocery.sales.assign(there=~second_week, y=grocery.sales["y"].mask(second_week, 0))
    told = fit(encoder, grocery.items, sales, in_stock="there")
    silent = fit(encoder, grocery.items, sales)
    assert np.isnan(curve_of(told, launch)[1])
    assert curve_of(silent, launch)[1] == 0
    assert curve_of(voting, launch)[1] > 0
    assert forecast_like(told, grocery, launch) > forecast_like(silent, grocery, launch)


def test_an_item_taken_off_sale_stops_being_zero(
    grocery: Slice, encoder: Encoder, voting: LaunchForecaster, launch: str
) -> None:
    known = grocery.items.set_index("item_id")["launch_date"]
    gone = known[launch] + pd.Timedelta(weeks=3, days=-1)
    kept = grocery.sales[~((grocery.sales["unique_id"] == launch) & (grocery.sales["ds"] > gone))]
    items = grocery.items.assign(last_day=pd.NaT)
    items.loc[items["item_id"] == launch, "last_day"] = gone
    told, silent = fit(encoder, items, kept, delist_date="last_day"), fit(encoder, items, kept)
    np.testing.assert_array_equal(np.isnan(curve_of(told, launch)), [False] * 3 + [True] * 3)
    np.testing.assert_array_equal(curve_of(silent, launch)[3:], 0)
    np.testing.assert_array_equal(curve_of(told, launch)[:3], curve_of(voting, launch)[:3])
    assert len(told.predict(items[items["launch_date"] > CUTOFF])) > 0
    with pytest.raises(TableError, match="new_items: missing column last_day"):
        told.predict(grocery.later)
    with pytest.raises(TableError, match="ds lies after the item's delisting date"):
        fit(encoder, items, grocery.sales, delist_date="last_day")


def test_returns_are_subtracted_or_left_out(
    grocery: Slice, encoder: Encoder, launch: str, second_week: pd.Series
) -> None:
    back = grocery.sales[second_week].assign(y=-1)
    sales = pd.concat([grocery.sales, back])
    sold = grocery.sales.loc[second_week, "y"].iloc[0]
    with pytest.raises(TableError, match="sales: y is negative"):
        fit(encoder, grocery.items, sales)
    net = fit(encoder, grocery.items, sales, returns="net", repeats="sum")
    dropped = fit(encoder, grocery.items, sales, returns="drop")
    assert curve_of(net, launch)[1] == sold - 1
    assert curve_of(dropped, launch)[1] == sold
    assert forecast_like(net, grocery, launch) < forecast_like(dropped, grocery, launch)


def test_receipts_by_day_are_the_same_as_sums_by_week(
    grocery: Slice, encoder: Encoder, voting: LaunchForecaster
) -> None:
    day = pd.to_timedelta(np.arange(len(grocery.sales)) % 7, unit="D")
    single = grocery.sales.assign(y=1.0, ds=grocery.sales["ds"] + day)
    more = grocery.sales.assign(y=grocery.sales["y"] - 1.0)
    receipts = pd.concat([single, more])
    with pytest.raises(TableError, match="ds is not on the grid"):
        fit(encoder, grocery.items, receipts)
    summed = fit(encoder, grocery.items, receipts, repeats="sum")
    pd.testing.assert_frame_equal(
        summed.predict(grocery.later), voting.predict(grocery.later), check_exact=True
    )


def test_an_earlier_life_is_refused_or_left_out(
    grocery: Slice, encoder: Encoder, voting: LaunchForecaster, launch: str
) -> None:
    before = pd.DataFrame({"unique_id": [launch], "ds": [pd.Timestamp("2017-01-09")], "y": [50]})
    sales = pd.concat([grocery.sales, before])
    with pytest.raises(TableError, match="ds lies before the item's launch date"):
        fit(encoder, grocery.items, sales)
    dropped = fit(encoder, grocery.items, sales, before_launch="drop")
    pd.testing.assert_frame_equal(
        dropped.predict(grocery.later), voting.predict(grocery.later), check_exact=True
    )


def test_a_launch_inside_a_week_is_on_sale_for_a_part_of_it(
    grocery: Slice, voting: LaunchForecaster
) -> None:
    monday = grocery.later.head(20)
    friday = monday.assign(launch_date=monday["launch_date"] + pd.Timedelta(days=4))
    whole, part = (voting.predict(items) for items in (monday, friday))
    first = whole["age"] == 0
    np.testing.assert_allclose(part.loc[first, "mean"], whole.loc[first, "mean"] * 3 / 7)
    np.testing.assert_allclose(part.loc[~first, "mean"], whole.loc[~first, "mean"])
    assert (part["ds"] == whole["ds"]).all()


def test_columns_may_be_called_anything(
    grocery: Slice, encoder: Encoder, voting: LaunchForecaster
) -> None:
    items = grocery.items.rename(columns={"item_id": "sku", "launch_date": "from", "text": "name"})
    sales = grocery.sales.rename(columns={"unique_id": "sku", "ds": "week", "y": "units"})
    names = {"item_id": "sku", "launch_date": "from", "text": ["name"], "id_col": "sku"}
    forecaster = new_forecaster(
        encoder, method="knn", time_col="week", target_col="units", **names
    ).fit(items, sales, cutoff=CUTOFF)
    pd.testing.assert_frame_equal(
        forecaster.predict(items[items["from"] > CUTOFF]),
        voting.predict(grocery.later),
        check_exact=True,
    )

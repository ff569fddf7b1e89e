"""The facts of `docs/sales-data.md`, told to the forecaster, reach its panel and its forecasts."""

import numpy as np
import pandas as pd
import pytest

from forecasting import Columns, LaunchForecaster, SalesRules
from retrieval import Encoder, TableError
from tests.forecasting.conftest import CUTOFF, Slice, new_forecaster


@pytest.fixture(scope="module")
def plain(small: Slice, encoder: Encoder) -> LaunchForecaster:
    return fit(encoder, small.items, small.sales)


@pytest.fixture(scope="module")
def launch(small: Slice) -> str:
    """A launch that sold in its second week, half a year before the cutoff."""
    past = small.items[small.items["launch_date"] <= pd.Timestamp("2017-06-05")]
    second = past.set_index("item_id")["launch_date"] + pd.Timedelta(weeks=1)
    sales = small.sales.set_index("unique_id")
    sold = sales[sales["ds"] == sales.index.map(second)]
    return str(sold["y"].idxmax())


@pytest.fixture(scope="module")
def second_week(small: Slice, launch: str) -> pd.Series:
    date = small.items.set_index("item_id").loc[launch, "launch_date"]
    at = small.sales["ds"] == date + pd.Timedelta(weeks=1)
    return (small.sales["unique_id"] == launch) & at


def fit(
    encoder: Encoder, items: pd.DataFrame, sold: pd.DataFrame, **told: object
) -> LaunchForecaster:
    return new_forecaster(encoder, method="knn", **told).fit(items, sold, cutoff=CUTOFF)


def curve_of(forecaster: LaunchForecaster, item: str) -> np.ndarray:
    return forecaster.history_.curves[list(forecaster.panel_.ids).index(item)]


def forecast_like(forecaster: LaunchForecaster, small: Slice, item: str) -> float:
    """The total forecast of a new item with the same text."""
    new = small.items[small.items["item_id"] == item]
    new = new.assign(item_id="new", launch_date=CUTOFF + pd.Timedelta(weeks=1))
    return float(forecaster.predict_total(new)["mean"].iloc[0])


def test_a_week_without_stock_is_unknown_not_low(
    small: Slice,
    encoder: Encoder,
    plain: LaunchForecaster,
    launch: str,
    second_week: pd.Series,
) -> None:
    sales = small.sales.assign(there=~second_week, y=small.sales["y"].mask(second_week, 0))
    told = fit(encoder, small.items, sales, columns=Columns(in_stock="there"))
    silent = fit(encoder, small.items, sales)
    assert np.isnan(curve_of(told, launch)[1])
    assert curve_of(silent, launch)[1] == 0
    assert curve_of(plain, launch)[1] > 0
    assert forecast_like(told, small, launch) > forecast_like(silent, small, launch)


def test_an_item_taken_off_sale_stops_being_zero(
    small: Slice, encoder: Encoder, plain: LaunchForecaster, launch: str
) -> None:
    known = small.items.set_index("item_id")["launch_date"]
    gone = known[launch] + pd.Timedelta(weeks=3, days=-1)
    kept = small.sales[~((small.sales["unique_id"] == launch) & (small.sales["ds"] > gone))]
    items = small.items.assign(last_day=pd.NaT)
    items.loc[items["item_id"] == launch, "last_day"] = gone
    told, silent = (
        fit(encoder, items, kept, columns=Columns(delist_date="last_day")),
        fit(encoder, items, kept),
    )
    np.testing.assert_array_equal(np.isnan(curve_of(told, launch)), [False] * 3 + [True] * 3)
    np.testing.assert_array_equal(curve_of(silent, launch)[3:], 0)
    np.testing.assert_array_equal(curve_of(told, launch)[:3], curve_of(plain, launch)[:3])
    coming = items[items["launch_date"] > CUTOFF]
    without = coming.drop(columns="last_day")  # what has not begun need not say when it ends
    pd.testing.assert_frame_equal(told.predict(coming), told.predict(without))
    with pytest.raises(TableError, match="items: missing column last_day"):
        fit(encoder, small.items, kept, columns=Columns(delist_date="last_day"))
    with pytest.raises(TableError, match="ds lies after the item's delisting date"):
        fit(encoder, items, small.sales, columns=Columns(delist_date="last_day"))


def test_returns_are_subtracted_or_left_out(
    small: Slice, encoder: Encoder, launch: str, second_week: pd.Series
) -> None:
    back = small.sales[second_week].assign(y=-1)
    sales = pd.concat([small.sales, back])
    sold = small.sales.loc[second_week, "y"].iloc[0]
    with pytest.raises(TableError, match="sales: y is negative"):
        fit(encoder, small.items, sales)
    net = fit(encoder, small.items, sales, sales=SalesRules(returns="net", repeats="sum"))
    dropped = fit(encoder, small.items, sales, sales=SalesRules(returns="drop"))
    assert curve_of(net, launch)[1] == sold - 1
    assert curve_of(dropped, launch)[1] == sold
    assert forecast_like(net, small, launch) < forecast_like(dropped, small, launch)


def test_receipts_by_day_are_the_same_as_sums_by_week(
    small: Slice, encoder: Encoder, plain: LaunchForecaster
) -> None:
    day = pd.to_timedelta(np.arange(len(small.sales)) % 7, unit="D")
    single = small.sales.assign(y=1.0, ds=small.sales["ds"] + day)
    more = small.sales.assign(y=small.sales["y"] - 1.0)
    receipts = pd.concat([single, more])
    with pytest.raises(TableError, match="ds is not on the grid"):
        fit(encoder, small.items, receipts)
    summed = fit(encoder, small.items, receipts, sales=SalesRules(repeats="sum"))
    pd.testing.assert_frame_equal(
        summed.predict(small.later), plain.predict(small.later), check_exact=True
    )


def test_an_earlier_life_is_refused_or_left_out(
    small: Slice, encoder: Encoder, plain: LaunchForecaster, launch: str
) -> None:
    before = pd.DataFrame({"unique_id": [launch], "ds": [pd.Timestamp("2017-01-09")], "y": [50]})
    sales = pd.concat([small.sales, before])
    with pytest.raises(TableError, match="ds lies before the item's launch date"):
        fit(encoder, small.items, sales)
    dropped = fit(encoder, small.items, sales, sales=SalesRules(before_launch="drop"))
    pd.testing.assert_frame_equal(
        dropped.predict(small.later), plain.predict(small.later), check_exact=True
    )


def test_a_launch_inside_a_week_is_on_sale_for_a_part_of_it(
    small: Slice, plain: LaunchForecaster
) -> None:
    monday = small.later.head(20)
    friday = monday.assign(launch_date=monday["launch_date"] + pd.Timedelta(days=4))
    whole, part = (plain.predict(items) for items in (monday, friday))
    first = whole["age"] == 0
    np.testing.assert_allclose(part.loc[first, "mean"], whole.loc[first, "mean"] * 3 / 7)
    np.testing.assert_allclose(part.loc[~first, "mean"], whole.loc[~first, "mean"])
    assert (part["ds"] == whole["ds"]).all()


def test_columns_may_be_called_anything(
    small: Slice, encoder: Encoder, plain: LaunchForecaster
) -> None:
    items = small.items.rename(columns={"item_id": "sku", "launch_date": "from", "text": "name"})
    sales = small.sales.rename(columns={"unique_id": "sku", "ds": "week", "y": "units"})
    names = {"item_id": "sku", "launch_date": "from", "text": ["name"]}
    columns = Columns(id_col="sku", time_col="week", target_col="units")
    forecaster = new_forecaster(encoder, method="knn", columns=columns, **names)
    forecaster.fit(items, sales, cutoff=CUTOFF)
    pd.testing.assert_frame_equal(
        forecaster.predict(items[items["from"] > CUTOFF]),
        plain.predict(small.later),
        check_exact=True,
    )

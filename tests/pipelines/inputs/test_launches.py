"""Forecasts whose tables have bad rows: these are kept, and what they hid counts as unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.config.settings import Settings, load_settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.jobs.forecasts import backtest_job, forecast_launches
from retrieval import InputError, TableError
from tests.pipelines.conftest import CUTOFF, Shop

KNN = {"method": "knn", "horizon": 3}


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path / "quarantine")


def settings_of(shop: Shop, **sections: dict[str, Any]) -> Settings:
    return load_settings(shop.config, {"forecast": KNN, **sections})


def curves(*tables: Any, **options: Any) -> pd.DataFrame:
    return forecast_launches(*tables, **options).curves


def kept(quarantine: Quarantine, role: str) -> pd.DataFrame:
    file = quarantine.files[role]
    return pd.read_csv(file, dtype="str") if file.suffix == ".csv" else pd.read_parquet(file)


def told(table: pd.DataFrame) -> list[tuple[str, str]]:
    return [
        (str(row), str(column)) for row, column in zip(table["row"], table["column"], strict=True)
    ]


@pytest.fixture(scope="module")
def new(shop: Shop) -> pd.DataFrame:
    coming = shop.items[shop.items["launch_date"] > CUTOFF]
    return coming.head(12).reset_index(drop=True)


@pytest.fixture(scope="module")
def known(shop: Shop) -> pd.DataFrame:
    seen = shop.items[~(shop.items["launch_date"] > CUTOFF)]
    return seen.tail(350).reset_index(drop=True)


@pytest.fixture(scope="module")
def sales(shop: Shop, known: pd.DataFrame) -> pd.DataFrame:
    rows = shop.sales["unique_id"].isin(known["product_id"]) & (shop.sales["ds"] <= CUTOFF)
    return shop.sales[rows].reset_index(drop=True)


def spoiled(sales: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
    """Bad rows of all kinds, and the positions of the rows whose periods they make unknown."""
    bad = sales.assign(ds=sales["ds"].dt.strftime("%Y-%m-%d")).astype({"y": "object"})
    launches = known.set_index("product_id")["launch_date"]
    launched = bad["unique_id"].map(launches).notna()
    hidden = [*bad.index[launched][[10, 20, 30, 40, 50]], bad.index[~launched][20]]
    bad.loc[hidden[0], "y"] = "many"
    bad.loc[hidden[1], "y"] = -3.0
    bad.loc[hidden[2], "y"] = None
    bad.loc[hidden[3], "y"] = np.inf
    bad.loc[hidden[4], "ds"] = str((sales["ds"][hidden[4]] + pd.Timedelta(days=1)).date())
    twice = bad.loc[[hidden[5]]].assign(y=99.0)
    first = bad.loc[[hidden[0]]].assign(y=1.0)
    others = pd.concat(
        [
            first.assign(unique_id="nobody"),
            first.assign(unique_id=None),
            first.assign(ds="soon"),
            first.assign(ds=None),
            first.assign(ds="2017-01-02"),  # before its launch
        ]
    )
    return pd.concat([bad, twice, others], ignore_index=True), hidden


def test_a_period_of_a_bad_row_is_unknown_and_not_zero(
    shop: Shop,
    known: pd.DataFrame,
    sales: pd.DataFrame,
    new: pd.DataFrame,
    quarantine: Quarantine,
    tmp_path: Path,
) -> None:
    bad, hidden = spoiled(sales, known)
    bad.to_csv(tmp_path / "sales.csv", index=False)
    settings = settings_of(shop)
    made = curves(settings, known, tmp_path / "sales.csv", new=new, quarantine=quarantine)
    rows = kept(quarantine, "sales")
    n = len(sales)
    assert told(rows) == sorted(
        [
            *((str(row + 1), "y") for row in hidden[:4]),
            (str(hidden[4] + 1), "ds"),
            *((str(row + 1), "unique_id, ds") for row in (hidden[5], n)),
            (str(n + 2), "unique_id"),
            (str(n + 3), "unique_id"),
            (str(n + 4), "ds"),
            (str(n + 5), "ds"),
            (str(n + 6), "ds"),
        ],
        key=lambda one: int(one[0]),
    )
    assert quarantine.counts == {"items": 0, "sales": 12, "new_items": 0}
    assert rows["y"][rows["row"] == str(hidden[0] + 1)].tolist() == ["many"]

    stocked = sales.assign(ok=~sales.index.isin(hidden))
    told_so = settings_of(shop, sales={"in_stock": "ok"})
    pd.testing.assert_frame_equal(made, curves(told_so, known, stocked, new=new))
    zeros = curves(settings, known, sales.drop(index=hidden), new=new)
    assert not made.equals(zeros)


@pytest.mark.parametrize("kind", ["texts", "days", "zone"])
def test_frames_may_hold_numbers_as_ids_and_dates_of_any_kind(
    kind: str,
    shop: Shop,
    known: pd.DataFrame,
    sales: pd.DataFrame,
    new: pd.DataFrame,
    quarantine: Quarantine,
) -> None:
    dates = {
        "texts": sales["ds"].dt.strftime("%Y-%m-%d"),
        "days": sales["ds"].dt.date,
        "zone": sales["ds"].dt.tz_localize("Europe/Berlin"),
    }
    bad = sales.assign(ds=dates[kind], unique_id=sales["unique_id"].astype("int64"))
    rows = [100, 200, 300]
    bad.loc[rows, "y"] = -1.0
    numbered = known.assign(product_id=known["product_id"].astype("int64"))
    made = curves(settings_of(shop), numbered, bad, new=new, quarantine=quarantine)
    assert kept(quarantine, "sales")["row"].tolist() == [101, 201, 301]
    told_so = settings_of(shop, sales={"in_stock": "ok"})
    stocked = sales.assign(ok=~sales.index.isin(rows))
    pd.testing.assert_frame_equal(made, curves(told_so, known, stocked, new=new))


def test_items_in_quarantine_take_their_sales_with_them(
    shop: Shop, known: pd.DataFrame, sales: pd.DataFrame, new: pd.DataFrame, quarantine: Quarantine
) -> None:
    bad = known.astype({"launch_date": "object"})
    bad.loc[3, "launch_date"] = "soon"
    bad.loc[5, ["product_type", "package_size", "brand", "product_category"]] = None
    bad.loc[7, "product_id"] = bad["product_id"][8]
    gone = known["product_id"][[3, 5, 7, 8]]
    assert sales["unique_id"].isin(gone).any()
    # The id of row 8 is nowhere else now; its sales are those of nobody.
    there = sales[sales["unique_id"] != known["product_id"][7]]
    made = curves(settings_of(shop), bad, there, new=new, quarantine=quarantine)
    assert quarantine.counts == {"items": 4, "sales": 0, "new_items": 0}
    good = known[~known["product_id"].isin(gone)]
    their = sales[sales["unique_id"].isin(good["product_id"])]
    pd.testing.assert_frame_equal(made, curves(settings_of(shop), good, their, new=new))


def test_new_items_that_cannot_be_forecast_are_kept(
    shop: Shop, known: pd.DataFrame, sales: pd.DataFrame, new: pd.DataFrame, quarantine: Quarantine
) -> None:
    bad = new.copy()
    bad.loc[1, "launch_date"] = pd.Timestamp(CUTOFF)
    bad.loc[4, "launch_date"] = pd.NaT
    bad.loc[6, "launch_date"] = pd.Timestamp(CUTOFF) + pd.Timedelta(days=6)
    bad.loc[8, "product_id"] = bad["product_id"][9]
    settings = settings_of(shop)
    made = curves(settings, known, sales, new=bad, quarantine=quarantine)
    whole = curves(settings, known, sales, new=new)
    good = new["product_id"].drop(index=[1, 4, 6, 8, 9])
    expected = whole[whole["unique_id"].isin(good)].reset_index(drop=True)
    assert made["unique_id"].unique().tolist() == good.tolist()
    pd.testing.assert_frame_equal(made[["unique_id", "ds"]], expected[["unique_id", "ds"]])
    rows = kept(quarantine, "new_items")
    assert rows["row"].tolist() == [2, 5, 7, 9, 10]
    assert rows["problem"].tolist() == [
        *["must lie after the cutoff's period 2017-09-04"] * 3,
        *["is there more than once"] * 2,
    ]


def test_new_items_between_the_last_sales_and_the_cutoff_are_forecast(
    shop: Shop, known: pd.DataFrame, sales: pd.DataFrame, new: pd.DataFrame, quarantine: Quarantine
) -> None:
    earlier = sales[sales["ds"] <= "2017-08-28"]
    coming = new.head(4).assign(launch_date=pd.Timestamp(CUTOFF))
    asked: dict[str, Any] = {"new": coming, "cutoff": CUTOFF}
    screened = curves(settings_of(shop), known, earlier, **asked, quarantine=quarantine)
    pd.testing.assert_frame_equal(screened, curves(settings_of(shop), known, earlier, **asked))


def test_plans_and_observed_sales_are_screened_too(
    shop: Shop, known: pd.DataFrame, sales: pd.DataFrame, new: pd.DataFrame, quarantine: Quarantine
) -> None:
    begins = new["launch_date"].dt.to_period("W-SUN").dt.start_time
    plan = pd.DataFrame({"unique_id": new["product_id"], "ds": begins, "price": 2.0})
    plan = pd.concat([plan, plan.iloc[[3]]], ignore_index=True)
    plan.loc[0, "price"] = np.inf
    plan.loc[1, "ds"] = pd.NaT
    coming = new.assign(launch_date=pd.Timestamp("2017-09-11"))
    seen = pd.DataFrame(
        {"unique_id": new["product_id"], "ds": pd.Timestamp("2017-09-11"), "y": 4.0}
    )
    bad = seen.assign(y=[-1.0, *seen["y"][1:-1], np.nan])
    settings = settings_of(shop, forecast={**KNN, "covariates": "price"})
    made = curves(
        settings, known, sales, new=coming, future=plan, observed=bad, quarantine=quarantine
    )
    assert kept(quarantine, "future")["row"].tolist() == [1, 2, 4, 13]
    assert kept(quarantine, "observed")["row"].tolist() == [1, 12]
    began = made[made["age"] == 0].set_index("unique_id")
    assert (began.loc[new["product_id"][1:11], ["0.1", "0.9"]] == 4.0).all(axis=None)
    hidden = began.loc[new["product_id"][[0, 11]]]
    assert (hidden["0.1"] < hidden["0.9"]).all()  # not told, which is something else than none sold


def test_a_saved_forecaster_asks_for_no_column_it_was_not_given(
    shop: Shop,
    known: pd.DataFrame,
    sales: pd.DataFrame,
    new: pd.DataFrame,
    quarantine: Quarantine,
    tmp_path: Path,
) -> None:
    bad = sales.copy()
    bad.loc[100, "y"] = -1.0
    model = tmp_path / "model"
    asked: dict[str, Any] = {"new": new, "quarantine": quarantine}
    fitted = forecast_launches(settings_of(shop), known, bad, **asked, save=model)
    assert quarantine.counts["sales"] == 1
    saved = forecast_launches(load_settings(), **asked, model=model)
    pd.testing.assert_frame_equal(saved.curves, fitted.curves)


def test_an_item_that_ends_before_it_begins_is_kept(
    shop: Shop, known: pd.DataFrame, sales: pd.DataFrame, new: pd.DataFrame, quarantine: Quarantine
) -> None:
    delisted = known.assign(last_day=None).astype({"last_day": "object"})
    row = int(known.index[known["launch_date"].notna()][0])
    delisted.loc[row, "last_day"] = "2017-01-02"
    delisted.loc[0, "last_day"] = "some day"
    settings = settings_of(shop, items={"delist_date": "last_day"})
    curves(settings, delisted, sales, new=new, quarantine=quarantine)
    assert kept(quarantine, "items")["row"].tolist() == [1, row + 1]
    with pytest.raises(TableError, match="delisting date is not a date"):
        curves(settings, delisted, sales, new=new)


def test_mostly_bad_sales_are_refused(
    shop: Shop, known: pd.DataFrame, sales: pd.DataFrame, quarantine: Quarantine
) -> None:
    bad = sales.assign(y=-sales["y"])
    with pytest.raises(InputError, match=r"^sales: [\d,]+ of [\d,]+ rows are bad"):
        curves(settings_of(shop), known, bad, quarantine=quarantine)
    assert quarantine.files == {}


def test_a_backtest_goes_on_without_bad_rows(shop: Shop, quarantine: Quarantine) -> None:
    written = {"cutoffs": "2017-10-02", "last": "2017-10-09"}
    settings = settings_of(shop, backtest=written)
    bad = shop.sales.copy()
    rows = [40, 4_000]
    bad.loc[rows, "y"] = -1.0
    result = backtest_job(settings, sales=bad, quarantine=quarantine)
    assert quarantine.counts == {"items": 0, "sales": 2}
    stocked = shop.sales.assign(ok=~shop.sales.index.isin(rows))
    told_so = settings_of(shop, backtest=written, sales={"in_stock": "ok"})
    expected = backtest_job(told_so, sales=stocked)
    pd.testing.assert_frame_equal(result.predictions, expected.predictions)

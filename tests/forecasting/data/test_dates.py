import datetime as dt

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from forecasting.data.dates import local_dates

LATE = pd.Timestamp("2024-01-14 23:30", tz="Europe/Berlin")


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

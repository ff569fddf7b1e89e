"""One parser of dates: ISO or what was declared, and nothing that two people read in two ways."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from retrieval import InputError, check_date_format, parse_date, parse_dates

MARCH = pd.Timestamp("2024-03-01")


@pytest.mark.parametrize(
    "value",
    [
        "2024-03-01",
        " 2024-03-01 ",
        "20240301",
        "2024-W09-5",
        date(2024, 3, 1),
        datetime(2024, 3, 1),
        MARCH,
        np.datetime64("2024-03-01"),
        np.datetime64("2024-03-01T00:00", "ns"),
        MARCH.tz_localize("Asia/Tokyo"),
        "2024-03-01T00:00:00+09:00",
        "2024-03-01 00:00Z",
    ],
)
def test_iso_dates_of_any_type_are_the_same_day(value: Any) -> None:
    assert parse_date(value, "as_of") == MARCH
    assert parse_dates(pd.Series([value, None])).tolist() == [MARCH, pd.NaT]


@pytest.mark.parametrize(
    "value",
    [
        "03/04/2024",
        "3.4.2024",
        "2024/03/01",
        "2024",
        "2024-03",
        "2024-3-1",
        "2024-02-30",
        "2024-W09",
        "2023-W53-1",
        "March 1, 2024",
        "now",
        "1709251200",
        20240301,
        45352,
        1709251200.0,
        True,
        ["2024-03-01"],
        pd.Period("2024-03"),
    ],
)
def test_what_is_no_iso_date_is_refused_by_name(value: Any) -> None:
    with pytest.raises(InputError, match=r"as_of: .* is not a date \(write YYYY-MM-DD\)"):
        parse_date(value, "as_of")
    assert parse_dates(pd.Series([value, "2024-03-01"], dtype=object)).tolist() == [pd.NaT, MARCH]


MISSING = [None, "", "  ", "NaT", float("nan"), pd.NaT, pd.NA, np.datetime64("NaT")]


@pytest.mark.parametrize("value", MISSING)
def test_a_missing_date_never_means_no_limit(value: Any) -> None:
    with pytest.raises(InputError, match=r"cutoff: the date is empty .*, or leave it out"):
        parse_date(value, "cutoff")


@given(
    st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2261, 12, 31)),
    st.integers(-14 * 60, 14 * 60),
)
def test_the_clock_on_the_wall_counts(moment: datetime, minutes: int) -> None:
    zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for value in (moment, zoned, moment.isoformat(), zoned.isoformat(), str(zoned)):
        assert parse_date(value, "ds") == pd.Timestamp(moment)


@pytest.mark.parametrize(
    ("date_format", "cells", "want"),
    [
        ("dayfirst", ["1.3.2024", "01/03/2024", "01-03-2024"], MARCH),
        ("monthfirst", ["3/1/2024", "03/01/2024"], MARCH),
        ("iso-week", ["2024-W09", "2024W09", "2024-W09-1"], pd.Timestamp("2024-02-26")),
        ("excel", ["45352", 45352, 45352.0], MARCH),
        ("excel", [45352.75], pd.Timestamp("2024-03-01 18:00")),
        ("%d.%m.%y", ["01.03.24"], MARCH),
        ("%Y%m%d", [20240301, "20240301"], MARCH),
        ("%Y-%m", ["2024-03"], MARCH),
    ],
)
def test_a_declared_format_is_read_and_nothing_else(
    date_format: str, cells: list[Any], want: pd.Timestamp
) -> None:
    assert check_date_format(date_format) == date_format
    read = parse_dates(pd.Series([*cells, "soon", None], dtype=object), date_format)
    assert read.tolist() == [want] * len(cells) + [pd.NaT, pd.NaT]


def test_what_is_a_date_by_its_type_is_one_in_every_format() -> None:
    cells = pd.Series([MARCH, 45352, date(2024, 3, 1)], dtype=object)
    assert parse_dates(cells, "excel").tolist() == [MARCH] * 3


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("european", "no such date format; write iso, dayfirst"),
        ("%d.%m", "does not tell year and month"),
        ("%Y-W%W", "no date format of strptime"),
    ],
)
def test_a_format_that_is_none_is_refused(value: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_date_format(value)

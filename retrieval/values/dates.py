"""Dates as people write them: ISO 8601, or in a format that was declared; nothing is guessed.

03/04/2024 is a day in March to some and in April to others, and 20240304 as a number could count
seconds: both are refused. What is of a date type already is a date in every format.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types as dtypes

from retrieval.errors import InputError

NOT_A_DATE = "is not a date (write YYYY-MM-DD)"
"""What is wrong with such a value, after its name."""

ISO = "iso"

_TIME = r"(?:[T ]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?)?"
# A time zone is dropped, not converted: a sale at 23:30 in Berlin belongs to that day in Berlin.
_ZONE = r"(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?"
_CALENDAR = rf"((?:\d{{4}}-\d\d-\d\d|\d{{8}}){_TIME}){_ZONE}"
_WEEK = re.compile(r"(\d{4})-?W(\d\d)(?:-?([1-7]))?")
_SLASHED = re.compile(rf"(\d\d?)([./-])(\d\d?)\2(\d{{4}})({_TIME})")
# Excel counts from the day before 1900, and believes that there was a February 29th in that year.
_EXCEL_ORIGIN, _EXCEL_FIRST, _EXCEL_LAST = pd.Timestamp("1899-12-30"), 61, 2_958_465
# What a strptime format has to be able to tell.
_PROBE = datetime(2024, 5, 20)


def parse_date(value: Any, what: str) -> pd.Timestamp:
    """Return a moment by the clock on the wall, without time zone.

    Args:
        value: ISO text, a date, datetime, timestamp or numpy datetime64.
        what: What it is, for the message.

    Raises:
        InputError: It is something else, or missing.
    """
    missing = value is None or (np.ndim(value) == 0 and bool(pd.isna(value)))
    if missing or (isinstance(value, str) and value.strip().lower() in ("", "nan", "nat")):
        raise InputError(
            f"{what}: the date is empty ({value!r}); write YYYY-MM-DD, or leave it out"
        )
    found = parse_dates(pd.Series([value], dtype=object))[0]
    if pd.isna(found):
        raise InputError(f"{what}: {value!r} {NOT_A_DATE}")
    return pd.Timestamp(found)


def parse_dates(values: pd.Series | pd.Index, date_format: str = ISO) -> pd.DatetimeIndex:
    """Return moments (n,) by the clock on the wall; NaT where a value is missing or no date.

    Args:
        values: (n,) as `parse_date` takes them.
        date_format: How text, and numbers, are dates: "iso"; "dayfirst" (3.4.2024, 03/04/2024);
            "monthfirst"; "iso-week" (2024-W05, its Monday); "excel", days as Excel counts them; or
            a format of strptime.
    """
    if dtypes.is_datetime64_any_dtype(values.dtype):
        return pd.DatetimeIndex(values).tz_localize(None)
    cells = values
    if not isinstance(values.dtype, pd.StringDtype):
        told = [_as_text(one) for one in values.astype(object).tolist()]
        cells = pd.Series(told, dtype="str")
    # As text: the same moment in two zones may be two days. A table has few dates in many rows.
    codes, distinct = pd.factorize(cells)
    texts = pd.Series(distinct, dtype="str").str.strip()
    typed = texts.str.startswith(_TYPED).to_numpy()
    texts = texts.str.removeprefix(_TYPED)
    found = _moments(texts, ISO if typed.all() else date_format)
    if typed.any() and not typed.all():
        found = found.where(~typed, _moments(texts, ISO))
    return pd.DatetimeIndex(found.append(pd.DatetimeIndex([pd.NaT]))[codes])  # -1: missing


def check_date_format(value: str) -> str:
    """Return a date format that `parse_dates` knows.

    Raises:
        ValueError: There is no such format, or it leaves out what makes a day.
    """
    if value in _FORMATS or value == ISO:
        return value
    known = ", ".join([ISO, *_FORMATS])
    if "%" not in value:
        raise ValueError(
            f"no such date format; write {known}, or one of strptime, such as %d.%m.%y"
        )
    try:
        read = pd.to_datetime(_PROBE.strftime(value), format=value)
    except ValueError as error:
        raise ValueError(f"no date format of strptime: {error}") from None
    if (read.year, read.month) != (_PROBE.year, _PROBE.month):
        raise ValueError("the format does not tell year and month")
    return value


# Before the text of what was a date by its type, or a number.
_TYPED, _NUMBER = "\0", "\1"


def _as_text(value: Any) -> str | None:
    if isinstance(value, str):
        # Half a character is in no date.
        return value if value.isascii() else value.encode(errors="replace").decode()
    if isinstance(value, (list, tuple, dict, pd.DataFrame)):
        return ascii(value)
    if np.ndim(value) == 0 and pd.isna(value):
        return None
    if isinstance(value, (pd.Timestamp, datetime)):
        return f"{_TYPED}{value.replace(tzinfo=None).isoformat()}"
    if isinstance(value, (date, np.datetime64)):
        return f"{_TYPED}{pd.Timestamp(value).isoformat()}"
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return f"{_NUMBER}{value}" if is_number else ascii(value)


def _moments(texts: pd.Series, date_format: str) -> pd.DatetimeIndex:
    if date_format == ISO:
        return _calendar(texts)
    if date_format in _FORMATS:
        return _parsed([_FORMATS[date_format](one) for one in texts])
    found = pd.to_datetime(texts.str.removeprefix(_NUMBER), format=date_format, errors="coerce")
    return pd.DatetimeIndex(found).tz_localize(None)


def _parsed(written: Sequence[str | None] | pd.Series) -> pd.DatetimeIndex:
    texts = pd.Series(written, dtype="str")
    found = pd.to_datetime(texts, format="ISO8601", errors="coerce")
    return pd.DatetimeIndex(found)


def _calendar(texts: pd.Series) -> pd.DatetimeIndex:
    local = texts.where(texts.str.fullmatch(_CALENDAR))
    if local.str.len().max() > len("2024-03-01"):
        local = local.str.replace(_CALENDAR, r"\1", regex=True).str.replace(",", ".")
    found = _parsed(local)
    weeks = texts.str.contains("W", regex=False) & (texts.str.len() > len("2024-W05"))
    if weeks.any():
        found = found.where(~weeks.to_numpy(), _parsed([_week(one) for one in texts]))
    return found


def _week(text: str) -> str | None:
    found = _WEEK.fullmatch(text)
    if found is None:
        return None
    try:
        return date.fromisocalendar(*(int(part or 1) for part in found.groups())).isoformat()
    except ValueError:  # a year without a week 53
        return None


def _day_first(text: str) -> str | None:
    found = _SLASHED.fullmatch(text)
    return found and f"{found[4]}-{found[3]:0>2}-{found[1]:0>2}{found[5]}"


def _month_first(text: str) -> str | None:
    found = _SLASHED.fullmatch(text)
    return found and f"{found[4]}-{found[1]:0>2}-{found[3]:0>2}{found[5]}"


def _excel(text: str) -> str | None:
    try:
        days = float(text.removeprefix(_NUMBER))
    except ValueError:
        return None
    if not _EXCEL_FIRST <= days <= _EXCEL_LAST:
        return None
    return (_EXCEL_ORIGIN + pd.Timedelta(round(days * 86_400), "s")).isoformat()


_FORMATS: dict[str, Callable[[str], str | None]] = {
    "dayfirst": _day_first,
    "monthfirst": _month_first,
    "iso-week": _week,
    "excel": _excel,
}

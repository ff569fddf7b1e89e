"""Refuse values that cannot be right, in words that say what they have to be."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from retrieval import InputError

_NAMED_BY_END = (
    pd.offsets.MonthEnd,
    pd.offsets.QuarterEnd,
    pd.offsets.YearEnd,
    pd.offsets.BMonthEnd,
    pd.offsets.BQuarterEnd,
    pd.offsets.BYearEnd,
    pd.offsets.SemiMonthEnd,
)
_A_MONDAY = pd.Timestamp("2024-01-01")

_told: ContextVar[list[str] | None] = ContextVar("told", default=None)


class ForecastWarning(UserWarning):
    """Something about tables or launches makes forecasts worth less than they look."""


@contextmanager
def telling() -> Iterator[list[str]]:
    """Collect what `tell` would warn of, in this thread alone: Python's filters are everyone's."""
    told: list[str] = []
    token = _told.set(told)
    try:
        yield told
    finally:
        _told.reset(token)


def tell(message: str, stacklevel: int = 3) -> None:
    """Warn the caller's caller of something with a `ForecastWarning`."""
    told = _told.get()
    if told is None:
        warnings.warn(message, ForecastWarning, stacklevel=stacklevel)
    else:
        told.append(message)


def check_freq(freq: str) -> str:
    """Return a frequency of periods named by their first day; raise an InputError if it is none."""
    try:
        offset = to_offset(freq)
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"freq {freq!r} is no frequency of pandas; there are W-MON (weeks from Monday), D, B, "
            "MS (months), QS, YS, and several of these, such as 4W-MON"
        ) from error
    if offset is None or offset.n < 1:
        raise InputError(f"freq {freq!r} does not count forward; write W-MON, 4W-MON or such")
    following = _A_MONDAY + offset
    if following < _A_MONDAY + pd.Timedelta(days=1) or following != following.normalize():
        raise InputError(
            f"freq {freq!r}: periods are whole days or longer; add up what a day sells and write D"
        )
    first = str(getattr(offset, "freqstr", "")).replace("E", "S", 1)
    if isinstance(offset, _NAMED_BY_END):
        raise InputError(
            f"freq {freq!r} names periods by their last day; write {first!r}. Where all dates of "
            "a table are last days of their periods, that is recognized"
        )
    return freq


def check_choice(name: str, value: object, known: Sequence[str]) -> None:
    """Raise an InputError that lists what exists where a parameter's value does not."""
    if value not in known:
        raise InputError(f"unknown {name} {value!r}; there are: {', '.join(known)}")


def check_whole(name: str, value: object, least: int) -> None:
    """Raise an InputError where a parameter is no whole number, or too small a one."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value}")


def check_above_zero(name: str, value: float | None) -> None:
    """Raise an InputError where a parameter is not above 0."""
    if not (value and value > 0):
        raise InputError(f"{name} must be above 0, got {value}")


def check_columns(name: str, columns: object, taken: Mapping[str, str | None] = {}) -> None:
    """Raise an InputError where a parameter is no list of columns, each named once.

    Args:
        name: The parameter.
        columns: Its value.
        taken: What another parameter is for, and the column it names, none of which may be there.
    """
    if isinstance(columns, str) or not isinstance(columns, Iterable):
        raise InputError(f"{name} must be a list of columns, write [{columns!r}]")
    names = list(columns)
    for column in names:
        if not isinstance(column, str):
            raise InputError(f"{name}: a column is named by a string, got {column!r}")
        if names.count(column) > 1:
            raise InputError(f"{name}: {column!r} is named twice")
        for what, other in taken.items():
            if column == other:
                raise InputError(f"{name}: {column!r} is the column of {what}; leave it out")


def check_levels(levels: Sequence[float]) -> None:
    """Raise an InputError where quantile levels are out of order, out of range or lack 0.5."""
    is_list = isinstance(levels, Iterable) and not isinstance(levels, str)
    if not is_list or not all(isinstance(q, Real) and not isinstance(q, bool) for q in levels):
        raise InputError(
            f"quantiles must be a list of numbers, such as (0.1, 0.5, 0.9), got {levels!r}"
        )
    levels = list(levels)
    if levels != sorted(set(levels)) or 0.5 not in levels or not all(0 < q < 1 for q in levels):
        raise InputError(f"quantiles must ascend between 0 and 1 with 0.5 among them, got {levels}")

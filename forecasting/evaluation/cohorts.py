"""Which launches a backtest scores, and from which cutoff on they are forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forecasting.data.dates import named_date
from forecasting.data.panel import NEVER, Grid, Ints, Panel
from retrieval import InputError

NOT_OVER = "its horizon is not over at the end of the sales table"
SALES_UNKNOWN = "sales are unknown in a period of its horizon"


@dataclass(frozen=True)
class Cohort:
    """The launches after one cutoff and before the next.

    Attributes:
        cutoff: First day of the last period seen.
        came: Units sold, a row a launch and a column an age; indexed and sorted by item id.
        left_out: Launches that cannot be scored: unique_id, reason.
    """

    cutoff: pd.Timestamp
    came: pd.DataFrame
    left_out: pd.DataFrame


def make_cohorts(
    truth: Panel,
    horizon: int,
    *,
    cutoffs: Sequence[pd.Timestamp | str] | None,
    n_windows: int | None,
    step: int,
    last: pd.Timestamp | str | None,
) -> list[Cohort]:
    """Assign the launches after the first cutoff to the cutoffs before them.

    Args:
        truth: Sales, the periods to score included.
        horizon: Periods to score, the one of launch included.
        cutoffs: Dates in the last periods seen; or else
        n_windows: How many cutoffs to place, such that the horizon of every launch up to ``step``
            periods after the last one is over.
        step: Periods between those.
        last: Latest launch date; None for any.

    Raises:
        InputError: Both or neither of cutoffs and n_windows are given, they do not fit the sales,
            or a cutoff has no launch to score.
    """
    if (cutoffs is None) == (n_windows is None):
        raise InputError(
            "pass either cutoffs=[...], the dates to forecast from, or n_windows=, how many of "
            f"them to place before the end of the sales table; got "
            f"{'neither' if cutoffs is None else 'both'}"
        )
    latest = NEVER if last is None else int(_periods(truth.grid, [last], "last")[0])
    if cutoffs is not None:
        begins = _periods(truth.grid, cutoffs, "cutoffs")
    else:
        assert n_windows is not None
        begins = _windows(truth.end, horizon, n_windows, step, latest)
    ends = [*begins[1:], latest]
    return [
        _cohort(truth, horizon, int(begin), min(int(end), latest))
        for begin, end in zip(begins, ends, strict=True)
    ]


def _periods(grid: Grid, dates: Sequence[pd.Timestamp | str], name: str) -> Ints:
    """Return the periods in which dates lie, each once and in order."""
    stamps = [named_date(name, date) for date in dates]
    if not stamps:
        raise InputError(f"{name} is empty; pass at least one date")
    return np.unique(grid.index(pd.DatetimeIndex(stamps)))


def _windows(end: int, horizon: int, n_windows: int, step: int, latest: int) -> Ints:
    """Cutoffs ``step`` periods apart; the last one as late as its launches can be scored."""
    for name, value in (("n_windows", n_windows), ("step", step)):
        if value < 1:
            raise InputError(f"{name} must be at least 1, got {value}")
    scored = min(end + 1 - horizon, latest)  # periods after the first whose launches can be scored
    begins: Ints = scored - step * np.arange(n_windows, 0, -1, dtype=np.int64)
    if begins[0] < 0:
        raise InputError(
            f"{n_windows} windows of {step} periods do not fit: launches after a cutoff can be "
            f"scored in {max(scored, 0)} of {end + 1} periods, and that is enough for "
            f"{max(scored, 0) // step}; lower n_windows, step or the horizon"
        )
    return begins


def _cohort(truth: Panel, horizon: int, begin: int, end: int) -> Cohort:
    launch = truth.launch
    rows = np.flatnonzero((launch > begin) & (launch <= end) & (launch != NEVER))
    cutoff = truth.grid.dates(np.array([begin]))[0]
    curves = pd.DataFrame(truth.curves(horizon)[rows], index=truth.ids[rows])
    known = curves.notna().all(axis=1).to_numpy()
    if not known.any():
        until = "" if end == NEVER else f" and by {truth.grid.dates(np.array([end]))[0]:%Y-%m-%d}"
        raise InputError(
            f"cutoff {cutoff:%Y-%m-%d}: no launch after it{until} has {horizon} observed periods"
        )
    reason = np.where(launch[rows] + horizon - 1 > truth.end, NOT_OVER, SALES_UNKNOWN)
    left_out = pd.DataFrame({"unique_id": curves.index, "reason": reason}).astype("str")
    return Cohort(cutoff, curves[known], left_out[~known].reset_index(drop=True))

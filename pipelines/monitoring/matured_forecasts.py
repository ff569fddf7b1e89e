"""Kept forecasts held against what has sold since.

What was sold is what the panel of the forecaster says: a period without a row is zero, from the
launch to the last period of the sales table. A launch has matured when all periods measured lie
before its end. None is left out for what it sold.

Beside the forecasts stands the simplest one that can be had of what was known at their cutoff
without fitting anything: the mean and the median of all launch curves seen by then (the backtest
calls it "global mean"). It is made from the sales as they are now: a row corrected since the cutoff
is seen corrected.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from forecasting.data.panel import NEVER, Floats, Panel
from forecasting.evaluation.cohorts import UNKNOWN
from forecasting.models.empirical import describe
from forecasting.reader import Reader
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import TableInput, naming_tables, source_of
from pipelines.inputs.launches import LaunchTables
from pipelines.jobs.forecasts import make_forecaster
from pipelines.runs.kept_forecasts import KeptCutoff, kept_by_cutoff
from pipelines.screened_launches import ScreenedLaunches, telling_stock

GONE = "in no table of items any more"
UNDATED = "the launch date is gone"
MOVED = "the launch moved to another period"
NO_TOTAL = "the total was not kept"
_SCORED, _WAITING, _OLDER = "scored", "waiting", "older"


@dataclass(frozen=True)
class MaturedForecasts:
    """Forecasts beside what came.

    Attributes:
        launches: A row per launch and cutoff, of those that matured in the window: cutoff,
            unique_id, launch (first day of its period), units, mean (forecast), error and
            baseline_error (absolute, of the 0.5 quantile), inside (share of what was measured that
            lies within the outer quantiles), interval (share that these should hold; NaN, as
            inside, with one quantile), in_force (it is the last forecast before the launch).
        ages: How many periods of a launch were measured, one by one; None: the total over the whole
            horizon.
        until: First day of the last period of the sales table.
        waiting: Launches not over yet; this and the next two count each launch once, by its last
            forecast.
        older: Launches that matured before the window.
        left_out: Reason → launches that cannot be measured.
    """

    launches: pd.DataFrame
    ages: int | None
    until: pd.Timestamp
    waiting: int
    older: int
    left_out: dict[str, int]


def matured_forecasts(
    settings: Settings,
    folder: Path,
    quarantine: Quarantine,
    items: TableInput | None = None,
    sales: TableInput | None = None,
    new: TableInput | None = None,
) -> MaturedForecasts | None:
    """Holds the forecasts kept in a run's folder against the sales as they are now.

    Args:
        settings: Columns and tables; `monitor` says what is measured.
        folder: Of the run.
        quarantine: What becomes of bad rows. A period that a bad row of sales was about is unknown.
        items: With launch dates; None: the table the settings name.
        sales: The sales panel; None: the table the settings name.
        new: New items, which may not be among the items yet; None: the table the settings name.

    Returns:
        None where no forecast was kept.

    Raises:
        TableError: A kept file is not whole, or a table breaks its contract.
        InputError: There is no table of items or sales.
    """
    kept = kept_by_cutoff(folder)
    if not kept:
        return None
    ages, window = settings.monitor.ages, settings.monitor.window
    launch, truth = _what_came(settings, quarantine, items, sales, new)
    measured = pd.concat([_measured(one, truth, ages) for one in kept], ignore_index=True)
    status = _status(measured, launch, truth, window)
    in_force = ~measured["unique_id"].duplicated(keep="last")
    counts = {str(name): int(n) for name, n in status[in_force].value_counts().items()}
    launches = measured.assign(in_force=in_force).drop(columns="over")[status == _SCORED]
    waiting, older, _ = (counts.pop(name, 0) for name in (_WAITING, _OLDER, _SCORED))
    return MaturedForecasts(
        launches=launches.reset_index(drop=True),
        ages=ages,
        until=truth.grid.dates(np.array([truth.end]))[0],
        waiting=waiting,
        older=older,
        left_out=counts,
    )


def _what_came(
    settings: Settings,
    quarantine: Quarantine,
    items: TableInput | None,
    sales: TableInput | None,
    new: TableInput | None,
) -> tuple[pd.Series, Panel]:
    """The launch date of each item by its id, and what all of them sold."""
    items = source_of(items if items is not None else settings.items.source, "items")
    sales = source_of(sales if sales is not None else settings.sales.source, "sales")
    new = new if new is not None else settings.new_items.source
    forecaster = make_forecaster(settings)
    tables, reader = LaunchTables(forecaster), Reader.of(forecaster)
    screened = ScreenedLaunches(tables, quarantine)
    with naming_tables(items=items, sales=sales, new_items=new):
        known = reader.items(screened.items(items))
        if new is not None:
            coming = _new_items(new, known, tables, quarantine)
            known = pd.concat([known, coming], ignore_index=True)
            known = known.drop_duplicates(reader.item_id, ignore_index=True)
        sold = screened.sales(sales, known)
        with telling_stock(tables, sold):
            truth = Reader.of(forecaster).panel(known, sold, None)
    return known.set_index(reader.item_id)[reader.launch_date], truth


def _new_items(
    source: TableInput, known: pd.DataFrame, tables: LaunchTables, quarantine: Quarantine
) -> pd.DataFrame:
    """The new items as they are now: some may have launched since they were forecast."""
    reader = Reader.of(tables.forecaster)

    def read(there: TableInput, skip: Collection[int]) -> pd.DataFrame:
        return tables.new(there, known, None, skip)

    def use(table: pd.DataFrame) -> pd.DataFrame:
        return reader.items(table, "new_items")

    return quarantine.screen("new_items", source, read, use, id_col=reader.item_id).result


def _measured(one: KeptCutoff, truth: Panel, ages: int | None) -> pd.DataFrame:
    """The forecasts of a cutoff beside what came; NaN where that is not known.

    Returns:
        The columns of `MaturedForecasts.launches` but the last, and over: the first day of the last
        period measured.
    """
    horizon = one.curves["mean"].shape[1]
    until = horizon if ages is None else min(ages, horizon)
    at = pd.Index(truth.ids).get_indexer(pd.Index(one.ids))
    came = np.where((at >= 0)[:, None], truth.curves(until)[at].astype(np.float64), np.nan)
    baseline, baseline_total = _baseline(truth, one.cutoff, until)
    forecast = one.curves if ages is not None else one.totals
    if ages is None:
        came, baseline = came.sum(axis=1, keepdims=True), np.array([baseline_total])
    made = {name: values[:, :until] for name, values in forecast.items()}
    inside = ((made["low"] <= came) & (came <= made["high"])).mean(axis=1)
    interval = one.interval or np.nan
    begins = truth.grid.index(pd.DatetimeIndex(one.launch))
    return pd.DataFrame(
        {
            "cutoff": one.cutoff,
            "unique_id": one.ids,
            "launch": one.launch,
            "units": came.sum(axis=1),
            "mean": made["mean"].sum(axis=1),
            "error": np.abs(came - made["0.5"]).sum(axis=1),
            "baseline_error": np.abs(came - baseline).sum(axis=1),
            "inside": np.where(np.isnan(interval), np.nan, inside),
            "interval": interval,
            "over": truth.grid.dates(begins + until - 1),
        }
    )


def _baseline(truth: Panel, cutoff: pd.Timestamp, ages: int) -> tuple[Floats, float]:
    """The median launch by age (ages,), and that of the total, as seen at a cutoff.

    It is that of `forecasting.evaluation.baselines.global_mean`, which wants a fitted forecaster.
    """
    end = int(truth.grid.index(pd.DatetimeIndex([cutoff]))[0])
    if end < 0:  # the sales table begins later: nothing of that time is known
        return np.zeros(ages), 0.0
    seen = replace(truth, units=truth.units[:, : end + 1])
    curves = seen.curves(ages).astype(np.float64)
    launched = np.flatnonzero(np.isfinite(curves).any(axis=1))[None, :]
    made = describe(curves, launched, np.ones(launched.shape), (0.5,))
    return np.nan_to_num(made.quantiles[0, :, 0]), float(np.nan_to_num(made.total_quantiles[0, 0]))


def _status(measured: pd.DataFrame, launch: pd.Series, truth: Panel, window: int) -> pd.Series:
    """What became of each forecast: scored, waiting, older, or why it cannot be measured."""
    index = truth.grid.index
    is_known = measured["unique_id"].isin(launch.index)
    begins = index(pd.DatetimeIndex(measured["unique_id"].map(launch)))
    over = index(pd.DatetimeIndex(measured["over"]))
    cases = [
        (~is_known, GONE),
        (begins == NEVER, UNDATED),
        (begins != index(pd.DatetimeIndex(measured["launch"])), MOVED),
        (over > truth.end, _WAITING),
        (over <= truth.end - window, _OLDER),
        (measured["units"].isna(), UNKNOWN),
        (measured["error"].isna(), NO_TOTAL),
    ]
    conditions, names = zip(*cases, strict=True)
    chosen = np.select([np.asarray(one) for one in conditions], names, _SCORED)
    return pd.Series(chosen, index=measured.index)

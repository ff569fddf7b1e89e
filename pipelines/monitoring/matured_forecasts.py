"""Kept forecasts held against what has sold since.

What was sold is what the panel of the forecaster says: a period without a row is zero, from the
launch to the last period of the sales table. A launch has matured when all periods measured lie
before its end. None is left out for what it sold.

Beside the forecasts stands the simplest one that can be had of what was known at their cutoff
without fitting anything: the mean and the median of all launch curves seen by then (the backtest
calls it "global mean"). It is made from the sales as they are now: a row corrected since the cutoff
is seen corrected.

How good matured forecasts were, and how far chance may have moved the numbers.

The interval of a score is a bootstrap over launches (Efron 1979): every draw takes the same ones
for forecast and baseline.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import structlog

from forecasting import NEVER, SALES_UNKNOWN, Floats, Panel, describe, resamples, telling
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import TableInput, naming_tables, source_of
from pipelines.inputs.launches import LaunchTables, ScreenedLaunches
from pipelines.jobs.forecasts import make_forecaster
from pipelines.runs.kept_forecasts import KeptCutoff, kept_by_cutoff

_log = structlog.stdlib.get_logger(__name__)

GONE = "in no table of items any more"
UNDATED = "the launch date is gone"
MOVED = "the launch moved to another period"
NO_TOTAL = "the total was not kept"
_SCORED, _WAITING, _OLDER = "scored", "waiting", "older"


_DRAWS = 2000
_SUMMED = ["units", "mean", "error", "baseline_error", "inside", "interval"]


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
    """Hold the forecasts kept in a run's folder against the sales as they are now.

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
    """Return the launch date of each item by its id, and what all of them sold."""
    items = source_of(items if items is not None else settings.items.source, "items")
    sales = source_of(sales if sales is not None else settings.sales.source, "sales")
    new = new if new is not None else settings.new_items.source
    forecaster = make_forecaster(settings)
    tables, reader = LaunchTables(forecaster), forecaster.reader
    screened = ScreenedLaunches(tables, quarantine)
    with naming_tables(items=items, sales=sales, new_items=new):
        known = reader.items(screened.items(items))
        if new is not None:
            coming = _new_items(new, known, tables, quarantine)
            known = pd.concat([known, coming], ignore_index=True)
            known = known.drop_duplicates(reader.item_id, ignore_index=True)
        with telling() as told:
            truth = screened.sales(sales, known).panel()
    for remark in told:
        _log.warning(remark)
    return known.set_index(reader.item_id)[reader.launch_date], truth


def _new_items(
    source: TableInput, known: pd.DataFrame, tables: LaunchTables, quarantine: Quarantine
) -> pd.DataFrame:
    """Return the new items as they are now: some may have launched since they were forecast."""
    reader = tables.forecaster.reader

    def read(there: TableInput, skip: Collection[int]) -> pd.DataFrame:
        return tables.new(there, known, skip=skip)

    def use(table: pd.DataFrame) -> pd.DataFrame:
        return reader.items(table, "new_items")

    return quarantine.screen("new_items", source, read, use, id_col=reader.item_id).result


def _measured(one: KeptCutoff, truth: Panel, ages: int | None) -> pd.DataFrame:
    """Return the forecasts of a cutoff beside what came; NaN where that is not known.

    Returns:
        The columns of `MaturedForecasts.launches` but the last, and over: the first day of the last
        period measured.
    """
    horizon = one.curves["mean"].shape[1]
    until = horizon if ages is None else min(ages, horizon)
    at = pd.Index(truth.ids).get_indexer(pd.Index(one.ids))
    came = np.where((at >= 0)[:, None], truth.curves(until)[at], np.nan)
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
    """Return the median launch by age (ages,), and that of the total, as seen at a cutoff.

    It is that of `forecasting.evaluation.baselines.global_mean`, which wants a fitted forecaster.
    """
    end = int(truth.grid.index(pd.DatetimeIndex([cutoff]))[0])
    if end < 0:  # the sales table begins later: nothing of that time is known
        return np.zeros(ages), 0.0
    seen = replace(truth, units=truth.units[:, : end + 1])
    curves = seen.curves(ages)
    launched = np.flatnonzero(np.isfinite(curves).any(axis=1))[None, :]
    made = describe(curves, launched, np.ones(launched.shape), (0.5,))
    return np.nan_to_num(made.quantiles[0, :, 0]), float(np.nan_to_num(made.total_quantiles[0, 0]))


def _status(measured: pd.DataFrame, launch: pd.Series, truth: Panel, window: int) -> pd.Series:
    """Return what became of each forecast: scored, waiting, older, or why it cannot be measured."""
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
        (measured["units"].isna(), SALES_UNKNOWN),
        (measured["error"].isna(), NO_TOTAL),
    ]
    conditions, names = zip(*cases, strict=True)
    chosen = np.select([np.asarray(one) for one in conditions], names, _SCORED)
    return pd.Series(chosen, index=measured.index)


@dataclass(frozen=True)
class Scores:
    """Scores of n launches; NaN where nothing was sold that they could be related to.

    Attributes:
        launches: How many.
        units: What they sold.
        wape: Sum of absolute errors of the 0.5 quantile over units.
        baseline_wape: That of the baseline.
        ratio: The first over the second; 1 where both are right in all, infinite where the baseline
            alone is.
        bias: Of the mean: forecast over units, minus 1.
        coverage: Share of what was measured that lies within the outer quantiles.
        interval: Share that should.
    """

    launches: int
    units: float
    wape: float
    baseline_wape: float
    ratio: float
    bias: float
    coverage: float
    interval: float


def scores_of(launches: pd.DataFrame) -> Scores:
    """Return the scores of launches, as `pipelines.monitoring.matured_forecasts` lists them."""
    n = len(launches)
    sums = launches[_SUMMED].to_numpy(dtype=np.float64).sum(axis=0)[None, :]
    made = {name: float(value[0]) for name, value in _scores(sums, n).items()}
    return Scores(launches=n, units=float(sums[0, 0]), **made)


def score_intervals(
    launches: pd.DataFrame, level: float, *, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Score → the ends of its interval.

    Args:
        launches: Those of which the scores are.
        level: Share of the draws inside, such as 0.98.
        seed: Of the draws.
    """
    table = launches[_SUMMED].to_numpy(dtype=np.float64)
    n = len(table)
    drawn = [_scores(counts @ table, n) for counts in resamples(n, _DRAWS, seed)]
    tail = (1 - level) / 2
    intervals = {}
    for name in drawn[0]:
        values = np.concatenate([one[name] for one in drawn])
        values = values[~np.isnan(values)]
        ends = np.quantile(values, [tail, 1 - tail], method="nearest") if len(values) else None
        intervals[name] = (np.nan, np.nan) if ends is None else (float(ends[0]), float(ends[1]))
    return intervals


def _scores(sums: Floats, n: int) -> dict[str, Floats]:
    """Scores (draws,) of sums (draws, 6) over n launches."""
    units, mean, error, baseline_error, inside, interval = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        units = np.where(units > 0, units, np.nan)
        return {
            "wape": error / units,
            "baseline_wape": baseline_error / units,
            "ratio": np.where((error == 0) & (baseline_error == 0), 1.0, error / baseline_error),
            "bias": mean / units - 1,
            "coverage": inside / n,
            "interval": np.round(interval / n, 6),
        }

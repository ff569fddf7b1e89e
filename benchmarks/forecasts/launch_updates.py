"""The parts of `launches.py` beyond a launch on its own: after its first weeks, and summed up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from benchmarks.forecasts.launch_scores import frame, show
from benchmarks.forecasts.launch_trials import HORIZON, Setting, Trial, complete_journey
from benchmarks.labels.score_table import over_seeds
from forecasting import LaunchForecaster
from forecasting.data.panel import Bools, Floats

WINDOWS = slice(1, None, 2)  # every second cutoff: the forecaster is fitted for each seed
OURS = "updated"
LEVELS = ("0.1", "0.5", "0.9")
GROUPINGS = (None, "department", "product_category", "launch_date")


@dataclass(frozen=True)
class Cohort:
    """Launches after one cutoff: a fitted forecaster, their items, and (n, horizon) what came."""

    forecaster: LaunchForecaster
    items: pd.DataFrame
    came: Floats

    @cached_property
    def totals(self) -> pd.DataFrame:
        """The forecast of each total."""
        return self.forecaster.predict_total(self.items)

    def __getitem__(self, rows: Bools) -> Cohort:
        """Return some of the launches."""
        return Cohort(self.forecaster, self.items[rows].reset_index(drop=True), self.came[rows])


SumMethod = Callable[[Cohort, str | None], pd.DataFrame]


def warmup(setting: Setting) -> None:
    """Tell what the first weeks of sales are worth: forecasts of the others, by weeks seen.

    Beside ours: the rate seen so far carried on; our curve before launch raised or lowered to what
    was seen; and our forecast as it was before launch, of which the weeks to come have the share
    that its mean gives them.
    """
    trial = complete_journey(setting)
    seeds = {seed: _warm_forecasts(trial, seed, setting) for seed in setting.seeds}
    n = len(seeds[setting.seeds[0]]) // HORIZON
    for title, whole in (("weeks to come", False), ("all weeks, those seen included", True)):
        rows = {}
        for weeks in range(HORIZON):
            chosen = [table[table["weeks"] == weeks] for table in seeds.values()]
            rows[f"{weeks} weeks seen"] = _warm_row(chosen, whole)
        show(f"Warm-up, {setting.on}: WAPE of {title}, {n:,} launches", frame(rows))


def _warm_forecasts(trial: Trial, seed: int, setting: Setting) -> pd.DataFrame:
    """Return a row a launch and number of weeks seen: sold, came, and forecasts of what came."""
    windows = slice(None) if setting.quick else WINDOWS
    tables = []
    for cohort in _cohorts(trial, seed, windows):
        # Those of one week have been on sale for the same number of weeks.
        week = cohort.items["launch_date"].to_numpy()
        for date in np.unique(week):
            same = cohort[week == date]
            median = same.totals["0.5"].to_numpy()
            mean = same.forecaster.predict(same.items)["mean"].to_numpy().reshape(-1, HORIZON)
            tables += [_after(same, weeks, median, mean) for weeks in range(HORIZON)]
    return pd.concat(tables, ignore_index=True)


def _after(cohort: Cohort, weeks: int, median: Floats, mean: Floats) -> pd.DataFrame:
    """Forecasts when some weeks have been seen; before launch they were (n,) and (n, horizon)."""
    sold, came = cohort.came[:, :weeks].sum(axis=1), cohort.came[:, weeks:].sum(axis=1)
    observed = _observed(cohort, weeks)
    updated = cohort.forecaster.predict_total(cohort.items, observed=observed)
    seen, to_come = mean[:, :weeks].sum(axis=1), mean[:, weeks:].sum(axis=1)
    table = {"weeks": weeks, "sold": sold, "came": came}
    table |= {level: updated[level].to_numpy() - sold for level in LEVELS}
    table["before launch"] = median * _ratio(to_come, seen + to_come)
    if weeks:
        table["rate carried on"] = sold / weeks * (HORIZON - weeks)
        table["our curve at the rate seen"] = sold * _ratio(to_come, seen)
    return pd.DataFrame(table)


def _observed(cohort: Cohort, weeks: int) -> pd.DataFrame | None:
    """Return the first weeks as a sales table, weeks without a sale included."""
    if not weeks:
        return None
    age = np.tile(np.arange(weeks), len(cohort.items))
    start = cohort.items["launch_date"].repeat(weeks).reset_index(drop=True)
    return pd.DataFrame(
        {
            "unique_id": cohort.items["product_id"].repeat(weeks).reset_index(drop=True),
            "ds": start + pd.to_timedelta(7 * age, unit="D"),
            "y": cohort.came[:, :weeks].ravel(),
        }
    )


def _warm_row(tables: list[pd.DataFrame], whole: bool) -> dict[str, str]:
    """WAPE of each forecast over seeds; of the weeks to come also bias and coverage of ours."""

    def wape(table: pd.DataFrame, name: str) -> float:
        units = table["came"].sum() + (table["sold"].sum() if whole else 0)
        return float((table[name] - table["came"]).abs().sum() / units)

    others = ("before launch", "rate carried on", "our curve at the rate seen")
    row = {OURS: over_seeds([wape(table, "0.5") for table in tables], 3)}
    for name in others:
        if tables[0][name].notna().any():
            row[name] = over_seeds([wape(table, name) for table in tables], 3)
    if not whole:
        held = [table["came"].between(table["0.1"], table["0.9"]).mean() for table in tables]
        row["80 % holds %"] = over_seeds([100 * float(share) for share in held], 1)
    return row


def sums(setting: Setting) -> None:
    """Score what launches sell together: the sum's own quantiles beside those of its parts."""
    trial = complete_journey(setting)
    methods = {"predict_sum": _summed, "quantiles added up": _added}
    tables = [_sums(trial, seed, methods) for seed in setting.seeds]
    for by in GROUPINGS:
        rows = {name: _sum_row([table[by, name] for table in tables]) for name in methods}
        first = tables[0][by, "predict_sum"]
        groups = f"{len(first):,} sums of {first['n'].mean():.1f} launches on average"
        show(f"Sums by {by or 'cohort'}, {setting.on}: {groups}", frame(rows))


def _sums(
    trial: Trial, seed: int, methods: Mapping[str, SumMethod]
) -> dict[tuple[str | None, str], pd.DataFrame]:
    """Return every cohort's sums, by grouping and method; one forecaster is kept at a time."""
    found: dict[tuple[str | None, str], list[pd.DataFrame]] = {}
    for cohort in _cohorts(trial, seed, slice(None)):
        for by in GROUPINGS:
            for name, method in methods.items():
                found.setdefault((by, name), []).append(method(cohort, by))
    return {key: pd.concat(tables, ignore_index=True) for key, tables in found.items()}


def _summed(cohort: Cohort, by: str | None) -> pd.DataFrame:
    """Return a row a group: n, y, mean and quantiles, by `LaunchForecaster.predict_sum`."""
    table = cohort.forecaster.predict_sum(cohort.items, by=by).set_index("group")
    came = pd.Series(cohort.came.sum(axis=1)).groupby(_groups(cohort, by)).sum()
    assert table.index.equals(came.index)
    return table[["mean", *LEVELS]].assign(n=table["n_items"], y=came).reset_index(drop=True)


def _added(cohort: Cohort, by: str | None) -> pd.DataFrame:
    """Return the same with the totals' quantiles added up, as if all launches had the same luck."""
    totals = cohort.totals[["mean", *LEVELS]].assign(n=1, y=cohort.came.sum(axis=1))
    return totals.groupby(_groups(cohort, by)).sum().reset_index(drop=True)


def _groups(cohort: Cohort, by: str | None) -> pd.Series:
    if by is None:
        return pd.Series("all", index=range(len(cohort.items)))
    return cohort.items[by].reset_index(drop=True)


def _sum_row(tables: list[pd.DataFrame]) -> dict[str, str]:
    def percent(share: Callable[[pd.DataFrame], float]) -> str:
        return over_seeds([100 * float(share(table)) for table in tables], 1)

    return {
        "WAPE %": percent(lambda t: (t["0.5"] - t["y"]).abs().sum() / t["y"].sum()),
        "bias %": percent(lambda t: t["mean"].sum() / t["y"].sum() - 1),
        "80 % holds %": percent(lambda t: t["y"].between(t["0.1"], t["0.9"]).mean()),
        "below 0.1 %": percent(lambda t: (t["y"] < t["0.1"]).mean()),
        "up to 0.9 %": percent(lambda t: (t["y"] <= t["0.9"]).mean()),
        "width, % of sold": percent(lambda t: (t["0.9"] - t["0.1"]).sum() / t["y"].sum()),
    }


def _cohorts(trial: Trial, seed: int, windows: slice) -> Iterator[Cohort]:
    for cohort in trial.cohorts()[windows]:
        forecaster = trial.forecaster(seed).fit(trial.items, trial.sales, cohort.cutoff)
        yield Cohort(forecaster, trial.launches(cohort), cohort.came.to_numpy())


def _ratio(part: Floats, whole: Floats) -> Floats:
    out: Floats = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return out

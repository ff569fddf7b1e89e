"""Plans for the weeks to come: price, promotion, number of stores, by item and period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Number

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Bools, Floats, Grid, Ints
from forecasting.data.row_rules import check_rows
from retrieval import TableError, first_few, parse_dates

_SLACK = 0.1  # of what was seen, that may lie beyond it without a word
_FEWEST, _SHARE = 50, 0.1  # launches, or that share of all, that teach what a plan means


@dataclass(frozen=True)
class KnownPlans:
    """How much of their plans past launches knew.

    A launch whose plan is known as that of none of them was must not be asked what its plan does: a
    model that has seen whole plans takes what is missing for a kind of plan.

    Attributes:
        patterns: (p, horizon, c) what was known of a plan, in enough past launches each.
        low: (c,) the least that was planned.
        high: (c,) the most.
    """

    patterns: Bools
    low: Floats
    high: Floats

    @classmethod
    def learn(cls, plan: Floats) -> KnownPlans:
        """Learn from the plans (n, horizon, c) of past launches."""
        known = np.isfinite(plan)
        patterns, count = np.unique(known, axis=0, return_counts=True)
        enough = count >= min(_FEWEST, _SHARE * len(plan))
        low = np.where(known, plan, np.inf).min(axis=(0, 1), initial=np.inf)
        high = np.where(known, plan, -np.inf).max(axis=(0, 1), initial=-np.inf)
        return cls(patterns[enough & patterns.any(axis=(1, 2))], low, high)

    def beyond(self, launches: Launches, covariates: Sequence[str]) -> list[str]:
        """Say which launches' plans lie far outside all that past launches' did, by covariate."""
        said = []
        for number, name in enumerate(covariates):
            own = launches.plan[:, :, number]
            slack = _SLACK * (self.high[number] - self.low[number])
            out = (own < self.low[number] - slack) | (own > self.high[number] + slack)
            rows = np.flatnonzero(out.any(axis=1))
            if len(rows):
                most = [f"{launches.ids[row]!r} {own[row][out[row]][0]:g}" for row in rows]
                seen = f"({self.low[number]:g} to {self.high[number]:g})"
                said.append(
                    f"future: {len(rows):,} of {len(own):,} launches plan a {name} beyond all that "
                    f"was seen {seen}: {', '.join(first_few(most))}; what it does is a guess"
                )
        return said

    def cover(self, plan: Floats) -> Bools:
        """(n,) whether plans (n, horizon, c) are known as those of past launches were."""
        learned = {one.tobytes() for one in self.patterns}
        return np.array([one.tobytes() in learned for one in np.isfinite(plan)], dtype=bool)


def plan_array(
    future: pd.DataFrame | None,
    ids: npt.NDArray[np.object_],
    period: Ints,
    grid: Grid,
    horizon: int,
    *,
    covariates: Sequence[str],
    id_col: str,
    time_col: str,
) -> Floats:
    """Lay out a plan by launch and age.

    Args:
        future: ``id_col, time_col`` and a numeric column per covariate; items not asked about and
            periods outside the horizon are ignored. None: nothing is planned.
        ids: (n,) the launches; an id may be there more than once.
        period: (n,) their periods of launch.
        grid: The periods.
        horizon: Ages.
        covariates: The columns.
        id_col: Column of item ids.
        time_col: Column of any date in the period.

    Returns:
        (n, horizon, c), NaN where nothing is planned.

    Raises:
        TableError: A column is missing, a number is infinite, a row repeats or has no date.
    """
    out = np.full((len(ids), horizon, len(covariates)), np.nan)
    if future is None or not covariates:
        return out
    table = _validated(future, list(covariates), id_col, time_col)
    when = grid.index(pd.DatetimeIndex(table[time_col]))
    planned = pd.DataFrame({"item": table[id_col], "period": when})
    check_rows(
        table,
        planned.duplicated(),
        f"({id_col}, {time_col}) repeats",
        [id_col, time_col],
        source="future",
        involved=planned.duplicated(keep=False),
    )
    rows = pd.DataFrame({"item": ids, "row": np.arange(len(ids)), "start": period})
    plan = pd.DataFrame({"item": table[id_col], "when": when, "at": np.arange(len(table))})
    found = rows[rows["start"] != NEVER].merge(plan, on="item")
    age = found["when"] - found["start"]
    found, age = found[(age >= 0) & (age < horizon)], age[(age >= 0) & (age < horizon)]
    values = table[list(covariates)].to_numpy(dtype=np.float64)
    out[found["row"], age] = values[found["at"]]
    return out


def missing_plans(
    launches: Launches,
    used: Bools,
    grid: Grid,
    future: pd.DataFrame | None,
    *,
    covariates: Sequence[str],
    id_col: str,
    time_col: str,
) -> list[str]:
    """Say which launches a plan does not reach, and where its rows went instead.

    Args:
        launches: The n launches, each once, with their plans as `plan_array` laid them out.
        used: (n,) whether a launch's plan counts as it is.
        grid: The periods.
        future: The plan; None: there is none.
        covariates: Its columns.
        id_col: Column of item ids.
        time_col: Column of dates.

    Returns:
        A sentence for launches without any plan, one for those with a part of it, and one for whole
        plans that count nothing.
    """
    known = np.isfinite(launches.plan)
    n, horizon, _ = known.shape
    some, whole = known.any(axis=(1, 2)), known.all(axis=(1, 2))
    nothing, part = np.flatnonzero(~some), np.flatnonzero(some & ~whole & ~used)
    said = []
    if len(nothing):
        shown = ", ".join(first_few(launches.ids[nothing].tolist(), repr))
        where = (
            "" if future is None else _elsewhere(launches[nothing], grid, future, id_col, time_col)
        )
        said.append(f"future: {len(nothing):,} of {n:,} launches have no plan: {shown}{where}")

    def lacking(row: int) -> str:
        short = zip(covariates, (~known[row]).sum(axis=0), strict=True)
        words = " and ".join(f"{count} of {horizon} {name}" for name, count in short if count)
        return f"{launches.ids[row]!r} lacks {words}"

    if len(part):
        of = f"future: {len(part):,} of {n:,} launches have a plan for a part of their first"
        said.append(f"{of} {horizon} periods: {'; '.join(first_few(part.tolist(), lacking))}")
    if (whole & ~used).any():
        of = f"future: {(whole & ~used).sum():,} of {n:,} launches have a plan that counts nothing"
        said.append(f"{of}: what plans do could not be learned from past launches")
    return said


def _elsewhere(
    launches: Launches, grid: Grid, future: pd.DataFrame, id_col: str, time_col: str
) -> str:
    """Say what a plan speaks of instead of the launches that it does not reach."""
    named = future[id_col].astype(str)
    own = future[named.isin(launches.ids)]
    if own.empty:
        others = first_few(named.drop_duplicates().tolist(), repr, most=3)
        return f"; {id_col} in the plan is {', '.join(others)}" if others else "; it has no rows"
    first = str(own[id_col].iloc[0])
    days = parse_dates(own[time_col][named[own.index] == first])
    start = launches.period[np.flatnonzero(launches.ids == first)[0]]
    horizon = launches.plan.shape[1]
    begin, end = grid.dates(np.array([start, start + horizon - 1]))
    return (
        f"; it has other periods of {own[id_col].nunique():,} of them: {first!r} from "
        f"{days.min():%Y-%m-%d} to {days.max():%Y-%m-%d}, while its first {horizon} periods are "
        f"{begin:%Y-%m-%d} to {end:%Y-%m-%d}"
    )


def _validated(
    future: pd.DataFrame, covariates: list[str], id_col: str, time_col: str
) -> pd.DataFrame:
    columns = [id_col, time_col, *covariates]
    missing = [name for name in columns if name not in future.columns]
    if missing:
        there = ", ".join(map(str, future.columns))
        raise TableError(f"future: no column {', '.join(missing)}; there are: {there}")
    table = future[columns].reset_index(drop=True)
    check_rows(table, table[id_col].isna(), f"{id_col} is missing", columns, source="future")
    if pd.api.types.is_float_dtype(table[id_col]):
        raise TableError(
            f"future: column {id_col} holds decimal numbers ({table[id_col].dtype}); ids are "
            "strings or integers"
        )
    table[id_col] = table[id_col].astype(str)
    dates = parse_dates(table[time_col])
    check_rows(table, dates.isna(), f"{time_col} is not a date", columns, source="future")
    table[time_col] = dates
    for name in covariates:
        if not pd.api.types.is_numeric_dtype(table[name]):
            words = [isinstance(one, str) or not isinstance(one, Number) for one in table[name]]
            bad = table[name].notna() & np.array(words, dtype=bool)
            rule = f"{name} must be numeric, found {table[name].dtype}"
            check_rows(table, bad, rule, columns, source="future")
            table[name] = table[name].astype("float64")
        infinite = np.isinf(table[name].to_numpy(dtype=float))
        check_rows(table, infinite, f"{name} is infinite", columns, source="future")
    return table

"""Plans for the weeks to come: price, promotion, number of stores, by item and period."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.dates import local_dates
from forecasting.data.panel import NEVER, Floats, Grid, Ints
from forecasting.data.row_rules import check_rows
from retrieval import TableError


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


def _validated(
    future: pd.DataFrame, covariates: list[str], id_col: str, time_col: str
) -> pd.DataFrame:
    columns = [id_col, time_col, *covariates]
    missing = [name for name in columns if name not in future.columns]
    if missing:
        there = ", ".join(map(str, future.columns))
        raise TableError(f"future: no column {', '.join(missing)}; there are: {there}")
    table = future[columns].reset_index(drop=True)
    table[id_col] = table[id_col].astype(str)
    dates = local_dates(table[time_col])
    check_rows(table, dates.isna(), f"{time_col} is not a date", columns, source="future")
    table[time_col] = dates
    for name in covariates:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise TableError(f"future: {name} must be numeric, found {table[name].dtype}")
        infinite = np.isinf(table[name].to_numpy(dtype=float))
        check_rows(table, infinite, f"{name} is infinite", columns, source="future")
    return table

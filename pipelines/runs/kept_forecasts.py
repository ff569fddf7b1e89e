"""Forecasts kept until what they foretold has come: one file a cutoff.

The forecasts of a run replace those of the run before; these stay, so that they can be held against
the sales, months later.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting import Floats
from pipelines.tables.output import write_table
from retrieval import TableError

if TYPE_CHECKING:
    from pipelines.jobs.forecasts import LaunchForecasts

_FOLDER = Path("kept") / "forecasts"
_KEYS = ["cutoff", "unique_id"]


@dataclass(frozen=True)
class KeptCutoff:
    """What was expected of n launches at one cutoff.

    Attributes:
        cutoff: First day of the last period seen.
        ids: (n,) their ids.
        launch: (n,) first days of the periods in which they were to launch.
        curves: "mean", "0.5", "low" and "high" (the outer quantiles) → (n, horizon).
        totals: The same → (n, 1); NaN where the total was not kept.
        interval: Share that the outer quantiles should hold; 0.0 with one quantile.
    """

    cutoff: pd.Timestamp
    ids: npt.NDArray[np.object_]
    launch: pd.DatetimeIndex
    curves: dict[str, Floats]
    totals: dict[str, Floats]
    interval: float


def keep_forecasts(made: LaunchForecasts, folder: Path) -> None:
    """Keep curves and totals of one cutoff, in place of those made at the same one before.

    Args:
        made: The forecasts of a run.
        folder: Of the run.
    """
    cutoffs = pd.to_datetime(made.curves["cutoff"]).unique()
    for cutoff in cutoffs:
        for what, table in (("curves", made.curves), ("totals", made.totals)):
            rows = table[pd.to_datetime(table["cutoff"]) == cutoff]
            write_table(rows, folder / _FOLDER / f"{what}-{cutoff:%Y-%m-%d}.parquet")


def kept_by_cutoff(folder: Path) -> list[KeptCutoff]:
    """All that was kept, ready to be held against sales, the oldest cutoff first.

    Args:
        folder: Of the run.

    Raises:
        TableError: A file is no whole table of forecasts.
    """
    kept = []
    for path in sorted((folder / _FOLDER).glob("curves-*.parquet")):
        totals = path.with_name(path.name.replace("curves-", "totals-"))
        kept.append(_arranged(path, totals if totals.is_file() else None))
    return kept


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: not a whole Parquet file: {error}") from error


def _arranged(path: Path, totals_path: Path | None) -> KeptCutoff:
    """Return the tables of one cutoff as arrays."""
    curves = _whole(path, [*_KEYS, "ds", "age", "mean", "0.5"]).sort_values(["unique_id", "age"])
    ids = curves["unique_id"].unique()
    horizon = int(curves["age"].max()) + 1
    if not np.array_equal(curves["age"], np.tile(np.arange(horizon), len(ids))):
        raise TableError(f"{path}: an item has not just the ages 0 to {horizon - 1}, each once")
    levels = sorted((name for name in curves.columns if _is_level(name)), key=float)
    nothing = curves.iloc[:0]
    totals = nothing if totals_path is None else _whole(totals_path, [*_KEYS, "mean", *levels])
    totals = totals.drop_duplicates("unique_id").set_index("unique_id").reindex(ids)
    columns = {"mean": "mean", "0.5": "0.5", "low": levels[0], "high": levels[-1]}
    return KeptCutoff(
        cutoff=pd.Timestamp(curves["cutoff"].iloc[0]),
        ids=ids.astype(object),
        launch=pd.DatetimeIndex(curves["ds"].to_numpy().reshape(len(ids), horizon)[:, 0]),
        curves={
            name: curves[column].to_numpy(dtype=np.float64).reshape(len(ids), horizon)
            for name, column in columns.items()
        },
        totals={
            name: totals[column].to_numpy(dtype=np.float64)[:, None]
            for name, column in columns.items()
        },
        interval=round(float(levels[-1]) - float(levels[0]), 6),
    )


def _whole(path: Path, columns: list[str]) -> pd.DataFrame:
    table = _read(path)
    missing = [name for name in columns if name not in table.columns]
    if missing or table.empty:
        problem = f"no column {missing[0]!r}" if missing else "no rows"
        raise TableError(f"{path}: not a table of kept forecasts: {problem}")
    return table


def _is_level(name: str) -> bool:
    """Whether a column is that of a quantile: ``0.1``."""
    return name.replace(".", "", 1).isdigit()

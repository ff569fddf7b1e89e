"""Forecasts kept until what they foretold has come: one file a cutoff.

The forecasts of a run replace those of the run before; these stay, so that they can be held against
the sales, months later.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipelines.config import Settings
from pipelines.forecasting_jobs import LaunchForecasts
from pipelines.tables import write_table
from retrieval import TableError

_FOLDER = Path("kept") / "forecasts"


def keep_forecasts(made: LaunchForecasts, settings: Settings, folder: Path) -> None:
    """Keeps curves and totals of one cutoff, in place of those made at the same one before.

    Args:
        made: The forecasts of a run.
        settings: `sales.id` is the column of their ids.
        folder: Of the run.
    """
    cutoffs = pd.to_datetime(made.curves["cutoff"]).unique()
    for cutoff in cutoffs:
        for what, table in (("curves", made.curves), ("totals", made.totals)):
            rows = table[pd.to_datetime(table["cutoff"]) == cutoff]
            write_table(rows, folder / _FOLDER / f"{what}-{cutoff:%Y-%m-%d}.parquet")


def kept_forecasts(folder: Path, what: str) -> pd.DataFrame:
    """All that was kept, the oldest cutoff first; no rows and no columns where nothing was.

    Args:
        folder: Of the run.
        what: "curves" or "totals".

    Raises:
        TableError: A file is no whole table.
    """
    tables = []
    for path in sorted((folder / _FOLDER).glob(f"{what}-*.parquet")):
        try:
            tables.append(pd.read_parquet(path))
        except (OSError, ValueError) as error:
            raise TableError(f"{path}: not a whole Parquet file: {error}") from error
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

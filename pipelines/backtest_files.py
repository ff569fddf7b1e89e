"""A backtest on disk: the page, and what it is made of."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from forecasting import BacktestResult
from forecasting.evaluation.slices import SLICES
from pipelines.components import make_encoder
from pipelines.config.settings import Settings
from pipelines.fingerprint import engine_versions
from pipelines.inputs.items import TableInput, name_of
from pipelines.reports.backtest import write_backtest_report
from pipelines.tables.output import replacing_files
from pipelines.tables.reader import write_json, write_table

FILES = (
    "backtest.html",
    "backtest.json",
    "compare.csv",
    "predictions.parquet",
    "totals.parquet",
    "left_out.csv",
)
"""What `write_backtest` leaves in a folder."""

_SECTIONS = {"items", "sales", "future", "forecast", "backtest"}


def write_backtest(
    result: BacktestResult,
    settings: Settings,
    folder: Path,
    *,
    items: TableInput | None = None,
    sales: TableInput | None = None,
) -> None:
    """Writes a backtest's page, numbers and tables, all of them or none.

    They are `FILES`.

    Args:
        result: The backtest.
        settings: What it was made with.
        folder: Where to; what else is in it stays.
        items: As given to `pipelines.jobs.forecasts.backtest_job`.
        sales: So, too.
    """
    compare = result.compare()
    setup = _setup(result, settings)
    setup["items"] = name_of(items if items is not None else settings.items.source, "items")
    setup["sales"] = name_of(sales if sales is not None else settings.sales.source, "sales")
    numbers = {
        "setup": setup,
        "compare": _records(compare),
        "slices": {what: _records(result.by(what)) for what in ("age", *SLICES)},
        "calibration": _records(result.calibration),
    }
    with replacing_files(folder) as made:
        write_json(numbers, made / "backtest.json")
        write_table(compare.reset_index(), made / "compare.csv")
        write_table(result.predictions, made / "predictions.parquet")
        write_table(result.totals, made / "totals.parquet")
        write_table(result.left_out, made / "left_out.csv")
        write_backtest_report(result, made / "backtest.html")


def _setup(result: BacktestResult, settings: Settings) -> dict[str, Any]:
    """How the backtest came about; secrets of the settings are masked."""
    return {
        "likewise": version("likewise"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": engine_versions(),
        "encoder": make_encoder(settings).identity.as_dict(),
        "settings": settings.model_dump(mode="json", include=_SECTIONS),
        "cutoffs": [f"{cutoff:%Y-%m-%d}" for cutoff in result.items["cutoff"].unique()],
        "launches": len(result.items),
        "left_out": result.left_out["reason"].value_counts().to_dict(),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in _rows(table)]


def _rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.reset_index().to_dict("records")

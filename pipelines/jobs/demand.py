"""How the items of a table sold, for an encoder to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import structlog

from forecasting import first_cutoff, past_demand
from pipelines.config.settings import Settings
from pipelines.inputs.bad_rows import Quarantine
from pipelines.inputs.items import TableInput, naming_tables, source_of
from pipelines.inputs.launches import LaunchTables, ScreenedLaunches
from pipelines.jobs.forecasts import asked_cutoffs, make_forecaster
from pipelines.logs import timed

_log = structlog.stdlib.get_logger(__name__)


def demand_of_items(
    settings: Settings,
    ids: Sequence[str],
    items: TableInput | None = None,
    *,
    quarantine: Quarantine,
    before_backtest: bool = False,
) -> npt.NDArray[np.float64]:
    """Return the level and shape of what items sold, (n, 2); NaN where not known.

    Args:
        settings: `items` and `sales` name tables and columns, `forecast` the horizon.
        ids: Of the n items.
        items: The table of items; None: the one the settings name.
        quarantine: What becomes of bad rows.
        before_backtest: Only what had been sold by the first cutoff of section `backtest` is read,
            so that its launches can judge what was learned.

    Raises:
        InputError: A table or column is missing or wrong, or the section says no cutoffs.
    """
    items = source_of(items if items is not None else settings.items.source, "items")
    sales = source_of(settings.sales.source, "sales")
    forecaster = make_forecaster(settings)
    screened = ScreenedLaunches(LaunchTables(forecaster, settings.items.categories), quarantine)
    known = screened.items(items)
    sold = screened.sales(sales, known)
    with naming_tables(items=items), timed(_log, "demand read") as fields:
        cutoff = None
        if before_backtest:
            cutoff = first_cutoff(forecaster, known, sold, **asked_cutoffs(settings.backtest))
        table = past_demand(forecaster, known, sold, cutoff)
        fields |= {"items": len(table), "cutoff": str(cutoff)[:10]}
    found = table.reindex(pd.Index([str(one) for one in ids]))
    return found[["level", "shape"]].to_numpy(dtype=np.float64)

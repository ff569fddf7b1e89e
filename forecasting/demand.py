"""How past items have sold, as numbers that an encoder can learn from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forecasting.data.history import History
from forecasting.data.sales import Sales
from forecasting.features.demand_map import incumbent_demand, launch_demand
from forecasting.forecaster import LaunchForecaster


def past_demand(
    forecaster: LaunchForecaster,
    items: pd.DataFrame,
    sales: pd.DataFrame | Sales,
    cutoff: pd.Timestamp | str | None = None,
) -> pd.DataFrame:
    """Return how items have sold by the end of the cutoff's period: the level and the shape.

    Of a launch that was seen for about four weeks, or its horizon: the logarithm of what it sold a
    period, in units of what an item on sale sold then, and how much of it in the first period,
    beside what is usual; of items without a launch date the level lately. Each is standardized,
    launches and others by themselves. It is what `retrieval.tune` takes as ``demand``.

    Args:
        forecaster: Says what the columns are called, and how long a horizon is; need not be fitted.
        items: One row an item, as in `LaunchForecaster.fit`.
        sales: What they sold, as in `LaunchForecaster.fit`.
        cutoff: The last period seen: nothing that came later is read. None: the last one.

    Returns:
        By item id, for those whose level is known: level, shape (0 of items without launch date)
        and launched, whether the item has a launch date.

    Raises:
        TableError: A table is not in order.
        InputError: A parameter of the forecaster cannot be right.
    """
    forecaster.check()
    reader = forecaster.reader
    clean = reader.items(items)
    panel = reader.sales(clean, sales).panel(cutoff)
    nothing = pd.DataFrame(index=range(len(panel.ids)))
    history = History(panel, nothing, forecaster.horizon)
    parts = []
    for find, is_launch in ((launch_demand, True), (incumbent_demand, False)):
        rows, demand = find(history, panel.end)
        values = np.column_stack([demand, np.full(len(rows), float(is_launch))])
        parts.append(pd.DataFrame(values, index=panel.ids[rows]))
    table = pd.concat(parts)
    table.columns = pd.Index(["level", "shape", "launched"])
    table.index.name = forecaster.item_id
    return table.assign(launched=table["launched"] > 0)

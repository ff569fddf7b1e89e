"""Launches, their sales and plans: from what is sent to a forecaster's tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from forecasting import LaunchForecaster
from serving.handlers.tables import launch_table
from serving.problems import ApiError, Violation, unfit
from serving.runtime.tenants import Tenant
from serving.schemas.forecasts import Forecast, Launch, Orders, Plan, Taken

_MOST_TOLD = 20


def forecaster_of(tenant: Tenant) -> LaunchForecaster:
    """Return a tenant's forecaster.

    Raises:
        ApiError: There is none.
    """
    if tenant.forecaster is None:
        raise ApiError(409, "nothing-learned", "there is no forecaster: serve with --forecaster")
    return tenant.forecaster


def text_of(forecaster: LaunchForecaster) -> list[str]:
    """Return the text columns of a forecaster."""
    text = forecaster.text
    return [text] if isinstance(text, str) else list(text)


def kinds_of(forecaster: LaunchForecaster) -> dict[str, str]:
    """Attribute column → what it holds."""
    held, text = forecaster.history_.attributes, text_of(forecaster)
    kinds = {
        name: "number" if is_float_dtype(held[name]) else "string" for name in forecaster.attributes
    }
    for name in forecaster.columns.naming:
        kinds[name] = "string"
    return {name: kind for name, kind in kinds.items() if name not in text}


def table_of(forecaster: LaunchForecaster, items: Sequence[Launch]) -> pd.DataFrame:
    """Return launches as the forecaster's item table."""
    table = launch_table(
        items,
        item_id=forecaster.item_id,
        text=text_of(forecaster),
        launch_date=forecaster.launch_date,
        kinds=kinds_of(forecaster),
    )
    if forecaster.columns.delist_date is not None:
        table[forecaster.columns.delist_date] = pd.NaT
    return table


def observed_of(forecaster: LaunchForecaster, request: Forecast) -> pd.DataFrame | None:
    """Return sales so far as the forecaster's sales table."""
    if request.observed is None:
        return None
    table = pd.DataFrame(
        {
            forecaster.columns.id_col: [one.item_id for one in request.observed],
            forecaster.columns.time_col: pd.to_datetime([one.ds for one in request.observed]),
            forecaster.columns.target_col: [float(one.y) for one in request.observed],
        }
    )
    if forecaster.columns.in_stock is not None:
        table[forecaster.columns.in_stock] = True
    return table


def until_of(request: Forecast) -> pd.Timestamp | None:
    """Return a day in the last period observed; None where that is not told."""
    return None if request.observed_until is None else pd.Timestamp(request.observed_until)


def future_of(forecaster: LaunchForecaster, plans: Sequence[Plan]) -> pd.DataFrame:
    """Return plans as the forecaster's table of plans."""
    return pd.DataFrame(
        {
            forecaster.columns.id_col: [one.item_id for one in plans],
            forecaster.columns.time_col: pd.to_datetime([one.ds for one in plans]),
            **{
                name: pd.Series([one.values.get(name) for one in plans], dtype="float64")
                for name in forecaster.columns.covariates
            },
        }
    )


def check_own(request: Forecast | Orders | Taken, name: str) -> None:
    """Refuse sales and plans of items that are not asked about."""
    asked = {one.item_id for one in request.items}
    for row, one in enumerate(getattr(request, name) or ()):
        if one.item_id not in asked:
            raise unfit(f"/{name}/{row}/item_id", f"{one.item_id!r} is not among the items")


def refuse_doubts(request: Forecast, forecaster: LaunchForecaster) -> None:
    """Refuse launches of which something is not known, as strict calls want it."""
    table = table_of(forecaster, request.items)
    said = forecaster.reader.doubts_about(table, forecaster.history_)
    places = [Violation(pointer=f"/items/{row}", detail=one) for row, one in enumerate(said) if one]
    if places:
        detail = f"strict: {len(places)} of {len(said)} launches have warnings"
        raise ApiError(422, "invalid-request", detail, errors=places[:_MOST_TOLD])


def check_plans(request: Forecast | Orders | Taken, forecaster: LaunchForecaster) -> None:
    """Refuse plans of other columns, and those outside an item's horizon."""
    if not forecaster.columns.covariates:
        raise unfit("/future", "the forecaster was made without covariates")
    for row, one in enumerate(request.future or ()):
        if set(one.values) != set(forecaster.columns.covariates):
            there = ", ".join(forecaster.columns.covariates)
            raise unfit(f"/future/{row}/values", f"holds exactly: {there}")
    grid, horizon = forecaster.panel_.grid, forecaster.horizon
    begins = grid.index(pd.DatetimeIndex([one.launch_date for one in request.items]))
    begin = dict(zip([one.item_id for one in request.items], begins.tolist(), strict=True))
    periods = grid.index(pd.DatetimeIndex([one.ds for one in request.future or ()]))
    for row, (one, period) in enumerate(zip(request.future or (), periods.tolist(), strict=True)):
        first = begin[one.item_id]
        if not first <= period < first + horizon:
            days = grid.dates(np.array([first, first + horizon - 1]))
            detail = f"must lie in the item's first {horizon} periods, {days[0]:%Y-%m-%d} to "
            raise unfit(f"/future/{row}/ds", f"{detail}{days[1]:%Y-%m-%d}")

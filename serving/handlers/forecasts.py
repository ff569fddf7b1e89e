"""What the forecast lane answers: launch forecasts and what they rest on. Runs in its thread."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from forecasting import APART, LaunchForecaster, plan_array, quantile_names, telling
from serving.handlers.tables import check_attributes, check_texts, launch_table, plain
from serving.problems import ApiError, Violation, unfit
from serving.runtime.tenants import Tenant
from serving.schemas.forecasts import ExplainForecast, Forecast, Launch, Orders, Plan


@dataclass(frozen=True)
class _LaunchCall:
    """Launches of one request, and the tenant whose forecaster answers."""

    tenant: Tenant
    request: Any

    @property
    def owner(self) -> Hashable:
        """The tenant's name."""
        return self.tenant.name

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the launches."""
        return frozenset(one.item_id for one in self.request.items)

    @property
    def rows(self) -> int:
        """How many launches."""
        return len(self.request.items)


@dataclass(frozen=True)
class ForecastCall(_LaunchCall):
    """Launches to forecast."""

    request: Forecast

    @property
    def group(self) -> Hashable:
        """What is observed is read together with where it ends, so it goes alone."""
        alone = id(self) if self.request.observed is not None else None
        return ForecastCall, id(self.tenant), self.request.future is not None, alone


@dataclass(frozen=True)
class ExplainForecastCall(_LaunchCall):
    """Launches whose forecasts are to be explained."""

    request: ExplainForecast

    @property
    def group(self) -> Hashable:
        """The tenant."""
        return ExplainForecastCall, id(self.tenant)


@dataclass(frozen=True)
class OrdersCall(_LaunchCall):
    """Launches to order."""

    request: Orders

    @property
    def group(self) -> Hashable:
        """Budgets are of one call, so it goes alone."""
        return OrdersCall, id(self)


_NAMES = ("unique_id", "group")
_MOST_TOLD = 20
_AMOUNTS = (
    "overage_cost",
    "underage_cost",
    "service_level",
    "pack_size",
    "minimum",
    "unit_cost",
)


def check_launches(request: Forecast | ExplainForecast | Orders, tenant: Tenant) -> None:
    """Refuse, before they wait, launches that cannot be forecast.

    Raises:
        ApiError: There is no forecaster, or a launch, sale or plan does not fit it.
    """
    forecaster = _forecaster(tenant)
    check_texts(request.items, _text(forecaster))
    panel = forecaster.panel_
    begins = panel.grid.index(pd.DatetimeIndex([one.launch_date for one in request.items]))
    for row in np.flatnonzero(begins <= panel.end):
        detail = f"must lie after the cutoff's period, {forecaster.cutoff_:%Y-%m-%d}"
        raise unfit(f"/items/{row}/launch_date", detail)
    check_attributes(request.items, _kinds(forecaster))
    if isinstance(request, Forecast):
        _check_own(request, "observed")
        _check_own(request, "future")
        if request.observed is None and request.observed_until is not None:
            raise unfit("/observed_until", "goes with observed, be that empty")
        if request.strict:
            _refuse_doubts(request, forecaster)
    if isinstance(request, Orders):
        _check_own(request, "future")
        for name in (*_AMOUNTS, "groups"):
            told = getattr(request, name)
            for one in request.items if isinstance(told, dict) else ():
                if one.item_id not in told:
                    raise unfit(f"/{name}", f"has none for {one.item_id!r}")
    if not isinstance(request, ExplainForecast) and request.future is not None:
        _check_plans(request, forecaster)


def settled(request: Forecast, tenant: Tenant) -> Forecast:
    """Return a request that will be answered in parts, once its sales and plans fit as a whole.

    Returns:
        The request; it says until when sales are observed, which no part can tell.

    Raises:
        TableError: Sales or plans do not fit.
    """
    forecaster = _forecaster(tenant)
    if request.future is not None:
        plan_array(
            _future(forecaster, request.future),
            np.empty(0, dtype=object),
            np.empty(0, dtype=np.int64),
            forecaster.panel_.grid,
            forecaster.horizon,
            covariates=forecaster.columns.covariates,
            id_col=forecaster.columns.id_col,
            time_col=forecaster.columns.time_col,
        )
    observed = _observed(forecaster, request)
    if observed is None or observed.empty:
        return request
    items = _table(forecaster, request.items)
    sold = forecaster.reader.sales_so_far(items, observed, forecaster.panel_.grid)
    last = sold.last_told(_until(request))
    assert last is not None
    return request.model_copy(update={"observed_until": last.date()})


def forecast(calls: Sequence[ForecastCall]) -> list[dict[str, Any]]:
    """Forecast the launches of several calls of one group."""
    tenant, forecaster, first = calls[0].tenant, _forecaster(calls[0].tenant), calls[0].request
    items: list[Launch] = [one for call in calls for one in call.request.items]
    plans = [one for call in calls for one in call.request.future or ()]
    with tenant.metrics.engine("forecast"), telling():
        curves, totals = forecaster.predict_both(
            _table(forecaster, items),
            observed=_observed(forecaster, first),
            observed_until=_until(first),
            future=None if first.future is None else _future(forecaster, plans),
        )
    names = quantile_names(forecaster.quantiles)
    results = _forecasts(curves, totals, names, forecaster.horizon)
    tenant.metrics.answered("forecast", len(results), sum(one["novel"] for one in results))
    return _shared_out(calls, results)


def order(calls: Sequence[OrdersCall]) -> list[dict[str, Any]]:
    """Say how much to order of the launches of a call, which is alone in its group."""
    (call,) = calls
    forecaster, request = _forecaster(call.tenant), call.request
    table = _table(forecaster, request.items)
    ids = [one.item_id for one in request.items]
    terms: dict[str, Any] = {"budget": request.budget, "lead_time": request.lead_time}
    for name in _AMOUNTS:
        told = getattr(request, name)
        terms[name] = told
        if isinstance(told, dict):
            terms[name] = f"{name} by item_id"
            table[terms[name]] = [told[one] for one in ids]
    if request.groups is not None:
        terms["by"] = "group by item_id"
        table[terms["by"]] = [request.groups[one] for one in ids]
    future = None if request.future is None else _future(forecaster, request.future)
    with call.tenant.metrics.engine("forecast"), telling():
        orders = forecaster.order_quantity(table, future=future, **terms)
    results = [
        {
            **{
                str(name): value
                for name, value in one.items()
                if name not in ("unique_id", "group")
            },
            "item_id": one["unique_id"],
            "cutoff": one["cutoff"].date(),
        }
        for one in orders.to_dict("records")
    ]
    return _shared_out(calls, results)


def explain(calls: Sequence[ExplainForecastCall]) -> list[dict[str, Any]]:
    """Explain the forecasts of several calls of one group."""
    forecaster = _forecaster(calls[0].tenant)
    items: list[Launch] = [one for call in calls for one in call.request.items]
    table = _table(forecaster, items)
    analogues = {str(key): part for key, part in forecaster.explain(table).groupby("unique_id")}
    influences: dict[str, pd.DataFrame] = {}
    if forecaster.engine_.model is not None:
        added = forecaster.contributions(table)
        influences = {str(key): part for key, part in added.groupby("unique_id")}
    results = [
        {
            "item_id": one.item_id,
            "analogues": _analogues(analogues.get(one.item_id)),
            "influences": _influences(influences.get(one.item_id)),
        }
        for one in items
    ]
    return _shared_out(calls, results)


def _forecaster(tenant: Tenant) -> LaunchForecaster:
    if tenant.forecaster is None:
        raise ApiError(409, "nothing-learned", "there is no forecaster: serve with --forecaster")
    return tenant.forecaster


def _text(forecaster: LaunchForecaster) -> list[str]:
    text = forecaster.text
    return [text] if isinstance(text, str) else list(text)


def _kinds(forecaster: LaunchForecaster) -> dict[str, str]:
    """Attribute column → what it holds."""
    held, text = forecaster.history_.attributes, _text(forecaster)
    kinds = {
        name: "number" if is_float_dtype(held[name]) else "string" for name in forecaster.attributes
    }
    for name in forecaster.columns.naming:
        kinds[name] = "string"
    return {name: kind for name, kind in kinds.items() if name not in text}


def _table(forecaster: LaunchForecaster, items: Sequence[Launch]) -> pd.DataFrame:
    table = launch_table(
        items,
        item_id=forecaster.item_id,
        text=_text(forecaster),
        launch_date=forecaster.launch_date,
        kinds=_kinds(forecaster),
    )
    if forecaster.columns.delist_date is not None:
        table[forecaster.columns.delist_date] = pd.NaT
    return table


def _observed(forecaster: LaunchForecaster, request: Forecast) -> pd.DataFrame | None:
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


def _until(request: Forecast) -> pd.Timestamp | None:
    return None if request.observed_until is None else pd.Timestamp(request.observed_until)


def _future(forecaster: LaunchForecaster, plans: Sequence[Plan]) -> pd.DataFrame:
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


def _check_own(request: Forecast | Orders, name: str) -> None:
    """Refuse sales and plans of items that are not asked about."""
    asked = {one.item_id for one in request.items}
    for row, one in enumerate(getattr(request, name) or ()):
        if one.item_id not in asked:
            raise unfit(f"/{name}/{row}/item_id", f"{one.item_id!r} is not among the items")


def _refuse_doubts(request: Forecast, forecaster: LaunchForecaster) -> None:
    table = _table(forecaster, request.items)
    said = forecaster.reader.doubts_about(table, forecaster.history_)
    places = [Violation(pointer=f"/items/{row}", detail=one) for row, one in enumerate(said) if one]
    if places:
        detail = f"strict: {len(places)} of {len(said)} launches have warnings"
        raise ApiError(422, "invalid-request", detail, errors=places[:_MOST_TOLD])


def _check_plans(request: Forecast | Orders, forecaster: LaunchForecaster) -> None:
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


def _forecasts(
    curves: pd.DataFrame, totals: pd.DataFrame, names: list[str], horizon: int
) -> list[dict[str, Any]]:
    levels = curves[names].to_numpy().tolist()
    periods = [
        {"ds": ds.date(), "age": age, "mean": mean, "quantiles": dict(zip(names, row, strict=True))}
        for ds, age, mean, row in zip(
            curves["ds"], curves["age"].tolist(), curves["mean"].tolist(), levels, strict=True
        )
    ]
    return [
        {
            "item_id": one["unique_id"],
            "cutoff": one["cutoff"].date(),
            "curve": periods[row * horizon : (row + 1) * horizon],
            "total": {"mean": one["mean"], "quantiles": {name: one[name] for name in names}},
            "novelty": plain(one["novelty"]),
            "novel": bool(one["novel"]),
            "method": one["method"],
            "warnings": one["warnings"].split(APART) if one["warnings"] else [],
            "planned": one.get("planned"),
        }
        for row, one in enumerate(totals.to_dict("records"))
    ]


def _analogues(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    return [
        {
            "item_id": one["analogue"],
            "pool": one["pool"],
            "similarity": plain(one["similarity"]),
            "similarity_of": one["similarity_of"],
            "weight": one["weight"],
            "level": plain(one["level"]),
            "curve": one["curve"],
        }
        for one in table.to_dict("records")
    ]


def _influences(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    ranked = table.iloc[table["contribution"].abs().argsort()[::-1]]
    return [
        {
            "name": one["name"],
            "value": _shown(plain(one["value"])),
            "contribution": one["contribution"],
        }
        for one in ranked.head(20).to_dict("records")
    ]


def _shown(value: Any) -> float | str | None:
    return value if value is None or isinstance(value, int | float) else str(value)


def _shared_out(
    calls: Sequence[_LaunchCall], results: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    answers, start = [], 0
    for call in calls:
        own = results[start : start + call.rows]
        answers.append({"results": own, "model_version": call.tenant.forecaster_version})
        start += call.rows
    return answers

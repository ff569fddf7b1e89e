"""What the forecast lane answers: launch forecasts and what they rest on. Runs in its thread."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from forecasting import APART, plan_array, quantile_names, telling
from serving.handlers.launches import (
    check_own,
    check_plans,
    forecaster_of,
    future_of,
    kinds_of,
    observed_of,
    refuse_doubts,
    table_of,
    text_of,
    until_of,
)
from serving.handlers.tables import check_attributes, check_texts, plain
from serving.problems import ApiError, unfit
from serving.runtime.tenants import Tenant
from serving.schemas.forecasts import ExplainForecast, Forecast, Launch, Orders, Taken


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
class TakenCall(_LaunchCall):
    """Launches of which is asked what they take from others."""

    request: Taken

    @property
    def group(self) -> Hashable:
        """The tenant, and whether there are plans."""
        return TakenCall, id(self.tenant), self.request.future is not None


@dataclass(frozen=True)
class OrdersCall(_LaunchCall):
    """Launches to order."""

    request: Orders

    @property
    def group(self) -> Hashable:
        """Budgets are of one call, so it goes alone."""
        return OrdersCall, id(self)


_AMOUNTS = (
    "overage_cost",
    "underage_cost",
    "service_level",
    "pack_size",
    "minimum",
    "unit_cost",
)


def check_launches(request: Forecast | ExplainForecast | Orders | Taken, tenant: Tenant) -> None:
    """Refuse, before they wait, launches that cannot be forecast.

    Raises:
        ApiError: There is no forecaster, or a launch, sale or plan does not fit it; or what
            launches take is asked, and the forecaster was saved without an estimate of it.
    """
    forecaster = forecaster_of(tenant)
    check_texts(request.items, text_of(forecaster))
    panel = forecaster.panel_
    begins = panel.grid.index(pd.DatetimeIndex([one.launch_date for one in request.items]))
    for row in np.flatnonzero(begins <= panel.end):
        detail = f"must lie after the cutoff's period, {forecaster.cutoff_:%Y-%m-%d}"
        raise unfit(f"/items/{row}/launch_date", detail)
    check_attributes(request.items, kinds_of(forecaster))
    if isinstance(request, Forecast):
        check_own(request, "observed")
        if request.observed is None and request.observed_until is not None:
            raise unfit("/observed_until", "goes with observed, be that empty")
        if request.strict:
            refuse_doubts(request, forecaster)
    if not isinstance(request, ExplainForecast):
        check_own(request, "future")
    if isinstance(request, Taken) and forecaster.cannibalization_ is None:
        detail = "save it after cannibalization(), as likewise forecast --taken --save does"
        raise ApiError(
            409, "nothing-learned", f"the forecaster knows nothing of what launches take: {detail}"
        )
    if isinstance(request, Orders):
        for name in (*_AMOUNTS, "groups"):
            told = getattr(request, name)
            for one in request.items if isinstance(told, dict) else ():
                if one.item_id not in told:
                    raise unfit(f"/{name}", f"has none for {one.item_id!r}")
    if not isinstance(request, ExplainForecast) and request.future is not None:
        check_plans(request, forecaster)


def settled(request: Forecast, tenant: Tenant) -> Forecast:
    """Return a request that will be answered in parts, once its sales and plans fit as a whole.

    Returns:
        The request; it says until when sales are observed, which no part can tell.

    Raises:
        TableError: Sales or plans do not fit.
    """
    forecaster = forecaster_of(tenant)
    if request.future is not None:
        plan_array(
            future_of(forecaster, request.future),
            np.empty(0, dtype=object),
            np.empty(0, dtype=np.int64),
            forecaster.panel_.grid,
            forecaster.horizon,
            covariates=forecaster.columns.covariates,
            id_col=forecaster.columns.id_col,
            time_col=forecaster.columns.time_col,
        )
    observed = observed_of(forecaster, request)
    if observed is None or observed.empty:
        return request
    items = table_of(forecaster, request.items)
    sold = forecaster.reader.sales_so_far(items, observed, forecaster.panel_.grid)
    last = sold.last_told(until_of(request))
    assert last is not None
    return request.model_copy(update={"observed_until": last.date()})


def forecast(calls: Sequence[ForecastCall]) -> list[dict[str, Any]]:
    """Forecast the launches of several calls of one group."""
    tenant, forecaster, first = calls[0].tenant, forecaster_of(calls[0].tenant), calls[0].request
    items: list[Launch] = [one for call in calls for one in call.request.items]
    plans = [one for call in calls for one in call.request.future or ()]
    with tenant.metrics.engine("forecast"), telling():
        curves, totals = forecaster.predict_both(
            table_of(forecaster, items),
            observed=observed_of(forecaster, first),
            observed_until=until_of(first),
            future=None if first.future is None else future_of(forecaster, plans),
        )
    names = quantile_names(forecaster.quantiles)
    results = _forecasts(curves, totals, names, forecaster.horizon)
    tenant.metrics.answered("forecast", len(results), sum(one["novel"] for one in results))
    return _shared_out(calls, results)


def order(calls: Sequence[OrdersCall]) -> list[dict[str, Any]]:
    """Say how much to order of the launches of a call, which is alone in its group."""
    (call,) = calls
    forecaster, request = forecaster_of(call.tenant), call.request
    table = table_of(forecaster, request.items)
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
    future = None if request.future is None else future_of(forecaster, request.future)
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


def take(calls: Sequence[TakenCall]) -> list[dict[str, Any]]:
    """Say what the launches of several calls of one group take from others."""
    tenant, forecaster = calls[0].tenant, forecaster_of(calls[0].tenant)
    items: list[Launch] = [one for call in calls for one in call.request.items]
    plans = [one for call in calls for one in call.request.future or ()]
    future = None if calls[0].request.future is None else future_of(forecaster, plans)
    table = table_of(forecaster, items)
    with tenant.metrics.engine("forecast"), telling():
        found = forecaster.cannibalization()
        totals = forecaster.predict_total(table, future=future)
        near = forecaster.explain(table, future=future, taken=True).dropna(subset="taken")
    losers = {str(name): part for name, part in near.groupby("unique_id")}
    results = [
        {
            "item_id": name,
            "cutoff": cutoff.date(),
            "mean": mean,
            "taken": found.share * mean if found.is_shown else None,
            "siblings": [
                {"item_id": one["analogue"], "taken": one["taken"]}
                for one in losers.get(name, near.head(0)).to_dict("records")
            ],
        }
        for name, cutoff, mean in totals[["unique_id", "cutoff", "mean"]].itertuples(index=False)
    ]
    numbers = ("share", "low", "high", "placebo", "placebo_low", "placebo_high")
    estimate = {name: plain(getattr(found, name)) for name in numbers}
    estimate |= {"launches": found.launches, "shown": found.is_shown, "words": found.words}
    return [{**one, "estimate": estimate} for one in _shared_out(calls, results)]


def explain(calls: Sequence[ExplainForecastCall]) -> list[dict[str, Any]]:
    """Explain the forecasts of several calls of one group."""
    forecaster = forecaster_of(calls[0].tenant)
    items: list[Launch] = [one for call in calls for one in call.request.items]
    table = table_of(forecaster, items)
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
            "concept": plain(one.get("concept")),
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

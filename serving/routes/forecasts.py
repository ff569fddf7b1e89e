"""Routes that ask for launch forecasts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Security

from serving.handlers import forecasts
from serving.problems import documented
from serving.runtime.runtime import FORECASTS
from serving.schemas.forecasts import (
    ExplainForecast,
    ExplainForecastResult,
    Forecast,
    ForecastResult,
    Orders,
    OrdersResult,
    Taken,
    TakenResult,
)
from serving.session import Reading, bearer
from serving.validation import ValidatedRoute

router = APIRouter(
    prefix="/v1", tags=["forecasts"], dependencies=[Security(bearer)], route_class=ValidatedRoute
)
_ASKING = documented(400, 409, 413, 415, 422)


@router.post("/forecast", operation_id="forecast", response_model=ForecastResult, responses=_ASKING)
async def forecast(session: Reading, request: Forecast) -> Any:
    """Forecast launches, period by period and in total."""
    session.allow(request.items)
    async with session.runtime.tenant(session.tenant) as tenant:
        forecasts.check_launches(request, tenant)
        call = forecasts.ForecastCall(tenant, request)
        answer = await session.runtime.ask(FORECASTS, call, forecasts.forecast)
    session.audit("forecast", answer)
    return answer


@router.post("/orders", operation_id="orders", response_model=OrdersResult, responses=_ASKING)
async def orders(session: Reading, request: Orders) -> Any:
    """Say how much to order of launches, and what is expected to be left over or missing."""
    session.allow(request.items)
    async with session.runtime.tenant(session.tenant) as tenant:
        forecasts.check_launches(request, tenant)
        call = forecasts.OrdersCall(tenant, request)
        answer = await session.runtime.ask(FORECASTS, call, forecasts.order)
    session.audit("orders", answer)
    return answer


@router.post(
    "/cannibalization",
    operation_id="cannibalization",
    response_model=TakenResult,
    responses=_ASKING,
)
async def cannibalization(session: Reading, request: Taken) -> Any:
    """Tell what launches take from like items on sale, where past launches show it."""
    session.allow(request.items)
    async with session.runtime.tenant(session.tenant) as tenant:
        forecasts.check_launches(request, tenant)
        call = forecasts.TakenCall(tenant, request)
        answer = await session.runtime.ask(FORECASTS, call, forecasts.take)
    session.audit("cannibalization", answer)
    return answer


@router.post(
    "/explain/forecast",
    operation_id="explain_forecast",
    response_model=ExplainForecastResult,
    responses=_ASKING,
)
async def explain_forecast(session: Reading, request: ExplainForecast) -> Any:
    """Tell which like items a forecast leans on, and what moves its level."""
    session.allow(request.items)
    async with session.runtime.tenant(session.tenant) as tenant:
        forecasts.check_launches(request, tenant)
        call = forecasts.ExplainForecastCall(tenant, request)
        return await session.runtime.ask(FORECASTS, call, forecasts.explain)

"""Routes that ask for launch forecasts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Security

from serving import forecast_calls
from serving.engines import FORECASTS
from serving.forecast_messages import (
    ExplainForecast,
    ExplainForecastResult,
    Forecast,
    ForecastResult,
)
from serving.problems import documented
from serving.session import Reading, bearer

router = APIRouter(prefix="/v1", tags=["forecasts"], dependencies=[Security(bearer)])
_ASKING = documented(400, 409, 413, 415, 422)


@router.post("/forecast", operation_id="forecast", response_model=ForecastResult, responses=_ASKING)
async def forecast(session: Reading, request: Forecast) -> Any:
    """Forecast launches, period by period and in total."""
    session.allow(request.items)
    async with session.engines.tenant(session.tenant) as tenant:
        forecast_calls.check_launches(request, tenant)
        call = forecast_calls.ForecastCall(tenant, request)
        answer = await session.engines.ask(FORECASTS, call, forecast_calls.forecast)
    session.audit("forecast", answer)
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
    async with session.engines.tenant(session.tenant) as tenant:
        forecast_calls.check_launches(request, tenant)
        call = forecast_calls.ExplainForecastCall(tenant, request)
        return await session.engines.ask(FORECASTS, call, forecast_calls.explain)

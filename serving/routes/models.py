"""Routes about the models behind the answers: which they are, and reading them anew."""

from __future__ import annotations

from fastapi import APIRouter, Security

from forecasting import LaunchForecaster
from serving.handlers.launches import text_of
from serving.problems import documented
from serving.runtime.runtime import Runtime
from serving.schemas.models import Forecasts, Models
from serving.session import Reading, Writing, bearer

router = APIRouter(prefix="/v1", tags=["models"], dependencies=[Security(bearer)])


@router.get("/models", operation_id="list_models", responses=documented())
async def list_models(session: Reading) -> Models:
    """Tell the versions of the models that answer."""
    return await _now(session.runtime, session.tenant)


@router.post("/models", operation_id="reload_models", responses=documented(409))
async def reload_models(session: Writing) -> Models:
    """Read items and saved models anew from where the settings say; the former answer meanwhile.

    A folder that is damaged is refused, and the former models go on.
    """
    runtime = session.runtime
    runtime.require_loaded()
    runtime.require_milvus()
    await runtime.reload(session.tenant)
    return await _now(runtime, session.tenant)


async def _now(runtime: Runtime, name: str | None) -> Models:
    async with runtime.tenant(name) as tenant:
        labels = tenant.labeler.state
        known = labels.classifier
        layout = tenant.index.layout if known is None else known.index_.layout
        return Models(
            labels=None if known is None else labels.version,
            text=list(layout.text),
            forecaster=tenant.forecaster_version or None,
            forecasts=None if tenant.forecaster is None else _told(tenant.forecaster),
        )


def _told(forecaster: LaunchForecaster) -> Forecasts:
    return Forecasts(
        text=list(text_of(forecaster)),
        attributes=list(forecaster.attributes),
        covariates=list(forecaster.columns.covariates),
        freq=forecaster.freq,
        horizon=forecaster.horizon,
        cutoff=forecaster.cutoff_.date(),
    )

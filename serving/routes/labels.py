"""Routes that ask for labels and like items, and those that teach labels."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response, Security

from serving.handlers import labels as label_calls, writes
from serving.handlers.tables import Columns, check_texts
from serving.problems import ApiError, documented
from serving.runtime.runtime import LABELS, WRITES
from serving.schemas.items import Written
from serving.schemas.labels import (
    Classify,
    ClassifyResult,
    ExplainClassify,
    ExplainClassifyResult,
    Feedback,
    KnownLabel,
    Labels,
    NewLabel,
    Similar,
    SimilarResult,
)
from serving.session import Reading, Session, Writing, bearer
from serving.validation import ValidatedRoute

router = APIRouter(
    prefix="/v1", tags=["labels"], dependencies=[Security(bearer)], route_class=ValidatedRoute
)
_ASKING = documented(400, 409, 413, 415, 422)


@router.post("/classify", operation_id="classify", response_model=ClassifyResult, responses=_ASKING)
async def classify(session: Reading, request: Classify) -> Any:
    """Label items by the labeled items most like them."""
    session.allow(request.items)
    async with session.runtime.tenant(session.tenant) as tenant:
        label_calls.check(tenant, request)
        call = label_calls.ClassifyCall(tenant, request)
        answer = await session.runtime.ask(LABELS, call, label_calls.classify)
    session.audit("classify", answer)
    return answer


@router.post(
    "/explain/classify",
    operation_id="explain_classify",
    response_model=ExplainClassifyResult,
    responses=_ASKING,
)
async def explain_classify(session: Reading, request: ExplainClassify) -> Any:
    """Tell what the most probable labels of items rest on."""
    session.allow(request.items)
    async with session.runtime.tenant(session.tenant) as tenant:
        label_calls.check(tenant, request)
        call = label_calls.ExplainCall(tenant, request)
        return await session.runtime.ask(LABELS, call, label_calls.explain)


@router.post("/similar", operation_id="similar", response_model=SimilarResult, responses=_ASKING)
async def similar(session: Reading, request: Similar) -> Any:
    """Find the items most like others."""
    session.allow(request.items)
    async with session.runtime.tenant(session.tenant) as tenant:
        label_calls.check(tenant, request)
        call = label_calls.SimilarCall(tenant, request)
        return await session.runtime.ask(LABELS, call, label_calls.similar)


@router.get("/labels", operation_id="list_labels", responses=documented(422))
async def list_labels(
    session: Reading,
    search: Annotated[str, Query(max_length=1_000, description="Letters of its name.")] = "",
    most: Annotated[int | None, Query(ge=1, description="How many; all, if left out.")] = None,
) -> Labels:
    """List the labels that can be named; those that match a search, the likeliest first."""
    async with session.runtime.tenant(session.tenant) as tenant:
        state = tenant.labeler.state
        if state.classifier is None:
            return Labels(labels=[], model_version=None)
        known = state.classifier.knowledge_
        described = set(known.described)
        counts = dict(zip(map(str, known.names.tolist()), known.counts.tolist(), strict=True))
        labels = [
            KnownLabel(label=name, examples=counts[name], described=name in described)
            for name in label_calls.matching_labels(list(counts), search, most)
        ]
        return Labels(labels=labels, model_version=state.version)


@router.post(
    "/labels",
    operation_id="add_label",
    status_code=201,
    response_model=KnownLabel,
    responses={200: {"model": KnownLabel, "description": "It was there, told alike."}, **_ASKING},
)
async def add_label(session: Writing, request: NewLabel, response: Response) -> Any:
    """Let a label be named by its description, without an example."""
    async with session.runtime.tenant(session.tenant):
        is_new = await _write(session, "label", [writes.NamedLabel(request)], writes.add_label)
    response.status_code = 201 if is_new else 200
    return KnownLabel(label=request.label.strip(), examples=0, described=True)


@router.post("/feedback", operation_id="give_feedback", response_model=Written, responses=_ASKING)
async def give_feedback(session: Writing, request: Feedback) -> Any:
    """Correct labels: each item is a neighbor of that label from the next question on."""
    session.allow(request.corrections, "corrections")
    if len({one.item_id for one in request.corrections}) < len(request.corrections):
        raise ApiError(422, "invalid-request", "an item_id is there more than once")
    async with session.runtime.tenant(session.tenant) as tenant:
        columns = Columns.of(tenant.index, tenant.settings.items)
        check_texts(request.corrections, columns.text, "/corrections")
        return await _write(session, "correct", request.corrections, writes.correct)


async def _write(session: Session, kind: str, items: list[Any], answer: Any) -> Any:
    runtime = session.runtime
    call = writes.WriteCall(runtime.tenants, session.tenant, kind, items)
    return await runtime.ask(WRITES, call, answer)

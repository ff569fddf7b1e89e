"""Routes by which people decide what items are; the pages under /review do nothing else."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Security

from serving.problems import documented
from serving.schemas.review import (
    AskNext,
    AskUndo,
    Decide,
    Decided,
    Decisions,
    NextItem,
    Queue,
    Queues,
    StartQueue,
    Undone,
)
from serving.session import Reading, Session, Writing, bearer
from serving.validation import ValidatedRoute

router = APIRouter(
    prefix="/v1/review/queues",
    tags=["review"],
    dependencies=[Security(bearer)],
    route_class=ValidatedRoute,
)
QueueId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="From the answer to the POST.")]
_ASKING = documented(400, 404, 409, 413, 415, 422)


@router.post(
    "",
    operation_id="start_review",
    status_code=201,
    response_model=Queue,
    responses=documented(400, 409, 413, 415, 422),
)
async def start_review(session: Writing, request: StartQueue) -> Any:
    """Make a queue of items that people are to look at."""
    async with session.runtime.tenant(session.tenant) as tenant:
        return await session.reviews.start(tenant, request, session.caller.name)


@router.get("", operation_id="list_reviews", response_model=Queues, responses=documented())
async def list_reviews(session: Reading) -> Any:
    """List the queues, and how far each is."""
    async with session.runtime.tenant(session.tenant) as tenant:
        return {"queues": await session.reviews.queues(tenant)}


@router.get(
    "/{queue_id}",
    operation_id="get_review",
    response_model=Queue,
    responses=documented(404, 422),
)
async def get_review(session: Reading, queue_id: QueueId) -> Any:
    """Tell how far a queue is, and what its decisions tell of the machine."""
    async with session.runtime.tenant(session.tenant) as tenant:
        return await session.reviews.queue(tenant, queue_id)


@router.delete(
    "/{queue_id}", operation_id="remove_review", status_code=204, responses=documented(404, 422)
)
async def remove_review(session: Writing, queue_id: QueueId) -> None:
    """Remove a queue and what is kept of its decisions; the labels given stay."""
    async with session.runtime.tenant(session.tenant) as tenant:
        await session.reviews.remove(tenant, queue_id)


@router.get(
    "/{queue_id}/decisions",
    operation_id="list_decisions",
    response_model=Decisions,
    responses=documented(404, 422),
)
async def list_decisions(session: Reading, queue_id: QueueId) -> Any:
    """List all that was decided: who, when, before, after; what was taken back, too."""
    async with session.runtime.tenant(session.tenant) as tenant:
        return {"decisions": await session.reviews.decisions(tenant, queue_id)}


@router.post(
    "/{queue_id}/next", operation_id="next_to_review", response_model=NextItem, responses=_ASKING
)
async def next_to_review(session: Writing, queue_id: QueueId, request: AskNext) -> Any:
    """Hand out the item that is worth most, with its evidence, to one person alone."""
    async with session.runtime.tenant(session.tenant) as tenant:
        who = reviewer(session, request.reviewer)
        return await session.reviews.next(tenant, queue_id, who, group=request.group)


@router.post(
    "/{queue_id}/decisions", operation_id="decide", response_model=Decided, responses=_ASKING
)
async def decide(session: Writing, queue_id: QueueId, request: Decide) -> Any:
    """Say what items are: kept for good, and neighbors of that label from the next question on."""
    async with session.runtime.tenant(session.tenant) as tenant:
        who = reviewer(session, request.reviewer)
        return await session.reviews.decide(tenant, queue_id, who, request)


@router.post(
    "/{queue_id}/undo", operation_id="undo_decision", response_model=Undone, responses=_ASKING
)
async def undo_decision(session: Writing, queue_id: QueueId, request: AskUndo) -> Any:
    """Take back one's last decision: the items get the label that they had."""
    async with session.runtime.tenant(session.tenant) as tenant:
        who = reviewer(session, request.reviewer)
        return await session.reviews.undo(tenant, queue_id, who)


def reviewer(session: Session, told: str | None) -> str:
    """Return who decides: the key's owner, or, where no keys are asked for, whom one says."""
    return told if told is not None and session.runtime.keys.is_open else session.caller.name

"""The pages of whoever labels: one item at a time, by keyboard, and how far a queue is."""

from __future__ import annotations

from typing import Annotated, Any

import pandas as pd
from fastapi import APIRouter, Path, Query, Response
from pydantic import ValidationError

from pipelines import guarded
from serving.handlers.labels import matching_labels
from serving.problems import ApiError
from serving.schemas.review import Decide, Decision
from serving.web.rendering import HEADERS
from serving.web.visit import Deciding, PageRoute, Visit, Visiting

router = APIRouter(prefix="/review/queues", include_in_schema=False, route_class=PageRoute)
QueueId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
_MOST_FOUND = 12
_MOST_LISTED = 200


@router.get("/{queue_id}")
async def item(visit: Deciding, queue_id: QueueId, group: bool = False) -> Response:
    """Show the item to decide now."""
    return await _item_page(visit, queue_id, group=group)


@router.post("/{queue_id}/decide")
async def decide(visit: Deciding, queue_id: QueueId) -> Response:
    """Take a decision, and show the next item."""
    verdict, group = visit.field("verdict", "label"), bool(visit.field("group"))
    told: dict[str, Any] = {
        "item_ids": visit.form.get("item_id", []),
        "verdict": verdict,
        "label": visit.field("label") or None if verdict == "label" else None,
        "new_label": bool(visit.field("new_label")),
        "reason": visit.field("reason"),
    }
    session = visit.session
    try:
        request = Decide(**told)
        async with session.runtime.tenant(session.tenant) as tenant:
            done = await session.reviews.decide(tenant, queue_id, visit.name, request)
    except ValidationError:
        notice = {"kind": "bad", "text": "Nothing was decided: choose a label for at least one."}
        return await _item_page(visit, queue_id, group=group, notice=notice)
    except ApiError as error:
        if error.status >= 500:
            raise
        notice = {"kind": "bad", "text": f"Not taken: {error}."}
        return await _item_page(visit, queue_id, group=group, notice=notice)
    notice = {"kind": "good", "text": _told(request, done)}
    return await _item_page(visit, queue_id, group=group, notice=notice)


@router.post("/{queue_id}/undo")
async def undo(visit: Deciding, queue_id: QueueId) -> Response:
    """Take back the last decision, and show its item again."""
    session = visit.session
    try:
        async with session.runtime.tenant(session.tenant) as tenant:
            done = await session.reviews.undo(tenant, queue_id, visit.name)
        notice = {"kind": "good", "text": f"Taken back: {_number(len(done['item_ids']), 'item')}."}
    except ApiError as error:
        if error.status >= 500:
            raise
        notice = {"kind": "bad", "text": f"{str(error).capitalize()}."}
    return await _item_page(visit, queue_id, group=bool(visit.field("group")), notice=notice)


@router.get("/{queue_id}/labels")
async def labels(
    visit: Visiting, queue_id: QueueId, q: Annotated[str, Query(max_length=1_000)] = ""
) -> Response:
    """Show the labels that match a search, and the way to make a new one."""
    session = visit.session
    async with session.runtime.tenant(session.tenant) as tenant:
        known = tenant.labeler.labels()
    found = matching_labels(known, q, _MOST_FOUND) if q.strip() else []
    is_new = bool(q.strip()) and q.strip() not in known
    return visit.page(
        "labels", queue_id=queue_id, found=found, new=q.strip() if is_new else "", total=len(known)
    )


@router.get("/{queue_id}/progress")
async def progress(visit: Visiting, queue_id: QueueId) -> Response:
    """Show how far a queue is, and what its decisions tell."""
    session = visit.session
    async with session.runtime.tenant(session.tenant) as tenant:
        queue = await session.reviews.queue(tenant, queue_id)
        made = await session.reviews.decisions(tenant, queue_id)
    last = list(reversed(made[-_MOST_LISTED:]))
    return visit.page("progress", queue=queue, decisions=last, total=len(made))


@router.get("/{queue_id}/decisions.csv")
async def export(visit: Visiting, queue_id: QueueId) -> Response:
    """Return all decisions as a table."""
    session = visit.session
    async with session.runtime.tenant(session.tenant) as tenant:
        made = await session.reviews.decisions(tenant, queue_id)
    table = guarded(pd.DataFrame(made, columns=list(Decision.model_fields), dtype=object))
    disposition = f'attachment; filename="decisions-{queue_id[:8]}.csv"'
    headers = {**HEADERS, "Content-Disposition": disposition}
    return Response(table.to_csv(index=False), media_type="text/csv", headers=headers)


async def _item_page(
    visit: Visit, queue_id: str, *, group: bool, notice: dict[str, str] | None = None
) -> Response:
    session = visit.session
    async with session.runtime.tenant(session.tenant) as tenant:
        told = await session.reviews.next(tenant, queue_id, visit.name, group=group)
        total = len(tenant.labeler.labels())
    values = {"item": told["item"], "queue": told["queue"], "group": group, "total": total}
    return visit.page("work" if visit.is_part else "item", notice=notice, **values)


def _told(request: Decide, done: dict[str, Any]) -> str:
    """Say what a decision did."""
    number = _number(done["items"], "item")
    said = {"skip": f"Skipped: {number}", "none": f"None of these: {number}"}
    parts = [said.get(request.verdict, f"{done['label']}: {number}")]
    if done["settled"]:
        parts.append(f"{_number(len(done['settled']), 'other')} settled by it")
    if done["unsettled"]:
        parts.append(f"{_number(len(done['unsettled']), 'other')} in doubt again")
    return "; ".join(parts) + "."


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"

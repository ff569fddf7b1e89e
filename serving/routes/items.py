"""Routes that keep items."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Security

from serving.handlers import writes
from serving.handlers.tables import Columns, check_texts, known_table
from serving.problems import ApiError, documented
from serving.runtime.runtime import WRITES
from serving.schemas.items import Deleted, Id, Items, StoredItems, Written
from serving.session import Reading, Writing, bearer
from serving.validation import ValidatedRoute

router = APIRouter(
    prefix="/v1/items", tags=["items"], dependencies=[Security(bearer)], route_class=ValidatedRoute
)
Ids = Annotated[
    list[Id], Query(alias="item_id", description="Ids; repeat it for several.", min_length=1)
]


@router.put(
    "",
    operation_id="upsert_items",
    response_model=Written,
    responses=documented(400, 409, 413, 415, 422),
)
async def upsert_items(session: Writing, request: Items) -> Any:
    """Add items, or replace those of the same ids; labeled ones are neighbors at once."""
    session.allow(request.items)
    if len({one.item_id for one in request.items}) < len(request.items):
        raise ApiError(422, "invalid-request", "an item_id is there more than once")
    async with session.runtime.tenant(session.tenant) as tenant:
        columns = Columns.of(tenant.index, tenant.settings.items)
        check_texts(request.items, columns.text)
        known_table(request.items, columns)
        runtime = session.runtime
        call = writes.WriteCall(runtime.tenants, session.tenant, "upsert", request.items)
        return await runtime.ask(WRITES, call, writes.upsert)


@router.get(
    "", operation_id="get_items", response_model=StoredItems, responses=documented(413, 422)
)
async def get_items(session: Reading, item_ids: Ids) -> Any:
    """Read items as they are kept; those that do not exist are left out."""
    session.allow(item_ids, "ids")
    session.runtime.require_milvus()
    async with session.runtime.tenant(session.tenant) as tenant:
        found = await session.runtime.in_thread(writes.stored_items, tenant, item_ids)
        return {"items": found}


@router.delete(
    "", operation_id="delete_items", response_model=Deleted, responses=documented(409, 413, 422)
)
async def delete_items(session: Writing, item_ids: Ids) -> Any:
    """Remove items; those that do not exist do not matter."""
    session.allow(item_ids, "ids")
    async with session.runtime.tenant(session.tenant):
        runtime = session.runtime
        call = writes.WriteCall(
            runtime.tenants, session.tenant, "delete", list(dict.fromkeys(item_ids))
        )
        return await runtime.ask(WRITES, call, writes.delete)

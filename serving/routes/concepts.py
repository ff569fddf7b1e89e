"""The route that tells what is known of concepts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Security

from serving.handlers import concepts
from serving.problems import documented
from serving.schemas.concepts import Concepts
from serving.schemas.items import Id
from serving.session import Reading, bearer
from serving.validation import ValidatedRoute

router = APIRouter(
    prefix="/v1/concepts",
    tags=["concepts"],
    dependencies=[Security(bearer)],
    route_class=ValidatedRoute,
)
Names = Annotated[
    list[Id],
    Query(alias="concept", description="Id, name, synonym or path; repeat it for several."),
]
Ids = Annotated[
    list[Id], Query(alias="item_id", description="Items whose concept is asked; repeat it.")
]


@router.get(
    "", operation_id="get_concepts", response_model=Concepts, responses=documented(413, 422)
)
async def get_concepts(session: Reading, names: Names = [], item_ids: Ids = []) -> Any:  # noqa: B006
    """Read concepts and the links of items; without a name and an item, the roots."""
    session.allow([*names, *item_ids], "names and ids")
    session.runtime.require_milvus()
    async with session.runtime.tenant(session.tenant) as tenant:
        told = concepts.known_concepts
        return await session.runtime.in_thread(told, tenant, names, item_ids)

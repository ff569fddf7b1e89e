"""Routes that answer questions about the items, and recommend."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Security

from serving.handlers import answers
from serving.problems import documented
from serving.runtime.runtime import ANSWERS
from serving.schemas.answers import Answered, Ask, Recommend, Recommended
from serving.session import Reading, bearer
from serving.validation import ValidatedRoute

router = APIRouter(
    prefix="/v1", tags=["answers"], dependencies=[Security(bearer)], route_class=ValidatedRoute
)
_ASKING = documented(400, 409, 413, 415, 422)


@router.post("/ask", operation_id="ask", response_model=Answered, responses=_ASKING)
async def ask(session: Reading, request: Ask) -> Any:
    """Answer a question by the field that says it, with its source, or not at all."""
    session.allow([request.question], "questions")
    async with session.runtime.tenant(session.tenant) as tenant:
        call = answers.AskCall(tenant, request)
        return await session.runtime.ask(ANSWERS, call, answers.ask)


@router.post("/recommend", operation_id="recommend", response_model=Recommended, responses=_ASKING)
async def recommend(session: Reading, request: Recommend) -> Any:
    """Recommend items like one, items for a customer, or customers for an item."""
    session.allow([request.k], "questions")
    async with session.runtime.tenant(session.tenant) as tenant:
        call = answers.RecommendCall(tenant, request)
        return await session.runtime.ask(ANSWERS, call, answers.recommend)

"""What the answers lane answers: questions and recommendations. Runs in its thread."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines import LIKE_DIVERSITY, ask as ask_catalog
from serving.handlers.tables import where_of
from serving.runtime.tenants import Tenant
from serving.schemas.answers import Ask, Recommend


@dataclass(frozen=True)
class _Call:
    """One request; each is answered by itself."""

    tenant: Tenant
    request: Any

    @property
    def owner(self) -> Hashable:
        """The tenant's name."""
        return self.tenant.name

    @property
    def group(self) -> Hashable:
        """Itself."""
        return id(self)

    @property
    def ids(self) -> frozenset[str]:
        """None: nothing is written."""
        return frozenset()

    @property
    def rows(self) -> int:
        """One question."""
        return 1


@dataclass(frozen=True)
class AskCall(_Call):
    """A question."""

    request: Ask


@dataclass(frozen=True)
class RecommendCall(_Call):
    """What to recommend."""

    request: Recommend


def ask(calls: Sequence[AskCall]) -> list[dict[str, Any]]:
    """Answer questions."""
    return [_answer(one) for one in calls]


def _answer(call: AskCall) -> dict[str, Any]:
    request, live = call.request, call.tenant.answers
    options = call.tenant.settings.ask
    answer = ask_catalog(
        live.catalog(),
        request.question,
        item=request.item_id,
        where=where_of(request.where),
        as_of=request.as_of,
        today=request.today,
        k=options.k if request.k is None else request.k,
        ranker=live.ranker(),
        threshold=options.threshold if request.threshold is None else request.threshold,
    )
    return answer.as_dict()


def recommend(calls: Sequence[RecommendCall]) -> list[dict[str, Any]]:
    """Recommend."""
    return [{"recommendations": _recommend(one)} for one in calls]


def _recommend(call: RecommendCall) -> list[dict[str, Any]]:
    request, live = call.request, call.tenant.answers
    configured = call.tenant.settings.recommend.diversity
    diversity = configured if request.diversity is None else request.diversity
    maker = live.recommender(with_histories=request.like is None)
    if request.like is not None:
        found = maker.like(
            request.like,
            request.k,
            where=where_of(request.where),
            exclude=request.exclude,
            as_of=request.as_of,
            diversity=LIKE_DIVERSITY if diversity is None else diversity,
        )
    elif request.buyers_of is not None:
        found = maker.for_item(
            request.buyers_of, request.k, as_of=request.as_of, again=request.again
        )
    else:
        found = maker.for_person(
            request.customer or "",
            request.k,
            kind=request.kind,
            again=request.again,
            where=where_of(request.where),
            exclude=request.exclude,
            as_of=request.as_of,
            diversity=diversity or 0.0,
        )
    return [one.as_dict() for one in found]

"""An item as a person sees it: with the neighbors that speak for its labels, and those like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.handlers import writes
from serving.handlers.tables import Columns, plain
from serving.review.live_queue import LiveQueue
from serving.review.scoring import Score, why_unsure
from serving.runtime.tenants import Tenant


def shown_item(
    tenant: Tenant,
    live: LiveQueue,
    rows: Sequence[int],
    one: Score,
    held: Mapping[str, Mapping[str, Any]],
    *,
    is_second: bool,
) -> dict[str, Any]:
    """Return an item as `serving.schemas.review.ReviewItem` has it.

    Args:
        tenant: Whose item it is.
        live: The queue.
        rows: Its position, and those of the items like it that its label would settle.
        one: What the machine says of it.
        held: Id → what is kept of each of them.
        is_second: Whether it is for a second opinion.
    """
    item = live.items[rows[0]]
    own = held[item.item_id]
    columns = Columns.of(tenant.index, tenant.settings.items)
    texts = writes.contents(tenant, [near["item_id"] for near in one.neighbors])
    similarity = dict(
        zip(live.like.rows[rows[0]].tolist(), live.like.similarity[rows[0]].tolist(), strict=True)
    )
    return {
        "item_id": item.item_id,
        "text": own["text"],
        "picture": tenant.index.pictures([item.item_id])[0],
        "given": item.label_before,
        "attributes": {name: plain(own[name]) for name in columns.attributes},
        "known": one.known,
        "novelty": one.novelty,
        "choices": [{"label": label, "probability": share} for label, share in one.choices],
        "label_set": None if one.label_set is None else list(one.label_set),
        "neighbors": [
            {**near, "text": texts.get(near["item_id"], {}).get("text")} for near in one.neighbors
        ],
        "unsure": why_unsure(one, given=item.label_before),
        "random": item.is_random,
        "second": is_second,
        "alike": [
            {
                "item_id": live.items[row].item_id,
                "text": held.get(live.items[row].item_id, {}).get("text"),
                "similarity": similarity.get(row, 0.0),
                "label": live.scores[row].label,
                "probability": live.scores[row].probability,
            }
            for row in rows[1:]
        ],
    }

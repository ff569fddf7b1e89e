"""How far a queue is, and what its decisions tell of the machine."""

from __future__ import annotations

from collections import Counter
from typing import Any

from serving.review.estimate import agreement, share_with_interval
from serving.review.live_queue import LiveQueue
from serving.review.store import KeptDecision


def progress(live: LiveQueue) -> dict[str, Any]:
    """Return a queue as `serving.schemas.review.Queue` has it."""
    with live.lock:
        kept, states = live.kept, Counter(live.state)
        valid = [one for one in live.decisions if not one.undone]
        made = [one for one in valid if one.verdict != "skip"]
        checked = [
            one
            for one in made
            if live.items[one.position].is_random
            and not one.is_second
            and one.shown_probability is not None
        ]
        waiting = [row for row, state in enumerate(live.state) if state == "open"]
        sure = [row for row in waiting if row in live.scores and live.scores[row].sure]
        as_sure = [one for one in checked if one.shown_sure]
        return {
            "queue_id": kept.queue_id,
            "name": kept.name,
            "source": kept.source,
            "order": kept.ordering,
            "precision": kept.precision,
            "created": kept.created,
            "items": len(live.items),
            "decided": states["done"],
            "skipped": states["skipped"],
            "gone": states["gone"],
            "unscored": sum(row not in live.scores for row in waiting),
            "reviewers": dict(Counter(one.reviewer for one in valid)),
            "estimate": share_with_interval(sum(map(_was_right, checked)), len(checked)),
            "automatic": {
                "items": len(sure),
                "share": len(sure) / len(waiting) if waiting else None,
                "precision": share_with_interval(sum(map(_was_right, as_sure)), len(as_sure)),
            },
            "agreement": agreement(_pairs(made)),
        }


def _was_right(one: KeptDecision) -> bool:
    """Whether the machine said what the person says; none of these is a label of its own."""
    return one.shown_label == one.label


def _pairs(made: list[KeptDecision]) -> list[tuple[str | None, str | None]]:
    """Pair the opinions of two people on one item, the first one first."""
    firsts = {one.position: one.label for one in made if not one.is_second}
    return [
        (firsts[one.position], one.label)
        for one in made
        if one.is_second and one.position in firsts
    ]

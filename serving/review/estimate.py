"""What decisions tell of the machine: how often it is right, and whether two people agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

NONE = "\x00none of these"
"""Stands for "none of these" where labels are compared: no label is so called."""


def share_with_interval(right: int, of: int, level: float = 0.95) -> dict[str, Any]:
    """Return a share with its interval by Wilson's score, which holds for few items, too.

    Args:
        right: How many.
        of: Out of how many, drawn at random.
        level: Of the interval.
    """
    if of == 0:
        return {"right": 0, "of": 0, "share": None, "low": None, "high": None}
    found = binomtest(right, of).proportion_ci(level, method="wilson")
    ends = {"low": float(found.low), "high": float(found.high)}
    return {"right": right, "of": of, "share": right / of, **ends}


def agreement(pairs: Sequence[tuple[str | None, str | None]]) -> dict[str, Any]:
    """Return how far two people agree beyond chance.

    Args:
        pairs: The labels that two people gave to the same item, blind to each other; None is none
            of these.

    Returns:
        `items`, `same`, and Cohen's `kappa`: 1 where they always agree, 0 where no more often than
        by chance; None where it is not defined, of no items or of one label throughout.
    """
    first = [NONE if one is None else one for one, _ in pairs]
    second = [NONE if one is None else one for _, one in pairs]
    same = sum(a == b for a, b in zip(first, second, strict=True))
    kappa = None
    if len({*first, *second}) > 1:
        kappa = float(cohen_kappa_score(first, second))
    return {"items": len(pairs), "same": same, "kappa": kappa}

"""Groups of launches to score on their own, none of them chosen by what was sold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

OTHER, MISSING, UNLIKE = "other", "missing", "nothing like it"
THIRDS = ("lowest third", "middle third", "highest third")

_FEWEST = 20  # launches a category needs to be shown on its own
_BANDS = 4


def by_category(items: pd.DataFrame) -> pd.Series:
    """Return each item's category, largest first; those with fewer than 20 items are pooled."""
    category = items["category"].astype(object).where(items["category"].notna(), MISSING)
    size = category.groupby(category).transform("size")
    pooled = category.where(size >= _FEWEST, OTHER)
    order = pooled[pooled != OTHER].value_counts(sort=False).sort_index()
    names = order.sort_values(ascending=False, kind="stable").index.tolist()
    return _ordered(pooled, [*names, OTHER])


def by_similarity(items: pd.DataFrame) -> pd.Series:
    """Quartiles of the best analogue's similarity, named by their range, least similar first."""
    known = items["similarity"].dropna()
    if known.empty:
        return _ordered(pd.Series(UNLIKE, index=items.index), [UNLIKE])
    # Ends are rounded before items are put between them, so that a name says what is inside.
    ends = np.round(np.quantile(known, np.linspace(0, 1, _BANDS + 1)), 2)
    ends[0], ends[-1] = np.floor(100 * known.min()) / 100, np.ceil(100 * known.max()) / 100
    ends = np.unique(ends)
    if len(ends) == 1:
        ends = np.repeat(ends, 2)
    names = [f"{low:.2f} to {high:.2f}" for low, high in pairwise(ends)]
    band = np.searchsorted(ends[1:-1], items["similarity"].to_numpy(), side="left")
    labels = pd.Series(np.array(names, dtype=object)[band], index=items.index)
    return _ordered(labels.where(items["similarity"].notna(), UNLIKE), [*names, UNLIKE])


def by_level(items: pd.DataFrame) -> pd.Series:
    """Thirds by how much was forecast, lowest first; items of equal forecast by id."""
    order = items.sort_values(["level", "unique_id", "cutoff"]).index
    third = 3 * np.arange(len(items)) // max(len(items), 1)
    labels = pd.Series(np.array(THIRDS, dtype=object)[third], index=order)
    return _ordered(labels.loc[items.index], list(THIRDS))


def by_cohort(items: pd.DataFrame) -> pd.Series:
    """Return the cutoff before each launch, earliest first."""
    return _ordered(items["cutoff"], sorted(items["cutoff"].unique()))


SLICES = {
    "category": by_category,
    "similarity": by_similarity,
    "cohort": by_cohort,
    "level": by_level,
}


def _ordered(labels: pd.Series, order: list[object]) -> pd.Series:
    present = [name for name in order if (labels == name).any()]
    return pd.Series(pd.Categorical(labels, present, ordered=True), index=labels.index)

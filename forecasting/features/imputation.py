"""Attributes that are not known, though those of past launches were: as like launches had them.

Trees that never saw an attribute missing take it for one of its values. So such a launch is
described several times, each time with what a like launch has, and its forecast is the mean of
theirs (multiple imputation: Rubin 1987): the interval holds what is not known, too.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from forecasting.data.history import History, launched
from forecasting.data.launches import Launches
from forecasting.data.panel import Bools, Ints
from forecasting.features.analogues import Pool

DRAWS = 16
"""How often a launch is described."""

_FEWEST, _SHARE = 50, 0.1  # launches, or that share of all, that teach what missing means
_TEMPERATURE = 0.3  # of weights by similarity; sharper ones follow too few launches


def lacking(history: History, attributes: pd.DataFrame) -> Bools:
    """(n, a) whether an attribute is missing that past launches, all but a few, had."""
    past = history.attributes.iloc[launched(history.panel)]
    count = past.isna().to_numpy(dtype=bool).sum(axis=0)
    unlearned = count < min(_FEWEST, _SHARE * len(past))
    missing: Bools = attributes.isna().to_numpy(dtype=bool) & unlearned
    return missing


def imputed(history: History, rows: Launches, like: Pool) -> Launches:
    """Return each of n launches `DRAWS` times, one after the other, with what it lacks.

    Args:
        history: Has the attributes of past launches.
        rows: The launches.
        like: The past launches that are like them.
    """
    missing = lacking(history, rows.attributes)
    again = np.repeat(np.arange(len(rows)), DRAWS)
    copies = rows[again]
    attributes = copies.attributes.copy()
    everyone = launched(history.panel)
    for at in np.flatnonzero(missing.any(axis=0)).tolist():
        name = attributes.columns[at]
        known = history.attributes[name]
        values = attributes[name].to_numpy(dtype=object, copy=True)
        for row in np.flatnonzero(missing[:, at]).tolist():
            donors = _donors(like, row, known.notna().to_numpy(), everyone)
            if len(donors):
                values[row * DRAWS : (row + 1) * DRAWS] = known.iloc[donors].to_numpy(dtype=object)
        attributes[name] = pd.Series(values, index=attributes.index).astype(known.dtype)
    return replace(copies, attributes=attributes)


def _donors(like: Pool, row: int, known: Bools, everyone: Ints) -> Ints:
    """Positions (DRAWS,) of launches that have the attribute, by how like they are."""
    position: Ints = like.position[row]
    weight = np.where((position >= 0) & known[position], like.softmax(_TEMPERATURE)[row], 0.0)
    if not weight.any():
        position = everyone[np.flatnonzero(known[everyone])]
        weight = np.ones(len(position))
    if not len(position):
        return position
    reached = np.cumsum(weight) / weight.sum()
    # Even steps through the weights, so that the draws are as good as they can be, and the same.
    drawn: Ints = position[np.searchsorted(reached, (np.arange(DRAWS) + 0.5) / DRAWS)]
    return drawn

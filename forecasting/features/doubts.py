"""What was not known of a launch, in words: its forecast is worth less than it looks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import is_numeric_dtype

from forecasting.data.history import History, launched
from forecasting.data.panel import Bools, Ints
from forecasting.features.imputation import lacking

APART = "; "
"""Between what is said of one launch; not within."""
_SHOWN = 5
_NEAR = 0.1  # of the range of past launches; beyond it by less is not worth a word


def doubts(history: History, attributes: pd.DataFrame, lead: Ints, max_lead: int) -> list[str]:
    """Say what was not known of each of n launches; nothing of most.

    Args:
        history: What was learned from.
        attributes: (n, a) of the launches, in the kinds of the history's.
        lead: (n,) periods between the last one seen and the launch.
        max_lead: The longest that was learned from.
    """
    said: list[list[str]] = [[] for _ in range(len(attributes))]
    ahead = f"launched over {max_lead} periods ahead, further than was learned from (max_lead)"
    for row in np.flatnonzero(lead > max_lead).tolist():
        said[row].append(ahead)
    missing = lacking(history, attributes)
    past = history.attributes.iloc[launched(history.panel)]
    for at, name in enumerate(attributes.columns):
        values = attributes[name]
        for row in np.flatnonzero(missing[:, at]).tolist():
            said[row].append(f"{name} is not known, and that of past launches was")
        if is_numeric_dtype(values):
            low, high = past[name].min(), past[name].max()
            near = _NEAR * (high - low)
            beyond = ((values < low - near) | (values > high + near)).to_numpy(dtype=bool)
            rule = f"lies beyond {low:g} to {high:g}, where past launches were"
        else:
            beyond = _unseen(values, history.attributes[name])
            rule = "has not been seen"
        for row in np.flatnonzero(beyond).tolist():
            value = values.iloc[row]
            shown = f"{value:g}" if is_numeric_dtype(values) else repr(value)
            said[row].append(f"{name} {shown} {rule}")
    return [APART.join(one.replace(APART, ", ") for one in each) for each in said]


def in_short(totals: pd.DataFrame) -> list[str]:
    """Return what is said of the launches of a table of totals, each thing once.

    Args:
        totals: With unique_id and warnings.
    """
    said: dict[str, list[str]] = {}
    for name, each in zip(totals["unique_id"], totals["warnings"], strict=True):
        for one in each.split(APART) if each else ():
            said.setdefault(one, []).append(name)
    lines = [
        f"{one}: {names[0]!r}{f' and {len(names) - 1:,} more' if len(names) > 1 else ''}"
        for one, names in said.items()
    ]
    others = len(lines) - _SHOWN
    return lines if others <= 0 else [*lines[:_SHOWN], f"{others:,} more such; see `warnings`"]


def _unseen(values: pd.Series, known: pd.Series) -> Bools:
    unseen: npt.NDArray[np.bool_] = (values.notna() & ~values.isin(known.dropna())).to_numpy()
    return unseen

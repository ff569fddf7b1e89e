"""Attributes of new items, in the kinds that those learned from have."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype

from forecasting.data.row_rules import check_rows


def as_known(items: pd.DataFrame, known: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the attributes of new items as numbers where they were learned as such, else as text.

    A column may look like another kind by chance: all are missing, or all categories are digits.

    Args:
        items: The new items, validated: attributes are floats or text.
        known: The attributes learned from.
        source: What to call the table.

    Raises:
        TableError: An attribute was learned as a number, and is text here that is none.
    """
    out = {}
    for name in known.columns:
        values = items[name]
        if is_float_dtype(known[name]) and not is_float_dtype(values):
            numbers = pd.to_numeric(values.astype(object), errors="coerce").astype("float64")
            bad = values.notna() & ~np.isfinite(numbers)
            rule = f"{name} is not a number, as it was in the items learned from"
            check_rows(items, bad, rule, [name], source=source)
            values = numbers
        elif is_float_dtype(values) and not is_float_dtype(known[name]):
            values = values.map(_digits, na_action="ignore").astype("str")
        out[name] = values
    return pd.DataFrame(out, index=items.index)


def _digits(number: float) -> str:
    """Write a number as the text it may have been: 12.0 was 12."""
    return str(int(number)) if number.is_integer() else str(number)

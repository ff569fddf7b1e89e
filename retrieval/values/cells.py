"""Single cells as the text that names them, one way for Python, the command line and the API.

A whole number that gaps have turned into a decimal one is the whole number again (``3.0`` is 3), a
truth value is ``true`` or ``false``, a date its day as ISO has it, a list the JSON of its sorted
parts. What would lose digits on the way is not converted.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types as dtypes

EXACT = 2**53
"""From here on not every whole number is a decimal number, too."""

LOST = "is a decimal number whose last digits are lost (give whole numbers, or text)"
"""What is wrong with a number that `lost` marks."""

_LISTS = (list, tuple, set, frozenset, np.ndarray)
_TRUTHS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}


def as_text(value: Any) -> str:
    """Return the text that names a value, which is not missing."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < EXACT else str(value)
    if isinstance(value, Decimal):
        return str(int(value)) if value == value.to_integral_value() else f"{value.normalize():f}"
    if isinstance(value, _LISTS) and not (isinstance(value, np.ndarray) and not value.ndim):
        return json.dumps(sorted({as_text(one).strip() for one in value}), ensure_ascii=False)
    if isinstance(value, (date, datetime, np.datetime64)):
        moment = pd.Timestamp(value).tz_localize(None)
        return moment.date().isoformat() if moment == moment.normalize() else moment.isoformat()
    return str(value)


def as_category(value: Any) -> str:
    """Return the same of a category; how truth values are spelled does not count, as in CSV."""
    text = as_text(value)
    return _TRUTHS.get(text, text)


def as_label_list(text: str) -> str | None:
    """Return a list of labels as it is kept, of its JSON; None where the text is none."""
    try:
        names = json.loads(text) if text.startswith("[") else None
    except json.JSONDecodeError:
        return None
    is_list = isinstance(names, list) and all(isinstance(one, str) for one in names)
    return as_text(names) if is_list else None


def cell_texts(values: pd.Series) -> pd.Series:
    """Return the texts (n,) that name values; missing ones stay missing."""
    if isinstance(values.dtype, pd.StringDtype):
        return values.astype("str")
    told = [None if missing else as_text(one) for one, missing in _each(values)]
    return pd.Series(told, index=values.index, name=values.name, dtype="str")


def categories(values: pd.Series) -> pd.Series:
    """Return the same of categories."""
    named = cell_texts(values)
    return named.replace(_TRUTHS) if named.isin(list(_TRUTHS)).any() else named


def lost(values: pd.Series) -> npt.NDArray[np.bool_]:
    """Tell which values (n,) are whole numbers kept as decimal ones that cannot tell them apart."""
    if dtypes.is_float_dtype(values.dtype):
        numbers = values.to_numpy(dtype="float64", na_value=np.nan)
        return np.asarray(np.isfinite(numbers) & (np.abs(numbers) >= EXACT))
    if not dtypes.is_object_dtype(values.dtype):
        return np.zeros(len(values), dtype=bool)
    floats = (float, np.floating)
    each = [isinstance(one, floats) and EXACT <= abs(float(one)) < np.inf for one in values]
    return np.array(each, dtype=bool)


def are_numbers(values: pd.Series) -> bool:
    """Whether all values that are not missing are numbers by their type, and there is one."""
    if dtypes.is_object_dtype(values.dtype) or isinstance(values.dtype, pd.CategoricalDtype):
        known = values.dropna()
        return (
            dtypes.is_object_dtype(values.dtype)
            and len(known) > 0
            and all(is_number(one) for one in known)
        )
    return dtypes.is_numeric_dtype(values.dtype) and not dtypes.is_bool_dtype(values.dtype)


def is_number(value: Any) -> bool:
    """Whether a value is a number by its type; a truth value is none."""
    kinds = (int, float, np.integer, np.floating, Decimal)
    return isinstance(value, kinds) and not isinstance(value, bool)


def are_beyond(values: pd.Series) -> bool:
    """Whether numbers hold a whole one of so many digits that it is a code, not a quantity."""
    if dtypes.is_float_dtype(values.dtype):
        return False
    whole = (int, np.integer)
    if not dtypes.is_object_dtype(values.dtype):
        known = values.dropna()
        return len(known) > 0 and (int(known.max()) > EXACT or int(known.min()) < -EXACT)
    return any(isinstance(one, whole) and abs(int(one)) > EXACT for one in values.dropna())


def _each(values: pd.Series) -> zip[tuple[Any, bool]]:
    # Of a column of float32 each value as float32, whose digits are fewer.
    kept = dtypes.is_extension_array_dtype(values.dtype) or dtypes.is_object_dtype(values.dtype)
    cells: Any = values.astype(object) if kept else values.to_numpy()
    return zip(cells, values.isna().to_numpy(), strict=True)

"""What a column of attributes holds, numbers or categories, and its cells as one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.values.cells import (
    EXACT,
    LOST,
    are_beyond,
    are_numbers,
    categories,
    cell_texts,
    is_number,
    lost,
)
from retrieval.values.numbers import BEYOND, read_numbers

Kind = Literal["number", "string"]
"""What an attribute column holds."""


@dataclass(frozen=True)
class Attribute:
    """A column of attributes.

    Attributes:
        values: (n,) float64 or strings, missing where they are.
        problems: (n,) what is wrong with a cell; None where nothing is.
        told: As what it was read, where its type does not say so; "" elsewhere.
    """

    values: pd.Series
    problems: npt.NDArray[np.object_]
    told: str = ""


def as_attribute(values: pd.Series, kind: Kind | None = None) -> Attribute:
    """Read a column of attributes, one way for Python, the command line and the API.

    Numbers are numbers, unless one has so many digits that it is a code. Text is numbers where
    `retrieval.values.numbers` finds that it is meant so. All else are categories: truth values are
    called true and false, and dates as ISO has them.

    Args:
        values: (n,) cells of any type.
        kind: What the column is known to hold; None: what these cells tell.
    """
    if kind == "string":
        return _categories(values)
    if are_numbers(values):
        return _numbers(values, kind)
    is_category = isinstance(values.dtype, pd.CategoricalDtype)
    if kind is None and (is_category or not _are_words(values)):
        return _categories(values)
    written = cell_texts(values)
    read = read_numbers(written)
    # Numbers by their type among words: whoever wrote the table did not tell types apart.
    untyped = not isinstance(values.dtype, pd.StringDtype) and any(map(is_number, values))
    n_known = int(written.notna().sum())
    if kind is None and not read.are_meant(n_known, untyped=untyped):
        return replace(_categories(values), told=read.doubt(n_known))
    numbers = pd.Series(read.values, index=values.index, name=values.name)
    if kind is None or read.recognized:
        return Attribute(numbers, read.problems, f"numbers: {read.recognized or 'plain text'}")
    return Attribute(numbers, read.problems)


def _numbers(values: pd.Series, kind: Kind | None) -> Attribute:
    none = np.full(len(values), None, dtype=object)
    if not are_beyond(values):
        return Attribute(values.astype("float64"), none)
    if kind is None:
        return _categories(values)
    beyond = [is_number(one) and abs(one) > EXACT for one in values.astype(object)]
    return Attribute(values.astype("float64"), _marked(beyond, BEYOND))


def _categories(values: pd.Series) -> Attribute:
    return Attribute(categories(values), _marked(lost(values), LOST))


def _marked(bad: npt.ArrayLike, problem: str) -> npt.NDArray[np.object_]:
    problems = np.full(np.shape(bad), None, dtype=object)
    problems[np.asarray(bad, dtype=bool)] = problem
    return problems


def _are_words(values: pd.Series) -> bool:
    """Whether there is text, and beside it nothing but numbers."""
    if isinstance(values.dtype, pd.StringDtype):
        return True
    known = values.dropna().tolist() if values.dtype == object else []
    words = [isinstance(one, str) for one in known]
    return any(words) and all(
        word or is_number(one) for word, one in zip(words, known, strict=True)
    )

"""Only some labels come into question: for all items of a call, or for each item others."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.arrays import BoolArray, FloatArray
from retrieval import InputError, first_few

Candidates = Sequence[Any] | Sequence[Sequence[Any]]
"""Labels, or a list of labels for each item."""

_SHOWN = 10


def allowed_labels(candidates: Candidates, classes: npt.NDArray[Any], n: int) -> BoolArray:
    """Tell which labels come into question for each item, (n, C).

    Raises:
        InputError: A label is not one of the classes, an item is left without any, or there are
            lists for another number of items.
    """
    is_one = isinstance(candidates, np.ndarray) and not candidates.ndim
    if (
        is_one
        or isinstance(candidates, (str, bytes, Mapping))
        or not isinstance(candidates, Iterable)
    ):
        given = f"the string {candidates!r}" if isinstance(candidates, str) else repr(candidates)
        raise InputError(f"candidates must be a list of labels, got {given}")
    position = {label: place for place, label in enumerate(classes.tolist())}
    each = list(candidates)
    if not any(isinstance(one, (list, tuple, set, frozenset, np.ndarray)) for one in each):
        return np.tile(_row(each, position, "candidates"), (n, 1))
    if len(each) != n:
        raise InputError(f"candidates holds lists for {len(each)} items, there are {n}")
    rows = [_row(one, position, f"candidates: item {row}") for row, one in enumerate(each, start=1)]
    return np.array(rows, dtype=bool).reshape(n, len(classes))


def restrict(proba: FloatArray, allowed: BoolArray, *, exclusive: bool) -> FloatArray:
    """Leave the probabilities (n, C) of the labels that come into question.

    Args:
        proba: (n, C).
        allowed: (n, C).
        exclusive: Whether they are to sum to 1 again. Where nothing speaks for any of them they are
            equally likely.
    """
    kept = np.where(allowed, proba, 0.0)
    if not exclusive:
        return kept
    total = kept.sum(axis=1, keepdims=True)
    shares: FloatArray = allowed / allowed.sum(axis=1, keepdims=True)
    np.divide(kept, total, out=shares, where=total > 0)
    return shares


def _row(labels: Any, position: dict[Any, int], where: str) -> BoolArray:
    is_list = isinstance(labels, (list, tuple, set, frozenset, np.ndarray))
    if not is_list or (isinstance(labels, np.ndarray) and labels.ndim != 1):
        raise InputError(
            f"{where} must be a list of labels, as for other items, got {labels!r}; all labels of "
            "the classifier are its classes_"
        )
    row = np.zeros(len(position), dtype=bool)
    for label in labels:
        if not isinstance(label, Hashable) or label not in position:
            written = {str(one): one for one in position}
            close = difflib.get_close_matches(str(label), written, n=1)
            hint = f"; did you mean {written[close[0]]!r}?" if close else ""
            there = ", ".join(first_few(list(position), repr, most=_SHOWN))
            raise InputError(f"{where}: unknown label {label!r}{hint} (there are: {there})")
        row[position[label]] = True
    if not row.any():
        raise InputError(f"{where}: no label is left to choose from")
    return row

"""Average forecasts over what is not known of a launch."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from forecasting.data.panel import Ints
from forecasting.models.sample_paths import Paths

_Number = TypeVar("_Number", np.int64, np.float64)

_FEWEST = 128  # courses of an average


def mixed(paths: Paths, rows: Ints, copies: Paths) -> Paths:
    """Give some launches the courses of their copies, each copy with the same weight.

    Of each copy stand some courses for all, in even steps through its distribution, so that the
    average is no wider in memory than what it stands for.

    Args:
        paths: The courses of n launches.
        rows: (m,) those that are replaced.
        copies: The courses of m times d copies, those of one launch after each other, drawn from
            the same curves.
    """
    draws = len(copies) // len(rows)
    width = max(paths.position.shape[1], _FEWEST)
    each = -(-width // draws)
    at = _spread(copies, each)
    size = draws * each

    def placed(values: npt.NDArray[_Number], taken: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        wide = np.pad(values, ((0, 0), (0, size - values.shape[1])))
        wide[rows] = taken.reshape(len(rows), size)
        return wide

    scale = paths.scale.copy()
    scale[rows] = copies.scale.reshape(len(rows), draws, -1).mean(axis=1)
    return replace(
        paths,
        scale=scale,
        position=placed(paths.position, np.take_along_axis(copies.position, at, axis=1)),
        weight=placed(paths.weight, np.full(at.shape, 1 / size)),
        factor=placed(paths.factor, np.take_along_axis(copies.factor, at, axis=1)),
    )


def _spread(paths: Paths, count: int) -> Ints:
    """(n, count) places of courses, in even steps through the weights by ascending total."""
    totals = paths.totals()
    order = np.argsort(totals, axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(paths.weight, order, axis=1), axis=1)
    steps = (np.arange(count) + 0.5) / count
    at = [np.searchsorted(own, steps * own[-1]) for own in reached]
    return np.take_along_axis(order, np.stack(at), axis=1)

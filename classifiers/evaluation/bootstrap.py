"""How far could a score be off by the chance of which items it was measured on?

The bootstrap (Efron, 1979): items are drawn with replacement, as many as there are, again and
again, and the score's spread over the draws is its interval.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from classifiers.arrays import FloatArray
from classifiers.evaluation.metrics import Statistic, group_codes
from retrieval import InputError

DRAWS = 1_000
LEVEL = 0.95


def intervals(
    statistics: Mapping[str, Statistic],
    n: int,
    *,
    groups: Sequence[Any] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return the 95 % percentile interval of each statistic, all from the same draws.

    Args:
        statistics: Name → statistic.
        n: Number of items.
        groups: (n,) what items belong to; whole groups are drawn, because items of one group are
            alike and each tells less than an item of its own.
        draws: How many.
        seed: Of the draws.
    """
    codes = np.arange(n) if groups is None else group_codes(groups)
    if len(codes) != n or draws < 1:
        raise InputError(f"{n} items have {len(codes)} groups; draws={draws}")
    if n == 0:
        return dict.fromkeys(statistics, (float("nan"), float("nan")))
    values = np.array(
        [[score(weights) for score in statistics.values()] for weights in _draw(codes, draws, seed)]
    )
    edges = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    return {
        name: _quantiles(column, edges) for name, column in zip(statistics, values.T, strict=True)
    }


def _draw(codes: npt.NDArray[np.intp], draws: int, seed: int) -> Iterator[FloatArray]:
    generator = np.random.default_rng(seed)
    n_groups = int(codes.max()) + 1
    for _ in range(draws):
        drawn = generator.integers(n_groups, size=n_groups)
        counts = np.bincount(drawn, minlength=n_groups).astype(np.float64)
        yield counts[codes]


def _quantiles(values: FloatArray, edges: list[float]) -> tuple[float, float]:
    # A draw can miss all items a score rests on, such as those of rare labels.
    there = values[~np.isnan(values)]
    if not len(there):
        return float("nan"), float("nan")
    low, high = np.quantile(there, edges)
    return float(low), float(high)

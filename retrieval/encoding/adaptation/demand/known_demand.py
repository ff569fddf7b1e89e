"""How the items of texts have sold, as it is given to `retrieval.tune`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval.encoding.adaptation.gate import FloatArray
from retrieval.encoding.adaptation.ladder.rungs import Examples
from retrieval.errors import InputError

_FEWEST = 100  # texts whose demand is known


def check_demand(demand: npt.ArrayLike, n: int) -> FloatArray:
    """Return demand as (n, d) numbers; NaN in the first column where it is not known.

    Args:
        demand: As `retrieval.tune` takes it.
        n: How many texts there are.

    Raises:
        InputError: It has another shape, holds no numbers, or is known of too few, or all sold
            alike.
    """
    try:
        values = _standardized(demand, n)
    except (TypeError, ValueError) as error:
        raise InputError(f"demand: {error}; give a number a text, or a row of numbers") from None
    known = np.isfinite(values[:, 0])
    if known.sum() < _FEWEST:
        raise InputError(
            f"demand is known of {known.sum():,} texts; {_FEWEST} are needed to learn from"
        )
    if not values[known, 0].any():
        raise InputError("all texts have the same demand: there is nothing to learn from")
    return values


def demand_of(
    examples: Examples, texts: Sequence[str], labels: Sequence[str], demand: FloatArray
) -> FloatArray:
    """Return the mean demand of each distinct pair of text and label, (n, d).

    Args:
        examples: The distinct pairs.
        texts: All texts.
        labels: Their labels.
        demand: Of all texts.
    """
    table = pd.DataFrame(demand).groupby([list(texts), list(labels)]).mean()
    names = examples.labels_of(np.arange(len(examples.texts)))
    pairs = pd.MultiIndex.from_arrays([examples.texts, names])
    return table.reindex(pairs).to_numpy(dtype=np.float64)


def _standardized(demand: npt.ArrayLike, n: int) -> FloatArray:
    """Return demand as (n, d): level first, each in standard deviations of its own.

    Args:
        demand: (n,) levels, or (n, d); NaN where nothing is known. Without a level the rest does
            not count; what else is not known is taken for usual.
        n: How many texts there are.

    Raises:
        ValueError: It has another shape, or holds something else than numbers.
    """
    values = np.array(demand, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n or not values.shape[1]:
        raise ValueError(f"demand has the shape {np.shape(demand)}, and there are {n:,} texts")
    values[~np.isfinite(values)] = np.nan
    known = np.isfinite(values[:, 0])
    values[~known] = np.nan
    with np.errstate(all="ignore"):
        count = np.maximum(np.isfinite(values).sum(axis=0), 1)
        values -= np.nansum(values, axis=0) / count
        deviation = np.sqrt(np.nansum(values**2, axis=0) / count)
    values /= np.where(deviation > 0, deviation, 1.0)
    values[known] = np.nan_to_num(values[known])
    return values

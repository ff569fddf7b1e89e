"""Tilt probabilities to how frequent labels will be."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from retrieval import InputError

Prior = Literal["uniform"] | Mapping[Any, float] | pd.Series | None


def prior_tilt(
    prior: Prior, counts: npt.NDArray[np.int64], classes: npt.NDArray[Any], exclusive: bool
) -> dict[str, float] | None:
    """Return label → factor that turns the labels' frequency among the examples into the prior.

    Raises:
        InputError: The prior is not a share for each label, or items have several labels.
    """
    if prior is None:
        return None
    if not exclusive:
        raise InputError("prior is for items of one label, y holds lists")
    wanted = np.ones(len(classes))
    shares = shares_of(prior)
    if not isinstance(shares, str):
        missing = [label for label in classes.tolist() if label not in shares]
        if missing:
            raise InputError(f"prior: no share above 0 for label {missing[0]!r}")
        wanted = np.array([shares[label] for label in classes.tolist()], dtype=np.float64)
    # One more of each, so that a label without an example has a frequency, too.
    factor = wanted / (counts + 1)
    return {str(name): float(one) for name, one in zip(classes, factor / factor.max(), strict=True)}


def shares_of(
    prior: Literal["uniform"] | Mapping[Any, float] | pd.Series,
) -> str | dict[Any, float]:
    """Return the share of each label that is named, above 0; or "uniform".

    Args:
        prior: Label → share; of a Series, the index are the labels.

    Raises:
        InputError: It is something else, or a share is no number above 0.
    """
    if isinstance(prior, str) and prior == "uniform":
        return prior
    if isinstance(prior, pd.Series):
        if not prior.index.is_unique:
            twice = prior.index[prior.index.duplicated()][0]
            raise InputError(f"prior: label {twice!r} appears twice")
        prior = dict(zip(prior.index.tolist(), prior.tolist(), strict=True))
    if not isinstance(prior, Mapping):
        raise InputError(f"prior must be None, 'uniform' or label → share, got {prior!r}")
    for label, share in prior.items():
        is_number = isinstance(share, numbers.Real) and not isinstance(share, bool)
        if not is_number or not 0 < float(share) < math.inf:
            raise InputError(f"prior: no share above 0 for label {label!r}: {share!r}")
    return dict(prior)

"""Tilt probabilities to how frequent labels will be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from retrieval import InputError

Prior = Literal["uniform"] | Mapping[Any, float] | None


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
    if prior != "uniform" and not isinstance(prior, Mapping):
        raise InputError(f"prior must be None, 'uniform' or label → share, got {prior!r}")
    wanted = np.ones(len(classes))
    if not isinstance(prior, str):
        missing = [label for label in classes.tolist() if not prior.get(label, 0) > 0]
        if missing:
            raise InputError(f"prior: no share above 0 for label {missing[0]!r}")
        wanted = np.array([prior[label] for label in classes.tolist()], dtype=np.float64)
    # One more of each, so that a label without an example has a frequency, too.
    factor = wanted / (counts + 1)
    return {str(name): float(one) for name, one in zip(classes, factor / factor.max(), strict=True)}

"""The parameters of a forecaster: whether they can be right, and which method they choose."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from forecasting.data.sales import check_choice
from forecasting.features.analogues import POOLS
from forecasting.models.launch_model import LaunchModel, Similarity
from retrieval import InputError

if TYPE_CHECKING:
    from forecasting.forecaster import LaunchForecaster

Method = Literal["auto", "lightgbm", "knn"]

_FEWEST_LAUNCHES = 100  # finished ones that training needs


class FewLaunchesWarning(UserWarning):
    """There are too few finished launches to train on: the analogues vote instead."""


def check_parameters(forecaster: LaunchForecaster) -> None:
    """Refuse parameters that cannot be right.

    Raises:
        InputError: One cannot; the message says what it has to be.
    """
    levels = list(forecaster.quantiles)
    if levels != sorted(set(levels)) or 0.5 not in levels or not all(0 < q < 1 for q in levels):
        raise InputError(f"quantiles must ascend between 0 and 1 with 0.5 among them, got {levels}")
    for name, least in (("horizon", 1), ("k", 1), ("max_lead", 0)):
        value = getattr(forecaster, name)
        if not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, got {value}")
    for name in ("temperature", "recency"):
        value = getattr(forecaster, name)
        if (name == "temperature" or value is not None) and not (value and value > 0):
            raise InputError(f"{name} must be above 0, got {value}")
    check_choice("method", forecaster.method, get_args(Method))
    check_choice("similarity", forecaster.similarity, get_args(Similarity))
    unknown = [name for name in forecaster.pools if name not in POOLS]
    if unknown:
        raise InputError(f"pools: unknown {', '.join(unknown)}; there are: {', '.join(POOLS)}")
    if forecaster.index is not None and forecaster.encoder not in (None, forecaster.index.encoder):
        raise InputError("index and encoder are both given; an index brings its own encoder")


def chosen_model(forecaster: LaunchForecaster) -> LaunchModel | None:
    """The model to train, by what had been sold; None where the analogues are to vote.

    Raises:
        InputError: Training was asked for, and no launch is over.
    """
    finished = int(np.isfinite(forecaster.history_.curves).all(axis=1).sum())
    if forecaster.method == "knn":
        return None
    if forecaster.method == "auto" and finished < _FEWEST_LAUNCHES:
        warnings.warn(
            f"only {finished} launches had sold for {forecaster.horizon} periods by "
            f"{forecaster.cutoff_:%Y-%m-%d}, fewer than {_FEWEST_LAUNCHES}: the analogues vote "
            'instead (method="knn")',
            FewLaunchesWarning,
            stacklevel=4,  # who called fit
        )
        return None
    if not finished:
        raise InputError(
            f"no launch had sold for {forecaster.horizon} periods by "
            f'{forecaster.cutoff_:%Y-%m-%d}; method="knn" needs none'
        )
    return LaunchModel(
        forecaster.quantiles,
        seed=forecaster.seed,
        n_jobs=forecaster.n_jobs,
        recency=forecaster.recency,
        calibrate=forecaster.calibrate,
        similarity=forecaster.similarity,
    )

"""What a forecast has to beat, as of the same cutoff and each with a mean, a median and quantiles.

All but the last describe a launch by the empirical distribution of earlier launch curves, as far as
seen: of all, of its category, of those that share most attributes, of the most similar by
embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from forecasting.features import Launches, own_features
from forecasting.forecaster import LaunchForecaster
from forecasting.forecasts import Forecasts
from forecasting.model import LaunchModel
from forecasting.panel import NEVER, Floats, Ints

_COMPONENTS = 24
_FEWEST = 5  # finished launches a category needs to speak for itself
_SHARED = 20  # neighbors by attributes
_TEMPERATURE = (
    0.3  # the best for this baseline on Complete Journey; sharper weights follow too few launches
)

Baseline = Callable[[LaunchForecaster, Launches], Forecasts]


def zeros(forecaster: LaunchForecaster, rows: Launches) -> Forecasts:
    """Nothing will sell."""
    shape, levels = (len(rows), forecaster.horizon), len(forecaster.quantiles)
    return Forecasts(np.zeros(shape), np.zeros((*shape, levels)), np.zeros((len(rows), levels)))


def global_mean(forecaster: LaunchForecaster, rows: Launches) -> Forecasts:
    """The curves of all earlier launches, age by age."""
    everything = _describe(forecaster, _launched(forecaster))
    return _stack([everything] * len(rows))


def category_mean(forecaster: LaunchForecaster, rows: Launches) -> Forecasts:
    """The curves of earlier launches of the same category, age by age.

    The category is the first attribute that is not a number. Where fewer than 5
    of them have finished, and without such an attribute, those of all launches.
    """
    launched = _launched(forecaster)
    names = _categorical(rows)
    if not names:
        return global_mean(forecaster, rows)
    known = forecaster.history_.attributes[names[0]].to_numpy(dtype=object)[launched]
    finished = np.isfinite(forecaster.history_.curves[launched, -1])
    described: dict[object, Forecasts] = {}
    own = rows.attributes[names[0]].to_numpy(dtype=object)
    for category in pd.unique(own):
        same = known == category
        enough = (same & finished).sum() >= _FEWEST
        described[category] = _describe(forecaster, launched[same] if enough else launched)
    return _stack([described[category] for category in own])


def attribute_knn(forecaster: LaunchForecaster, rows: Launches) -> Forecasts:
    """The 20 finished launches that share most categories, the most recent among equals."""
    launched = _launched(forecaster)
    launched = launched[np.isfinite(forecaster.history_.curves[launched, -1])]
    recent_first = np.lexsort((launched, -forecaster.panel_.launch[launched]))
    launched = launched[recent_first]
    shared = np.zeros((len(rows), len(launched)), dtype=np.int64)
    for name in _categorical(rows):
        known = forecaster.history_.attributes[name].to_numpy(dtype=object)[launched]
        shared += rows.attributes[name].to_numpy(dtype=object)[:, None] == known[None, :]
    nearest = np.argsort(-shared, axis=1, kind="stable")[:, :_SHARED]
    return _stack([_describe(forecaster, launched[chosen]) for chosen in nearest])


def embedding_knn(forecaster: LaunchForecaster, rows: Launches) -> Forecasts:
    """The curves of the most similar earlier launches, weighted by similarity."""
    _, pool = forecaster._find(rows)
    weights = pool.weights(_TEMPERATURE)
    return _stack(
        [
            _describe(forecaster, position[valid], weight[valid])
            for position, weight, valid in zip(pool.position, weights, pool.valid, strict=True)
        ]
    )


def without_neighbors(forecaster: LaunchForecaster, rows: Launches) -> Forecasts:
    """The same model on attributes and text components, without analogues."""
    training = forecaster.training_
    components = PCA(
        min(_COMPONENTS, *training.vectors.shape), svd_solver="full", random_state=forecaster.seed
    ).fit(training.vectors)

    def features(part: Launches) -> pd.DataFrame:
        own = own_features(forecaster.history_, part)
        text = components.transform(part.vectors).astype(np.float64)
        return own.join(pd.DataFrame(text).add_prefix("text_"))

    model = LaunchModel(forecaster.quantiles, seed=forecaster.seed, n_jobs=forecaster.n_jobs)
    curves = forecaster.history_.curves[forecaster.launched_]
    model.fit(features(training), None, curves, forecaster.launched_)
    return model.predict(features(rows), None, forecaster.horizon)


BASELINES: dict[str, Baseline] = {
    "zeros": zeros,
    "global mean": global_mean,
    "category mean": category_mean,
    "attribute kNN": attribute_knn,
    "embedding kNN": embedding_knn,
    "LightGBM without neighbors": without_neighbors,
}


def _launched(forecaster: LaunchForecaster) -> Ints:
    """Positions of the launches of which something has been seen."""
    return np.flatnonzero(
        (forecaster.panel_.launch != NEVER) & np.isfinite(forecaster.history_.curves).any(axis=1)
    )


def _categorical(rows: Launches) -> list[str]:
    return [
        name
        for name in rows.attributes.columns
        if not pd.api.types.is_numeric_dtype(rows.attributes[name])
    ]


def _describe(
    forecaster: LaunchForecaster, items: Ints, weights: Floats | None = None
) -> Forecasts:
    """Weighted mean and quantiles of some curves, at each age of those that had reached it."""
    curves = forecaster.history_.curves[items].astype(np.float64)
    weight = np.ones(len(items)) if weights is None else weights
    levels = forecaster.quantiles
    by_age = [_weighted(column, weight, levels) for column in curves.T]
    _, total = _weighted(curves.sum(axis=1), weight, levels)
    mean = np.array([[center for center, _ in by_age]])
    return Forecasts(mean, np.array([[spread for _, spread in by_age]]), total[None, :])


def _weighted(values: Floats, weights: Floats, levels: Sequence[float]) -> tuple[float, Floats]:
    """Weighted mean and quantiles of what is not NaN; zeros where nothing is.

    A quantile is the smallest value whose cumulated weight reaches the level.
    """
    seen = np.isfinite(values) & (weights > 0)
    if not seen.any():
        return 0.0, np.zeros(len(levels))
    values, weights = values[seen], weights[seen]
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    # A level met exactly must not be missed by a rounding error of the sum.
    at = np.searchsorted(reached, np.asarray(levels) - 1e-12)
    return float(np.average(values, weights=weights)), values[order][
        np.minimum(at, len(values) - 1)
    ]


def _stack(rows: Sequence[Forecasts]) -> Forecasts:
    return Forecasts(
        np.concatenate([row.mean for row in rows]),
        np.concatenate([row.quantiles for row in rows]),
        np.concatenate([row.total_quantiles for row in rows]),
    )

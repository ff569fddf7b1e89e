"""What a forecast has to beat, as of the same cutoff and each with a mean, a median and quantiles.

All but the last describe a launch by an empirical distribution: of earlier launch curves as far as
seen (of all, of its category, of those that share most attributes, of the most similar by
embedding), or of the recent sales of the most similar incumbents. Whoever has nothing of its own to
say, such as a category never seen, says what all earlier launches say; without any, nothing sells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.decomposition import PCA

from forecasting.data.launches import Launches
from forecasting.data.panel import NEVER, Floats, Ints
from forecasting.evaluation.past_launches import PastLaunches, chosen, typical_launch, typical_level
from forecasting.features.analogues import Pool
from forecasting.features.features import own_features
from forecasting.forecaster import LaunchForecaster
from forecasting.forecasts import Forecasts
from forecasting.models.empirical import blocks, describe, stack, take, weighted_summary
from forecasting.models.fitted import make_lessons
from forecasting.models.launch_model import LaunchModel

_COMPONENTS = 24
_FEWEST = 5  # finished launches a category needs to speak for itself
_SHARED = 20  # neighbors by attributes
# Of softmax weights over similarity: the best of 0.05 to 1 on Complete Journey at the cutoffs
# before the demo's. Sharper weights follow too few items.
_TEMPERATURE = 0.3


@dataclass(frozen=True)
class Case:
    """Launches to forecast, and all that may be known about them.

    Attributes:
        forecaster: Fitted at the cutoff.
        rows: The n launches, standing at the cutoff.
        incumbents: Their analogues among all items visible by then.
        launches: Their analogues among earlier launches.
        texts: (n,) what is embedded of them.
    """

    forecaster: LaunchForecaster
    rows: Launches
    incumbents: Pool
    launches: Pool
    texts: npt.NDArray[np.object_] = field(default_factory=lambda: np.empty(0, dtype=object))

    @classmethod
    def of(
        cls,
        forecaster: LaunchForecaster,
        new_items: pd.DataFrame,
        future: pd.DataFrame | None = None,
    ) -> Case:
        """Validate new items and find their analogues."""
        rows = forecaster._launches(new_items, future)
        pools = forecaster._find(rows)
        clean = forecaster.reader.items(new_items, "new_items")
        texts = forecaster.reader.texts(clean).to_numpy(dtype=object)
        return cls(forecaster, rows, pools.incumbents, pools.launches, texts)

    @property
    def curves(self) -> Floats:
        """(items, horizon) launch curves as far as seen, NaN after."""
        return self.forecaster.history_.curves

    @cached_property
    def past(self) -> PastLaunches:
        """Past launches, to see what a rule would have said of them."""
        made = self.forecaster
        history = made.history_
        picked = chosen(history, made.launched_, made.training_)
        rows = made.training_[picked]
        items = made.launched_[picked]
        return PastLaunches(rows, made._find(rows), items, history.curves[items])

    @cached_property
    def launched(self) -> Ints:
        """Positions of the launches of which something has been seen."""
        launch = self.forecaster.panel_.launch
        return np.flatnonzero((launch != NEVER) & np.isfinite(self.curves).any(axis=1))

    @property
    def category(self) -> str | None:
        """Name of the first attribute that is not a number; None without one."""
        return next(iter(self.categorical), None)

    @property
    def categorical(self) -> list[str]:
        """Names of the attributes that are not numbers."""
        attributes = self.rows.attributes
        return [
            name
            for name in attributes.columns
            if not pd.api.types.is_numeric_dtype(attributes[name])
        ]

    def codes(self, name: str) -> tuple[Ints, Ints]:
        """Return a category of all items and of the rows as numbers; -1 where it is missing."""
        known = self.forecaster.history_.attributes[name]
        own = self.rows.attributes[name]
        codes = pd.factorize(pd.concat([known, own], ignore_index=True))[0].astype(np.int64)
        return codes[: len(known)], codes[len(known) :]

    def describe(self, position: Ints, weights: Floats) -> Forecasts:
        """Describe launches by (n, k) curves and their weights; by all where there is none."""
        made = describe(self.curves, position, weights, self.forecaster.quantiles)
        return _filled(made, self.everything)

    @cached_property
    def everything(self) -> Forecasts:
        """The curves of all earlier launches, as one row."""
        launched = self.launched[None, :]
        ones = np.ones(launched.shape)
        made = describe(self.curves, launched, ones, self.forecaster.quantiles)
        return _filled(made, _nothing(self, 1))


Baseline = Callable[[Case], Forecasts]


def zeros(case: Case) -> Forecasts:
    """Nothing will sell."""
    return _nothing(case, len(case.rows))


def global_mean(case: Case) -> Forecasts:
    """Forecast the curves of all earlier launches, age by age."""
    return take(case.everything, np.zeros(len(case.rows), dtype=np.int64))


def category_mean(case: Case) -> Forecasts:
    """Forecast the curves of earlier launches of the same category, age by age.

    The category is the first attribute that is not a number. Where fewer than 5 of them have
    finished, and without such an attribute, those of all launches.
    """
    if case.category is None:
        return global_mean(case)
    known, own = case.codes(case.category)
    launched = case.launched
    finished = np.isfinite(case.curves[launched]).all(axis=1)
    described, row = [case.everything], np.zeros(len(own), dtype=np.int64)
    for code in np.unique(own[own >= 0]):
        same = known[launched] == code
        if (same & finished).sum() >= _FEWEST:
            row[own == code] = len(described)
            members = launched[same][None, :]
            described.append(case.describe(members, np.ones(members.shape)))
    return take(stack(described), row)


def attribute_knn(case: Case) -> Forecasts:
    """Forecast by the 20 finished launches that share most categories, the latest among equals.

    As long as none has finished, those that have begun.
    """
    launched = case.launched
    finished = launched[np.isfinite(case.curves[launched]).all(axis=1)]
    pool = finished if len(finished) else launched
    pool = pool[np.lexsort((pool, -case.forecaster.panel_.launch[pool]))]
    pairs = [case.codes(name) for name in case.categorical]
    known = np.stack([known[pool] for known, _ in pairs] or [np.zeros(len(pool), np.int64)], axis=1)
    own = np.stack([own for _, own in pairs] or [np.zeros(len(case.rows), np.int64)], axis=1)
    unique, inverse = np.unique(own, axis=0, return_inverse=True)
    nearest = pool[_most_shared(unique, known)]
    return take(case.describe(nearest, np.ones(nearest.shape)), inverse.ravel())


def embedding_knn(case: Case) -> Forecasts:
    """Forecast the curves of the most similar earlier launches, weighted by similarity."""
    pool = case.launches
    return case.describe(np.maximum(pool.position, 0), pool.softmax(_TEMPERATURE))


def incumbents_level(case: Case) -> Forecasts:
    """Forecast what the most similar items on sale sold in the last horizon, as if it went on.

    The mean is their level, weighted by similarity, at every age. The total's quantiles are those
    of the levels times the horizon, an age's those of what they sold period by period.
    """
    forecaster, pool = case.forecaster, case.incumbents
    recent = forecaster.panel_.units[:, -forecaster.horizon :].astype(np.float64)
    seen = np.isfinite(recent).sum(axis=1)
    summed = np.nan_to_num(recent).sum(axis=1)
    level = np.divide(summed, seen, out=np.full(len(recent), np.nan), where=seen > 0)
    position, weights = np.maximum(pool.position, 0), pool.softmax(_TEMPERATURE)
    center, total = weighted_summary(level[position], weights, forecaster.quantiles)
    per_period = weights / np.maximum(seen[position], 1)
    spread = [
        weighted_summary(
            np.hstack([recent[position[block], period] for period in range(recent.shape[1])]),
            np.tile(per_period[block], recent.shape[1]),
            forecaster.quantiles,
        )[1]
        for block in blocks(len(position), position.shape[1] * recent.shape[1])
    ]
    made = Forecasts(
        np.repeat(center[:, None], forecaster.horizon, axis=1),
        np.repeat(np.concatenate(spread)[:, None], forecaster.horizon, axis=1),
        total * forecaster.horizon,
    )
    return _filled(made, case.everything)


def incumbents_rescaled(case: Case) -> Forecasts:
    """Forecast like past launches, in units of what the most similar items on sale then sold.

    A rule that a careful user has in a sheet: the recent level of the nearest items by text, as a
    geometric mean, times what past launches sold over theirs. Without enough past launches, as the
    incumbents' level.
    """
    past, history = case.past, case.forecaster.history_
    if not past.enough:
        return incumbents_level(case)
    then, now = (
        typical_level(history, pool, rows.standing, _TEMPERATURE)
        for pool, rows in ((past.pools.incumbents, past.rows), (case.incumbents, case.rows))
    )
    return past.rescaled(then, now, case.forecaster.quantiles)


def embedding_rescaled(case: Case) -> Forecasts:
    """Forecast like past launches, in units of what the most similar launches had then sold.

    Their typical sales a period, as far as seen: a geometric mean by similarity. Without enough
    past launches, as embedding kNN.
    """
    past, history = case.past, case.forecaster.history_
    if not past.enough:
        return embedding_knn(case)
    then, now = (
        typical_launch(pool.curves(history, rows.standing), pool.softmax(_TEMPERATURE))
        for pool, rows in ((past.pools.launches, past.rows), (case.launches, case.rows))
    )
    return past.rescaled(then, now, case.forecaster.quantiles)


def without_neighbors(case: Case) -> Forecasts:
    """Forecast by the same model on attributes and text components, without analogues."""
    forecaster, training = case.forecaster, case.forecaster.training_
    curves = case.curves[forecaster.launched_]
    if not len(case.rows) or not np.isfinite(curves).all(axis=1).any():
        return global_mean(case)  # nothing to forecast, or no total to learn from
    components = PCA(
        min(_COMPONENTS, *training.vectors.shape), svd_solver="full", random_state=forecaster.seed
    ).fit(training.vectors)

    def features(part: Launches) -> pd.DataFrame:
        own = own_features(forecaster.history_, part)
        text = components.transform(part.vectors).astype(np.float64)
        return own.join(pd.DataFrame(text).add_prefix("text_"))

    describer = forecaster.engine_.describer
    model = LaunchModel(
        forecaster.quantiles,
        seed=forecaster.seed,
        n_jobs=forecaster.n_jobs,
        recency=forecaster.options.recency,
        calibrate=forecaster.options.calibrate,
    )
    model.fit(make_lessons(describer, forecaster.launched_, training, features(training)))
    rows = case.rows
    paths = model.predict(features(rows), describer.scale(rows), rows.vectors, rows.plan)
    return model.calibration.read(paths)


BASELINES: dict[str, Baseline] = {
    "zeros": zeros,
    "global mean": global_mean,
    "category mean": category_mean,
    "attribute kNN": attribute_knn,
    "embedding kNN": embedding_knn,
    "embedding kNN, rescaled": embedding_rescaled,
    "incumbents' level": incumbents_level,
    "incumbents, rescaled": incumbents_rescaled,
    "LightGBM without neighbors": without_neighbors,
}


def _nothing(case: Case, n: int) -> Forecasts:
    shape, levels = (n, case.forecaster.horizon), len(case.forecaster.quantiles)
    return Forecasts(np.zeros(shape), np.zeros((*shape, levels)), np.zeros((n, levels)))


def _filled(forecasts: Forecasts, default: Forecasts) -> Forecasts:
    """Return the forecasts, and the default's only row where they are NaN."""

    def fill(values: Floats, instead: Floats) -> Floats:
        return np.where(np.isnan(values), instead, values)

    return Forecasts(
        fill(forecasts.mean, default.mean),
        fill(forecasts.quantiles, default.quantiles),
        fill(forecasts.total_quantiles, default.total_quantiles),
    )


def _most_shared(own: Ints, known: Ints) -> npt.NDArray[np.intp]:
    """(n, 20 at most) columns of the known (m, a) codes equal to most of a row's (n, a).

    A missing code equals nothing; among equals the first come first.
    """
    nearest = []
    for block in blocks(len(own), len(known)):
        shared = np.zeros((len(own[block]), len(known)), dtype=np.int16)
        for mine, theirs in zip(own[block].T, known.T, strict=True):
            shared += (mine[:, None] == theirs[None, :]) & (mine[:, None] >= 0)
        nearest.append(np.argsort(-shared, axis=1, kind="stable")[:, :_SHARED])
    return np.concatenate(nearest)

"""LightGBM from features of a launch to its curve and its total.

Seven boosters at the default quantiles: the mean of the curve (Tweedie, its bias corrected out of
fold), the curve's quantiles, and those of the total. Per-age medians of sparse demand are mostly
zero and their sum says nothing about the total, so the total's quantiles are learned directly; its
mean is the sum of the curve's means.

Quantiles are learned on log1p, which leaves a quantile a quantile. A mean is learned in units: in
sample a log link fits it without bias, but items of the training set with rare high sales are
remembered rather than learned, so that new items come out too low (by 15-25 % on Complete Journey).
What folds of unseen items sold, over what was expected of them, corrects that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.forecasts import Forecasts
from forecasting.panel import Floats, Ints

_FOLDS = 3
_ROUNDS = 200
_MANY_ROWS = 50_000
_BOOSTING: dict[str, Any] = {
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "feature_fraction": 0.5,
    "lambda_l2": 5.0,
    "cat_smooth": 100.0,
    "min_data_per_group": 100,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
_MEAN = {"objective": "tweedie", "tweedie_variance_power": 1.5}


class LaunchModel:
    """The boosters behind a launch forecast.

    Args:
        quantiles: Levels, ascending.
        seed: Of bagging and feature sampling.
        n_jobs: Threads; None for one where the data is small, else all cores.
    """

    def __init__(
        self, quantiles: Sequence[float], *, seed: int = 0, n_jobs: int | None = None
    ) -> None:
        self._quantiles = tuple(quantiles)
        self._parameters = {**_BOOSTING, "seed": seed}
        self._n_jobs = n_jobs

    def fit(
        self, features: pd.DataFrame, reference: Floats | None, curves: Floats, items: Ints
    ) -> LaunchModel:
        """Learn from n rows.

        Args:
            features: (n, f) numbers, and pandas categories that are the same in `predict`.
            reference: (n, horizon) a curve to lean on at each age, such as the analogues'; or None.
            curves: (n, horizon) units sold, NaN where not seen yet.
            items: (n,) which item a row is about; rows of one item stay in one fold.
        """
        row, age = np.nonzero(np.isfinite(curves))
        units = curves[row, age].astype(np.float64)
        self._parameters["num_threads"] = self._n_jobs or _threads(len(units))
        matrix = _by_age(_matrix(features), reference, row, age)
        by_age = self._dataset(matrix, units, features)
        self._curve_mean = self._train(by_age, units, _MEAN)
        self._bias = self._out_of_fold_bias(by_age, matrix, units, items[row] % _FOLDS)
        self._curve_quantiles = [
            self._train(by_age, np.log1p(units), _quantile(level)) for level in self._quantiles
        ]
        self._counts = bool((units == np.rint(units)).all())
        total = curves.sum(axis=1).astype(np.float64)
        done = np.isfinite(total)
        totals = self._dataset(_matrix(features)[done], total[done], features)
        self._total_quantiles = [
            self._train(totals, np.log1p(total[done]), _quantile(level))
            for level in self._quantiles
        ]
        return self

    def predict(self, features: pd.DataFrame, reference: Floats | None, horizon: int) -> Forecasts:
        """Forecast n launches over ``horizon`` ages."""
        matrix = _matrix(features)
        row, age = np.divmod(np.arange(len(matrix) * horizon), horizon)
        by_age = _by_age(matrix, reference, row, age)
        shape = (len(matrix), horizon)
        quantiles = [self._units(booster, by_age) for booster in self._curve_quantiles]
        totals = [self._units(booster, matrix) for booster in self._total_quantiles]
        return Forecasts(
            mean=(self._predict(self._curve_mean, by_age) * self._bias).reshape(shape),
            quantiles=np.stack(quantiles, axis=-1).reshape(*shape, len(quantiles)),
            total_quantiles=np.stack(totals, axis=-1),
        ).ordered()

    def _units(self, booster: lgb.Booster, matrix: Floats) -> Floats:
        """A quantile in units; that of counts is a count, which boosting only comes close to."""
        units = np.expm1(self._predict(booster, matrix))
        return np.rint(units) if self._counts else units

    def _out_of_fold_bias(
        self, data: lgb.Dataset, matrix: Floats, units: Floats, fold: Ints
    ) -> float:
        """How much more was sold than a mean model that had not seen the item expected."""
        expected = np.zeros(len(units))
        for held_out in range(_FOLDS):
            inside = np.flatnonzero(fold != held_out)
            booster = self._train(data.subset(inside.tolist()), units[inside], _MEAN)
            expected[fold == held_out] = self._predict(booster, matrix[fold == held_out])
        return float(units.sum() / expected.sum()) if expected.sum() > 0 else 1.0

    def _predict(self, booster: lgb.Booster, matrix: Floats) -> npt.NDArray[np.float64]:
        answer = booster.predict(matrix, num_threads=self._n_jobs or _threads(len(matrix)))
        return np.asarray(answer, dtype=np.float64)

    def _train(self, data: lgb.Dataset, target: Floats, objective: dict[str, Any]) -> lgb.Booster:
        data.set_label(target)
        return lgb.train({**self._parameters, **objective}, data, num_boost_round=_ROUNDS)

    def _dataset(self, matrix: Floats, target: Floats, features: pd.DataFrame) -> lgb.Dataset:
        categorical = [
            position
            for position, name in enumerate(features.columns)
            if isinstance(features[name].dtype, pd.CategoricalDtype)
        ]
        data = lgb.Dataset(
            matrix,
            target,
            categorical_feature=categorical,
            free_raw_data=False,
            params=self._parameters,
        )
        return data.construct()


def _matrix(features: pd.DataFrame) -> Floats:
    """(n, f) numbers; categories by their code, NaN where unknown."""
    columns = []
    for _, column in features.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.cat.codes.where(column.notna())
        columns.append(column.to_numpy(dtype=np.float64))
    return np.column_stack(columns)


def _by_age(matrix: Floats, reference: Floats | None, row: Ints, age: Ints) -> Floats:
    """Rows of item features with the age and the reference curve at that age."""
    columns = [matrix[row], age[:, None]]
    if reference is not None:
        columns.append(reference[row, age][:, None])
    return np.hstack(columns)


def _quantile(level: float) -> dict[str, Any]:
    return {"objective": "quantile", "alpha": level}


def _threads(rows: int) -> int:
    """All cores (0), or one where waiting for each other costs threads more than they save.

    With a neighbor on the machine that waiting multiplies: a fit of 3 s took over a minute.
    """
    return 0 if rows >= _MANY_ROWS else 1

"""LightGBM from the features of a launch to the courses it might take.

Two models, because each is better at its own: a random forest says which past launches this one is
like, and so how its total is spread and how it is split over ages; boosted trees (Tweedie loss) say
at which level. The level is the geometric mean of what both expect. On Complete Journey that beat
either alone, quantile boosting for each level, and boosted trees for each age.

All of it is learned in units of the market (`History.outlook`). What folds of launches that the
models had not seen sold corrects the bias of the mean and calibrates the quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.panel import Floats, Ints
from forecasting.features.features import plan_features
from forecasting.models.forest import LaunchForest, heaviest
from forecasting.models.options import Courses
from forecasting.models.plan_effect import Elasticity, PlanEffect
from forecasting.models.quantile_calibration import Calibration
from forecasting.models.same_product import SameProduct
from forecasting.models.sample_paths import Paths, moments, ranks
from forecasting.models.shared_fate import (
    SharedFate,
    calendar_deviation,
    effective,
    normal_scores,
    ratio_variance,
)

_FOLDS = 3
_STRETCHES = 3  # of time in a fold, where there is enough of it
_ROUNDS = 200
_MANY_ROWS = 20_000
_TEXT_TEMPERATURE = 0.1  # of weights by text, where they are not learned
_MOST_TEXT = 100
_FURTHEST = 3.0  # times the level may be moved away from what like launches sold
_LARGEST_BIAS = 2.0
_USUAL_BIAS = 0.1  # deviation of the logarithm of what means are off by beside chance
_PRIOR_LAUNCHES = 100.0  # whole ones under way that count as much as all folds
_REPEATABLE: dict[str, Any] = {
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "cat_smooth": 100.0,
    "min_data_per_group": 100,
}
_BOOSTING: dict[str, Any] = {
    "objective": "tweedie",
    "tweedie_variance_power": 1.5,
    "learning_rate": 0.05,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "feature_fraction": 0.4,
    "extra_trees": True,
    "lambda_l2": 5.0,
}


@dataclass(frozen=True)
class TrainingRows:
    """n past launches to learn from, each as it was described before its start.

    Attributes:
        features: (n, f) numbers, and pandas categories that are the same in `predict`.
        curves: (n, horizon) units sold, NaN where not seen yet; sold out, as `lifted`.
        scale: (n, horizon) unit of the market that was expected at each age.
        items: (n,) which item a row is about.
        group: (n,) the same number for items that share their fate; they stay in one fold.
        passed: (n,) periods since the launch.
        lead: (n,) periods between what was seen and the launch.
        vectors: (n, d) unit vectors of the texts.
        plan: (n, horizon, c) covariates as planned.
        counts: Whether what was sold is whole numbers.
    """

    features: pd.DataFrame
    curves: Floats
    scale: Floats
    items: Ints
    group: Ints
    passed: Ints
    lead: Ints
    vectors: npt.NDArray[np.float32]
    plan: Floats
    counts: bool


@dataclass(frozen=True)
class Trained:
    """What one set of launches taught."""

    forest: LaunchForest | None  # None: the like launches are those of like text
    booster: lgb.Booster
    curves: Floats
    vectors: npt.NDArray[np.float32]
    weight: Floats


class LaunchModel:
    """The models behind a launch forecast.

    Args:
        quantiles: Levels, ascending.
        seed: Of bagging and feature sampling.
        n_jobs: Threads; None for one where the data is small, else all cores.
        recency: Periods after which a past launch counts half; None: they all count alike.
        calibrate: Correct bias and quantiles by launches not seen.
        courses: Which past launches a forecast's courses are taken from: ``"learned"`` by the
            forest, or ``"text"``.
        monotone: Features by name with which the boosted trees may only rise (1) or fall (-1).
        elastic: The same for each covariate of plans, whose elasticity is then learned; 0 where the
            trees learn what it does.
    """

    def __init__(
        self,
        quantiles: Sequence[float],
        *,
        seed: int = 0,
        n_jobs: int | None = None,
        recency: float | None = None,
        calibrate: bool = True,
        courses: Courses = "learned",
        monotone: Mapping[str, int] = {},
        elastic: Sequence[int] = (),
    ) -> None:
        self.quantiles = tuple(quantiles)
        self.seed = seed
        self.n_jobs = n_jobs
        self.recency = recency
        self.calibrate = calibrate
        self.courses = courses
        self.monotone = dict(monotone)
        self.elastic = tuple(elastic)

    def fit(self, lessons: TrainingRows) -> LaunchModel:
        """Learn from the launches that are over, and correct by those under way."""
        known = np.isfinite(lessons.curves)
        under_way = _taken(lessons, np.flatnonzero(known.any(axis=1) & ~known.all(axis=1)))
        lessons = _taken(lessons, np.flatnonzero(known.all(axis=1)))
        lessons, under_way = self._seen(lessons), self._seen(under_way)
        sold = lessons.curves
        self.names = list(lessons.features.columns)
        self.counts = lessons.counts
        self.items = lessons.items
        horizon = sold.shape[1]
        self.effect = PlanEffect.none(lessons.plan.shape[2])
        self.elasticity = Elasticity.none(lessons.plan.shape[2])
        self.bias, self.fate, self.same_product = 1.0, SharedFate(), SameProduct.none()
        self.calibration = Calibration.none(self.quantiles, horizon)
        self.trained = self._train(lessons, np.arange(len(sold)))
        if self.calibrate or lessons.plan.shape[2]:
            self._correct(lessons)
        if self.calibrate:
            self._keep_up(under_way)
        return self

    def predict(
        self,
        features: pd.DataFrame,
        scale: Floats,
        vectors: npt.NDArray[np.float32],
        plan: Floats,
    ) -> Paths:
        """Return the courses of n launches.

        Args:
            features: (n, f) as in `TrainingRows`.
            scale: (n, horizon) unit of the market that is expected at each age.
            vectors: (n, d) unit vectors of the texts.
            plan: (n, horizon, c) covariates as planned.
        """
        matrix = _matrix(features.drop(columns=self._unseen(features)))
        return self._planned(self._courses(matrix, scale, vectors), plan)

    def contributions(self, features: pd.DataFrame) -> Floats:
        """(n, f) what each feature adds to the logarithm of the level."""
        parts = np.zeros(features.shape)
        if not len(parts):  # LightGBM divides by it
            return parts
        unseen = self._unseen(features)
        matrix = _matrix(features.drop(columns=unseen))
        added = np.asarray(self.trained.booster.predict(matrix, pred_contrib=True))
        parts[:, ~features.columns.isin(unseen)] = added.reshape(len(matrix), -1)[:, :-1]
        return parts

    def _planned(self, paths: Paths, plan: Floats) -> Paths:
        """Move courses as plans do, and by the bias."""
        moved = paths.scaled(self.bias * self.elasticity.levels(plan))
        return self.effect.applied(moved, plan)

    def _seen(self, lessons: TrainingRows) -> TrainingRows:
        """Return the lessons without what the trees are not to see."""
        features = lessons.features.drop(columns=self._unseen(lessons.features))
        return replace(lessons, features=features)

    def _unseen(self, features: pd.DataFrame) -> list[str]:
        elastic = [number for number, sign in enumerate(self.elastic) if sign]
        names = [name for number in elastic for name in plan_features(number)]
        return [name for name in names if name in features.columns]

    # --- learning --------------------------------------------------------------------------------

    def _train(self, lessons: TrainingRows, rows: Ints) -> Trained:
        part = _taken(lessons, rows)
        matrix, curves = _matrix(part.features), part.curves / part.scale
        categorical = _categorical(part.features)
        weight = self._weight(part.passed)
        parameters = {**_REPEATABLE, "seed": self.seed, "num_threads": self._threads(len(matrix))}
        total = curves.sum(axis=1)
        settings = {**parameters, **_BOOSTING}
        if self.monotone:  # the forest's absolute error cannot be constrained
            signs = [self.monotone.get(name, 0) for name in part.features.columns]
            settings["monotone_constraints"] = signs
        if len(matrix) == 1:  # of which a part is nothing
            settings["bagging_fraction"] = 1.0
        label = total if total.any() else np.full_like(total, 1e-9)  # Tweedie refuses all zeros
        data = lgb.Dataset(
            matrix, label, weight=weight, categorical_feature=categorical, params=settings
        )
        booster = lgb.train(settings, data, num_boost_round=_ROUNDS)
        forest = None
        if self.courses == "learned":
            forest = LaunchForest.grow(
                matrix, total, weight, categorical, parameters, members=_members(part).mean()
            )
        return Trained(forest, booster, curves, part.vectors, weight)

    def _correct(self, lessons: TrainingRows) -> None:
        """Learn bias, the effect of plans and calibration from folds of launches not seen."""
        folds = self._held_out(lessons)
        if not folds:
            return
        sold = np.concatenate([part.curves for part, _ in folds])
        weight = np.concatenate([self._weight(part.passed) for part, _ in folds])
        expected = np.concatenate([paths.mean() for _, paths in folds])
        plan = np.concatenate([part.plan for part, _ in folds])
        self.effect = PlanEffect.learn(plan, sold, expected)
        if any(self.elastic):
            total, hoped = sold.sum(axis=1), expected.sum(axis=1)
            signs = np.array(self.elastic, dtype=np.int64)
            self.elasticity = Elasticity.learn(plan, total, hoped, signs)
            expected = expected * self.elasticity.levels(plan)[:, None]
        if not self.calibrate:
            return
        period = -np.concatenate([part.passed for part, _ in folds])
        group = np.concatenate([part.group for part, _ in folds])
        said, came = weight * expected.sum(axis=1), weight * sold.sum(axis=1)
        bias = float(came.sum() / said.sum()) if said.sum() > 0 and came.sum() > 0 else 1.0
        self.bias = float(np.clip(bias, 1 / _LARGEST_BIAS, _LARGEST_BIAS))
        lain = [_lain(self._planned(paths, part.plan), part.curves) for part, paths in folds]
        total = tuple(np.concatenate([one[0][side] for one in lain]) for side in (0, 1))
        ages = tuple(np.concatenate([one[1][side] for one in lain]) for side in (0, 1))
        self.calibration = Calibration.learn(
            self.quantiles,
            expected.sum(axis=1) * self.bias,
            weight,
            (total[0], total[1]),
            (ages[0], ages[1]),
            group,
        )
        self._share(folds, expected.sum(axis=1) * self.bias, (total[0], total[1]))
        # Spread is learned about the center that the folds show; what is to come has another one,
        # the less sure of theirs the fewer periods and groups there are.
        usual = _USUAL_BIAS**2
        self.bias **= usual / (usual + ratio_variance(came, said, period, group))

    def _held_out(self, lessons: TrainingRows) -> list[tuple[TrainingRows, Paths]]:
        """Forecast each fold by what the others taught, the product elsewhere, too, if it helps."""
        folds, elsewhere = [], []
        place, matrix = _dealt(lessons), _matrix(lessons.features)
        for fold in range(_FOLDS):
            inside, outside = np.flatnonzero(place != fold), np.flatnonzero(place == fold)
            if len(inside) and len(outside):
                part, trained = _taken(lessons, outside), self._train(lessons, inside)
                paths = self._paths(trained, matrix[outside], part.scale, part.vectors)
                folds.append((part, paths))
                followed = self._followed(_taken(lessons, inside))
                elsewhere.append(followed.expected(matrix[outside], part.scale))
        if not folds or not self.calibrate:
            return folds
        self.same_product = self._followed(lessons).judged(
            [paths for _, paths in folds],
            np.concatenate(elsewhere),
            np.concatenate([part.curves.sum(axis=1) for part, _ in folds]),
            np.concatenate([part.group for part, _ in folds]),
        )
        return [
            (part, self.same_product.applied(paths, expected))
            for (part, paths), expected in zip(folds, elsewhere, strict=True)
        ]

    def _followed(self, lessons: TrainingRows) -> SameProduct:
        """Learn how launches follow their product elsewhere."""
        return SameProduct.learn(
            list(lessons.features.columns),
            _matrix(lessons.features),
            _categorical(lessons.features),
            lessons.curves.sum(axis=1),
            lessons.scale,
            self._weight(lessons.passed),
        )

    def _share(
        self,
        folds: Sequence[tuple[TrainingRows, Paths]],
        expected: Floats,
        total: tuple[Floats, Floats],
    ) -> None:
        """Learn what launches not seen had in common, from where their totals came out."""
        below, up_to = (self.calibration.came_at(expected, side) for side in total)
        period = -np.concatenate([part.passed for part, _ in folds])
        group = np.concatenate([part.group for part, _ in folds])
        lead = np.concatenate([part.lead for part, _ in folds])
        spread = [self._planned(paths, part.plan) for part, paths in folds]
        mean, variance = (np.concatenate(one) for one in zip(*map(moments, spread), strict=True))
        sold = np.concatenate([part.curves for part, _ in folds])
        fate = SharedFate.learn(
            normal_scores(below, up_to),
            period,
            lead,
            group,
            reach=sold.shape[1],
        )
        calendar = calendar_deviation(sold - mean, variance, mean, period, lead)
        # Where folds had to part launches of one period, nothing shows what these share.
        periods = effective(period) if len(np.unique(period)) >= _FOLDS else 1.0
        fate, wider = replace(fate, calendar=calendar).of_few(periods)
        self.fate, self.calibration = fate, self.calibration.widened(wider)

    def _keep_up(self, under_way: TrainingRows) -> None:
        """Correct the bias by the launches under way, which came after all that was learned from.

        What they have sold so far, over what was forecast for those ages, tells how the market for
        launches has moved. The fewer they are, the more the folds' bias counts.
        """
        if not len(under_way.curves):
            return
        paths = self._courses(_matrix(under_way.features), under_way.scale, under_way.vectors)
        expected = self._planned(paths, under_way.plan).mean() / self.bias
        seen = np.isfinite(under_way.curves)
        hoped = expected[seen].sum()
        came = under_way.curves[seen].sum()
        if not (hoped > 0 and came > 0):
            return
        count = (seen.sum(axis=1) / seen.shape[1] / _members(under_way)).sum()
        now = np.clip(np.log(came / hoped), -np.log(_LARGEST_BIAS), np.log(_LARGEST_BIAS))
        trust = count / (count + _PRIOR_LAUNCHES)
        self.bias = float(np.exp(trust * now + (1 - trust) * np.log(self.bias)))

    def _courses(self, matrix: Floats, scale: Floats, vectors: npt.NDArray[np.float32]) -> Paths:
        """Courses by all that was learned, where that is known by the product elsewhere, too."""
        paths = self._paths(self.trained, matrix, scale, vectors)
        return self.same_product.applied(paths, self.same_product.expected(matrix, scale))

    def _paths(
        self,
        trained: Trained,
        matrix: Floats,
        scale: Floats,
        vectors: npt.NDArray[np.float32],
    ) -> Paths:
        """Courses by the forest, at the level between the forest's and the boosted trees'."""
        if trained.forest is not None:
            position, weight = trained.forest.like(matrix)
        else:
            position, weight = _by_text(trained, vectors)
        total = trained.curves.sum(axis=1)
        like = (total[position] * weight).sum(axis=1)
        threads = self._threads(len(matrix))
        boosted = np.asarray(trained.booster.predict(matrix, num_threads=threads), dtype=np.float64)
        moved = np.divide(boosted, like, out=np.ones_like(like), where=(like > 0) & (boosted > 0))
        factor = np.clip(np.sqrt(moved), 1 / _FURTHEST, _FURTHEST)
        return Paths(
            curves=trained.curves,
            position=position,
            weight=weight,
            factor=np.repeat(factor[:, None], position.shape[1], axis=1),
            scale=scale,
            counts=self.counts,
        )

    def _weight(self, passed: Ints) -> Floats:
        weight: Floats = np.ones(len(passed))
        return weight if self.recency is None else 0.5 ** (passed / self.recency)

    def _threads(self, rows: int) -> int:
        """All cores (0), or one where waiting for each other costs threads more than they save."""
        return self.n_jobs or (0 if rows >= _MANY_ROWS else 1)


def _lain(paths: Paths, came: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Where in their forecasts totals (n,) and ages (n, horizon) came out."""
    total = ranks(paths.totals(), paths.weight, came.sum(axis=1))
    ages = [ranks(paths.age(age), paths.weight, came[:, age]) for age in range(came.shape[1])]
    below, up_to = zip(*ages, strict=True)
    return total, (np.stack(below, axis=1), np.stack(up_to, axis=1))


def _dealt(lessons: TrainingRows) -> Ints:
    """(n,) the fold of each row: groups are never parted, launches of one time not where avoidable.

    What launches of one period, and of those about it, have in common shows only where none of them
    was learned from; so folds are dealt by stretches of time, where there are periods enough, and
    else by order among the groups.
    """
    group = np.unique(lessons.group, return_inverse=True)[1]
    first = np.full(group.max(initial=-1) + 1, -np.inf)
    np.maximum.at(first, group, lessons.passed)
    periods, place = np.unique(-first, return_inverse=True)
    if len(periods) < _FOLDS:
        return np.asarray(group % _FOLDS, dtype=np.int64)
    length = min(lessons.curves.shape[1], max(len(periods) // (_STRETCHES * _FOLDS), 1))
    fold: Ints = (place // length % _FOLDS)[group]
    return fold


def _members(lessons: TrainingRows) -> Floats:
    """(n,) how many items the group of each row has."""
    items = pd.Series(lessons.items).groupby(lessons.group).transform("nunique")
    return items.to_numpy(dtype=np.float64)


def _by_text(trained: Trained, vectors: npt.NDArray[np.float32]) -> tuple[Ints, Floats]:
    similarity = np.round((vectors @ trained.vectors.T).astype(np.float64), 5)
    raw = np.exp((similarity - 1.0) / _TEXT_TEMPERATURE) * trained.weight
    return heaviest(raw, min(_MOST_TEXT, raw.shape[1]))


def _taken(lessons: TrainingRows, rows: Ints) -> TrainingRows:
    return TrainingRows(
        lessons.features.iloc[rows].reset_index(drop=True),
        lessons.curves[rows],
        lessons.scale[rows],
        lessons.items[rows],
        lessons.group[rows],
        lessons.passed[rows],
        lessons.lead[rows],
        lessons.vectors[rows],
        lessons.plan[rows],
        lessons.counts,
    )


def _categorical(features: pd.DataFrame) -> list[int]:
    """Return the columns that hold categories."""
    kinds = enumerate(features.dtypes)
    return [position for position, kind in kinds if isinstance(kind, pd.CategoricalDtype)]


def _matrix(features: pd.DataFrame) -> Floats:
    """(n, f) numbers; categories by their code, NaN where unknown."""
    columns = []
    for _, column in features.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.cat.codes.where(column.notna())
        columns.append(column.to_numpy(dtype=np.float64))
    return np.column_stack(columns)

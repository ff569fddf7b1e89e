"""What a fitted forecaster knows, and how it answers: from a description to courses to numbers."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.checks import ForecastWarning
from forecasting.concepts.kin import Inheritance
from forecasting.data.history import History
from forecasting.data.launches import Launches
from forecasting.data.panel import Bools, Floats, Ints
from forecasting.data.plans import KnownPlans
from forecasting.features.completion import lifted
from forecasting.features.features import Description, FeatureMaker, without_plan
from forecasting.forecasts import Forecasts
from forecasting.models.knn import LaunchVotes
from forecasting.models.launch_model import LaunchModel, TrainingRows
from forecasting.models.novelty import ENOUGH, Novelty, few_widened
from forecasting.models.options import Method, ModelOptions
from forecasting.models.quantile_calibration import Calibration
from forecasting.models.sample_paths import Paths, mixed
from forecasting.models.shared_fate import GUESSED, SharedFate
from retrieval import InputError

_FEWEST_LAUNCHES = 100  # finished ones that training needs


class FewLaunchesWarning(ForecastWarning):
    """There are too few launches: the analogues vote instead, or intervals are made wider."""


@dataclass(frozen=True)
class Unplanned:
    """Who answers for launches whose plan is not known, as if there were no plans.

    Attributes:
        model: Trained on the same launches without their plans.
        known: How much of their plans the others knew.
    """

    model: LaunchModel
    known: KnownPlans

    @classmethod
    def learn(cls, model: LaunchModel, lessons: TrainingRows) -> Unplanned:
        """Learn from the lessons without their plans.

        Args:
            model: To be trained.
            lessons: With the plans.
        """
        covariates = lessons.plan.shape[2]
        blind = replace(
            lessons,
            features=without_plan(lessons.features, covariates),
            plan=lessons.plan[:, :, :0],
        )
        finished = np.isfinite(lessons.curves).all(axis=1)
        model.elastic = ()
        return cls(model.fit(blind), KnownPlans.learn(lessons.plan[finished]))

    def predict(self, described: Description) -> Paths:
        """Return the courses of launches, whatever is planned for them."""
        return self.model.predict(
            self.features(described),
            described.scale,
            described.rows.vectors,
            described.rows.plan[:, :, :0],
        )

    def features(self, described: Description) -> pd.DataFrame:
        """(n, f) features without those of plans."""
        return without_plan(described.features, described.rows.plan.shape[2])


@dataclass(frozen=True)
class FittedForecaster:
    """A fitted state; nothing in it changes.

    Attributes:
        describer: Finds analogues and makes features.
        votes: The launches, ready to vote.
        model: Trained on them; None where there were too few, or votes were asked for.
        novelty: How unlike anything known past launches were.
        calibration: At which levels quantiles are read.
        teachers: (N,) the group of each launch whose course forecasts are drawn from.
        unplanned: Who answers where a plan is not known; None where plans are not learned from.
        inheritance: How far launches take over the level of what they replace.
    """

    describer: FeatureMaker
    votes: LaunchVotes
    model: LaunchModel | None
    novelty: Novelty
    calibration: Calibration
    teachers: Ints
    unplanned: Unplanned | None = None
    inheritance: Inheritance = field(default_factory=Inheritance)

    @classmethod
    def learn(
        cls,
        describer: FeatureMaker,
        launched: Ints,
        rows: Launches,
        model: LaunchModel | None,
        described: Description | None = None,
    ) -> FittedForecaster:
        """Learn from past launches.

        Args:
            describer: How they are described.
            launched: (n,) their positions in the panel.
            rows: The n launches, each standing before its start.
            model: To be trained; None to let the analogues vote.
            described: The launches, where they have been described before.
        """
        history = describer.history
        described = described or describer.describe(rows)
        level = np.full(len(history.panel.ids), np.nan)
        level[launched] = described.level
        unplanned = None
        if model is not None:
            lessons = make_lessons(describer, launched, rows, described.features)
            if lessons.plan.shape[2]:
                unplanned = Unplanned.learn(copy.copy(model), lessons)
            model.fit(lessons)
        plain = Calibration.none(describer.quantiles, history.horizon)
        votes = LaunchVotes(history, level)
        # Who was there before anything had been seen has not been described, and may vote.
        groups = rows.group.max(initial=-1) + 1 + np.arange(len(history.panel.ids))
        groups[launched] = rows.group
        teachers = groups[votes.items if model is None else model.items]
        _tell_few(len(np.unique(teachers)))
        return cls(
            describer=describer,
            votes=votes,
            model=model,
            novelty=Novelty.learn(described.pools.best_similarity),
            calibration=plain if model is None else model.calibration,
            teachers=teachers,
            unplanned=unplanned,
        )

    @property
    def method(self) -> str:
        """Who answers."""
        return "knn" if self.model is None else "lightgbm"

    def planned(self, rows: Launches) -> Bools:
        """(n,) whether plans of launches move their forecasts: they are known, and were learned."""
        if self.unplanned is None:
            return np.full(len(rows), self.model is not None and rows.plan.shape[2] > 0)
        return self.unplanned.known.cover(rows.plan)

    def unplanned_among(self, rows: Launches) -> Bools:
        """(n,) whether a launch is forecast without a plan, beside others that have one."""
        planned = self.planned(rows)
        lone: Bools = ~planned & (self.unplanned is not None) & planned.any()
        return lone

    def fate_of(self, rows: Launches) -> SharedFate:
        """Return what launches have in common beyond what is known of each."""
        return GUESSED if self.model is None else self._model_of(rows, self.model).fate

    def calibration_of(self, rows: Launches) -> Calibration:
        """Return at which levels quantiles of launches together are read."""
        if self.model is None:
            return self.calibration
        return self._model_of(rows, self.model).calibration

    def _model_of(self, rows: Launches, model: LaunchModel) -> LaunchModel:
        """Return the model that answers for launches: the one without plans if none has one."""
        if self.unplanned is None or self.planned(rows).any():
            return model
        return self.unplanned.model

    @property
    def vectors(self) -> npt.NDArray[np.float32] | None:
        """(N, d) of the launches whose courses forecasts are drawn from; None of a vote."""
        return None if self.model is None else self.model.trained.vectors

    @property
    def launches(self) -> int:
        """How many there were to learn from, a group counted once."""
        return len(np.unique(self.teachers))

    @property
    def reference(self) -> Ints:
        """(N,) positions in the panel of the launches whose courses forecasts are drawn from."""
        return self.votes.items if self.model is None else self.model.items

    def origin(self, paths: Paths) -> Ints:
        """(curves,) positions in the panel of the launches that curves are of; -1 for no launch."""
        beyond = len(paths.curves) - len(self.reference)
        return np.pad(self.reference, (0, beyond), constant_values=-1)

    def teacher(self, paths: Paths) -> Ints:
        """(curves,) the same number for curves of one group; one of no launch has its own."""
        beyond = np.arange(len(paths.curves) - len(self.teachers))
        return np.concatenate([self.teachers, self.teachers.max(initial=-1) + 1 + beyond])

    def voters(self, votes: Paths) -> Ints:
        """Return the same for the courses of a vote."""
        beyond = len(votes.curves) - len(self.votes.items)
        return np.pad(self.votes.items, (0, beyond), constant_values=-1)

    def courses(self, described: Description) -> Paths:
        """Return the courses that launches may take; any at all where they are too novel."""
        if self.model is None:
            paths = self.vote(described)
        else:
            paths = self._modeled(described)
            lacking = np.flatnonzero(self.describer.lacking(described.rows))
            if len(lacking):
                copies = self._modeled(self.describer.imputed(described, lacking))
                paths = mixed(paths, lacking, copies)
        novelty = self.novelty.of(described.pools.best_similarity)
        paths = self.novelty.widened(paths, novelty, len(self.reference))
        return few_widened(self._inherited(paths, described), self.launches)

    def _inherited(self, paths: Paths, described: Description) -> Paths:
        """Move courses to the level of what launches are said to replace, or to be variants of."""
        if described.kin is None or not described.kin.is_any:
            return paths
        hoped = paths.mean().sum(axis=1) / described.scale.sum(axis=1)
        narrower = paths.narrowed(self.inheritance.spread(described.kin))
        return narrower.scaled(self.inheritance.factor(described.kin, hoped))

    def renewed(self, ids: npt.NDArray[np.object_]) -> FittedForecaster:
        """Return the same with what somebody has said of launches since."""
        return replace(self, describer=self.describer.renewed(ids))

    def vote(self, described: Description) -> Paths:
        """Return the courses by the vote of the analogues alone."""
        return self.votes.predict(described.pools, described.scale, described.level)

    def read(self, paths: Paths, rows: Launches) -> Forecasts:
        """Mean and quantiles of every age and of the total, from the courses of launches."""
        if self.unplanned is None or self.planned(rows).all():
            return self.calibration.read(paths)
        unplanned = self.unplanned.model.calibration.read(paths)
        if not self.planned(rows).any():
            return unplanned
        return self.calibration.read(paths).where(self.planned(rows), unplanned)

    def contributions(self, described: Description) -> Floats:
        """(n, f) what each feature adds to the logarithm of the level; there is a model."""
        assert self.model is not None
        added = self.model.contributions(described.features)
        if self.unplanned is not None:
            blind = self.unplanned.features(described)
            instead = np.zeros_like(added)
            instead[:, described.features.columns.isin(blind.columns)] = (
                self.unplanned.model.contributions(blind)
            )
            added = np.where(self.planned(described.rows)[:, None], added, instead)
        return added

    def _modeled(self, described: Description) -> Paths:
        """Return the courses by the models, each launch's by the one that suits its plan."""
        assert self.model is not None
        rows = described.rows
        planned = self.planned(rows)
        if self.unplanned is not None and not planned.any():
            return self.unplanned.predict(described)
        paths = self.model.predict(described.features, described.scale, rows.vectors, rows.plan)
        if self.unplanned is None or planned.all():
            return paths
        # Both were trained on the same launches, so that their curves are the same.
        blind, is_planned = self.unplanned.predict(described), planned[:, None]
        return replace(
            paths,
            position=np.where(is_planned, paths.position, blind.position),
            weight=np.where(is_planned, paths.weight, blind.weight),
            factor=np.where(is_planned, paths.factor, blind.factor),
            scale=np.where(is_planned, paths.scale, blind.scale),
        )


def _tell_few(launches: int) -> None:
    if launches < ENOUGH:
        warnings.warn(
            f"only {launches} launches (those of a group counted once) to learn from, fewer than "
            f"{ENOUGH}: how far launches differ is hardly known, and intervals are made wider",
            FewLaunchesWarning,
            stacklevel=6,  # who called fit
        )


def make_lessons(
    describer: FeatureMaker, launched: Ints, rows: Launches, features: pd.DataFrame
) -> TrainingRows:
    """Return what past launches teach.

    Args:
        describer: Knows what they sold.
        launched: (n,) their positions in the panel.
        rows: The n launches, each standing before its start.
        features: (n, f) what was known of them then.
    """
    history = describer.history
    scale, passed = describer.scale(rows), history.panel.end - rows.period
    sold = history.curves[launched]
    return TrainingRows(
        features=features,
        curves=lifted(sold, scale, passed),
        scale=scale,
        items=launched,
        group=rows.group,
        passed=passed,
        lead=rows.period - 1 - rows.standing,
        vectors=rows.vectors,
        plan=rows.plan,
        counts=bool((sold[np.isfinite(sold)] % 1 == 0).all()),
    )


def untrained_model(
    options: ModelOptions,
    quantiles: Sequence[float],
    *,
    covariates: Sequence[str],
    numbers: Collection[str],
    seed: int,
    n_jobs: int | None,
) -> LaunchModel:
    """Return the model that is asked for, not trained yet.

    Args:
        options: As asked for.
        quantiles: Levels, ascending.
        covariates: Of plans.
        numbers: Attributes that are numbers.
        seed: Of all sampling.
        n_jobs: Threads.
    """
    kinds = ("_rank", "_to_incumbent", "_to_launch", "")  # of features that an attribute is in
    chosen = {name: sign for name, sign in options.monotone.items() if name in numbers}
    return LaunchModel(
        quantiles,
        seed=seed,
        n_jobs=n_jobs,
        recency=options.recency,
        calibrate=options.calibrate,
        courses=options.courses,
        monotone={f"{name}{kind}": sign for name, sign in chosen.items() for kind in kinds},
        elastic=[options.monotone.get(name, 0) for name in covariates],
    )


def chosen_model(model: LaunchModel, method: Method, history: History) -> LaunchModel | None:
    """Return the model, if it is to be trained; None where analogues are to vote.

    Args:
        model: Not trained yet.
        method: As asked for.
        history: What had been sold.

    Raises:
        InputError: Training was asked for, and no launch is over.
    """
    if method == "knn":
        return None
    finished = history.finished
    cutoff = history.panel.grid.dates(np.array([history.panel.end]))[0]
    if method == "auto" and finished < _FEWEST_LAUNCHES:
        warnings.warn(
            f"only {finished} launches had sold for {history.horizon} periods by "
            f"{cutoff:%Y-%m-%d}, fewer than {_FEWEST_LAUNCHES}: the analogues vote "
            'instead (method="knn")',
            FewLaunchesWarning,
            stacklevel=5,  # who called fit
        )
        return None
    if not finished:
        raise InputError(
            f"no launch had sold for {history.horizon} periods by "
            f'{cutoff:%Y-%m-%d}; method="knn" needs none'
        )
    return model

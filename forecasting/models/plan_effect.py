"""What a plan for the launch weeks does to the curve: a promotion in week three, say.

How much a plan moves a launch as a whole the trees learn from the plan's means, unless a covariate
is said to move it one way (`ModelOptions.monotone`): of such a one the elasticity is learned, here.
Else this is about the shape: a Poisson regression of what came, over what was expected, on how far
each covariate lies from its own mean over the launch. What moves one week up moves the others down:
the total stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import PoissonRegressor

from forecasting.data.panel import Bools, Floats, Ints
from forecasting.models.sample_paths import Paths

_RIDGE = 1e-3
_ROUNDS = 5  # of effects and levels, each given the other
_FEWEST = 50  # rows with a plan
_FURTHEST = 1.5  # logarithm of the most that a week is moved
_BEYOND = 0.5  # of what lies outside the plans that were seen counts


@dataclass(frozen=True)
class Elasticity:
    """What the means of c covariates over a launch multiply its total by.

    Attributes:
        center: (c,) means of past launches' means; of their logarithms where all were positive.
        low: (c,) the lowest of them.
        high: (c,) the highest.
        is_log: (c,) whether logarithms are taken.
        slope: (c,) logarithm of what one unit more multiplies the total by; 0 where nothing is
            learned.
    """

    center: Floats
    low: Floats
    high: Floats
    is_log: Bools
    slope: Floats

    @classmethod
    def none(cls, covariates: int) -> Elasticity:
        """Plans that move no total."""
        nothing = np.zeros(covariates)
        return cls(nothing, nothing, nothing, nothing.astype(bool), nothing)

    @classmethod
    def learn(cls, plan: Floats, sold: Floats, expected: Floats, signs: Ints) -> Elasticity:
        """Learn from n launches what trees that did not see these covariates had not expected.

        A slope of the wrong sign is chance, and none.

        Args:
            plan: (n, horizon, c) covariates, NaN where not planned.
            sold: (n,) total units.
            expected: (n,) total units expected.
            signs: (c,) 1 or -1: the total rises, or falls, with the covariate; 0: not asked for.
        """
        means = _means(plan)
        told = np.isfinite(means[:, signs != 0]).all(axis=1) & (expected > 0)
        if not signs.any() or told.sum() < _FEWEST:
            return cls.none(len(signs))
        is_log: Bools = np.all(np.where(np.isfinite(means), means, 1.0) > 0, axis=0)
        z = np.where(is_log, np.log(np.where(is_log, means, 1.0)), means)[told]
        z[:, signs == 0] = 0.0
        center, free = z.mean(axis=0), np.flatnonzero(signs)
        slope = np.zeros(len(signs))
        while len(free):
            model = PoissonRegressor(alpha=_RIDGE, max_iter=500)
            ratio = sold[told] / expected[told]
            model.fit((z - center)[:, free], ratio, sample_weight=expected[told])
            wrong = np.sign(model.coef_) == -signs[free]
            if not wrong.any():
                slope[free] = model.coef_
                break
            free = free[~wrong]
        return cls(center, z.min(axis=0), z.max(axis=0), is_log, slope)

    def levels(self, plan: Floats) -> Floats:
        """(n,) what plans (n, horizon, c) multiply totals by; beyond those seen by half as much."""
        means = _means(plan)
        positive = self.is_log & (means > 0)
        z = np.where(positive, np.log(np.where(positive, means, 1.0)), means)
        z = np.where(self.is_log & (means <= 0), self.low, z)
        inside = np.clip(z, self.low, self.high)
        away = np.nan_to_num(inside + _BEYOND * (z - inside) - self.center)
        levels: Floats = np.exp(away @ self.slope)
        return levels


@dataclass(frozen=True)
class PlanEffect:
    """Effects of c covariates.

    Attributes:
        spread: (c,) standard deviation of the deviations; they are divided by it.
        slope: (c,) logarithm of what one standard deviation multiplies a week by.
    """

    spread: Floats
    slope: Floats

    @classmethod
    def none(cls, covariates: int) -> PlanEffect:
        """Plans that move nothing."""
        return cls(np.ones(covariates), np.zeros(covariates))

    @classmethod
    def learn(cls, plan: Floats, sold: Floats, expected: Floats) -> PlanEffect:
        """Learn from n launches that the models had not seen.

        Args:
            plan: (n, horizon, c) covariates, NaN where not planned.
            sold: (n, horizon) units.
            expected: (n, horizon) units expected without regard to the plan's shape.
        """
        covariates = plan.shape[2]
        away = _deviations(plan)
        told = (away != 0).any(axis=(1, 2)) & (expected > 0).all(axis=1) & sold.any(axis=1)
        if not covariates or told.sum() < _FEWEST:
            return cls.none(covariates)
        spread = away[told].std(axis=(0, 1))
        spread = np.where(spread > 0, spread, 1.0)
        away, sold, expected = away[told] / spread, sold[told], expected[told]
        slope = np.zeros(covariates)
        # The launch's own level is given, and only how it is split is asked for: `applied` keeps
        # the total, so here too the level is what the total says under the effects found so far.
        for _ in range(_ROUNDS):
            level = sold.sum(axis=1) / (expected * _tilt(away, slope)).sum(axis=1)
            base = (expected * level[:, None]).ravel()
            model = PoissonRegressor(alpha=_RIDGE, fit_intercept=False, max_iter=500)
            model.fit(away.reshape(-1, covariates), sold.ravel() / base, sample_weight=base)
            slope = np.asarray(model.coef_, dtype=np.float64)
        return cls(spread, slope)

    def applied(self, paths: Paths, plan: Floats) -> Paths:
        """Move the courses as the plans of their launches do, each mean total as it was."""
        if not self.slope.any():
            return paths
        tilt = _tilt(_deviations(plan) / self.spread, self.slope)
        before = paths.mean()
        after = (before * tilt).sum(axis=1)
        keep = np.divide(before.sum(axis=1), after, out=np.ones_like(after), where=after > 0)
        return replace(paths, scale=paths.scale * tilt * keep[:, None])


def _means(plan: Floats) -> Floats:
    """(n, c) means of covariates over a launch; NaN where one is not planned."""
    known = np.isfinite(plan)
    count = known.sum(axis=1)
    total = np.where(known, plan, 0.0).sum(axis=1)
    means: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return means


def _tilt(away: Floats, slope: Floats) -> Floats:
    """(n, horizon) what plans (n, horizon, c) so far from their means multiply weeks by."""
    tilt: Floats = np.exp(np.clip(away @ slope, -_FURTHEST, _FURTHEST))
    return tilt


def _deviations(plan: Floats) -> Floats:
    """(n, horizon, c) how far each covariate lies from its mean over the launch; 0 if unknown."""
    known = np.isfinite(plan)
    count = known.sum(axis=1, keepdims=True)
    total = np.where(known, plan, 0.0).sum(axis=1, keepdims=True)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return np.where(known, plan - mean, 0.0)

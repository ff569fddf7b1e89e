"""What a plan for the launch weeks does to the curve: a promotion in week three, say.

How much a plan moves a launch as a whole the models learn from the plan's means. This is about the
shape: a Poisson regression of what came, over what was expected, on how far each covariate lies
from its own mean over the launch. What moves one week up moves the others down: the total stays.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import PoissonRegressor

from forecasting.data.panel import Floats
from forecasting.models.sample_paths import Paths

_RIDGE = 1e-3
_ROUNDS = 5  # of effects and levels, each given the other
_FEWEST = 50  # rows with a plan
_FURTHEST = 1.5  # logarithm of the most that a week is moved


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

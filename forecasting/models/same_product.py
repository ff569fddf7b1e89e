"""What a product sells in other places says of a launch of it here.

Trees cut it into steps, of which few launches teach few. Here a launch sells what the product sold
a period elsewhere, times what places of its kind sold over that (a ridge regression of the
logarithm). How far that is believed beside the trees, and how much narrower it makes a forecast, is
learned from launches that neither had seen; where it does not help them, nothing changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls
from sklearn.linear_model import Ridge

from forecasting.data.panel import Floats, Ints
from forecasting.models.sample_paths import Paths

RATE, LEAD = "elsewhere_rate", "lead"

_PRIOR = 5.0  # launches' worth of belief that a place is like all others
_FEWEST, _FEWEST_GROUPS = 50, 20
_SURE = 2.0  # standard errors by which it has to help
_FURTHEST = 20.0  # times a forecast is moved at most
_NARROWEST = 0.1
_ROUNDS = 5
_TINY = 1e-9


@dataclass(frozen=True)
class SameProduct:
    """How launches follow their product elsewhere.

    Attributes:
        rate: (r,) column of the features that holds the product's rate elsewhere; none without.
        lead: (r,) column of the lead.
        column: (e,) column of each effect: a category of an attribute.
        code: (e,) the category's code.
        effect: (e,) what it multiplies by, as a logarithm.
        ahead: (r,) the same of a period of lead.
        level: (r,) of all.
        share: (r,) how far it is believed, between 0 (not at all) and 1.
        variance: (2r,) of the logarithm of what launches sell over their forecast: one that is the
            same for all, and one over the units expected, as chance has it.
    """

    rate: Ints
    lead: Ints
    column: Ints
    code: Ints
    effect: Floats
    ahead: Floats
    level: Floats
    share: Floats
    variance: Floats

    @classmethod
    def none(cls) -> SameProduct:
        """Nothing is told of other places, or it says nothing."""
        nothing, numbers = np.empty(0), np.empty(0, dtype=np.int64)
        return cls(*(numbers,) * 4, *(nothing,) * 5)

    @classmethod
    def learn(
        cls,
        names: Sequence[str],
        matrix: Floats,
        categorical: Sequence[int],
        total: Floats,
        scale: Floats,
        weight: Floats,
    ) -> SameProduct:
        """Learn what n launches sold over the rate of their product elsewhere.

        Args:
            names: Of the features.
            matrix: (n, f) features; categories by their code, NaN where unknown.
            categorical: Columns that hold categories.
            total: (n,) units sold.
            scale: (n, horizon) unit of the market that was expected.
            weight: (n,) how much each counts.
        """
        if RATE not in names:
            return cls.none()
        rate = names.index(RATE)
        known = np.isfinite(matrix[:, rate])
        if known.sum() < _FEWEST:
            return cls.none()
        rows, lead = matrix[known], names.index(LEAD)
        column, code = _effects(rows, categorical)
        design = np.column_stack([rows[:, column] == code, rows[:, lead]]).astype(np.float64)
        elsewhere = _units(rows[:, rate], scale[known])
        over = np.log(total[known] + 0.5) - np.log(elsewhere)
        ridge = Ridge(alpha=_PRIOR).fit(design, over, sample_weight=weight[known])
        return cls(
            rate=np.array([rate]),
            lead=np.array([lead]),
            column=column,
            code=code,
            effect=ridge.coef_[:-1],
            ahead=ridge.coef_[-1:],
            level=np.array([ridge.intercept_]),
            share=np.ones(1),
            variance=np.zeros(2),
        )

    def expected(self, matrix: Floats, scale: Floats) -> Floats:
        """(n,) units that launches sell as their product does elsewhere; NaN where not known."""
        if not len(self.rate):
            return np.full(len(matrix), np.nan)
        effects = (matrix[:, self.column] == self.code) @ self.effect
        moved = effects + self.level + self.ahead * matrix[:, self.lead[0]]
        found = _units(matrix[:, self.rate[0]], scale) * np.exp(moved)
        return np.asarray(found, dtype=np.float64)

    def applied(self, paths: Paths, expected: Floats) -> Paths:
        """Move courses as far as what is expected is believed, and draw them together."""
        known = np.isfinite(expected)
        if not len(self.rate) or not known.any():
            return paths
        said, told = paths.mean().sum(axis=1), np.where(known, expected, 1.0)
        known &= (said > 0) & (told > 0)
        ratio = np.divide(told, said, out=np.ones_like(said), where=known)
        moved = np.clip(ratio**self.share, 1 / _FURTHEST, _FURTHEST)
        narrower = self._deviation(said * moved) / np.maximum(_deviation_of(paths), _TINY)
        share = np.where(known, np.clip(narrower, _NARROWEST, 1.0), 1.0)
        return paths.narrowed(share).scaled(np.where(known, moved, 1.0))

    def judged(
        self, paths: Sequence[Paths], expected: Floats, came: Floats, group: Ints
    ) -> SameProduct:
        """Return the same, believed as far as it helped n launches that it had not seen.

        Args:
            paths: Their forecasts without it, in parts.
            expected: (n,) what was expected of it; NaN where not known.
            came: (n,) what they sold.
            group: (n,) the same number for launches that share their fate.
        """
        if not len(self.rate) or np.isfinite(expected).sum() < _FEWEST:
            return SameProduct.none()
        said = np.concatenate([one.mean().sum(axis=1) for one in paths])
        known = np.isfinite(expected) & (said > 0) & (expected > 0)
        missed = np.log(came[known] + 0.5) - np.log(said[known] + 0.5)
        further = np.log(expected[known] + 0.5) - np.log(said[known] + 0.5)
        missed_mean, further_mean = missed.mean(), further.mean()
        square = float(((further - further_mean) ** 2).sum())
        share = float(((missed - missed_mean) * (further - further_mean)).sum()) / max(
            square, _TINY
        )
        share = float(np.clip(share, 0.0, 1.0))
        left = missed - share * further
        left -= left.mean()
        if not _helped((missed - missed_mean) ** 2 - left**2, group[known]):
            return SameProduct.none()
        moved = np.clip((expected[known] / said[known]) ** share, 1 / _FURTHEST, _FURTHEST)
        center = float(came[known].sum() / max((said[known] * moved).sum(), _TINY))
        level = self.level + np.log(max(center, 1 / _FURTHEST)) / max(share, _NARROWEST)
        variance = _variance(left, said[known] * moved)
        return replace(self, level=level, share=np.array([share]), variance=variance)

    def _deviation(self, expected: Floats) -> Floats:
        """(n,) of the logarithm of what launches sell."""
        same, by_chance = self.variance
        return np.asarray(np.sqrt(same + by_chance / np.maximum(expected, 1.0)), dtype=np.float64)


def _effects(rows: Floats, categorical: Sequence[int]) -> tuple[Ints, Ints]:
    """Columns (e,) and codes (e,) of the categories that some launches have."""
    pairs = [
        (column, int(code))
        for column in categorical
        for code in np.unique(rows[:, column][np.isfinite(rows[:, column])])
    ]
    both = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _units(rate: Floats, scale: Floats) -> Floats:
    """(n,) units over the horizon at a rate that is told as a logarithm, in units of the market."""
    units = np.expm1(rate) * scale.sum(axis=1) + 0.5
    return np.asarray(units, dtype=np.float64)


def _helped(less: Floats, group: Ints) -> bool:
    """Whether errors became smaller by more than chance, a group counted once."""
    at = np.unique(group, return_inverse=True)[1]
    mean = np.bincount(at, less) / np.bincount(at)
    error = float(mean.std()) / np.sqrt(max(len(mean), 1))
    return len(mean) >= _FEWEST_GROUPS and float(mean.mean()) > _SURE * error


def _variance(left: Floats, expected: Floats) -> Floats:
    """(2,) what squared errors are made of: a constant, and one over what was expected."""
    parts = np.column_stack([np.ones_like(expected), 1 / np.maximum(expected, 1.0)])
    found = np.array([float((left**2).mean()), 0.0])
    for _ in range(_ROUNDS):  # each error is as uncertain as it is large
        weight = 1 / np.maximum(parts @ found, _TINY)
        found = nnls(parts * weight[:, None], left**2 * weight)[0]
    return np.asarray(found, dtype=np.float64)


def _deviation_of(paths: Paths) -> Floats:
    """(n,) deviation of the logarithm of a forecast's totals."""
    totals = np.log(paths.raw_totals() + 0.5)
    mean = (totals * paths.weight).sum(axis=1)
    variance = ((totals - mean[:, None]) ** 2 * paths.weight).sum(axis=1)
    return np.asarray(np.sqrt(variance), dtype=np.float64)

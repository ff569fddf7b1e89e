"""What launches have in common beyond what was known of each: why sums miss by more.

Launches of one group (colors of a style, stores of a product), of one period, and all launches of a
season turn out better or worse than forecast together. How much, is read off launches that the
models had not seen: each lay at some level of its forecast, as a normal score; the covariances of
these scores between members of a group, within a period and between near periods are the variances
of normal factors that they share (method of moments for random effects; Searle, Casella and
McCulloch 1992). Sums are drawn with such factors (a Gaussian copula), so that what is said of each
launch on its own stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t as student

from forecasting.data.panel import Floats, Ints

_MOST = 0.95  # of what a launch turns out to be that it may share with others
_TINY = 1e-6
_BELIEF = 1.0  # periods' worth of it
_EDGE = 0.9  # the level at which a normal factor is as wide as Student's
_SHOCK = 0.2  # believed deviation of the logarithm of what launches of one period share


@dataclass(frozen=True)
class SharedFate:
    """Shares of the variance of a launch's normal score.

    Attributes:
        season: What it has in common with all launches forecast together.
        period: With those of the same period.
        group: With those of its group.
        calendar: Of another kind: the standard deviation of the logarithm of what all launches of
            any age have in common in one calendar period.
    """

    season: float = 0.0
    period: float = 0.0
    group: float = 0.0
    calendar: float = 0.0

    @classmethod
    def learn(cls, score: Floats, period: Ints, lead: Ints, group: Ints, reach: int) -> SharedFate:
        """Learn from n launches that the models had not seen.

        Args:
            score: (n,) as of `normal_scores`.
            period: (n,) of launch.
            lead: (n,) from how far before it was forecast; those from one distance are compared.
            group: (n,) the same number for members of one.
            reach: Periods between launches within which they share a season.
        """
        pairs = sum(
            (
                _pairs(score[rows], period[rows], group[rows], reach)
                for rows in (np.flatnonzero(lead == one) for one in np.unique(lead))
            ),
            start=np.zeros((4, 2)),
        )
        spread = float(np.mean(score**2)) if len(score) else 0.0
        if spread < _TINY:
            return cls()
        together, far, near = (_beyond_chance(pairs[one], spread) for one in (0, 2, 3))
        # Calibration has centered the scores: of few periods or groups that takes off a part.
        near *= _uncentered(period)
        together *= _uncentered(group)
        season = far
        of_period = max(near - season, 0.0)
        of_group = max(together - season, 0.0)
        if pairs[0, 1] > 0:  # as far as members of a group are launched in one period
            of_group = max(of_group - of_period * pairs[1, 1] / pairs[0, 1], 0.0)
        shrink = min(1.0, _MOST / max(season + of_period + of_group, _TINY))
        return cls(season * shrink, of_period * shrink, of_group * shrink)

    def leaning(self, share: float) -> SharedFate:
        """Return the same where forecasts have a share of their error in common besides."""
        season = self.season + share
        shrink = min(1.0, _MOST / max(season + self.period + self.group, _TINY))
        return SharedFate(season * shrink, self.period * shrink, self.group * shrink, self.calendar)

    def of_few(self, periods: float) -> tuple[SharedFate, float]:
        """Return what launches to come share, and how many times wider their scores are for it.

        Of few periods neither the center nor the variance of what they share is known: of a further
        one Student's t is (Gelman et al., Bayesian Data Analysis, 3.2), taken here as the normal
        that is as wide. Where the center is off, it is so for all that is forecast together.

        Args:
            periods: How many there were to learn from.
        """
        freedom = max(periods - 1, 0.0) + _BELIEF
        learned = ((freedom - _BELIEF) * self.period + _BELIEF * GUESSED.period) / freedom
        wide = learned * float(student.ppf(_EDGE, freedom) / norm.ppf(_EDGE)) ** 2
        center = learned / max(periods, 1.0)
        total = 1 - self.period + wide + center
        fate = replace(
            self,
            season=(self.season + center) / total,
            period=wide / total,
            group=self.group / total,
        )
        return fate, float(np.sqrt(total))

    def weather(self, draws: int, periods: int, rng: np.random.Generator) -> Floats:
        """(draws, periods) factors of mean one that all launches share in a calendar period."""
        luck = self.calendar * rng.standard_normal((draws, periods))
        factors: Floats = np.exp(luck - self.calendar**2 / 2)
        return factors

    def draw(
        self, draws: int, period: Ints, group: Ints, rng: np.random.Generator
    ) -> npt.NDArray[np.float64]:
        """(draws, n) levels between 0 and 1 at which n launches come out together."""
        return draw_together(
            (self,), np.zeros(len(period), dtype=np.int64), draws, period, group, rng
        )


# What is believed where nothing was held out to learn it from.
GUESSED = SharedFate(season=0.05, period=0.05, group=0.4)


def draw_together(
    fates: Sequence[SharedFate],
    which: Ints,
    draws: int,
    period: Ints,
    group: Ints,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """(draws, n) levels at which n launches come out together, each with a share as its fate says.

    Args:
        fates: What launches have in common.
        which: (n,) the one of each launch.
        draws: How many.
        period: (n,) of launch.
        group: (n,) the same number for members of one.
        rng: Of the draws.
    """
    season, of_period, of_group = (
        np.array([getattr(fate, name) for fate in fates])[which]
        for name in ("season", "period", "group")
    )
    own = np.maximum(1.0 - season - of_period - of_group, 0.0)
    made = np.sqrt(own) * rng.standard_normal((draws, len(period)))
    made += np.sqrt(season) * rng.standard_normal((draws, 1))
    for share, key in ((of_period, period), (of_group, group)):
        if (share > 0).any():
            unique, at = np.unique(key, return_inverse=True)
            made += np.sqrt(share) * rng.standard_normal((draws, len(unique)))[:, at]
    levels: npt.NDArray[np.float64] = norm.cdf(made)
    return levels


def ratio_variance(came: Floats, said: Floats, period: Ints, group: Ints) -> float:
    """Return the variance of the logarithm of what n launches sold over what was said of them.

    Launches of a group count as one, and so do those of a period: clustered both ways, less what
    that counts twice (Cameron, Gelbach and Miller 2011). Of few periods it cannot show how far
    they differ; a belief is added.

    Args:
        came: (n,) what they sold, times their weight.
        said: (n,) what was said, times their weight.
        period: (n,) of launch.
        group: (n,) the same number for members of one.
    """
    if not (came.sum() > 0 and said.sum() > 0):
        return float("inf")
    rest = came - said * (came.sum() / said.sum())

    def clustered(key: Ints) -> float:
        sums = np.bincount(np.unique(key, return_inverse=True)[1], rest)
        return float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1))

    one_way = clustered(period), clustered(group)
    found = max(sum(one_way) - clustered(_both(period, group)), *one_way)
    return found / float(came.sum()) ** 2 + _SHOCK**2 / effective(period)


def normal_scores(below: Floats, up_to: Floats) -> Floats:
    """(n,) mean normal score of what lay between two levels; of counts that is a range."""
    low, high = np.clip(below, 0, 1), np.clip(up_to, 0, 1)
    middle = np.clip((low + high) / 2, 1e-3, 1 - 1e-3)
    wide = high - low > _TINY
    mass = norm.pdf(norm.ppf(low)) - norm.pdf(norm.ppf(high))
    score = np.divide(mass, high - low, out=norm.ppf(middle), where=wide)
    return np.asarray(score, dtype=np.float64)


def calendar_deviation(
    missed: Floats, variance: Floats, expected: Floats, period: Ints, lead: Ints
) -> float:
    """Return the standard deviation of the logarithm of what calendar periods do to all launches.

    From pairs of launches of different periods that met in one: how far they missed together there,
    beyond what chance makes of it.

    Args:
        missed: (n, horizon) what was sold of each launch at each age, less its mean forecast.
        variance: (n, horizon) of its forecast.
        expected: (n, horizon) its mean.
        period: (n,) of launch.
        lead: (n,) from how far before it was forecast; those from one distance are compared.
    """
    ages = np.broadcast_to(np.arange(missed.shape[1]), missed.shape)
    launch, leads = (np.broadcast_to(one[:, None], missed.shape) for one in (period, lead))
    when = _both((launch + ages).ravel(), leads.ravel())
    same = _both(when, launch.ravel())

    def apart(values: Floats) -> float:
        """Sum of products over pairs that met, and were not launched together."""
        flat = values.ravel()
        return float(_grouped(flat, when)[0] - _grouped(flat, same)[0])

    size, chance = apart(expected), apart(variance)
    if size <= 0:
        return 0.0
    found = apart(missed) / size
    kept = found - chance / size**2 / found if found > 0 else 0.0
    return float(np.sqrt(np.log1p(max(kept, 0.0))))


def _pairs(score: Floats, period: Ints, group: Ints, reach: int) -> Floats:
    """(4, 2) sum of products and number of pairs: of a group, of these at once, far, near.

    Near are pairs of one period and far those of periods within reach, both of different groups.
    """
    by_group, by_both = _grouped(score, group), _grouped(score, _both(group, period))
    by_period = _grouped(score, period)
    first = int(period.min())
    length = int(period.max()) - first + 1
    sums = np.bincount(period - first, score, length)
    counts = np.bincount(period - first, minlength=length).astype(np.float64)
    far = np.zeros(2)
    for step in range(1, min(reach, length - 1) + 1):
        far += np.array([sums[step:] @ sums[:-step], counts[step:] @ counts[:-step]])
    staggered = by_group - by_both  # of a group, at different periods
    return np.stack([by_group, by_both, far - staggered, by_period - by_both])


def _grouped(score: Floats, key: Ints) -> Floats:
    """Sum of products of all pairs that share a key, and how many they are."""
    at = np.unique(key, return_inverse=True)[1]
    sums, counts = np.bincount(at, score), np.bincount(at).astype(np.float64)
    products = (float((sums**2).sum()) - float((score**2).sum())) / 2
    return np.array([products, float((counts * (counts - 1)).sum()) / 2])


def effective(key: Ints) -> float:
    """Return how many groups of one size tell as much as those of the sizes found."""
    counts = np.unique(key, return_counts=True)[1].astype(np.float64)
    return float(counts.sum() ** 2 / (counts**2).sum()) if len(key) else 0.0


def _uncentered(key: Ints) -> float:
    count = effective(key)
    return count / max(count - 1, 1.0)


def _both(one: Ints, other: Ints) -> Ints:
    pairs = np.stack([one, other], axis=1)
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _beyond_chance(pairs: Floats, spread: float) -> float:
    """Correlation of pairs, less what independent ones show by chance (James and Stein 1961).

    Scores of ties are means over ranges and vary less than one; pairs of them covary less by the
    product of both variances.
    """
    products, count = pairs
    if count <= 0:
        return 0.0
    found = products / count / spread**2
    chance = 1.0 / (count * spread**2)
    return float(max(found - chance / found, 0.0)) if found > 0 else 0.0

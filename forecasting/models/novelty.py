"""How unlike anything known a launch is, and what its forecast is worth then; or on thin ground.

A few courses cannot show how far the next one may lie, and one course shows no spread at all. The
logarithm of a total is taken to be normal with unknown mean and variance; of what is still to come
then Student's t is known, with more degrees of freedom and a smaller scale the more launches there
are (Gelman et al., Bayesian Data Analysis, 3.3), starting from a belief worth a few launches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import t as student

from forecasting.data.panel import Bools, Floats
from forecasting.models.sample_paths import Paths

_NOVEL = 0.99  # of past launches had something more similar
_MOST = 512  # past launches that a novel launch may be
_SHARE_OF_ALL = 0.9  # of a novel launch's forecast that is any past launch
ENOUGH = 20  # launches
_BELIEF = 3.0  # launches' worth of it
_SPREAD = 0.8  # standard deviation of the logarithm of totals that is believed
_COPIES = 15
_FLOOR = 0.5  # units


@dataclass(frozen=True)
class Novelty:
    """Similarities that past launches had to their best analogue, when they were new.

    Attributes:
        known: (N,) ascending.
    """

    known: Floats

    @classmethod
    def learn(cls, best_similarity: Floats) -> Novelty:
        """Remember the best similarities of past launches."""
        return cls(np.sort(best_similarity))

    def of(self, best_similarity: Floats) -> Floats:
        """(n,) share of past launches that had a more similar analogue; 0.5 without any past."""
        if not len(self.known):
            return np.full(len(best_similarity), 0.5)
        above = len(self.known) - np.searchsorted(self.known, best_similarity, side="right")
        share: Floats = above / len(self.known)
        return share

    def is_novel(self, novelty: Floats) -> Bools:
        """(n,) whether the items are too unlike anything to trust what they are like.

        Counted with the item itself, so that of items like all others at most one in a hundred is
        called novel; a handful of past launches cannot tell.
        """
        past = len(self.known)
        return novelty * past >= _NOVEL * (past + 1)

    def widened(self, paths: Paths, novelty: Floats, launches: int) -> Paths:
        """Let novel launches be any past launch with half of their weight, whatever they are like.

        Which ones, evenly over all, so that the interval is as wide as launches differ.

        Args:
            paths: The courses of n launches.
            novelty: (n,) how unlike anything they are.
            launches: How many of the curves, the first ones, are those of past launches.
        """
        rows = np.flatnonzero(self.is_novel(novelty))
        most = min(launches, _MOST)
        if not len(rows) or not most:
            return paths
        spread = np.linspace(0, launches - 1, most).round().astype(np.int64)
        n = len(paths)
        position = np.concatenate([paths.position, np.tile(spread, (n, 1))], axis=1)
        own, any_launch = paths.weight.copy(), np.zeros((n, most))
        own[rows] *= 1 - _SHARE_OF_ALL
        any_launch[rows] = _SHARE_OF_ALL / most
        factor = np.concatenate([paths.factor, np.ones((n, most))], axis=1)
        return Paths(
            paths.curves,
            position,
            np.concatenate([own, any_launch], axis=1),
            factor,
            paths.scale,
            paths.counts,
        )


def few_widened(paths: Paths, launches: int) -> Paths:
    """Spread each course as far as few of them leave open; the mean stays.

    Args:
        paths: The courses of n launches.
        launches: How many there were to learn from; from 20 on nothing changes.
    """
    if launches >= ENOUGH or not len(paths):
        return paths
    n, m = paths.position.shape
    count = 1 / (paths.weight**2).sum(axis=1)  # that their weights are worth
    logs = np.log(paths.totals() + _FLOOR)
    center = (logs * paths.weight).sum(axis=1, keepdims=True)
    seen = ((logs - center) ** 2 * paths.weight).sum(axis=1)
    freedom = _BELIEF + count - 1
    wanted = (_BELIEF * _SPREAD**2 + count * seen) / freedom * (1 + 1 / count)
    more = np.sqrt(np.maximum(wanted - seen, 0.0))
    steps = (np.arange(_COPIES) + 0.5) / _COPIES
    moved = np.exp(more[:, None] * student.ppf(steps[None, :], freedom[:, None]))
    moved /= moved.mean(axis=1, keepdims=True)
    spread = (paths.factor[:, :, None] * moved[:, None, :]).reshape(n, m * _COPIES)
    return replace(
        paths,
        position=np.repeat(paths.position, _COPIES, axis=1),
        weight=np.repeat(paths.weight / _COPIES, _COPIES, axis=1),
        factor=spread,
    )

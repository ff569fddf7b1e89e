"""How unlike anything known a launch is, and what its forecast is worth then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.panel import Bools, Floats
from forecasting.paths import Paths

_NOVEL = 0.99  # of past launches had something more similar
_SHARE_OF_ALL = 0.5  # of a novel launch's forecast that is any past launch


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
        """(n,) whether the items are too unlike anything to trust what they are like."""
        return novelty >= _NOVEL

    def widened(self, paths: Paths, novelty: Floats) -> Paths:
        """Let novel launches be any past launch with half of their weight, whatever they are like.

        Which ones, evenly over all curves, so that the interval is as wide as launches differ.
        """
        rows = np.flatnonzero(self.is_novel(novelty))
        most = paths.position.shape[1]
        if not len(rows) or not most:
            return paths
        spread = np.linspace(0, len(paths.curves) - 1, most).round().astype(np.int64)
        n = len(paths)
        position = np.concatenate([paths.position, np.tile(spread, (n, 1))], axis=1)
        own, any_launch = paths.weight.copy(), np.zeros_like(paths.weight)
        own[rows] *= 1 - _SHARE_OF_ALL
        any_launch[rows] = _SHARE_OF_ALL / most
        factor = np.concatenate([paths.factor, np.ones_like(paths.factor)], axis=1)
        return Paths(
            paths.curves,
            position,
            np.concatenate([own, any_launch], axis=1),
            factor,
            paths.scale,
            paths.counts,
        )

"""How unlike anything known a launch is, and what its forecast is worth then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecasting.data.panel import Bools, Floats
from forecasting.models.sample_paths import Paths

_NOVEL = 0.99  # of past launches had something more similar
_MOST = 512  # past launches that a novel launch may be
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

"""A launch as a weighted set of courses it might take, from which every answer is read.

Mean and quantiles of each age, those of the total, sums over items, and what remains after the
first weeks all come from one set of courses, and so agree with each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from forecasting.blocks import by_block
from forecasting.data.panel import Floats, Ints

_Number = TypeVar("_Number", np.int64, np.float64)

_CELLS = 4_000_000  # numbers held in memory at once, by each core
_LEAST_TOTAL = 0.05  # of the mean, below which totals are alike when they are brought together
_FEWEST = 128  # courses of an average over what is not known


@dataclass(frozen=True)
class Paths:
    """The courses of n launches, each with m of N known curves.

    Attributes:
        curves: (N, horizon) curves in units of the market of their time.
        position: (n, m) rows of ``curves``.
        weight: (n, m) their probabilities; sums to 1.
        factor: (n, m) what each curve is multiplied by.
        scale: (n, horizon) the unit of the market that is expected at each age.
        counts: Whether what is sold is whole numbers.
        hand: (n,) what somebody has multiplied each launch by; None for nothing.
    """

    curves: Floats
    position: Ints
    weight: Floats
    factor: Floats
    scale: Floats
    counts: bool
    hand: Floats | None = None

    def __len__(self) -> int:
        """Return the number of launches."""
        return len(self.position)

    def __getitem__(self, rows: slice | Ints) -> Paths:
        """Return some of the launches."""
        return replace(
            self,
            position=self.position[rows],
            weight=self.weight[rows],
            factor=self.factor[rows],
            scale=self.scale[rows],
            hand=None if self.hand is None else self.hand[rows],
        )

    def scaled(self, factor: Floats | float) -> Paths:
        """Return the same with all courses of a launch multiplied by (n,) numbers, or by one."""
        by_row = np.broadcast_to(np.asarray(factor, dtype=np.float64), (len(self),))
        return replace(self, factor=self.factor * by_row[:, None])

    def narrowed(self, share: Floats) -> Paths:
        """Return the same with the spread of totals, in logarithms, (n,) times as large.

        Means stay as they are; courses of nothing stay nothing.
        """
        if (share == 1).all():
            return self
        before = self.mean().sum(axis=1)
        log = np.log(np.maximum(self.raw_totals(), _LEAST_TOTAL * before[:, None] + 1e-9))
        center = (log * self.weight).sum(axis=1, keepdims=True)
        moved = replace(self, factor=self.factor * np.exp((share[:, None] - 1) * (log - center)))
        after = moved.mean().sum(axis=1)
        ratio = np.divide(before, after, out=np.ones_like(before), where=after > 0)
        return moved.scaled(np.where(share == 1, 1.0, ratio))

    def by_hand(self, factor: Floats) -> Paths:
        """Return the same multiplied by (n,) numbers, and read as launches of the size before.

        Else what somebody doubles would be calibrated as launches twice as large, whose quantiles
        lie elsewhere: one of them might fall.
        """
        return replace(self.scaled(factor), hand=factor)

    def size(self, expected: Floats) -> Floats:
        """(n,) expected totals by which launches are calibrated, of those that are expected."""
        if self.hand is None:
            return expected
        return np.divide(expected, self.hand, out=expected.copy(), where=self.hand > 0)

    @property
    def block_size(self) -> int:
        """Launches whose courses fit in memory at once."""
        width: int = self.position.shape[1] * self.curves.shape[1]
        return max(1, _CELLS // max(1, width))

    def courses(self) -> Floats:
        """(n, m, horizon) units, before rounding."""
        units: Floats = self.curves[self.position] * self.factor[..., None] * self.scale[:, None, :]
        return units

    def age(self, age: int) -> Floats:
        """(n, m) units at one age."""
        at = self.curves[:, age][self.position] * self.factor * self.scale[:, age, None]
        return self.rounded(at)

    def totals(self) -> Floats:
        """(n, m) units over the horizon."""
        return self.rounded(self.raw_totals())

    def raw_totals(self) -> Floats:
        """(n, m) units over the horizon, before rounding."""
        raw = by_block(
            len(self),
            self.block_size,
            lambda rows: np.einsum(
                "nmh,nh->nm", self.curves[self.position[rows]], self.scale[rows]
            ),
        )
        totals: Floats = np.concatenate(raw) * self.factor
        return totals

    def rounded(self, units: Floats) -> Floats:
        """Whole numbers where sales are; a scaled count is one that nobody can sell."""
        return np.rint(units) if self.counts else units

    def mean(self) -> Floats:
        """(n, horizon) expected units."""
        expected = by_block(
            len(self),
            self.block_size,
            lambda rows: np.einsum(
                "nmh,nm->nh",
                self.curves[self.position[rows]],
                self.weight[rows] * self.factor[rows],
            ),
        )
        units: Floats = np.concatenate(expected) * self.scale
        return units

    def at(self, levels: Floats) -> Floats:
        """(draws, n, horizon) courses whose totals lie at (draws, n) levels of their forecasts."""
        totals = self.raw_totals()
        order = np.argsort(totals, axis=1, kind="stable")
        reached = np.cumsum(np.take_along_axis(self.weight, order, axis=1), axis=1)
        last = self.position.shape[1] - 1
        out = np.empty((len(levels), len(self), self.curves.shape[1]))
        for row in range(len(self)):
            found = np.searchsorted(reached[row], levels[:, row] * reached[row, -1])
            chosen = order[row, np.minimum(found, last)]
            course = self.curves[self.position[row, chosen]] * self.factor[row, chosen, None]
            out[:, row] = course * self.scale[row]
        return out


def moments(paths: Paths) -> tuple[Floats, Floats]:
    """(n, horizon) mean and variance of every age."""
    mean, ages = paths.mean(), range(paths.curves.shape[1])
    square = [(paths.age(age) ** 2 * paths.weight).sum(axis=1) for age in ages]
    return mean, np.maximum(np.stack(square, axis=1) - mean**2, 0.0)


def quantiles(values: Floats, weight: Floats, levels: Floats) -> Floats:
    """Weighted quantiles (n, q) of (n, m) values at (n, q) levels.

    The smallest value whose cumulated weight reaches the level.
    """
    order = np.argsort(values, axis=1)
    ranked = np.take_along_axis(values, order, axis=1)
    reached = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    total = reached[:, -1]
    # A level met exactly must not be missed by a rounding error of the sum.
    at = [
        (reached < ((level - 1e-9) * total)[:, None]).sum(axis=1).clip(max=values.shape[1] - 1)
        for level in levels.T
    ]
    out: Floats = np.take_along_axis(ranked, np.stack(at, axis=1), axis=1)
    return out


def ranks(values: Floats, weight: Floats, came: Floats) -> tuple[Floats, Floats]:
    """(n,) probability of less than what came, and of at most that."""
    slack = 1e-9 * np.maximum(np.abs(came), 1.0)
    below = np.where(values < (came - slack)[:, None], weight, 0.0).sum(axis=1)
    up_to = np.where(values <= (came + slack)[:, None], weight, 0.0).sum(axis=1)
    return below, up_to


def mixed(paths: Paths, rows: Ints, copies: Paths) -> Paths:
    """Give some launches the courses of their copies, each copy with the same weight.

    Of each copy stand some courses for all, in even steps through its distribution, so that the
    average is no wider in memory than what it stands for.

    Args:
        paths: The courses of n launches.
        rows: (m,) those that are replaced.
        copies: The courses of m times d copies, those of one launch after each other, drawn from
            the same curves.
    """
    draws = len(copies) // len(rows)
    width = max(paths.position.shape[1], _FEWEST)
    each = -(-width // draws)
    at = _spread(copies, each)
    size = draws * each

    def placed(values: npt.NDArray[_Number], taken: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        wide = np.pad(values, ((0, 0), (0, size - values.shape[1])))
        wide[rows] = taken.reshape(len(rows), size)
        return wide

    scale = paths.scale.copy()
    scale[rows] = copies.scale.reshape(len(rows), draws, -1).mean(axis=1)
    return replace(
        paths,
        scale=scale,
        position=placed(paths.position, np.take_along_axis(copies.position, at, axis=1)),
        weight=placed(paths.weight, np.full(at.shape, 1 / size)),
        factor=placed(paths.factor, np.take_along_axis(copies.factor, at, axis=1)),
    )


def _spread(paths: Paths, count: int) -> Ints:
    """(n, count) places of courses, in even steps through the weights by ascending total."""
    totals = paths.totals()
    order = np.argsort(totals, axis=1, kind="stable")
    reached = np.cumsum(np.take_along_axis(paths.weight, order, axis=1), axis=1)
    steps = (np.arange(count) + 0.5) / count
    at = [np.searchsorted(own, steps * own[-1]) for own in reached]
    return np.take_along_axis(order, np.stack(at), axis=1)

"""How far the labels of a run are from those of the run before.

Whether a difference is more than chance is asked by permutation (Good 1994): the items of both
runs are mixed and dealt out anew; `chance` is how often two such random parts differ as much. Items
that are in both runs differ less than chance would have it: the test errs on the quiet side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.runs.label_profiles import Floats, Ints, LabelProfile, binned, finite

_DRAWS = 2000
_BLOCK = 200  # draws held in memory at once
_SMOOTHING = 0.5  # items added to every bin: an empty one must not make the index infinite
_MOVED = 8


@dataclass(frozen=True)
class Difference:
    """A measure of two runs.

    Attributes:
        value: The measure.
        chance: How probable a value so large is where nothing has changed.
        items: Of the run that has fewer.
    """

    value: float
    chance: float
    items: int


@dataclass(frozen=True)
class MovedLabel:
    """A label's share of the known items, now and in the last run."""

    label: str
    now: float
    last: float


@dataclass(frozen=True)
class LabelDrift:
    """The labels of this run, and what changed since the last one.

    Attributes:
        now: This run.
        last: The one before; None for the first one. What follows is None then, and where either
            run has no item to compare.
        unknown_rise: Share of unknown items, now minus then.
        novelty_psi: Population stability index of the distance to the nearest like item, over the
            deciles of the last run. Novelty itself is not compared: its scale is learned anew with
            every classifier, and would move where the items do not.
        label_shift: Total variation of the label mix: the share of items that would have to get
            another label for the mix to be the last one.
        moved: The labels whose share changed most, the largest change first.
    """

    now: LabelProfile
    last: LabelProfile | None
    unknown_rise: Difference | None
    novelty_psi: Difference | None
    label_shift: Difference | None
    moved: tuple[MovedLabel, ...]

    @property
    def unknown_share(self) -> float:
        """Share of items that are like none of the labels; NaN without items."""
        return self.now.unknown / self.now.items if self.now.items else float("nan")


def label_drift(table: pd.DataFrame, now: LabelProfile, last: LabelProfile | None) -> LabelDrift:
    """Compare a run with the one before.

    Args:
        table: The labels of this run, as `pipelines.runs.label_profiles.read_labels` reads them.
        now: Its profile.
        last: That of the one before, if any.
    """
    if last is None:
        return LabelDrift(now, None, None, None, None, ())
    distance = binned(finite(table["distance"]), last.edges)
    names = sorted({*now.counts, *last.counts})
    mix, mix_before = (_counts([one.counts.get(name, 0) for name in names]) for one in (now, last))
    unknown, unknown_before = (
        _counts([one.unknown, one.items - one.unknown]) for one in (now, last)
    )
    return LabelDrift(
        now=now,
        last=last,
        unknown_rise=_difference(unknown, unknown_before, _rise),
        novelty_psi=_difference(distance, _counts(last.binned), _stability),
        label_shift=_difference(mix, mix_before, _shift),
        moved=_moved(names, mix, mix_before),
    )


def _counts(numbers: Sequence[int]) -> Ints:
    return np.array(numbers, dtype=np.int64)


def _difference(
    now: Ints, last: Ints, measure: Callable[[Floats, Floats], Floats]
) -> Difference | None:
    """Return a measure of two sets of counts, and how often chance alone makes it as large."""
    n, m = int(now.sum()), int(last.sum())
    if not n or not m:
        return None
    value = float(measure(now[None, :].astype(np.float64), last[None, :].astype(np.float64))[0])
    both, rng, as_large = now + last, np.random.default_rng(0), 0
    for _ in range(0, _DRAWS, _BLOCK):
        drawn = rng.multivariate_hypergeometric(both, n, size=_BLOCK, method="marginals")
        made = measure(drawn.astype(np.float64), (both - drawn).astype(np.float64))
        as_large += int((made >= value - 1e-12).sum())
    return Difference(value, (as_large + 1) / (_DRAWS + 1), min(n, m))


def _shares(counts: Floats) -> Floats:
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def _rise(now: Floats, last: Floats) -> Floats:
    """Of the first share."""
    return _shares(now)[:, 0] - _shares(last)[:, 0]


def _shift(now: Floats, last: Floats) -> Floats:
    """Total variation."""
    shift: Floats = np.abs(_shares(now) - _shares(last)).sum(axis=1) / 2
    return shift


def _stability(now: Floats, last: Floats) -> Floats:
    """Compute the population stability index (Siddiqi 2006), half an item added to every bin."""
    a, b = _shares(now + _SMOOTHING), _shares(last + _SMOOTHING)
    index: Floats = ((a - b) * np.log(a / b)).sum(axis=1)
    return index


def _moved(names: list[str], now: Ints, last: Ints) -> tuple[MovedLabel, ...]:
    if not now.sum() or not last.sum():
        return ()
    shares = [(counts / counts.sum()).tolist() for counts in (now, last)]
    moved = [MovedLabel(*one) for one in zip(names, *shares, strict=True)]
    moved.sort(key=lambda one: (-abs(one.now - one.last), one.label))
    return tuple(one for one in moved if one.now != one.last)[:_MOVED]

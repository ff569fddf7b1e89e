"""What a launch takes from others: sales that its nearest siblings lost after past launches.

A difference in differences (Card and Krueger 1994). Around each past launch, the established items
most like it are compared with the next most like ones: what they sold after the launch, less what
they had sold before as the whole market moved. What the first are short of, over what the launch
sold in the same periods, is the share that it took. Launches overlap: one that comes to the same
shelf before or after moves the comparison, too, by what it sells there. That exposure is counted in
the denominator (Wald's ratio), so that it neither hides nor feigns a loss.

The same with made-up dates, from before there was any launch, has to find nothing (a placebo test).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from forecasting.checks import tell
from forecasting.data.history import History, launched
from forecasting.data.launches import Launches
from forecasting.data.panel import Bools, Floats, Ints
from forecasting.features.analogues import AnalogueIndex

_SIBLINGS = 10  # the nearest established items, which may lose
_CONTROLS = 30  # the next ones, which tell how like items fared
_FEWEST = 20  # launches to tell it from
_FEWEST_PERIODS = 8  # of these
_PLACEBOS = 10
_DRAWS = 1000
_TAIL = 0.025
_KNOWN = 0.5  # share of the periods before, and of those after, in which sales are known


@dataclass(frozen=True)
class Cannibalization:
    """What launches take from their nearest siblings, as a share of what they sell.

    Attributes:
        share: Units that the siblings lost by unit that launches sold; NaN where it cannot be told.
        low: Of its 95 % interval (bootstrap over launches, those of one period together).
        high: Of the same.
        launches: How many past launches it is of.
        placebo: The same of made-up launch dates, the mean of several draws; near zero if all is
            well, NaN where there is no time before launches for such dates.
        placebo_low: Of its 95 % interval.
        placebo_high: Of the same.
        draws: (b,) the share in each resample.
    """

    share: float = np.nan
    low: float = np.nan
    high: float = np.nan
    launches: int = 0
    placebo: float = np.nan
    placebo_low: float = np.nan
    placebo_high: float = np.nan
    draws: Floats = field(default_factory=lambda: np.empty(0), repr=False)

    @property
    def is_sound(self) -> bool:
        """Whether made-up dates were tried, and found nothing."""
        return bool(self.placebo_low <= 0 <= self.placebo_high)

    @property
    def is_shown(self) -> bool:
        """Whether a loss is shown: its interval is above zero, and made-up dates find none."""
        return bool(self.low > 0 and self.is_sound)

    @property
    def kept(self) -> Floats:
        """(b,) draws of the share of sales that are not taken from others; their mean is ours."""
        kept = np.clip(1 - self.draws, 0.0, 1.0)
        mean = max(1 - self.share, 0.0)
        scaled: Floats = kept * (mean / kept.mean()) if kept.mean() > 0 else kept
        return scaled

    def taken_of(self, net: pd.Series) -> pd.Series:
        """Return the units taken by launches, of whose sales so many are left; NaN if not shown."""
        kept = 1 - self.share
        return net * (self.share / kept if self.is_shown and kept > 0 else np.nan)

    def told(self) -> Cannibalization:
        """Return the same, with a warning where it is not shown."""
        if not self.is_shown:
            tell(self.words, stacklevel=4)
        return self

    @property
    def words(self) -> str:
        """What was found, or why nothing is shown, in one sentence."""
        unknown = "what launches take from their nearest siblings is not shown"
        found = f"{self.share:.0%} of their sales, 95 % interval {self.low:.0%} to {self.high:.0%}"
        if np.isnan(self.share):
            return f"{unknown}: too few past launches, with like items on sale long before them"
        if np.isnan(self.placebo):
            return f"{unknown} ({found}): there is no time before them to try made-up dates"
        if not self.is_sound:
            return (
                f"{unknown}: the same siblings gain or lose at made-up dates, too "
                f"({self.placebo:.0%}, {self.placebo_low:.0%} to {self.placebo_high:.0%})"
            )
        if not self.is_shown:
            return f"{unknown} ({found})"
        return f"launches take from their nearest siblings {found}"


def learn_cannibalization(
    history: History, analogues: AnalogueIndex, seed: int = 0
) -> Cannibalization:
    """Estimate what past launches took, from what had been seen.

    Args:
        history: What had been sold.
        analogues: Where like items are found.
        seed: Of the bootstrap, and of made-up dates.
    """
    shelf = _Shelf(history, analogues)
    found = np.flatnonzero(shelf.are_over)
    real = shelf.compare(found, shelf.period[found])
    if not real.enough:
        return Cannibalization()
    rng = np.random.default_rng(seed)
    share, draws = _share(real.lost, real.exposed, real.period, rng)
    placebo = _Losses.joined([shelf.made_up(found, rng) for _ in range(_PLACEBOS)])
    fake, spread = np.nan, np.array([np.nan])
    if placebo.enough:
        fake, spread = _share(placebo.lost, placebo.exposed, placebo.period, rng)
    return Cannibalization(
        share, *_interval(draws), len(real.lost), fake, *_interval(spread), draws=draws
    )


def with_taken(
    table: pd.DataFrame, history: History, found: Cannibalization, expected: pd.Series
) -> pd.DataFrame:
    """Add to analogues what launches are expected to take from each.

    Args:
        table: As `forecasting.explanation.analogue_table` makes it.
        history: What had been sold.
        found: What past launches took.
        expected: Mean total of each launch, by its id.

    Returns:
        The table with taken: units over the horizon, of the nearest established incumbents in
        proportion to what they sell; NaN of all others, and of all where no loss is shown.
    """
    taken = pd.Series(np.nan, index=table.index)
    if found.is_shown:
        settled = history.panel.end + 1 - _settled(history)
        old = pd.Series(history.panel.visible <= settled, index=history.panel.ids)
        rows = table[(table["pool"] == "incumbent") & table["analogue"].map(old).astype(bool)]
        near = rows[rows.groupby("unique_id").cumcount() < _SIBLINGS]
        level = near["level"].fillna(0.0) + 1e-9
        share = level / level.groupby(near["unique_id"]).transform("sum")
        taken[near.index] = found.share * share * near["unique_id"].map(expected)
    return table.assign(taken=taken)


@dataclass(frozen=True)
class _Losses:
    """What siblings of m launches lost.

    Attributes:
        launch: (m,) number of the launch.
        period: (m,) its own period, be the date made up.
        lost: (m,) units.
        exposed: (m,) units that launches sold beside them.
    """

    launch: Ints
    period: Ints
    lost: Floats
    exposed: Floats

    @property
    def enough(self) -> bool:
        """Whether a share can be told from them."""
        launches, periods = len(np.unique(self.launch)), len(np.unique(self.period))
        return launches >= _FEWEST and periods >= _FEWEST_PERIODS and self.exposed.sum() > 0

    @classmethod
    def joined(cls, parts: list[_Losses]) -> _Losses:
        """Return several as one."""
        names = cls.__dataclass_fields__
        return cls(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))


class _Shelf:
    """Launches of the past beside the items that were there.

    Args:
        history: What had been sold.
        analogues: Where like items are found.

    Attributes:
        items: (L,) positions of the launches.
        period: (L,) of launch.
    """

    def __init__(self, history: History, analogues: AnalogueIndex) -> None:
        panel, windows = history.panel, history.windows
        self._panel = panel
        self._before, self._after = windows.longer, history.horizon
        self._settled = _settled(history)
        self._units = np.nan_to_num(panel.units)
        self._sold = _sums(self._units)
        self._known = _sums(np.isfinite(panel.units).astype(np.float64))
        items = launched(panel)
        self.items = items[panel.launch[items] >= self._settled]
        self.period = panel.launch[self.items]
        self._near = _nearest(analogues, panel.ids[self.items], self.period)
        self._exposure = _sums(self._exposed())
        self._at: dict[int, tuple[Bools, Floats, Floats]] = {}

    @property
    def are_over(self) -> Bools:
        """(L,) whether all of their horizon has been seen."""
        over: Bools = self.period + self._after <= self._panel.end + 1
        return over

    def compare(self, launches: Ints, period: Ints) -> _Losses:
        """Compare siblings of launches with the next ones, as if launched in those periods."""
        rows = list(self._compared(launches, period))
        kept = np.array([row for row, _, _ in rows], dtype=np.int64)
        lost = np.array([lost for _, lost, _ in rows])
        exposed = np.array([exposed for _, _, exposed in rows])
        chosen = launches[kept]
        return _Losses(chosen, self.period[chosen], lost, exposed)

    def made_up(self, launches: Ints, rng: np.random.Generator) -> _Losses:
        """Compare at dates drawn from before each launch, so early that it could not yet matter."""
        latest = self.period[launches] - self._after
        possible = latest >= self._settled
        launches, latest = launches[possible], latest[possible]
        period = rng.integers(self._settled, latest + 1) if len(launches) else latest
        made = self.compare(launches, period)
        begin = self.period[made.launch]
        own = self._sold[self.items[made.launch], begin + self._after]
        own = own - self._sold[self.items[made.launch], begin]
        return _Losses(made.launch, made.period, made.lost, own)

    def _compared(self, launches: Ints, period: Ints) -> Iterator[tuple[int, float, float]]:
        for row, (launch, when) in enumerate(zip(launches, period.tolist(), strict=True)):
            counts, missed, exposed = self._around(when)
            near = self._near[launch]
            there = near[(near >= 0) & counts[near]]
            siblings, controls = there[:_SIBLINGS], there[_SIBLINGS : _SIBLINGS + _CONTROLS]
            if len(siblings) and len(controls):
                ratio = len(siblings) / len(controls)
                yield (
                    row,
                    float(missed[siblings].sum() - ratio * missed[controls].sum()),
                    float(exposed[siblings].sum() - ratio * exposed[controls].sum()),
                )

    def _around(self, period: int) -> tuple[Bools, Floats, Floats]:
        """Who can be compared around a period, what each missed, and its new exposure, in units."""
        if period not in self._at:
            begin, end = period - self._before, period + self._after
            known = [self._over(self._known, *span) for span in ((begin, period), (period, end))]
            lengths = self._before, self._after
            enough = [part >= _KNOWN * length for part, length in zip(known, lengths, strict=True)]
            counts = self._is_old(period) & enough[0] & enough[1]

            def rates(sums: Floats) -> tuple[Floats, Floats]:
                spans = ((begin, period), (period, end))
                made = (
                    self._over(sums, *span) / np.maximum(part, 1)
                    for span, part in zip(spans, known, strict=True)
                )
                before, after = (np.where(counts, one, 0.0) for one in made)
                return before, after

            before, after = rates(self._sold)
            moved = after.sum() / before.sum() if before.sum() > 0 else 1.0
            earlier, later = rates(self._exposure)
            gained = later - moved * earlier
            drawn = gained.sum() / before.sum() if before.sum() > 0 else 0.0
            self._at[period] = (
                counts,
                (moved * before - after) * self._after,
                (gained - drawn * before) * self._after,
            )
        return self._at[period]

    def _exposed(self) -> Floats:
        """(items, T) what launches sold beside each item, shared out by what siblings had sold."""
        out = np.zeros(self._units.shape)
        for launch, (item, period) in enumerate(zip(self.items, self.period, strict=True)):
            there = self._established(self._near[launch], int(period))[:_SIBLINGS]
            if len(there):
                level = self._over(self._sold, int(period) - self._before, int(period))[there]
                weight = (level + 1e-9) / (level + 1e-9).sum()
                out[there] += weight[:, None] * self._units[item]
        return out

    def _established(self, near: Ints, period: int) -> Ints:
        return near[(near >= 0) & self._is_old(period)[near]]

    def _is_old(self, period: int) -> Bools:
        old: Bools = self._panel.visible <= period - self._settled
        return old

    def _over(self, sums: Floats, begin: int, end: int) -> Floats:
        end = min(end, self._panel.end + 1)
        inside: Floats = sums[:, end] - sums[:, min(max(begin, 0), end)]
        return inside


def _settled(history: History) -> int:
    """Return the periods after which an item is established: its own start is over."""
    return history.windows.longer + history.windows.recent


def _nearest(analogues: AnalogueIndex, ids: np.ndarray, period: Ints) -> Ints:
    """(L, k) the items most like each launch, visible before it; -1 where there are fewer."""
    if not len(ids):
        return np.empty((0, 1), dtype=np.int64)
    vectors = analogues.index.vectors(ids.tolist())
    rows = Launches(ids, vectors, period, period - 1, pd.DataFrame(index=range(len(ids))))
    k = 2 * (_SIBLINGS + _CONTROLS)  # some are too new
    return analogues.nearest(rows, k).position


def _share(
    lost: Floats, exposed: Floats, period: Ints, rng: np.random.Generator
) -> tuple[float, Floats]:
    """Return units lost by unit sold, and the same of resampled periods of launch."""
    at = np.unique(period, return_inverse=True)[1]
    summed = np.stack([np.bincount(at, lost), np.bincount(at, exposed)], axis=1)
    n = len(summed)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=_DRAWS).astype(np.float64)
    drawn = counts @ summed
    draws = np.divide(drawn[:, 0], drawn[:, 1], out=np.zeros(_DRAWS), where=drawn[:, 1] > 0)
    return float(lost.sum() / exposed.sum()), draws


def _interval(draws: Floats) -> tuple[float, float]:
    low, high = np.quantile(draws, [_TAIL, 1 - _TAIL])
    return float(low), float(high)


def _sums(values: Floats) -> Floats:
    """(n, T + 1) sums from the first period on."""
    return np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))

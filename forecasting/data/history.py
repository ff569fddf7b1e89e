"""What items had sold as of a period, and how the market around them stood.

Levels and curves are read against the market: what a launch sells is divided by what an item on
sale sold then, so that launches of a smaller market, or of another season, speak about this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from forecasting.data.panel import NEVER, Bools, Floats, Ints, Panel
from retrieval import Kind

_SPAN = pd.Timestamp("2001-01-01"), pd.Timestamp("2005-01-01")  # four years, a leap year in them
_MOST_CYCLE = 400  # more than the hours of a week
_MEDIAN_OF_SQUARES = 0.455  # of standard normal numbers
_MOST_SEASON = 4.0  # times the market may be expected to move within a horizon


@dataclass(frozen=True)
class Windows:
    """Lengths in periods of a frequency.

    Attributes:
        recent: About four weeks, over which a recent level is averaged.
        longer: About eight weeks.
        base: About twelve weeks, the market's base.
        year: The distance to the same season a year ago; for days and weeks 364 days, so that
            weekdays match.
        cycle: As many periods as bring the same weekday and hour back, because weekdays differ: 7
            of days, 5 of business days, 168 of hours; 1 where a period is a week or longer.
    """

    recent: int
    longer: int
    base: int
    year: int
    cycle: int

    @property
    def around(self) -> int:
        """Periods on each side of one a year ago that tell its season, too.

        A whole week of days, three weeks; a month speaks for itself, or December would be spread
        over November and January.
        """
        return self.cycle // 2 if self.cycle > 1 else round(self.year / 52)

    @classmethod
    def of(cls, freq: str) -> Windows:
        """Return the windows of a pandas frequency."""
        a_year = len(pd.date_range(*_SPAN, freq=freq, inclusive="left")) / 4
        recent, longer, base = (max(1, round(a_year * weeks / 52)) for weeks in (4, 8, 12))
        days = 364.0 if a_year > 50 else 365.25
        year = max(1, round(a_year * days / 365.25))
        return cls(recent, longer, base, year, _cycle(freq) if a_year > 53 else 1)


class History:
    """A panel, ready to answer what an item had sold as of a period.

    Unknown periods (out of stock, delisted) count neither as sales nor as time.

    Args:
        panel: The sales.
        attributes: (items, a) attributes of the panel's items.
        horizon: Length of a launch curve.
    """

    def __init__(self, panel: Panel, attributes: pd.DataFrame, horizon: int) -> None:
        self.panel = panel
        self.attributes = attributes
        numeric = attributes.select_dtypes("number").columns
        self.kinds: dict[str, Kind] = {
            name: "number" if name in numeric else "string" for name in attributes.columns
        }
        self.horizon = horizon
        self.windows = Windows.of(panel.grid.freq)
        self.curves = panel.curves(horizon)
        self.even_curves = self.curves.copy()
        self.even_curves[:, :1] /= panel.first_share[:, None]
        self._sold = _sums(np.nan_to_num(panel.units))
        self._known = _counts(np.isfinite(panel.units))
        self._active = _counts(panel.units > 0)
        self._market = self._sold.sum(axis=0)

    @property
    def finished(self) -> int:
        """How many launches are over; of one that was sold out something has to be known."""
        over = self.panel.end - self.horizon + 1
        known = np.isfinite(self.curves).any(axis=1)
        return int((known & (self.panel.launch <= over)).sum())

    def level(self, items: Ints, standing: Ints, window: int) -> Floats:
        """Mean units a period over the window up to ``standing``; NaN where nothing is known."""
        start, end = self._window(items, standing, window)
        return ratio(
            self._sold[items, end] - self._sold[items, start],
            self._known[items, end] - self._known[items, start],
        )

    def share_selling(self, items: Ints, standing: Ints, window: int) -> Floats:
        """Share of those periods in which the item sold at all."""
        start, end = self._window(items, standing, window)
        return ratio(
            (self._active[items, end] - self._active[items, start]).astype(np.float64),
            self._known[items, end] - self._known[items, start],
        )

    def curve(self, items: Ints, standing: Ints) -> Floats:
        """Launch curves (..., horizon) as far as they had been seen, NaN after.

        A first period in which the item was on sale for a part only is scaled up to a whole one.
        """
        return self._as_of(self.even_curves, items, standing)

    def raw_curve(self, items: Ints, standing: Ints) -> Floats:
        """Return the same as it was sold."""
        return self._as_of(self.curves, items, standing)

    def market(self, standing: Ints, window: int) -> Floats:
        """Units a period of all items together."""
        end = standing + 1
        start = np.maximum(end - window, 0)
        return ratio(self._market[end] - self._market[start], end - start)

    def unit(self, standing: Ints) -> Floats:
        """Return what an item on sale sold a period lately: the unit in which levels are compared.

        Units over the last eight weeks of all items that sold in them, by item and period; 1 where
        nothing sold.
        """
        return self._by_period(self._unit_at, standing)

    def outlook(self, standing: Ints, periods: Ints) -> Floats:
        """Return what an item on sale may be expected to sell in each of (n, h) later periods.

        The unit as of ``standing``, moved as the same market moved a year before, where it had been
        seen for more than a year by then, and by weekday where periods are shorter than a week.
        """
        season = self._by_period(self._season_from, standing)
        at = periods - self.windows.year
        seen = (at >= 0) & (at < standing[:, None])
        moved = np.take_along_axis(season, np.clip(at, 0, self.panel.end), axis=1)
        factor = np.where(seen & np.isfinite(moved), moved, 1.0)
        factor = np.clip(factor, 1 / _MOST_SEASON, _MOST_SEASON)
        weekday = self._by_period(self._weekdays_at, standing)
        factor *= np.take_along_axis(weekday, periods % self.windows.cycle, axis=1)
        out: Floats = self.unit(standing)[:, None] * factor
        return out

    def _as_of(self, curves: Floats, items: Ints, standing: Ints) -> Floats:
        reached = standing - self.panel.launch[items]
        hidden = np.arange(self.horizon) > reached[..., None]
        return np.where(hidden, np.nan, curves[items])

    def _window(self, items: Ints, standing: Ints, window: int) -> tuple[Ints, Ints]:
        end = standing + 1
        start = np.maximum(np.maximum(end - window, 0), self.panel.visible[items])
        return np.minimum(start, end), end

    def _unit_at(self, standing: int) -> Floats:
        return np.array(self._item_level(standing - self.windows.longer + 1, standing) or 1.0)

    def _season_from(self, standing: int) -> Floats:
        """(periods,) the market's level around each, over that a year before ``standing``.

        Of items on sale before and after: what else comes and goes makes no season. What their
        number makes uncertain, and what moves the market from one period to the next, which will
        not be so again, is taken off (James and Stein 1961).
        """
        before, longer = standing - self.windows.year, self.windows.longer
        first = before - longer + 1
        season = np.full(self.panel.end + 1, np.nan)
        if first < 0:
            return season
        last = min(before + self.horizon + longer, standing)
        sold = self._sold
        stayed = (sold[:, before + 1] > 0) & (sold[:, standing + 1] > sold[:, last])
        seen = max(first - longer, 0)
        stayed &= self.panel.visible <= seen
        base = (sold[stayed, before + 1] - sold[stayed, first]) / longer
        if not base.sum() > 0:
            return season
        around = self.windows.around
        units = np.diff(sold[stayed, seen : standing + 2].sum(axis=0))
        weather = _weather(units, self.windows.cycle)
        for period in range(before + 1, last):
            end = min(period + around, standing) + 1
            span = end - period + around
            level = (sold[stayed, end] - sold[stayed, period - around]) / span
            moved = level.sum() / base.sum()
            chance = ((level - moved * base) ** 2).sum() / max(level.sum(), 1e-9) ** 2
            error = np.sqrt(chance + weather * (1 / span + 1 / longer))
            log = np.log(max(moved, 1e-9))
            season[period] = np.exp(log * max(1 - (error / log) ** 2, 0.0)) if log else 1.0
        return season

    def _weekdays_at(self, standing: int) -> Floats:
        """(cycle,) units by period modulo the cycle over their mean, in the last eight weeks."""
        cycle = self.windows.cycle
        first = max(standing + 1 - self.windows.longer, 0)
        if cycle == 1 or standing + 1 - first < 2 * cycle:
            return np.ones(cycle)
        units = np.diff(self._market[first : standing + 2])
        place = np.arange(first, standing + 1) % cycle
        means = np.bincount(place, units, cycle) / np.bincount(place, minlength=cycle)
        # Closed on Sundays is next to nothing, not a division by zero.
        share = np.maximum(means / units.mean(), 0.05) if units.sum() > 0 else np.ones(cycle)
        return np.asarray(share, dtype=np.float64)

    def _item_level(self, first: int, last: int) -> float:
        """Units by item that sold and by period, from one period to another; 0 where none sold."""
        if last < 0:
            return 0.0
        first = max(first, 0)
        sellers = np.count_nonzero(self._active[:, last + 1] - self._active[:, first])
        units = float(self._market[last + 1] - self._market[first])
        return units / sellers / (last - first + 1) if sellers else 0.0

    def _by_period(self, function: Callable[[int], Floats], standing: Ints) -> Floats:
        """Return a function of one period, called once for each."""
        periods, inverse = np.unique(standing, return_inverse=True)
        if not len(periods):  # some period stands in, for the shape
            return np.array([function(self.panel.end)])[:0]
        return np.array([function(int(period)) for period in periods])[inverse]


def _weather(units: Floats, cycle: int) -> float:
    """Variance of the logarithm of a market's units that one period does not share with the next.

    From second differences, which a trend and a slow season are not in; their median, because a
    holiday's peak is not weather.

    Args:
        units: (periods,) of the market.
        cycle: Periods that bring the same weekday back; what is compared lies so far apart.
    """
    logs = np.log(np.maximum(units, 1e-9 + 0.01 * units.mean()))
    bent = logs[2 * cycle :] - 2 * logs[cycle:-cycle] + logs[: -2 * cycle]
    return float(np.median(bent**2)) / _MEDIAN_OF_SQUARES / 6 if len(bent) else 0.0


def _cycle(freq: str) -> int:
    """Return the least number of periods that always make whole weeks."""
    starts = pd.date_range(_SPAN[0], periods=2 * _MOST_CYCLE, freq=freq)
    for count in range(1, _MOST_CYCLE):
        apart = starts[count:] - starts[:-count]
        if (apart == apart[0]).all() and apart[0] % pd.Timedelta(days=7) == pd.Timedelta(0):
            return count
    return 1


def ratio(part: Floats, whole: Floats | Ints | npt.NDArray[np.int32]) -> Floats:
    """Part over whole; NaN where the whole is not positive."""
    out = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def launched(panel: Panel) -> Ints:
    """Positions of the items with a launch date."""
    return np.flatnonzero(panel.launch != NEVER)


def _sums(units: Floats) -> Floats:
    """Cumulative sums over periods, starting from 0: a window's sum is one subtraction."""
    out = np.zeros((units.shape[0], units.shape[1] + 1))
    np.cumsum(units, axis=1, out=out[:, 1:])
    return out


def _counts(true: Bools) -> npt.NDArray[np.int32]:
    """Return the same of what is true."""
    out = np.zeros((true.shape[0], true.shape[1] + 1), dtype=np.int32)
    np.cumsum(true, axis=1, dtype=np.int32, out=out[:, 1:])
    return out

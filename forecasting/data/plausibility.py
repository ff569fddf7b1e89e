"""What tables say and cannot mean: cells beyond reason, a part of a period, wrong launch dates.

Each rule looks at what had been seen by the period it is asked for, never at what came later.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from forecasting.data.panel import (
    FEWEST_USUAL,
    NEVER,
    Floats,
    Grid,
    Ints,
    Panel,
    usual_of_best_seller,
)
from retrieval import InputError

# A cell beyond reason is a barcode, an item number or a date in the column of units. Units have no
# scale of their own (pieces, kilograms, cartons), so that a cell is held against what the best
# seller usually sells: the largest of the items' medians over the periods in which they sold. A
# best seller makes that level itself, and a few wrong cells cannot move a median. Promotions,
# launches and bulk orders lift a period by ten, rarely by a hundred times what the item itself
# usually sells, and that is at most the best seller's. In Complete Journey, each department taken
# as a market of its own, no week of an item is above 8.3 times that, no day above 4 times. An item
# with less than three periods has no usual level, and the best seller of tomorrow must not be taken
# for a slip in its first week.
_UNREASONABLE = 300
_UNREASONABLE_AT_FIRST = 10_000

_FEWEST_PERIODS = 4  # that tell what is usual
_SELDOM, _SURE = 0.1, 0.01
_CHANCE = 0.05
_CERTAIN = 1e-6  # chance below which a table is refused
_NEXT = 4  # periods after that of launch
_WEEKS_BEFORE = 2  # periods without a sale, from the launch on
_MANY, _FEWEST = 1 / 3, 10  # launches
_LOOK_BACK = pd.Timedelta(days=364)
_APART, _EVENLY = 4, 1.35  # periods between those with sales, and the most over the fewest of them


@dataclass(frozen=True)
class UnrealCells:
    """Cells of a table of units that cannot be.

    Attributes:
        item: (m,) their rows.
        period: (m,) their columns.
        usual: What no item usually sells more than.
    """

    item: Ints
    period: Ints
    usual: float


def beyond_reason(units: Floats, usual: float = 0.0) -> UnrealCells:
    """Find the cells that no market can have sold.

    Args:
        units: (n, T) by item and period; NaN where unknown.
        usual: What the best seller usually sells, where others are known than these items.
    """
    nothing = np.empty(0, dtype=np.int64)
    selling = units > 0
    sold = units[selling]
    if not len(sold) or sold.max() <= _UNREASONABLE * max(float(np.median(sold)), usual):
        return UnrealCells(nothing, nothing, usual)  # as nearly always, and found quickly
    usual = max(usual_of_best_seller(units), usual)
    known = selling.sum(axis=1) >= FEWEST_USUAL
    limit = usual * np.where(known, float(_UNREASONABLE), float(_UNREASONABLE_AT_FIRST))
    item, period = np.nonzero(units > limit[:, None])
    return UnrealCells(item, period, usual)


def is_told_in_part(days: pd.DatetimeIndex, grid: Grid, last: int) -> bool:
    """Whether the rows of a period end before it does, as those of earlier ones did not.

    Days without any row are common where few items sell or shops are closed on Sundays, and rows by
    the week say nothing of days. So the silence at the end must be longer than in nine of ten
    earlier periods. And it must not be chance: each weekday counts as often as it had a row in the
    year before; that none of the silent days has one must be less likely than one in a hundred.

    Args:
        days: Those with a row, each once.
        grid: The periods.
        last: The period; rows of later ones are not looked at.
    """
    begin, after = grid.dates(np.array([last, last + 1]))
    days = days[(days < after) & (days >= begin - _LOOK_BACK)].sort_values()
    told, before = days[days >= begin], days[days < begin]
    period = grid.index(before)
    if not len(told) or len(np.unique(period)) < _FEWEST_PERIODS:
        return False
    silent = pd.date_range(told[-1], after, freq="D", inclusive="neither")
    final = before[np.append(np.flatnonzero(np.diff(period)), len(before) - 1)]
    silences = (grid.dates(np.unique(period) + 1) - final).days - 1
    if not len(silent) or (silences >= len(silent)).mean() > _SELDOM:
        return False
    possible = pd.date_range(before[0], begin, freq="D", inclusive="left").day_of_week
    days_of, rows_of = (np.bincount(one, minlength=7) for one in (possible, before.day_of_week))
    chance = (days_of - rows_of + 1) / (days_of + 2)
    return bool(np.prod(chance[silent.day_of_week]) < _SURE)


def launch_doubts(panel: Panel) -> list[str]:
    """Say where launch dates and sales do not fit together.

    Raises:
        InputError: Weeks are counted from what can only be their last days.
    """
    there = (panel.launch != NEVER) & (panel.launch >= 0) & (panel.launch <= panel.end)
    rows = np.flatnonzero(there)
    _refuse_last_days(panel, rows)
    return [*_too_short(panel), *_none_at_first(panel, rows), *_long_before(panel, rows)]


def _too_short(panel: Panel) -> list[str]:
    """Say that periods are shorter than those of the rows: between these nothing ever sells."""
    selling = np.flatnonzero((panel.units > 0).any(axis=0))
    apart = np.diff(selling)
    if len(apart) < _FEWEST_PERIODS or apart.min() < _APART or apart.max() > _EVENLY * apart.min():
        return []
    day, freq = panel.grid.dates(selling[:1])[0], panel.grid.freq
    often = f"{apart.min()}" if apart.min() == apart.max() else f"{apart.min()} to {apart.max()}"
    weeks = freq == "D" and bool((apart == 7).all())
    write = f", such as {f'W-{day:%a}'.upper()!r}" if weeks else ""
    return [
        f"sales: something sold in one of {often} periods, and never between: freq={freq!r} takes "
        f"those for periods without sales. If rows tell of longer periods, write their frequency"
        f"{write}"
    ]


def _refuse_last_days(panel: Panel, rows: Ints) -> None:
    """Refuse weeks in which nothing launched after their first day ever sells at once.

    Dated by their last days, rows of a week that begins on a Sunday are those of the six days
    before it. Only what was launched on that very day then sells in its own week.
    """
    offset, day = to_offset(panel.grid.freq), panel.grid.origin
    if not isinstance(offset, pd.offsets.Week):
        return
    inside = rows[panel.first_share[rows] < 1]
    curves = panel.curves(1 + _NEXT)[inside]
    selling = _selling_later(curves)
    known = np.isfinite(curves[:, 0])
    days = panel.first_share[inside][known].sum()
    told = known.sum() >= _FEWEST and (1 - selling) ** days < _CERTAIN
    if not told or (curves[known, 0] > 0).any():
        return
    raise InputError(
        f"sales: none of {known.sum():,} launches sold anything in the week of its launch, though "
        f"{selling:.0%} of their next {_NEXT} weeks sold something. If the dates of the sales are "
        f"the last days of weeks, write freq={_ending_on(offset, day)!r}; if weeks do begin on a "
        f"{day:%A}, launch dates are too early: give the days on which items went on sale"
    )


def _none_at_first(panel: Panel, rows: Ints) -> list[str]:
    """Say that no launch at all sold in its own period, where that cannot be chance."""
    curves = panel.curves(1 + _NEXT)[rows]
    curves = curves[np.isfinite(curves[:, 0])]
    selling = _selling_later(curves)
    if (curves[:, 0] > 0).any() or (1 - selling) ** len(curves) >= _CHANCE:
        return []
    offset, day, write = to_offset(panel.grid.freq), panel.grid.origin, ""
    if isinstance(offset, pd.offsets.Week):
        write = f" Of weeks that end on a {day:%A} write freq={_ending_on(offset, day)!r}"
    return [
        f"nothing sold in the period of launch of any of {len(curves):,} launches, though "
        f"{selling:.0%} of their next {_NEXT} periods sold something: do the dates of the sales "
        f"name the last day of their periods, or are the launch dates too early?{write}"
    ]


def _selling_later(curves: Floats) -> float:
    """Return the share of the periods after that of launch in which something sold."""
    later = curves[:, 1:][np.isfinite(curves[:, 1:])]
    return float((later > 0).mean()) if later.size else 0.0


def _ending_on(offset: pd.offsets.Week, day: pd.Timestamp) -> str:
    """Return the frequency of weeks that end on a day."""
    units = "" if offset.n == 1 else offset.n
    return f"{units}W-{day + pd.Timedelta(days=1):%a}".upper()


def _long_before(panel: Panel, rows: Ints) -> list[str]:
    """Say that many launches lie weeks before the first sale, where that cannot be chance."""
    rows = rows[(panel.units[rows] > 0).any(axis=1)]
    units = panel.units[rows]
    selling = units > 0
    period = np.arange(units.shape[1])[None, :]
    first = selling.argmax(axis=1)[:, None] if len(rows) else np.zeros((0, 1), dtype=np.int64)
    known = np.isfinite(units)
    waited = (known & (period < first)).sum(axis=1)
    after = (known & (period > first)).sum(axis=1)
    share = (selling & (period > first)).sum(axis=1) / np.maximum(after, 1)
    told = after >= _NEXT
    early = told & (waited >= _WEEKS_BEFORE) & ((1 - share) ** waited < _CHANCE)
    if told.sum() < _FEWEST or early.sum() < _MANY * told.sum():
        return []
    at = int(np.flatnonzero(early)[0])
    launch, sold = panel.grid.dates(np.array([panel.launch[rows[at]], first[at, 0]]))
    return [
        f"{early.sum():,} of {told.sum():,} launch dates lie {_WEEKS_BEFORE} periods or more "
        f"before the first sale, of items that sell nearly always from then on: "
        f"{panel.ids[rows[at]]!r} in the period of {launch:%Y-%m-%d}, first sold in that of "
        f"{sold:%Y-%m-%d}; are they the days on which items were entered, rather than went on sale?"
    ]

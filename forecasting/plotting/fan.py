"""A forecast as a fan, with what is known beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecasting.data.panel import Floats
from forecasting.plotting.style import ACCENT, GRAY, INK, SMALL, WARM, entitle, short, tidy
from forecasting.plotting.tables import checked, choose_item, refuse_repeats, rows_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_CURVES = 10
_HIGHER = 1.6  # how far curves of like items may stretch the picture
_LEGEND_COLUMNS = 5
_HALF_A_DAY = np.timedelta64(12, "h")
_ITEM = 40  # letters

_TICKS = 8
_DAYS = {"day": (1, 1), "week": (7, 7), "month": (28, 31), "quarter": (89, 92), "year": (365, 366)}


def quantile_levels(forecasts: pd.DataFrame) -> dict[str, float]:
    """Return the columns named by a quantile's level, ascending."""
    found = {}
    for name in getattr(forecasts, "columns", ()):
        try:
            level = float(name)
        except (TypeError, ValueError):
            continue
        if 0 < level < 1:
            found[name] = level
    return dict(sorted(found.items(), key=lambda one: one[1]))


def units_sold(
    sales: pd.DataFrame | None, item: str, source: str, periods: pd.Index[pd.Timestamp]
) -> pd.Series:
    """Units of an item in those of the periods that the table reaches; no row is a zero."""
    if sales is None:
        return pd.Series(dtype=float)
    table = checked(sales, source, ["unique_id", "ds", "y"], numbers=["y"], dates=["ds"])
    mine = rows_of(table, item)[["ds", "y"]].drop_duplicates()
    refuse_repeats(mine, "ds", item, source, "a period has one number of units")
    reached = periods[periods <= table["ds"].max()]
    return mine.set_index("ds")["y"].reindex(reached, fill_value=0.0)


def launch_curves(analogues: pd.DataFrame | None, item: str) -> list[tuple[float, Floats]]:
    """Return the heaviest launches' weights, as shares of the largest one, and curves by age."""
    if analogues is None:
        return []
    columns = ["unique_id", "pool", "weight", "curve"]
    table = checked(analogues, "analogues", columns, numbers=["weight"])
    mine = rows_of(table, choose_item(table, item, "analogues"))
    mine = mine[(mine["pool"] == "launch") & (mine["weight"] > 0)].nlargest(_CURVES, "weight")
    shares = mine["weight"] / mine["weight"].max()
    curves = [as_curve(curve) for curve in mine["curve"]]
    return [pair for pair in zip(shares, curves, strict=True) if len(pair[1])]


def as_curve(curve: object) -> Floats:
    """Units by age; empty where there is no curve."""
    if not isinstance(curve, (list, tuple, np.ndarray)):
        return np.empty(0)
    return np.asarray(curve, dtype=np.float64)


def largest(numbers: Floats) -> float:
    """Return the largest of the numbers that are known; 0 if none is."""
    return float(numbers[np.isfinite(numbers)].max(initial=0.0))


def draw_forecast(
    ax: Axes,
    mine: pd.DataFrame,
    levels: Mapping[str, float],
    dates: LaunchDates,
    *,
    came: pd.Series,
    seen: pd.Series,
    curves: Sequence[tuple[float, Floats]],
) -> None:
    """Draw one item's forecast, from zero up, under a title and a legend.

    Args:
        ax: Where to draw.
        mine: The item's rows of the forecasts table.
        levels: Column → level of the quantiles, ascending.
        dates: Of the launch's periods.
        came: Units by period that the forecast did not know.
        seen: Units by period that it knew.
        curves: Of like items; weight as a share of the largest, units by age.
    """
    highest = max(
        _draw_fan(ax, mine, levels),
        _draw_sold(ax, seen, color=INK, label="known before"),
        _draw_sold(ax, came, color=WARM, label="what came"),
    )
    highest = max(highest, min(_draw_curves(ax, curves, dates), _HIGHER * highest))
    ax.set_ylim(0, 1.08 * highest if highest > 0 else 1)
    _mark_higher(ax, curves, dates)
    since = dates.all[0] if len(curves) or len(seen) else mine["ds"].iloc[0]
    marked, labels = dates.ticks(since)
    ax.set_xticks(np.array(marked, dtype="datetime64[ns]"), labels)
    ax.set_ylabel(f"units a {dates.unit}", color=INK)
    ax.locator_params(axis="y", nbins=6)
    tidy(ax)
    entries = len(ax.get_legend_handles_labels()[1])
    lines = -(-entries // _LEGEND_COLUMNS)
    ax.legend(  # between title and picture: inside there is no room that is surely free
        frameon=False,
        ncols=-(-entries // lines),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        borderpad=0.1,
        fontsize=SMALL,
        handlelength=1.6,
        columnspacing=1.4,
    )
    entitle(ax, _title(mine, dates.unit), pad=8 + 14 * lines)


def _draw_fan(ax: Axes, mine: pd.DataFrame, levels: Mapping[str, float]) -> float:
    """Draw intervals, the outermost first, median and mean; return the largest number."""
    when = mine["ds"].to_numpy()
    alone = len(mine) == 1  # one period is a box with dots, more are a band with lines
    around = np.concatenate([when - _HALF_A_DAY, when + _HALF_A_DAY]) if alone else when
    below = [name for name, level in levels.items() if level < 0.5]
    above = [name for name, level in levels.items() if level > 0.5][::-1]
    for place, (low, high) in enumerate(zip(below, above, strict=False)):
        label = f"{100 * (levels[high] - levels[low]):.0f} % interval"
        alpha = min(0.18 + 0.14 * place, 0.6)
        bottom, top = (mine[name].to_numpy().repeat(1 + alone) for name in (low, high))
        ax.fill_between(around, bottom, top, color=ACCENT, alpha=alpha, linewidth=0, label=label)
    middle = [name for name, level in levels.items() if level == 0.5]
    style: dict[str, Any] = {"color": ACCENT, "zorder": 3, "marker": "o" if alone else None}
    for name in middle:
        ax.plot(when, mine[name], linewidth=2.2, label="median", **style)
    ax.plot(when, mine["mean"], "--", linewidth=1.5, label="mean", fillstyle="none", **style)
    if alone:
        ax.set_xlim(when[0] - 8 * _HALF_A_DAY, when[0] + 8 * _HALF_A_DAY)
    return largest(mine[["mean", *levels]].to_numpy(dtype=float))


def _draw_sold(ax: Axes, sold: pd.Series, *, color: str, label: str) -> float:
    """Draw units sold as dots on a thin line; return the largest."""
    if len(sold):
        ax.plot(
            sold.index.to_numpy(),
            sold.to_numpy(),
            "o-",
            color=color,
            linewidth=1,
            markersize=5,
            label=label,
            zorder=4,
            clip_on=False,  # the dot of a zero is a whole one
        )
    return largest(sold.to_numpy(dtype=float))


def _draw_curves(ax: Axes, curves: Sequence[tuple[float, Floats]], dates: LaunchDates) -> float:
    """Draw launch curves, the heavier the darker; return the largest number."""
    highest = 0.0
    for place, (share, curve) in enumerate(curves):
        ages = curve[dates.first : dates.first + len(dates.all)]
        ax.plot(
            dates.all[: len(ages)].to_numpy(),
            ages,
            color=GRAY,
            alpha=0.2 + 0.6 * share,
            linewidth=1,
            marker="." if len(ages) == 1 else None,
            label="like items' launches" if place == 0 else None,
            zorder=1,
        )
        highest = max(highest, largest(ages))
    return highest


def _mark_higher(ax: Axes, curves: Sequence[tuple[float, Floats]], dates: LaunchDates) -> None:
    """Mark where launch curves leave the picture."""
    top = ax.get_ylim()[1]
    marked = False
    for share, curve in curves:
        ages = curve[dates.first : dates.first + len(dates.all)]
        beyond = np.flatnonzero(ages > top)
        if len(beyond):
            ax.plot(
                dates.all[beyond[:1]].to_numpy(),
                [top],
                "^",
                color=GRAY,
                alpha=0.4 + 0.6 * share,
                markersize=6,
                clip_on=False,
                label=None if marked else "goes on higher",
                zorder=2,
            )
            marked = True


def _title(mine: pd.DataFrame, unit: str) -> str:
    n, cutoff = len(mine), mine["cutoff"].iloc[0]
    title = f"{short(mine['unique_id'].iloc[0], _ITEM)} — {n} {unit}{'s' if n > 1 else ''}"
    period = "" if unit in ("day", "period") else f"the {unit} of "
    return f"{title}, seen up to {period}{cutoff.day} {cutoff:%b %Y}"


class LaunchDates:
    """The periods from a launch to the end of its forecast.

    Args:
        ds: The forecast's periods, ascending.
        age: Their ages; the first is above 0 where the launch was before.

    Attributes:
        all: The periods.
        first: The age of the first of them.
        unit: What a period is called.
    """

    def __init__(self, ds: pd.Series, age: pd.Series) -> None:
        forecast = pd.DatetimeIndex(ds)
        start = 0 if pd.isna(age.iloc[0]) else int(age.iloc[0])
        self.unit = _unit(forecast)
        before = _before(forecast, start, self.unit)
        self.all = before.append(forecast)
        self.first = start - len(before)

    def ticks(self, since: pd.Timestamp) -> tuple[list[pd.Timestamp], list[str]]:
        """Dates to mark, not too many, and how to write them: the year where it begins."""
        shown = [date for date in self.all if date >= since]
        marked = shown[:: -(-len(shown) // _TICKS)]
        labels = []
        for place, date in enumerate(marked):
            day = f"{date.day} " if self.unit in ("day", "week", "period") else ""
            new_year = place == 0 or date.year != marked[place - 1].year
            labels.append(f"{day}{date:%b}" + (f"\n{date.year}" if new_year else ""))
        return marked, labels


def _unit(forecast: pd.DatetimeIndex) -> str:
    days = (forecast[1:] - forecast[:-1]).days
    for unit, (shortest, longest) in _DAYS.items():
        if len(days) and days.min() >= shortest and days.max() <= longest:
            return unit
    return "period"


def _before(forecast: pd.DatetimeIndex, periods: int, unit: str) -> pd.DatetimeIndex:
    """Go that many periods before the first one, if the forecast shows how long a period is."""
    if periods <= 0 or len(forecast) < 2:
        return forecast[:0]
    months = {"month": 1, "quarter": 3, "year": 12}.get(unit)
    step = forecast[1] - forecast[0] if months is None else pd.DateOffset(months=months)
    return pd.DatetimeIndex([forecast[0] - back * step for back in range(periods, 0, -1)])

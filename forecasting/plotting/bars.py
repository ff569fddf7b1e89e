"""Analogues and features as bars, the weightiest on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from forecasting.data.panel import Floats, Ints
from forecasting.plotting.fan import as_curve, largest
from forecasting.plotting.style import (
    ACCENT,
    GRAY,
    GREEN,
    INK,
    SMALL,
    SOFT,
    VIOLET,
    WARM,
    YELLOW,
    axes_or_new,
    entitle,
    factor_text,
    feature_text,
    short,
    tidy,
    value_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POOLS = {
    "incumbent": ("incumbents", ACCENT),
    "launch": ("earlier launches", VIOLET),
    "sibling": ("siblings, launched with it", YELLOW),
    "elsewhere": ("elsewhere", WARM),
    "concept": ("near in the graph", GREEN),
    "replaces": ("what it replaces", WARM),
    "variant_of": ("its variants", WARM),
    "outcome": ("past launches it is drawn from", INK),
}
_NAME, _VALUE, _LABEL, _ITEM = 36, 16, 48, 40  # letters
_SMALLEST_SHARE = 0.005
_HEIGHT = 0.62  # of a bar, in rows
# Beside the bars, in lengths of the longest one.
_SIMILARITY, _LEVEL, _CURVE, _END = 1.4, 1.62, 1.7, 2.15
_REST = "everything else"


def heaviest(mine: pd.DataFrame, most: int) -> pd.DataFrame:
    """Choose the rows to draw, by pool, heaviest first; pools take turns until there are enough.

    Args:
        mine: One item's analogues.
        most: How many.
    """
    ranked = mine.sort_values("weight", ascending=False, kind="stable")
    turn = ranked.groupby("pool").cumcount()
    chosen = ranked.assign(turn=turn).sort_values("turn", kind="stable").head(most)
    order = [*POOLS, *sorted(set(chosen["pool"]) - set(POOLS))]
    place = chosen["pool"].map(order.index)
    return chosen.assign(place=place).sort_values(["place", "turn"], ignore_index=True)


def draw_analogues(ax: Axes, shown: pd.DataFrame) -> None:
    """Draw weights as bars; beside them, as in a table, similarity, level and launch curve.

    Args:
        ax: Where to draw.
        shown: As `heaviest` returns it.
    """
    first = (shown["pool"] != shown["pool"].shift()).to_numpy()
    rows = np.arange(len(shown)) + np.cumsum(first)  # a line for each pool's name
    longest = largest(shown["weight"].to_numpy(dtype=float)) or 1.0
    curves = [as_curve(curve) for curve in shown["curve"]]
    highest = max(largest(curve) for curve in curves)
    for row, new_pool, curve, one in zip(
        rows, first, curves, shown.to_dict("records"), strict=True
    ):
        title, color = POOLS.get(one["pool"], (short(one["pool"], _NAME), GRAY))
        if new_pool:
            ax.text(
                0, row - 1, title, color=color, fontsize=9, fontweight="bold", va="center_baseline"
            )
        weight = float(np.nan_to_num(one["weight"]))
        ax.barh(row, weight, color=color, height=_HEIGHT)
        _beside(ax, weight + 0.02 * longest, row, _share(one["weight"]), ha="left")
        similarity = "?" if pd.isna(one["similarity"]) else f"{one['similarity']:.2f}"
        level = "?" if pd.isna(one["level"]) else value_text(one["level"], _VALUE)
        for text, at in ((similarity, _SIMILARITY), (level, _LEVEL)):
            _beside(ax, at * longest, row, text)
        if len(curve) and highest > 0:
            ages = np.linspace(_CURVE * longest, _END * longest, max(len(curve), 2))
            _draw_sparkline(ax, ages[: len(curve)], curve / highest, row, color)
    _draw_heads(ax, longest, highest)
    _name_rows(ax, rows, [short(name, _NAME) for name in _names(shown)])
    ax.set_xlim(0, _END * longest)


def draw_importance(table: pd.DataFrame, most: int, ax: Axes | None) -> Axes:
    """Draw the mean factor by which each feature moves the forecasts of several items.

    Args:
        table: The contributions table, without missing contributions.
        most: How many features; the others are pooled, item by item.
        ax: Where to draw; None makes a figure.
    """
    names = table.groupby("feature")["name"].first()
    added = table.pivot_table(
        index="unique_id", columns="feature", values="contribution", aggfunc="sum", fill_value=0.0
    )
    mean = added.abs().mean().sort_values(ascending=False, kind="stable")
    drawn, rest = mean.index[:most], mean.index[most:]
    labels = [short(names[feature], _LABEL) for feature in drawn]
    widths = [float(mean[feature]) for feature in drawn]
    if len(rest):
        labels.append(f"{_REST} ({len(rest)})")
        widths.append(float(added[rest].sum(axis=1).abs().mean()))
    ax = axes_or_new(ax, 0.3 * len(labels) + 1.0)
    rows = np.arange(len(labels))
    colors = [ACCENT] * len(drawn) + [SOFT] * (len(labels) - len(drawn))
    ax.barh(rows, widths, color=colors, height=_HEIGHT)
    end = max(widths) or 1.0
    for row, width in enumerate(widths):
        ax.text(
            width + 0.015 * end,
            row,
            factor_text(width),
            fontsize=9,
            color=INK,
            va="center_baseline",
        )
    ax.set_xlim(0, 1.12 * end)
    _name_rows(ax, rows, labels)
    ax.set_xlabel("mean factor, up or down", color=GRAY, fontsize=9)
    entitle(ax, f"What moves the forecasts of {len(added):,} items most")
    return ax


def draw_steps(mine: pd.DataFrame, item: str, most: int, ax: Axes | None) -> Axes:
    """Draw one item's features as steps, the largest first, to what all of them make together.

    Args:
        mine: The item's contributions, none missing.
        item: Its id.
        most: How many features; the others are pooled.
        ax: Where to draw; None makes a figure.
    """
    ranked = mine.loc[mine["contribution"].abs().sort_values(ascending=False, kind="stable").index]
    drawn, rest = ranked.head(most), ranked.iloc[most:]
    steps = drawn["contribution"].tolist()
    labels = [
        _label(name, feature_text(str(feature), value, _VALUE))
        for feature, name, value in zip(
            drawn["feature"], drawn["name"], drawn["value"], strict=True
        )
    ]
    if len(rest):
        steps.append(float(rest["contribution"].sum()))
        labels.append(f"{_REST} ({len(rest)})")
    starts = np.concatenate([[0.0], np.cumsum(steps)])
    total = float(starts[-1])
    ax = axes_or_new(ax, 0.3 * (len(steps) + 1) + 1.0)
    rows = np.arange(len(steps) + 1)
    ax.axvline(0, color=SOFT, linewidth=1, zorder=0)
    for row, (start, step) in enumerate(zip(starts, steps, strict=False)):
        color = ACCENT if step >= 0 else WARM
        ax.barh(row, step, left=start, color=color, height=_HEIGHT)
        end = start + step
        ax.plot(
            [end, end],
            [row + _HEIGHT / 2, row + 1 - _HEIGHT / 2],
            color=GRAY,
            linewidth=0.7,
            zorder=0,
        )
        _factor_beside(ax, row, start, step)
    ax.barh(len(steps), total, color=INK, height=_HEIGHT)
    _factor_beside(ax, len(steps), 0.0, total)
    span = float(np.ptp(starts)) or 1.0
    ax.set_xlim(min(starts) - 0.16 * span, max(starts) + 0.16 * span)
    ax.set_xticks([])
    _name_rows(ax, rows, [*labels, "all together"])
    ax.set_xlabel("← fewer units      more units →", color=GRAY, fontsize=9)
    entitle(ax, f"{short(item, _ITEM)} — what moves its forecast")
    return ax


def _share(weight: float) -> str:
    if pd.isna(weight):
        return "?"
    return f"{100 * weight:.0f} %" if weight >= _SMALLEST_SHARE else "< 1 %"


def _label(name: object, told: str) -> str:
    return f"{short(name, _LABEL - len(told))}: {told}"


def _beside(ax: Axes, at: float, row: float, text: str, **style: str) -> None:
    look: dict[str, Any] = {"color": INK, "ha": "right", "va": "center_baseline"} | style
    ax.text(at, row, text, fontsize=SMALL, **look)


def _draw_heads(ax: Axes, longest: float, highest: float) -> None:
    """Name the columns above the rows."""
    _beside(ax, _SIMILARITY * longest, 0, "similarity", color=GRAY)
    _beside(ax, _LEVEL * longest, 0, "sells", color=GRAY)
    if highest > 0:
        head = f"launch, up to {value_text(highest, _VALUE)}"
        _beside(ax, _CURVE * longest, 0, head, color=GRAY, ha="left")


def _draw_sparkline(ax: Axes, ages: Floats, heights: Floats, row: int, color: str) -> None:
    """Draw a curve with heights up to 1 within a row; rows count downwards."""
    foot = row + 0.4
    line = foot - 0.8 * heights
    ax.fill_between(ages, foot, line, color=color, alpha=0.15, linewidth=0)
    ax.plot(ages, line, color=color, linewidth=1.2, marker="." if len(ages) == 1 else None)


def _names(shown: pd.DataFrame) -> pd.Series:
    """Return the analogues' names where there are any, else their ids."""
    ids = shown["analogue"].astype(str)
    return shown["name"].astype(object).fillna(ids) if "name" in shown else ids


def _name_rows(ax: Axes, rows: Ints, labels: list[str]) -> None:
    """Put names at the rows and take the frame away."""
    tidy(ax, "left", "bottom")
    ax.set_yticks(rows, labels, parse_math=False)  # a "$" in a name is a dollar
    ax.tick_params(axis="y", length=0)
    ax.set_xticks([])
    ax.set_ylim(float(rows[-1]) + 0.7, -0.7)


def _factor_beside(ax: Axes, row: int, start: float, step: float) -> None:
    """Write a step as a factor at its far end."""
    ax.annotate(
        factor_text(step),
        (start + step, row),
        xytext=(4 if step >= 0 else -4, 0),
        textcoords="offset points",
        ha="left" if step >= 0 else "right",
        va="center_baseline",
        fontsize=9,
        color=INK,
        bbox={"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 0.8},
    )

"""Pictures of one launch's forecast, of what it leans on, and of what moves it.

They draw tables, so that a notebook can filter, rename or join before it looks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from forecasting.plotting.bars import draw_analogues, draw_importance, draw_steps, heaviest
from forecasting.plotting.fan import (
    LaunchDates,
    draw_forecast,
    launch_curves,
    quantile_levels,
    units_sold,
)
from forecasting.plotting.style import axes_or_new, entitle, short
from forecasting.plotting.tables import check_most, checked, choose_item, refuse_repeats, rows_of
from retrieval import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_forecast(
    forecasts: pd.DataFrame,
    item: object = None,
    *,
    actual: pd.DataFrame | None = None,
    analogues: pd.DataFrame | None = None,
    observed: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a forecast as a fan: intervals, median and mean by period.

    Args:
        forecasts: As `LaunchForecaster.predict` returns it.
        item: Its unique_id; None where there is only one.
        actual: What came: unique_id, ds, y. A period without a row, up to the last one of the
            table, sold nothing.
        analogues: As `LaunchForecaster.explain` returns it; the launch curves that weigh most are
            drawn behind the forecast.
        observed: The first periods of sales, which the forecast knew; as ``actual``.
        ax: Where to draw; None makes a figure.

    Raises:
        InputError: A table lacks a column or rows, or there is no such item.
    """
    levels = quantile_levels(forecasts)
    table = checked(
        forecasts,
        "forecasts",
        ["unique_id", "cutoff", "ds", "age", "mean"],
        numbers=["age", "mean", *levels],
        dates=["cutoff", "ds"],
    )
    item = choose_item(table, item, "forecasts")
    mine = rows_of(table, item).sort_values("ds", ignore_index=True)
    refuse_repeats(mine, "ds", item, "forecasts", "keep one cutoff and one method")
    dates = LaunchDates(mine["ds"], mine["age"])
    came = units_sold(actual, item, "actual", pd.DatetimeIndex(mine["ds"]))
    seen = units_sold(observed, item, "observed", dates.all)
    curves = launch_curves(analogues, item)
    ax = axes_or_new(ax, 4.0)
    draw_forecast(ax, mine, levels, dates, came=came, seen=seen, curves=curves)
    return ax


def plot_analogues(
    explained: pd.DataFrame,
    item: object = None,
    *,
    pool: str | None = None,
    most: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Draw the analogues that weigh most, with similarity, level and launch curve.

    Args:
        explained: As `LaunchForecaster.explain` returns it; an optional column ``name`` holds the
            analogues' names.
        item: Its unique_id; None where there is only one.
        pool: One pool alone; None for all of them, which then share the rows.
        most: How many analogues to draw.
        ax: Where to draw; None makes a figure.

    Raises:
        InputError: The table lacks a column or rows, or there is no such item or pool.
    """
    check_most(most)
    table = checked(
        explained,
        "explained",
        ["unique_id", "analogue", "pool", "similarity", "weight", "level", "curve"],
        numbers=["similarity", "weight", "level"],
    )
    item = choose_item(table, item, "explained")
    mine = rows_of(table, item)
    if pool is not None:
        pools = list(mine["pool"].unique())
        mine = mine[mine["pool"] == pool]
        if mine.empty:
            raise InputError(f"explained: unknown pool {pool!r}; there are: {', '.join(pools)}")
    shown = heaviest(mine, most)
    ax = axes_or_new(ax, 0.27 * (len(shown) + shown["pool"].nunique()) + 1.1)
    draw_analogues(ax, shown)
    entitle(ax, f"{short(item, 40)} — the items its forecast leans on, by weight")
    return ax


def plot_importance(
    contributions: pd.DataFrame,
    item: object = None,
    *,
    most: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draw what moves a forecast up and down; or, of several items, what moves forecasts most.

    For one item the bars lead, each from where the one before ended, to what all features together
    make of the forecast. For several items they are mean factors, whatever the direction.

    Args:
        contributions: A row per item and feature: unique_id, feature, name (in plain words), value
            (a number or a text), contribution (to the logarithm of the forecast).
        item: Its unique_id; None for all items, or for the only one.
        most: How many features to draw; the others are pooled.
        ax: Where to draw; None makes a figure.

    Raises:
        InputError: The table lacks a column or rows, or there is no such item.
    """
    check_most(most)
    table = checked(
        contributions,
        "contributions",
        ["unique_id", "feature", "name", "value", "contribution"],
        numbers=["contribution"],
    )
    table["contribution"] = table["contribution"].fillna(0.0)
    table["name"] = table["name"].where(table["name"].notna(), table["feature"])
    for one in table.loc[table.duplicated(["unique_id", "feature"]), "unique_id"].head(1):
        hint = "a feature contributes once to an item"
        refuse_repeats(rows_of(table, one), "feature", one, "contributions", hint)
    if item is None and table["unique_id"].nunique() > 1:
        return draw_importance(table, most, ax)
    item = choose_item(table, item, "contributions")
    return draw_steps(rows_of(table, item), item, most, ax)

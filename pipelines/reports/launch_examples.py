"""Past launches of a backtest beside what came: the best, the middle and the worst forecast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from forecasting import FORECASTER, BacktestResult, plot_forecast
from pipelines.reports.pictures import to_svg
from pipelines.reports.words import date, known, short

_NAME = 60  # letters
_SIZE = (6.6, 3.0)
_RATHER_WRONG = 0.5  # of the larger of what was forecast and what came


@dataclass(frozen=True)
class LaunchExample:
    """One past launch, drawn.

    Attributes:
        which: What it is an example of: "the best".
        name: What people call the item.
        words: What was forecast and what came, a sentence.
        picture: An SVG element.
    """

    which: str
    name: str
    words: str
    picture: Markup


def launch_examples(result: BacktestResult) -> list[LaunchExample]:
    """Draw the launches whose totals came out best, in the middle, and worst.

    They are ranked by how far the median of the total was from what came, as a share of the larger
    of both; among equals those that sold more come first, and then ids decide. A launch that sold
    nothing where nothing was forecast is no example.

    Args:
        result: Of a backtest.

    Returns:
        Up to three; each launch once.
    """
    ranked = _ranked(result)
    if ranked.empty:
        return []
    places = {"The best": 0, "The one in the middle": len(ranked) // 2, "The worst": -1}
    found: list[LaunchExample] = []
    taken: set[Any] = set()
    for which, place in places.items():
        row = ranked.iloc[place]
        if row.name not in taken:
            taken.add(row.name)
            found.append(_example(result, which, row))
    return found


def _ranked(result: BacktestResult) -> pd.DataFrame:
    totals = result.totals[result.totals["method"] == FORECASTER]
    middle = _middle(result)
    larger = totals[[middle, "y"]].max(axis=1)
    error = (totals[middle] - totals["y"]).abs() / larger
    told = totals.assign(error=error.round(6), larger=larger)[larger > 0]
    # Of two that were wholly wrong the larger one is worse, of two that were right it is better.
    told = told.assign(units=told["y"].where(told["error"] < _RATHER_WRONG, -told["larger"]))
    return told.sort_values(
        ["error", "units", "unique_id"], ascending=[True, False, True], ignore_index=True
    )


def _middle(result: BacktestResult) -> str:
    level = min(result.quantiles, key=lambda one: abs(one - 0.5))
    return str(level)


def _example(result: BacktestResult, which: str, row: pd.Series) -> LaunchExample:
    item, cutoff = row["unique_id"], row["cutoff"]
    low, high = str(result.quantiles[0]), str(result.quantiles[-1])
    share = result.quantiles[-1] - result.quantiles[0]
    held = row[low] <= row["y"] <= row[high]
    mine = result.predictions[
        (result.predictions["method"] == FORECASTER)
        & (result.predictions["unique_id"] == item)
        & (result.predictions["cutoff"] == cutoff)
    ].drop(columns="method")
    figure = Figure(figsize=_SIZE, layout="constrained")
    axis = plot_forecast(
        mine.drop(columns="y"), actual=mine[["unique_id", "ds", "y"]], ax=figure.subplots()
    )
    axis.set_title("", loc="left")  # the item's name stands above
    expected = row[_middle(result)]
    words = (
        f"launched {date(mine['ds'].min())}, forecast on {date(cutoff)}: {expected:,.0f} "
        f"units expected in the middle, {row[low]:,.0f} to {row[high]:,.0f} with {share:.0%} "
        f"probability; {row['y']:,.0f} came, {'inside' if held else 'outside'} of that"
    )
    return LaunchExample(which, _name(result, item), words, Markup(to_svg(figure)))


def _name(result: BacktestResult, item: Any) -> str:
    if "name" in result.items:
        said = result.items.loc[result.items["unique_id"] == item, "name"].iloc[0]
        if isinstance(said, str) and said:
            return f"{short(said, _NAME)} ({item})"
    return str(item)


def all_categories(result: BacktestResult) -> list[dict[str, Any]]:
    """Return a row a category of the launches, also of those with a single one, largest first.

    Args:
        result: Of a backtest.

    Returns:
        `name`, `n` launches, `expected` and `sold` units, `bias` (of their sum), `error` (WAPE of
        the totals; both None where nothing was sold), `held` (totals inside of the interval). None
        without categories.
    """
    items = result.items
    if not items["category"].notna().any():
        return []
    totals = result.totals[result.totals["method"] == FORECASTER]
    joined = totals.merge(items[["unique_id", "cutoff", "category"]], on=["unique_id", "cutoff"])
    joined["category"] = joined["category"].astype(object).fillna("(none)")
    low, high = str(result.quantiles[0]), str(result.quantiles[-1])
    middle = _middle(result)
    rows = []
    for name, group in joined.groupby("category", sort=True):
        units = float(group["y"].sum())
        expected = float(group["mean"].sum())
        wape = float((group[middle] - group["y"]).abs().sum()) / units if units else float("nan")
        rows.append(
            {
                "name": str(name),
                "n": len(group),
                "expected": expected,
                "sold": units,
                "bias": expected / units - 1 if units else None,
                "error": wape if known(wape) else None,
                "held": int(group["y"].between(group[low], group[high]).sum()),
            }
        )
    return sorted(rows, key=lambda row: (-row["n"], row["name"]))


def methods_in_words(result: BacktestResult) -> str:
    """Say by which method each cutoff was answered, and why not by another.

    Args:
        result: Of a backtest.

    Returns:
        A sentence or two; empty where the result does not know.
    """
    methods = result.methods
    if methods.empty:
        return ""
    asked, voted = result.forecaster.method, methods["method"] == "knn"
    if asked != "auto":
        return f"Every cutoff was answered by the method asked for, {_METHODS[asked]}."
    if not voted.any():
        return f"Every cutoff was answered by the same method, {_METHODS['lightgbm']}."
    why = "fewer than 100 launches had finished by then"
    if voted.all():
        return f"Every cutoff was answered by the same method, {_METHODS['knn']}: {why}."
    when = ", ".join(
        f"{date(row['cutoff'])} ({row['finished']:,})" for row in methods[voted].to_dict("records")
    )
    return (
        f"Not every cutoff was answered by the same method: at {when} {_METHODS['knn']}, because "
        f"{why}; at the others {_METHODS['lightgbm']}. A forecaster fitted today is judged by the "
        "cutoffs of its own method: give method to have one at all of them."
    )


_METHODS = {
    "lightgbm": "a model trained on finished launches (lightgbm)",
    "knn": "the like items' votes (knn)",
}

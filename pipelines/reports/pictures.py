"""Pictures of labels and launches, as matplotlib figures that need no display."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from classifiers import Selective
from pipelines.reports.words import short

_NAME_WIDTH = 44
_PANELS = 3  # in a row
_TITLE_WIDTH = 44  # letters of a panel
INK, ACCENT, SOFT, WARM = "#1f2933", "#0b7285", "#adb5bd", "#d9480f"


def launch_figure(
    forecasts: Sequence[pd.DataFrame],
    analogues: Sequence[pd.DataFrame],
    titles: Sequence[str],
) -> Figure:
    """Draw new items, three a row: analogues' curves, forecast with interval, and what came.

    Args:
        forecasts: For each item its rows of the forecasts table with `y`, what came.
        analogues: For each item its launch analogues with columns `weight` and `curve`.
        titles: One for each item.
    """
    columns = min(len(forecasts), _PANELS)
    rows = -(-len(forecasts) // columns)
    figure = Figure(figsize=(4.1 * columns, 3.7 * rows), layout="constrained")
    shown = [figure.add_subplot(rows, columns, place + 1) for place in range(len(forecasts))]
    entries: dict[str, Any] = {}
    for axis, forecast, like, title in zip(shown, forecasts, analogues, titles, strict=True):
        _draw_launch(axis, forecast, like)
        axis.set_title(_in_lines(title), fontsize=10, loc="left", color=INK)
        handles, labels = axis.get_legend_handles_labels()
        entries = {**dict(zip(labels, handles, strict=True)), **entries}
    for axis in shown[::columns]:
        axis.set_ylabel("units a week")
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=min(4, 2 * columns),
        frameon=False,
        fontsize=9,
    )
    return figure


def _in_lines(title: str) -> str:
    """Break a title so that it is no wider than its panel, each of its lines on its own."""
    return "\n".join(textwrap.fill(line, _TITLE_WIDTH) for line in title.split("\n"))


def _draw_launch(axis: Axes, forecast: pd.DataFrame, analogues: pd.DataFrame) -> None:
    age = forecast["age"]
    widths = 0.6 + 1.4 * analogues["weight"] / analogues["weight"].max()
    for place, (curve, width) in enumerate(zip(analogues["curve"], widths, strict=True)):
        axis.plot(
            range(len(curve)),
            curve,
            color=SOFT,
            linewidth=width,
            label="like items' launches" if place == 0 else None,
            zorder=1,
        )
    axis.fill_between(
        age, forecast["0.1"], forecast["0.9"], color=ACCENT, alpha=0.2, label="80 % interval"
    )
    axis.plot(age, forecast["mean"], color=ACCENT, linewidth=2.2, label="forecast (mean)")
    axis.plot(age, forecast["y"], "o", color=WARM, markersize=5, label="what came", zorder=3)
    top = max(forecast["0.9"].max(), forecast["y"].max(), forecast["mean"].max())
    axis.set_ylim(0, 1.35 * top + 1)
    axis.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.set_xlabel("weeks since launch")
    _tidy(axis)


def comparison_figure(compare: pd.DataFrame, ours: str) -> Figure:
    """Draw the total WAPE of every method; whiskers: 95 % interval of the difference to ours.

    Args:
        compare: Index method; wape_total, and low, high of the difference.
        ours: The method the others are compared with.
    """
    ranked = compare.sort_values("wape_total", ascending=False)
    figure = Figure(figsize=(7.2, 0.5 * len(ranked) + 1.0), layout="constrained")
    axis = figure.subplots()
    colors = [ACCENT if method == ours else SOFT for method in ranked.index]
    axis.barh(ranked.index, ranked["wape_total"], color=colors, height=0.62)
    base = float(compare["wape_total"][ours])
    for place, (method, row) in enumerate(ranked.iterrows()):
        end = row["wape_total"]
        if method != ours:
            axis.plot([base + row["low"], base + row["high"]], [place, place], color=INK, lw=1.2)
            end = max(end, base + row["high"])
        axis.text(end + 0.012, place, f"{row['wape_total']:.3f}", va="center", fontsize=9)
    axis.axvline(base, color=ACCENT, linewidth=1, linestyle=":")
    axis.set_xlabel("WAPE of the total over the horizon (lower is better)")
    axis.set_xlim(0, ranked["wape_total"].max() * 1.14)
    _tidy(axis)
    return figure


def coverage_figure(curve: pd.DataFrame, automatic: Selective | None = None) -> Figure:
    """Draw precision against the share of items labeled without a person.

    Args:
        curve: As `classifiers.evaluation.selective.risk_coverage` returns it.
        automatic: A point on it to mark.
    """
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axis = figure.subplots()
    axis.plot(curve["coverage"], curve["precision"], color=ACCENT, linewidth=2)
    if automatic is not None:
        axis.axhline(automatic.target, color=INK, linewidth=0.8, linestyle=":")
    if automatic is not None and automatic.n_labeled:
        axis.plot(automatic.coverage, automatic.precision, "o", color=WARM)
        axis.annotate(
            f"{automatic.coverage:.1%} at {automatic.precision:.1%}",
            (automatic.coverage, automatic.precision),
            xytext=(10, 4),
            textcoords="offset points",
            color=WARM,
        )
    axis.set_xlabel("share of items labeled automatically, surest first")
    axis.set_ylabel("precision")
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1.02)
    _tidy(axis)
    return figure


def reliability_figure(reliability: pd.DataFrame) -> Figure:
    """Draw how often labels were right against how sure of them the classifier was.

    Args:
        reliability: As `classifiers.evaluation.metrics.reliability` returns it: `confidence`,
            `accuracy` and `n` of each bin. The dots' areas are the bins' shares of the items.
    """
    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    axis = figure.subplots()
    confidence, right = reliability["confidence"], reliability["accuracy"]
    axis.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle="--")
    axis.vlines(confidence, confidence, right, color=WARM, linewidth=1.6, zorder=2)
    axis.plot(confidence, right, color=ACCENT, linewidth=1.2, zorder=2)
    size = 20 + 400 * reliability["n"] / reliability["n"].sum()
    axis.scatter(confidence, right, s=size, color=ACCENT, zorder=3)
    axis.set_xlabel("probability of the label named (mean of a bin)")
    axis.set_ylabel("share that was right")
    axis.set_xlim(-0.02, 1.02)
    axis.set_ylim(-0.02, 1.02)
    _tidy(axis)
    return figure


def confusions_figure(confusions: pd.DataFrame, most: int = 15) -> Figure:
    """Draw the pairs of labels most often confused, the most frequent on top.

    Args:
        confusions: `label`, `predicted`, `n` and `share`, most frequent first.
        most: How many pairs to draw.
    """
    shown = confusions.head(most).iloc[::-1]
    figure = Figure(figsize=(6.4, 0.42 * max(len(shown), 1) + 0.9), layout="constrained")
    axis = figure.subplots()
    names = [
        "\n  taken for ".join(short(row[key], _NAME_WIDTH) for key in ("label", "predicted"))
        for row in shown.to_dict("records")
    ]
    axis.barh(range(len(shown)), shown["n"], color=ACCENT, height=0.62)
    for place, (n, share) in enumerate(zip(shown["n"], shown["share"], strict=True)):
        axis.text(n, place, f"  {n:,} ({share:.0%})", va="center", fontsize=8, color=INK)
    axis.set_yticks(range(len(shown)), [_plain(name) for name in names])
    axis.set_xlabel("items (share of the label's own)")
    axis.set_xlim(0, 1.2 * max(shown["n"], default=1))
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    _tidy(axis)
    axis.tick_params(axis="y", labelsize=8)
    return figure


def _plain(text: str) -> str:
    """Keep a dollar from beginning a formula."""
    return text.replace("$", r"\$")


def to_svg(figure: Figure) -> str:
    """Return a figure as an SVG element to put into a page."""
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def _tidy(axis: Axes) -> None:
    sides: Any = axis.spines
    for side in ("top", "right"):
        sides[side].set_visible(False)
    axis.tick_params(colors=INK, labelsize=9)

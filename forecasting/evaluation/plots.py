"""A backtest in pictures: are we better, when in a launch's life, and do the intervals hold?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from forecasting.evaluation.comparison import BETTER, WORSE
from forecasting.evaluation.metrics import interval_names
from forecasting.plotting.style import ACCENT, GRAY, INK, SOFT, WARM, axes_or_new, entitle, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from forecasting.evaluation.backtest import BacktestResult

_COLORS = {WORSE: ACCENT, BETTER: WARM}
_PERIODS = {"D": "day", "B": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}
_HEIGHT = 4.2
_NAMED = 2  # methods a title has room for


def plot_result(result: BacktestResult, ours: str, kind: str, ax: Axes | None) -> Axes:
    """Draw one of `PLOTS`.

    Args:
        result: The backtest.
        ours: The method the others are compared with.
        kind: Which picture.
        ax: Where to draw; None makes a figure.
    """
    ax = axes_or_new(ax, _HEIGHT)
    PLOTS[kind](result, ours, ax)
    tidy(ax)
    return ax


def best_baseline(compare: pd.DataFrame, ours: str) -> str:
    """Return the other method with the lowest error of the total."""
    others = compare.drop(index=ours)["wape_total"]
    return str(others.idxmin()) if others.notna().any() else str(others.index[0])


def period_name(freq: str) -> str:
    """Return what a frequency counts: weeks for ``W-MON``, months for ``MS``, else periods."""
    return _PERIODS.get(freq[:1].upper(), "period")


def _plot_comparison(result: BacktestResult, ours: str, ax: Axes) -> None:
    """Draw each baseline's difference to us, the hardest to beat on top."""
    compare = result.compare()
    others = compare.drop(index=ours).sort_values("difference", ascending=False)
    for place, row in enumerate(others.to_dict("records")):
        color = _COLORS.get(row["verdict"], GRAY)
        ax.plot([row["low"], row["high"]], [place, place], color=color, linewidth=2.4, zorder=2)
        ax.plot(row["difference"], place, "o", color=color, markersize=7, zorder=3)
        ax.annotate(
            f"{row['difference']:+.3f}",
            (row["difference"], place),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=color,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )
    ax.axvline(0, color=INK, linewidth=1, zorder=1)
    ax.set_yticks(range(len(others)), [str(name) for name in others.index], parse_math=False)
    ax.set_ylim(-0.5, len(others) - 0.3)
    ax.margins(x=0.08)
    ax.set_xlabel("WAPE of the total minus ours, 95 % interval (right of the line: we are better)")
    entitle(ax, _comparison_title(others, float(compare["wape_total"].to_dict()[ours])))


def _comparison_title(others: pd.DataFrame, mine: float) -> str:
    if pd.isna(mine):
        return "Nothing was sold: there is no WAPE"
    beaten = int((others["verdict"] == WORSE).sum())
    lost = [str(name) for name in others.index[others["verdict"] == BETTER]]
    said = f"Our WAPE, {mine:.3f}, is shown to be lower than that of {beaten} of {len(others)}"
    if not lost:
        return f"{said} baselines"
    names = " and ".join(lost) if len(lost) <= _NAMED else f"{len(lost)} of them"
    return f"{said} baselines,\nand higher than that of {names}"


def _plot_age(result: BacktestResult, ours: str, ax: Axes) -> None:
    """Draw the mean launch: what we and the best baseline expected, and what came."""
    rival = best_baseline(result.compare(), ours)
    means = result.predictions.groupby(["method", "age"])[["mean", "y"]].mean()
    mine, period = means.loc[ours], period_name(result.forecaster.freq)
    ax.plot(means.loc[rival]["mean"], color=SOFT, linewidth=2.2, label=f"{rival} (mean)")
    ax.plot(mine["mean"], color=ACCENT, linewidth=2.2, label="our forecast (mean)")
    ax.plot(mine["y"], "o", color=WARM, markersize=6, label="what came")
    ax.set_ylim(bottom=0)
    ax.set_xticks(range(0, len(mine), 1 + len(mine) // 15))
    ax.set_xlabel(f"{period}s since launch")
    ax.set_ylabel(f"units a {period}, mean over launches")
    ax.legend(frameon=False, fontsize=9)
    expected, came = mine["mean"].sum(), mine["y"].sum()
    if came > 0:
        much = f"{abs(expected / came - 1):.0%} {'more' if expected > came else 'less'}"
        entitle(ax, f"Over all launches we expected {much} than came")


def _plot_coverage(result: BacktestResult, ours: str, ax: Axes) -> None:
    """Draw how many totals our interval held, for launches forecast low, middling and high."""
    column, _ = interval_names(result.quantiles)
    wanted = result.quantiles[-1] - result.quantiles[0]
    scores = result.by("level").xs(ours, level="method")
    shares, sizes = scores[column].to_numpy(dtype=float), scores["n_items"].to_numpy(dtype=int)
    names = [f"{name}\n{size:,} launches" for name, size in zip(scores.index, sizes, strict=True)]
    ax.bar(range(len(names)), shares, color=ACCENT, width=0.5)
    for place, share in enumerate(shares):
        ax.text(place, share / 2, f"{share:.0%}", ha="center", va="center", color="white")
    ax.axhline(wanted, color=WARM, linewidth=1.4, linestyle="--")
    ax.text(len(names) - 0.7, wanted, f"{wanted:.0%} wanted", va="bottom", color=WARM, fontsize=9)
    ax.set_xticks(range(len(names)), names)
    ax.set_xlim(-0.5, len(names) - 0.25)
    ax.set_ylim(0, 1)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.set_ylabel("totals within our interval")
    ax.set_xlabel("launches by how much we forecast")
    held = float((shares * sizes).sum() / sizes.sum())
    entitle(ax, f"Our {wanted:.0%} interval held {held:.0%} of the totals")


PLOTS = {"comparison": _plot_comparison, "age": _plot_age, "coverage": _plot_coverage}

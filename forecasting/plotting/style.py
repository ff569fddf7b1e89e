"""How the package's pictures look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, ACCENT, SOFT, WARM = "#1f2933", "#0b7285", "#adb5bd", "#d9480f"
VIOLET, YELLOW, GREEN = "#7a5c9e", "#e0a458", "#2b8a3e"
GRAY = "#6b7680"  # of words that stand back
SMALL = 8.5
_WIDTH = 7.2  # inches; a notebook's column
_MOST_SHOWN, _LEAST_SHOWN = 100.0, 0.01
_LARGE = 100.0
_TIMES = "\N{MULTIPLICATION SIGN}"
# Features that are logarithms of a ratio, by what their names end in.
_RATIOS = ("_to_incumbent", "_to_launch", "_to_elsewhere", "_trend", "season_ahead")
_ALIKE, _MOST_LOG = 0.005, 20.0


def axes_or_new(ax: Axes | None, height: float) -> Axes:
    """Return the axes to draw into; those of a new figure, so high in inches, if there are none."""
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(_WIDTH, height), layout="constrained")
    return ax


def tidy(ax: Axes, *hidden: str) -> None:
    """Take away the frame: the top, the right, and the further sides named."""
    sides: Any = ax.spines
    for side in ("top", "right", *hidden):
        sides[side].set_visible(False)
    for side in ("left", "bottom"):
        sides[side].set_color(SOFT)
    ax.tick_params(colors=INK, labelsize=9)
    ax.tick_params(axis="both", color=SOFT)


def entitle(ax: Axes, title: str, pad: float = 8.0) -> None:
    """Write the title, as it is: a dollar is a dollar."""
    ax.set_title(
        title, loc="left", fontsize=10, fontweight="bold", color=INK, pad=pad, parse_math=False
    )


def short(text: object, width: int) -> str:
    """Return the beginning of a text that is longer than that many letters."""
    words = " ".join(str(text).split())
    return words if len(words) <= width else words[: width - 1].rstrip() + "…"


def factor_text(contribution: float) -> str:
    """Return a contribution in log units as the factor it is: 0.2 is "times 1.22"."""
    factor = float(np.exp(contribution))
    plain = _LEAST_SHOWN <= factor < _MOST_SHOWN
    return _TIMES + (f"{factor:.2f}" if plain else f"{factor:.2g}")


def value_text(value: object, width: int) -> str:
    """Return a number or a text, short enough to stand beside a name."""
    if value is None or value != value:  # NaN, and pandas' missing date
        return "unknown"
    if not isinstance(value, (int, float, np.number)) or isinstance(value, bool):
        return short(value, width)
    number = float(value)
    return f"{number:,.0f}" if abs(number) >= _LARGE or number == round(number) else f"{number:.2g}"


def feature_text(feature: str, value: object, width: int) -> str:
    """Return a feature's value as a person would say it: 0.058 of a log ratio is "6% above".

    Args:
        feature: Its name, which tells what its number is.
        value: A number or a text.
        width: Letters there are for a text.
    """
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or value != value:
        return value_text(value, width)
    number = float(value)  # type: ignore[arg-type]  # a number, as was asked
    if feature.endswith("_rank") and 0 <= number <= 1:
        return f"above {number:.0%} of them"
    if feature.endswith(_RATIOS):
        change = float(np.expm1(min(number, _MOST_LOG)))
        if abs(change) < _ALIKE:
            return "the same"
        if change > 1:
            return f"{_TIMES}{1 + change:.1f}"
        return f"{abs(change):.0%} {'above' if change > 0 else 'below'}"
    return value_text(value, width)

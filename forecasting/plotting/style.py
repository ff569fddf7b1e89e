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

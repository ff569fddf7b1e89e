"""Why this label? What each part adds to it, as a table and as a picture."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from classifiers.prediction import Prediction
from classifiers.scorers.ensemble import HEAD, NEIGHBORS, PROTOTYPES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLE = 80
_SMALLEST_SHOWN = 0.005
_COLORS = {NEIGHBORS: "#1f6f8b", PROTOTYPES: "#e0a458", HEAD: "#7a5c9e"}


def contributions_table(
    answer: Prediction, labels: int
) -> tuple[npt.NDArray[np.object_], pd.DataFrame]:
    """Return the items' own ids, and the most probable labels with what each part adds to them.

    Returns:
        The ids, (n,), None where there is none; and one row an item, label and part: `item_id`
        (None), `rank` (of the label, from 1), `label`, `probability`, `part`, `contribution` (to
        the probability; NaN where the head does not know the label).
    """
    top = np.argsort(-answer.proba, axis=1, kind="stable")[:, :labels]
    parts = list(answer.added)
    added = np.stack(
        [np.take_along_axis(one, top, axis=1) for one in answer.added.values()], axis=2
    )
    if HEAD in answer.added:
        added[..., parts.index(HEAD)][~answer.head_knows[top]] = np.nan
    probability = np.take_along_axis(answer.proba, top, axis=1)
    n, shown = top.shape
    table = {
        "item_id": np.full(added.size, None, dtype=object),
        "rank": np.tile(np.repeat(np.arange(1, shown + 1), len(parts)), n),
        "label": np.repeat(answer.classes[top].ravel(), len(parts)),
        "probability": np.repeat(probability.ravel(), len(parts)),
        "part": np.tile(np.array(parts, dtype=object), n * shown),
        "contribution": added.ravel(),
    }
    return answer.near.queries, pd.DataFrame(table)


def plot_contributions(answer: Prediction, text: str, labels: int, ax: Axes | None) -> Axes:
    """Draw one item's most probable labels as bars stacked from what each part adds.

    Args:
        answer: To one item.
        text: The item.
        labels: How many labels.
        ax: Where to draw; None makes a figure.
    """
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(7.5, 0.6 * labels + 1.6), layout="constrained")
    _, table = contributions_table(answer, labels)
    ranked = table.drop_duplicates("rank")
    left = np.zeros(len(ranked))
    for part, color in _COLORS.items():
        width = table.loc[table["part"] == part, "contribution"].fillna(0.0).to_numpy()
        if len(width):
            ax.barh(ranked["rank"], width, left=left, color=color, label=part, height=0.6)
            left += width
    for rank, end, probability in zip(ranked["rank"], left, ranked["probability"], strict=True):
        shown = f"{probability:.2f}" if probability >= _SMALLEST_SHOWN else "< 0.01"
        ax.text(max(end, probability) + 0.01, rank, shown, va="center")
    names = [str(label) for label in ranked["label"]]
    ax.set_yticks(ranked["rank"], names, parse_math=False)  # a "$" in a name is a dollar
    ax.invert_yaxis()
    ax.set_xlim(0, 1.1)
    ax.set_xlabel("probability, by what it rests on")
    title = textwrap.shorten(text, _TITLE)
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold", pad=24, parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    # Above the bars, which can be anywhere below.
    above = (0.0, 1.0)
    ax.legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=above, borderaxespad=0.2)
    return ax

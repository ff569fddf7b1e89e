"""Scores by the language of the items, and which languages fall off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from classifiers.evaluation.bootstrap import DRAWS, intervals
from classifiers.evaluation.metrics import mean
from retrieval import InputError


def scores_by_language(
    correct: Sequence[bool], languages: Sequence[str], *, seed: int = 0, draws: int = DRAWS
) -> pd.DataFrame:
    """Return the accuracy of each language, most frequent first.

    Args:
        correct: (n,) whether each item's label was right.
        languages: (n,) the language of each item.
        seed: Of the bootstrap.
        draws: Of the bootstrap.

    Returns:
        `language`, `items`, `accuracy` with its 95 % interval `low` and `high`, `others` (accuracy
        of the items of all other languages; NaN where there are none), and `falls_off`: whether
        the 95 % interval of the difference from the others lies below zero.

    Raises:
        InputError: There are not as many languages as answers.
    """
    if len(correct) != len(languages):
        raise InputError(f"{len(languages)} languages for {len(correct)} answers")
    right, of = np.asarray(correct, dtype=bool), np.asarray(languages, dtype=object).astype(str)
    draw = np.random.default_rng(seed)
    rows = []
    for language, count in pd.Series(of).value_counts().items():
        own, others = right[of == language], right[of != language]
        low, high = intervals({"accuracy": mean(own)}, len(own), draws=draws, seed=seed)["accuracy"]
        rows.append(
            {
                "language": str(language),
                "items": int(count),
                "accuracy": float(own.mean()),
                "low": low,
                "high": high,
                "others": float(others.mean()) if len(others) else float("nan"),
                "falls_off": _is_below(own, others, draws, draw),
            }
        )
    columns = ["language", "items", "accuracy", "low", "high", "others", "falls_off"]
    return pd.DataFrame(rows, columns=columns)


def _is_below(own: np.ndarray, others: np.ndarray, draws: int, draw: np.random.Generator) -> bool:
    """Tell whether one share is below another, surely; of binary answers counts are all."""
    if not len(own) or not len(others):
        return False
    drawn = draw.binomial(len(own), own.mean(), draws) / len(own)
    apart = drawn - draw.binomial(len(others), others.mean(), draws) / len(others)
    return bool(np.quantile(apart, 0.975) < 0)

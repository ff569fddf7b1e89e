from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from forecasting.evaluation.metrics import score
from pipelines.monitoring.matured_forecasts import score_intervals, scores_of


def launches(n: int, bias: float = 1.0, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Launches as they are listed, and the table of totals they were made of."""
    rng = np.random.default_rng(seed)
    units = rng.poisson(rng.gamma(2, 5, n)).astype(float)
    median = rng.gamma(2, 5, n)
    totals = pd.DataFrame(
        {
            "method": "ours",
            "unique_id": [f"item {number}" for number in range(n)],
            "cutoff": pd.Timestamp("2017-07-03"),
            "y": units,
            "mean": rng.gamma(2, 5, n) * bias,
            "0.1": median / 3,
            "0.5": median,
            "0.9": median * 3,
        }
    )
    listed = pd.DataFrame(
        {
            "units": units,
            "mean": totals["mean"],
            "error": (units - median).__abs__(),
            "baseline_error": np.abs(units - 8.0),
            "inside": totals["y"].between(totals["0.1"], totals["0.9"]).astype(float),
            "interval": 0.8,
        }
    )
    return listed, totals


def test_scores_are_those_of_a_backtest() -> None:
    listed, totals = launches(200)
    theirs = score(totals, totals, (0.1, 0.5, 0.9)).loc["ours"]
    ours = scores_of(listed)
    assert ours.wape == pytest.approx(theirs["wape_total"])
    assert ours.bias == pytest.approx(theirs["bias"])
    assert ours.coverage == pytest.approx(theirs["coverage_80"])
    assert ours.ratio == pytest.approx(ours.wape / ours.baseline_wape)
    assert (ours.launches, ours.interval) == (200, 0.8)


def test_intervals_hold_the_score_and_tell_a_bias_from_chance() -> None:
    fair, _ = launches(300)
    high, _ = launches(300, bias=1.5)
    for table in (fair, high):
        scores, intervals = scores_of(table), score_intervals(table, 0.98)
        for name, (low, up) in intervals.items():
            assert low <= getattr(scores, name) <= up
    assert score_intervals(fair, 0.98)["bias"][0] < 0 < score_intervals(fair, 0.98)["bias"][1]
    assert score_intervals(high, 0.98)["bias"][0] > 0
    few = score_intervals(high.head(10), 0.98)["bias"]
    assert few[1] - few[0] > 2 * np.ptp(score_intervals(high, 0.98)["bias"])


def test_nothing_sold_is_no_score() -> None:
    listed, _ = launches(5)
    nothing = listed.assign(units=0.0)
    scores = scores_of(nothing)
    assert math.isnan(scores.wape) and math.isnan(scores.bias)
    assert np.isnan(score_intervals(nothing, 0.98)["wape"]).all()
    both_right = scores_of(listed.assign(error=0.0, baseline_error=0.0))
    assert both_right.ratio == 1.0

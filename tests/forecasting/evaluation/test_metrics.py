import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from utilsforecast.losses import scaled_crps

from forecasting.evaluation.metrics import calibration, score, score_ages

LEVELS = (0.1, 0.5, 0.9)


def table(method, y, mean, low, median, high):
    return pd.DataFrame(
        {
            "method": method,
            "unique_id": [f"i{n}" for n in range(len(y))],
            "cutoff": pd.Timestamp("2024-01-01"),
            "y": y,
            "mean": mean,
            "0.1": low,
            "0.5": median,
            "0.9": high,
        }
    )


def test_scores_by_hand():
    one = table("one", [10.0, 0.0], [8.0, 4.0], [5.0, 1.0], [8.0, 1.0], [9.0, 2.0])
    scores = score(one, one, LEVELS).loc["one"]
    assert scores["wape_total"] == pytest.approx(3 / 10)
    assert scores["bias"] == pytest.approx(12 / 10 - 1)
    assert scores["rmse_total"] == pytest.approx(np.sqrt((4 + 16) / 2))
    pinball = (0.1 * 5 + 0.9 * 1) + (0.5 * 2 + 0.5 * 1) + (0.9 * 1 + 0.1 * 2)
    assert scores["wql"] == pytest.approx(2 * pinball / 3 / 10)
    assert scores["coverage_80"] == 0
    assert scores["width_80"] == pytest.approx((4 + 1) / 2)
    assert scores["n_items"] == 2


def test_curves_are_scored_by_age_and_not_by_total():
    total = table("one", [10.0], [9.0], [9.0], [9.0], [9.0])
    curve = table("one", [10.0, 0.0], [5.0, 4.0], [5.0, 4.0], [5.0, 4.0], [5.0, 4.0])
    scores = score(total, curve, LEVELS).loc["one"]
    assert scores["wape_curve"] == pytest.approx((5 + 4) / 10)
    pinball = (0.1 * 5 + 0.9 * 4) + (0.5 * 5 + 0.5 * 4) + (0.9 * 5 + 0.1 * 4)
    assert scores["wql_curve"] == pytest.approx(2 * pinball / 3 / 10)
    assert scores["wape_total"] == pytest.approx(1 / 10)


def test_cohorts_are_pooled_not_averaged():
    early = table("one", [100.0], [90.0], [90.0], [90.0], [90.0])
    late = table("one", [1.0], [3.0], [3.0], [3.0], [3.0]).assign(cutoff=pd.Timestamp("2025-01-01"))
    both = pd.concat([early, late], ignore_index=True)
    assert score(both, both, LEVELS).loc["one", "wape_total"] == pytest.approx(12 / 101)


def test_columns_are_named_by_the_levels():
    one = table("one", [1.0], [1.0], [0.0], [1.0], [2.0]).rename(columns={"0.1": "0.25"})
    scores = score(one, one, (0.25, 0.5, 0.9))
    assert {"coverage_65", "width_65"} <= set(scores.columns)


def test_where_nothing_was_sold_relative_scores_are_missing():
    one = table("one", [0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [2.0, 0.0])
    scores = score(one, one, LEVELS).loc["one"]
    assert scores[["wape_total", "wape_curve", "bias", "wql", "wql_curve"]].isna().all()
    assert scores["rmse_total"] == pytest.approx(np.sqrt(0.5))
    assert scores["coverage_80"] == 1


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 4), min_size=1, max_size=20))
def test_wql_is_the_scaled_crps_of_utilsforecast(rows):
    y, low, median, high = (np.array(part, dtype=float) for part in zip(*rows, strict=True))
    one = table("one", y, median, low, median, high)
    if not y.sum():
        return
    models = {"one": ["0.1", "0.5", "0.9"]}
    theirs = scaled_crps(one.drop(columns="cutoff"), models, np.array(LEVELS), id_col="method")
    assert score(one, one, LEVELS).loc["one", "wql"] == pytest.approx(theirs["one"].iloc[0])


def test_ages_are_scored_each_on_its_own():
    curve = table("one", [4.0, 1.0], [2.0, 1.0], [0.0, 0.0], [2.0, 2.0], [3.0, 3.0])
    scores = score_ages(curve.assign(age=[0, 1]), LEVELS)
    assert scores.index.tolist() == [(0, "one"), (1, "one")]
    assert scores["wape"].tolist() == [0.5, 1.0]
    assert scores["bias"].tolist() == [-0.5, 0.0]
    assert scores["coverage_80"].tolist() == [0, 1]
    assert scores["n_items"].tolist() == [1, 1]


def test_calibration_counts_ties_apart():
    y = [0.0, 1.0, 1.0, 5.0]
    one = table("one", y, y, [0.0] * 4, [1.0] * 4, [5.0] * 4)
    shares = calibration(one, LEVELS)
    assert shares.index.tolist() == [("one", 0.1), ("one", 0.5), ("one", 0.9)]
    assert shares["below"].tolist() == [0, 0.25, 0.75]
    assert shares["up_to"].tolist() == [0.25, 0.75, 1]

import numpy as np
import pandas as pd
import pytest

from forecasting.metrics import paired_difference, score

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
    assert scores["n_items"] == 2


def test_cohorts_are_pooled_not_averaged():
    early = table("one", [100.0], [90.0], [90.0], [90.0], [90.0])
    late = table("one", [1.0], [3.0], [3.0], [3.0], [3.0]).assign(cutoff=pd.Timestamp("2025-01-01"))
    both = pd.concat([early, late], ignore_index=True)
    assert score(both, both, LEVELS).loc["one", "wape_total"] == pytest.approx(12 / 101)


def test_the_paired_interval_tells_better_from_worse_from_neither():
    rng = np.random.default_rng(0)
    y = rng.poisson(20, 300).astype(float)
    near, far = y + rng.normal(0, 1, 300), y + rng.normal(0, 9, 300)
    columns = {"reference": near, "far": far, "exact": y, "same": 2 * y - near}
    totals = pd.concat(
        [table(name, y, value, value, value, value) for name, value in columns.items()],
        ignore_index=True,
    )
    compared = paired_difference(totals, "reference")
    assert compared["verdict"].to_dict() == {
        "far": "worse",
        "exact": "better",
        "same": "no difference shown",
    }
    assert (compared["low"] <= compared["difference"] + 1e-12).all()
    assert (compared["difference"] <= compared["high"] + 1e-12).all()
    expected = (np.abs(far - y).sum() - np.abs(near - y).sum()) / y.sum()
    assert compared.loc["far", "difference"] == pytest.approx(expected)

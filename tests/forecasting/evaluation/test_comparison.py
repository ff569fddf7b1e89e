import numpy as np
import pandas as pd
import pytest

from forecasting.evaluation.comparison import paired_difference
from retrieval import InputError

LEVELS = (0.1, 0.5, 0.9)
COLUMNS = ["difference", "low", "high", "verdict"]


def table(method, y, low, median, high):
    ids = [f"i{n}" for n in range(len(y))]
    columns = {"method": method, "unique_id": ids, "cutoff": pd.Timestamp("2024-01-01"), "y": y}
    return pd.DataFrame(columns | {"mean": median, "0.1": low, "0.5": median, "0.9": high})


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(0).poisson(20, 300).astype(float)


@pytest.fixture(scope="module")
def totals(y):
    rng = np.random.default_rng(1)
    near, far = y + rng.normal(0, 1, 300), y + rng.normal(0, 9, 300)
    parts = {"near": near, "far": far, "exact": y, "mirrored": 2 * y - near}
    tables = [table(name, y, value - 1, value, value + 1) for name, value in parts.items()]
    # The same medians as the reference, and intervals that are far too wide.
    tables.append(table("vague", y, near - 50, near, near + 50))
    return pd.concat(tables, ignore_index=True)


def test_the_interval_tells_better_from_worse_from_neither(totals, y):
    compared = paired_difference(totals, LEVELS, "near")
    assert compared["verdict"].to_dict() == {
        "far": "worse",
        "exact": "better",
        "mirrored": "no difference shown",
        "vague": "no difference shown",
    }
    assert (compared["low"] <= compared["difference"] + 1e-12).all()
    assert (compared["difference"] <= compared["high"] + 1e-12).all()
    errors = {
        name: (part["0.5"] - part["y"]).abs().sum() for name, part in totals.groupby("method")
    }
    expected = (errors["far"] - errors["near"]) / y.sum()
    assert compared.loc["far", "difference"] == pytest.approx(expected)


def test_quantiles_have_an_interval_of_their_own(totals):
    compared = paired_difference(totals, LEVELS, "near")
    assert compared.loc["vague", "verdict"] == "no difference shown"
    assert compared.loc["vague", "wql_verdict"] == "worse"
    assert compared.loc["exact", "wql_verdict"] == "better"
    assert (compared["wql_low"] <= compared["wql_difference"] + 1e-12).all()
    assert (compared["wql_difference"] <= compared["wql_high"] + 1e-12).all()


def test_absolute_errors_are_those_of_the_median_and_not_of_the_mean(totals):
    means = np.random.default_rng(2).permutation(totals["mean"])
    expected = paired_difference(totals, LEVELS, "near")
    compared = paired_difference(totals.assign(mean=means), LEVELS, "near")
    pd.testing.assert_frame_equal(compared, expected)


def test_the_verdict_turns_when_the_methods_change_places(totals):
    there = paired_difference(totals, LEVELS, "near").loc["far"]
    back = paired_difference(totals, LEVELS, "far").loc["near"]
    for prefix in ("", "wql_"):
        assert (there[f"{prefix}verdict"], back[f"{prefix}verdict"]) == ("worse", "better")
        assert back[f"{prefix}difference"] == pytest.approx(-there[f"{prefix}difference"])
        assert back[f"{prefix}low"] == pytest.approx(-there[f"{prefix}high"])
        assert back[f"{prefix}high"] == pytest.approx(-there[f"{prefix}low"])


def test_the_seed_alone_decides_the_interval(totals):
    once = paired_difference(totals, LEVELS, "near", seed=3)
    shuffled = totals.groupby("method", sort=False).sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(paired_difference(shuffled, LEVELS, "near", seed=3), once)
    other = paired_difference(totals, LEVELS, "near", seed=4)
    assert (other.loc["far", ["low", "high"]] != once.loc["far", ["low", "high"]]).all()
    assert other.loc["far", "difference"] == once.loc["far", "difference"]


def test_the_interval_is_that_of_resampled_launches():
    """Against a loop over draws with another generator: the ends agree but for chance."""
    rng = np.random.default_rng(9)
    # Few launches make most of the units, and errors grow with them, as in launch sales.
    y = np.round(np.exp(rng.normal(2, 1.5, 200)))
    near, far = y * rng.uniform(0.8, 1.2, 200), y * rng.uniform(0.4, 1.6, 200)
    parts = {"near": near, "far": far}
    totals = pd.concat([table(name, y, value, value, value) for name, value in parts.items()])
    gap = np.abs(far - y) - np.abs(near - y)
    chosen = [rng.integers(200, size=200) for _ in range(4000)]
    drawn = [gap[rows].sum() / y[rows].sum() for rows in chosen]
    low, high = np.quantile(drawn, [0.025, 0.975])
    totals = totals.reset_index(drop=True)
    compared = paired_difference(totals, LEVELS, "near", draws=4000).loc["far"]
    assert compared["low"] == pytest.approx(low, abs=0.1 * (high - low))
    assert compared["high"] == pytest.approx(high, abs=0.1 * (high - low))


def test_too_few_draws_are_refused(totals):
    with pytest.raises(InputError, match="draws must be at least 1,000, got 999"):
        paired_difference(totals, LEVELS, "near", draws=999)


def test_where_nothing_was_sold_nothing_is_shown():
    nothing = np.zeros(4)
    totals = pd.concat([table(name, nothing, nothing, nothing + 1, nothing + 2) for name in "ab"])
    compared = paired_difference(totals.reset_index(drop=True), LEVELS, "a").loc["b"]
    assert compared[["difference", "low", "high"]].isna().all()
    assert compared["verdict"] == "no difference shown"

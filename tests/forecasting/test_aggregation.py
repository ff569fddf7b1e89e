"""What several launches sell together."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forecasting import aggregation as sums_module
from forecasting.aggregation import Sums
from forecasting.data.launches import Launches
from forecasting.data.panel import Grid
from forecasting.models.quantile_calibration import Calibration
from forecasting.models.sample_paths import Paths
from forecasting.models.shared_fate import SharedFate

LEVELS = (0.1, 0.5, 0.9)
NAMES = ["0.1", "0.5", "0.9"]
HORIZON = 3
CURVES = 20_000  # so many that few launches rest on the same
GRID = Grid("W-MON", pd.Timestamp("2024-01-01"))
CUTOFF = pd.Timestamp("2024-01-29")
ALONE = SharedFate()
WIDTH = 2 * 1.2816  # standard deviations between the 0.1 and the 0.9 quantile


def courses(n: int, *, counts: bool = False, seed: int = 0) -> Paths:
    rng = np.random.default_rng(seed)
    weight = rng.random((n, 12))
    return Paths(
        curves=rng.gamma(1.0, 4.0, (CURVES, HORIZON)),
        position=rng.integers(0, CURVES, (n, 12)),
        weight=weight / weight.sum(axis=1, keepdims=True),
        factor=rng.uniform(0.5, 2, (n, 12)),
        scale=rng.uniform(0.5, 2, (n, HORIZON)),
        counts=counts,
    )


def summed(
    paths: Paths,
    groups: list[object] | pd.Series | None = None,
    period: list[int] | None = None,
    *,
    fate: SharedFate = ALONE,
    families: list[int] | None = None,
    seed: int = 0,
    by_period: bool = False,
) -> pd.DataFrame:
    n = len(paths)
    rows = Launches(
        ids=np.array([f"item{row}" for row in range(n)], dtype=object),
        vectors=np.zeros((n, 2), dtype=np.float32),
        period=np.array([5] * n if period is None else period, dtype=np.int64),
        standing=np.full(n, 4),
        attributes=pd.DataFrame(index=range(n)),
        group=np.arange(n) if families is None else np.array(families),
    )
    curves = np.arange(len(paths.curves))
    return Sums(paths, rows, curves, fate, Calibration.none(LEVELS, HORIZON), seed).table(
        groups
        if isinstance(groups, pd.Series)
        else pd.Series(["all"] * n if groups is None else groups, dtype=object),
        GRID,
        CUTOFF,
        by_period=by_period,
    )


def variance(paths: Paths) -> np.ndarray:
    totals = paths.totals()
    return (totals**2 * paths.weight).sum(axis=1) - paths.mean().sum(axis=1) ** 2


def width(table: pd.DataFrame) -> float:
    return float(table["0.9"].iloc[0] - table["0.1"].iloc[0])


def test_the_table() -> None:
    found = summed(courses(3))
    assert found.columns.tolist() == ["group", "cutoff", "n_items", "mean", *NAMES]
    assert found[["group", "cutoff", "n_items"]].to_numpy().tolist() == [["all", CUTOFF, 3]]
    by_period = summed(courses(3), by_period=True)
    assert by_period.columns.tolist() == ["group", "cutoff", "ds", "n_items", "mean", *NAMES]
    assert by_period["ds"].tolist() == list(pd.date_range("2024-02-05", periods=3, freq="W-MON"))
    assert by_period["n_items"].tolist() == [3, 3, 3]


@pytest.mark.parametrize("nameless", [None, np.nan, pd.NaT, pd.NA, "", " "])
@pytest.mark.parametrize("by_period", [False, True])
def test_launches_without_a_group_are_one_so_that_sums_add_up(
    nameless: object, by_period: bool
) -> None:
    paths, groups = courses(7), ["b", nameless, "a", "b", nameless, "a", "b"]
    found = summed(paths, groups, by_period=by_period)
    assert found["group"].drop_duplicates().tolist() == ["a", "b", "(none)"]
    np.testing.assert_allclose(found["mean"].sum(), paths.mean().sum())
    named = [rows for rows, name in enumerate(groups) if isinstance(name, str) and name.strip()]
    others = summed(paths[np.array(named)], [groups[row] for row in named], by_period=by_period)
    pd.testing.assert_frame_equal(found[found["group"] != "(none)"], others)


@pytest.mark.parametrize("kind", ["timestamps", "numbers", "categories"])
def test_groups_of_any_kind_may_lack(kind: str) -> None:
    groups = {
        "timestamps": pd.Series(pd.to_datetime(["2024-01-02", None, "2024-01-01"])),
        "numbers": pd.Series([2.5, np.nan, 1.5]),
        "categories": pd.Series(pd.Categorical(["y", None, "x"], categories=["ghost", "x", "y"])),
    }[kind]
    found = summed(courses(3), groups)
    assert found["group"].tolist() == [groups[2], groups[0], "(none)"]
    assert found["n_items"].tolist() == [1, 1, 1]


def test_means_add() -> None:
    paths = courses(7)
    groups = list("abacbca")
    found = summed(paths, groups).set_index("group")["mean"]
    expected = pd.Series(paths.mean().sum(axis=1)).groupby(groups).sum()
    np.testing.assert_allclose(found.loc[expected.index], expected)


def test_each_period_sums_the_ages_that_fall_into_it() -> None:
    paths = courses(2)
    found = summed(paths, period=[5, 7], by_period=True)
    first, second = paths.mean()
    np.testing.assert_allclose(
        found["mean"], [first[0], first[1], first[2] + second[0], second[1], second[2]]
    )
    assert found["ds"].tolist() == list(pd.date_range("2024-02-05", periods=5, freq="W-MON"))


def test_periods_and_totals_agree() -> None:
    paths, groups = courses(9), list("aababbaba")
    period = [5, 6, 9, 5, 5, 6, 8, 7, 5]
    total = summed(paths, groups, period).set_index("group")["mean"]
    by_period = summed(paths, groups, period, by_period=True).groupby("group")["mean"].sum()
    np.testing.assert_allclose(by_period, total)


def test_the_variances_of_launches_add() -> None:
    paths = courses(150)
    found = summed(paths)
    spread = np.sqrt(variance(paths).sum())
    assert width(found) == pytest.approx(WIDTH * spread, rel=0.08)
    assert found["0.5"].iloc[0] == pytest.approx(found["mean"].iloc[0], abs=0.15 * spread)


@pytest.mark.parametrize("shared", ["season", "period", "group"])
def test_what_is_shared_does_not_average_out(shared: str) -> None:
    paths = courses(150)
    found = summed(paths, fate=SharedFate(**{shared: 0.3}), families=[0] * 150)
    # With correlation r the variance of n alike is 1 + (n - 1) r times that of independent ones.
    spread = np.sqrt(variance(paths))
    least = np.sqrt(0.7 * variance(paths).sum() + 0.2 * spread.sum() ** 2)
    assert WIDTH * least < width(found) < WIDTH * spread.sum()
    assert found["mean"].iloc[0] == pytest.approx(paths.mean().sum())


def test_who_rests_on_the_same_launches_errs_with_them() -> None:
    paths = replace(courses(150), position=courses(150).position % 30)
    spread = np.sqrt(variance(paths))
    least = np.sqrt(variance(paths).sum() + 0.02 * spread.sum() ** 2)
    assert width(summed(paths)) > WIDTH * least


def test_what_others_share_averages_out() -> None:
    paths, period = courses(150), list(range(5, 155))
    fate = SharedFate(period=0.3, group=0.3)
    assert width(summed(paths, period=period, fate=fate)) == pytest.approx(
        width(summed(paths, period=period)), rel=0.1
    )


def test_all_periods_share_it() -> None:
    paths = replace(courses(200), curves=np.repeat(courses(1).curves[:, :1], HORIZON, axis=1))
    fate = SharedFate(season=0.5)
    total, by_period = (summed(paths, fate=fate, by_period=one) for one in (False, True))
    # If each period had luck of its own, the total would be surer than its periods.
    relative = (by_period["0.9"] - by_period["0.1"]) / by_period["mean"]
    np.testing.assert_allclose(relative, width(total) / total["mean"].iloc[0], rtol=0.12)


def test_one_launch_sums_to_itself() -> None:
    paths = courses(1)
    found = summed(paths)[NAMES].to_numpy()[0]
    reached = [(paths.weight[paths.totals() <= one + 1e-9]).sum() for one in found]
    np.testing.assert_allclose(reached, LEVELS, atol=0.12)
    assert np.isclose(found[:, None], paths.totals()).any(axis=1).all()


def test_groups_come_in_the_order_of_their_names_and_rows_without_one_come_last() -> None:
    paths = courses(5)
    found = summed(paths, ["tea", None, "cake", "tea", np.nan])
    assert found["group"].tolist() == ["cake", "tea", "(none)"]
    assert found["n_items"].tolist() == [1, 2, 2]
    parts = [paths.mean()[rows].sum() for rows in ([2], [0, 3], [1, 4])]
    np.testing.assert_allclose(found["mean"], parts)
    assert summed(paths, [3, 20, 3, 20, 100])["group"].tolist() == [3, 20, 100]


@pytest.mark.parametrize("by_period", [False, True])
def test_without_a_launch_the_table_is_empty(by_period: bool) -> None:
    columns = summed(courses(1), by_period=by_period).columns.tolist()
    found = summed(courses(1)[:0], by_period=by_period)
    assert found.columns.tolist() == columns
    assert found.empty


@pytest.mark.parametrize("by_period", [False, True])
def test_counts_sum_to_counts(by_period: bool) -> None:
    found = summed(courses(6, counts=True), fate=SharedFate(0.1, 0.1, 0.1), by_period=by_period)
    assert (found[NAMES] % 1 == 0).all(axis=None)
    assert (found[NAMES].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)


@pytest.mark.parametrize("by_period", [False, True])
def test_the_seed_decides(by_period: bool) -> None:
    paths, groups = courses(8), list("abababab")
    one, again, other = (
        summed(paths, groups, fate=SharedFate(0.1), seed=seed, by_period=by_period)
        for seed in (3, 3, 4)
    )
    pd.testing.assert_frame_equal(again, one, check_exact=True)
    assert not other[NAMES].equals(one[NAMES])
    np.testing.assert_array_equal(other["mean"], one["mean"])


def test_many_launches_are_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    paths, period = courses(9), [5, 6, 9, 5, 5, 6, 8, 7, 5]
    whole = [summed(paths, period=period, by_period=one) for one in (False, True)]
    monkeypatch.setattr(sums_module, "_BLOCK", 2)
    for one, by_period in zip(whole, (False, True), strict=True):
        found = summed(paths, period=period, by_period=by_period)
        np.testing.assert_allclose(found[["mean", *NAMES]], one[["mean", *NAMES]])

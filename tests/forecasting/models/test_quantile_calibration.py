"""Quantiles hold on launches that the model had not seen."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from forecasting.data.panel import Floats, Ints
from forecasting.models.quantile_calibration import _GRID, Calibration, _reached
from forecasting.models.sample_paths import Paths, quantiles, ranks

LEVELS = (0.1, 0.5, 0.9)
HORIZON = 4
M = 250


def forecast(curves: Floats, n: int, seed: int, *, counts: bool = False) -> Paths:
    """Launches of different size, each of which may take any of the curves."""
    rng = np.random.default_rng(seed)
    scale = np.ones((n, HORIZON)) if counts else rng.lognormal(0, 1, (n, 1)) * np.ones(HORIZON)
    m = len(curves)
    return Paths(
        curves=curves,
        position=np.tile(np.arange(m), (n, 1)),
        weight=np.full((n, m), 1 / m),
        factor=np.ones((n, m)),
        scale=scale,
        counts=counts,
    )


def skewed(spread: float, seed: int, n: int = M) -> Floats:
    """Curves at lognormal levels, each age with a spread of its own."""
    rng = np.random.default_rng(seed)
    return rng.lognormal(0, spread, (n, 1)) * rng.lognormal(0, spread / 2, (n, HORIZON))


def rare(mean: float, seed: int, n: int = M) -> Floats:
    """Counts, mostly zero at every age."""
    rng = np.random.default_rng(seed)
    return rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, (n, 1)), (n, HORIZON)).astype(float)


def learn(
    paths: Paths,
    came: Floats,
    weight: Floats | None = None,
    levels: tuple[float, ...] = LEVELS,
    group: Ints | None = None,
) -> Calibration:
    ages = [ranks(paths.age(age), paths.weight, came[:, age]) for age in range(HORIZON)]
    return Calibration.learn(
        levels,
        paths.mean().sum(axis=1),
        np.ones(len(came)) if weight is None else weight,
        ranks(paths.totals(), paths.weight, came.sum(axis=1)),
        (np.stack([one[0] for one in ages], axis=1), np.stack([one[1] for one in ages], axis=1)),
        np.arange(len(came)) if group is None else group,
    )


def came_by(curves: Floats, paths: Paths) -> Floats:
    return curves * paths.scale


def coverage(found: Floats, came: Floats) -> tuple[Floats, Floats]:
    """(q,) shares of what came that lay below the quantiles, and at most at them."""
    axes = tuple(range(came.ndim))
    return (came[..., None] < found).mean(axis=axes), (came[..., None] <= found).mean(axis=axes)


def test_on_what_the_forecast_says_levels_stay() -> None:
    paths = forecast(skewed(0.8, seed=0), 2000, seed=1)
    made = learn(paths, came_by(skewed(0.8, seed=2, n=2000), paths))
    assert made.totals.shape == (3, 3)
    assert made.ages.shape == (HORIZON, 3)
    # The courses are 400 draws of the same distribution.
    np.testing.assert_allclose(made.totals, np.tile(LEVELS, (3, 1)), atol=0.06)
    np.testing.assert_allclose(made.ages, np.tile(LEVELS, (HORIZON, 1)), atol=0.05)


@pytest.mark.parametrize(("said", "true"), [(1.0, 0.5), (0.6, 0.9), (0.7, 0.7)])
def test_quantiles_hold_on_fresh_launches(said: float, true: float) -> None:
    curves = skewed(said, seed=0)
    past, new = (forecast(curves, 1500, seed=seed) for seed in (1, 2))
    made = learn(past, came_by(skewed(true, seed=3, n=1500), past))
    came = came_by(skewed(true, seed=4, n=1500), new)
    found = made.read(new)
    np.testing.assert_allclose(
        coverage(found.total_quantiles, came.sum(axis=1))[1], LEVELS, atol=0.04
    )
    np.testing.assert_allclose(coverage(found.quantiles, came)[1], LEVELS, atol=0.03)
    plain = Calibration.none(LEVELS, HORIZON).read(new)
    if said != true:
        off = np.abs(coverage(plain.total_quantiles, came.sum(axis=1))[1] - LEVELS)
        assert off.max() > 0.06


def test_too_wide_forecasts_are_read_nearer_the_middle_and_too_narrow_ones_further_out() -> None:
    for said, true, sign in ((1.0, 0.5, 1), (0.5, 1.0, -1)):
        paths = forecast(skewed(said, seed=0), 1500, seed=1)
        made = learn(paths, came_by(skewed(true, seed=2, n=1500), paths))
        for levels in (made.totals, made.ages):
            assert (sign * (levels[:, 0] - 0.1) > 0.02).all()
            assert (sign * (0.9 - levels[:, 2]) > 0.02).all()


@pytest.mark.parametrize(("said", "true"), [(0.4, 0.4), (0.8, 0.4), (0.4, 0.8)])
def test_counts_that_tie_with_their_forecast_hold(said: float, true: float) -> None:
    curves = rare(said, seed=0)
    past, new = (forecast(curves, 1500, seed=seed, counts=True) for seed in (1, 2))
    made = learn(past, rare(true, seed=3, n=1500))
    came = rare(true, seed=4, n=1500)
    found = made.read(new)
    for quantile, actual in (
        (found.total_quantiles, came.sum(axis=1)),
        (found.quantiles, came),
    ):
        below, up_to = coverage(quantile, actual)
        assert (below <= np.array(LEVELS) + 0.03).all()
        assert (up_to >= np.array(LEVELS) - 0.03).all()


def test_groups_by_expected_total_have_levels_of_their_own() -> None:
    """Small launches are as forecast, large ones are surer than that."""
    paths = forecast(skewed(0.8, seed=0), 1500, seed=1)
    size = paths.mean().sum(axis=1)
    large = size > np.quantile(size, 2 / 3)
    plain, sure = (skewed(spread, seed=2, n=1500) for spread in (0.8, 0.2))
    made = learn(paths, came_by(np.where(large[:, None], sure, plain), paths))
    np.testing.assert_allclose(made.edges, np.quantile(size, [1 / 3, 2 / 3]))
    np.testing.assert_allclose(made.totals[:2], np.tile(LEVELS, (2, 1)), atol=0.06)
    assert made.totals[2, 0] > 0.25
    assert made.totals[2, 2] < 0.75
    found = made.read(paths).total_quantiles
    for row in (int(size.argmax()), int(size.argmin())):
        group = 2 if large[row] else 0
        levels = made.totals[[group]]
        expected = quantiles(paths[[row]].totals(), paths.weight[[row]], levels)
        np.testing.assert_array_equal(found[[row]], expected)


def test_fewer_than_a_hundred_and_fifty_groups_are_one_third() -> None:
    paths = forecast(skewed(0.8, seed=0), 298, seed=1)
    assert learn(paths, paths.mean()).totals.shape == (3, 3)
    made = learn(paths, paths.mean(), group=np.arange(298) // 2)
    assert made.totals.shape == (1, 3)
    assert made.edges.shape == (0,)


@pytest.mark.parametrize("n", [1, 5, 50])
def test_the_fewer_the_launches_the_nearer_to_nominal(n: int) -> None:
    paths = forecast(skewed(0.8, seed=0), n, seed=1)
    trust = n / (n + 50)
    for came in (paths.mean() * 0, paths.mean() * 1e6):
        made = learn(paths, came)
        for levels in (made.totals, made.ages):
            assert (np.abs(levels - LEVELS) <= trust * 0.9 + 1e-6).all()
            assert (np.diff(levels, axis=1) > 0).all()
        # What came lay at one end of each forecast, and that is where it is looked for.
        end = float(came.any())
        nominal = np.array(LEVELS)
        np.testing.assert_allclose(made.totals[0], trust * end + (1 - trust) * nominal, atol=0.003)


def test_launches_of_one_group_count_as_one() -> None:
    paths = forecast(skewed(0.8, seed=0), 60, seed=1)
    apart, together = (
        learn(paths, paths.mean() * 0, group=group) for group in (np.arange(60), np.arange(60) // 6)
    )
    for made, count in ((apart, 60), (together, 10)):
        np.testing.assert_allclose(made.totals[0], 50 / (count + 50) * np.array(LEVELS), atol=0.003)


def test_totals_are_read_back_from_where_they_came_out() -> None:
    paths = forecast(skewed(0.5, seed=0), 1500, seed=1)
    made = learn(paths, came_by(skewed(1.0, seed=2, n=1500), paths))
    expected = paths.mean().sum(axis=1)
    level = np.random.default_rng(3).random((2, 1500))
    read = made.read_at(expected, level)
    np.testing.assert_allclose(made.came_at(expected, read[1]), level[1], atol=1e-9)
    third = np.searchsorted(made.edges, expected, side="right")
    np.testing.assert_allclose(
        made.read_at(expected, np.full((1, 1500), 0.9))[0], made.totals[third, 2]
    )


def test_without_a_launch_levels_are_nominal() -> None:
    made = learn(forecast(skewed(0.8, seed=0), 0, seed=1), np.empty((0, HORIZON)))
    np.testing.assert_array_equal(made.totals, [LEVELS])
    np.testing.assert_array_equal(made.ages, [LEVELS] * HORIZON)


def test_launches_count_as_much_as_they_weigh() -> None:
    paths = forecast(skewed(0.8, seed=0), 800, seed=1)
    came = came_by(skewed(0.8, seed=2, n=800), paths)
    wild = np.arange(800) % 2 == 0
    noise = np.where(wild[:, None], came * 50, came)
    made = learn(paths, noise, weight=np.where(wild, 1e-6, 1.0))
    np.testing.assert_allclose(made.totals, np.tile(LEVELS, (3, 1)), atol=0.09)
    np.testing.assert_allclose(
        learn(paths, came, weight=np.full(800, 0.25)).totals, learn(paths, came).totals
    )


def test_none_reads_every_quantile_at_its_own_level() -> None:
    paths = forecast(skewed(0.8, seed=0), 3, seed=1)
    found = Calibration.none(LEVELS, HORIZON).read(paths)
    np.testing.assert_array_equal(found.mean, paths.mean())
    levels = np.tile(LEVELS, (3, 1))
    np.testing.assert_array_equal(
        found.total_quantiles, quantiles(paths.totals(), paths.weight, levels)
    )
    for age in range(HORIZON):
        expected = quantiles(paths.age(age), paths.weight, levels)
        np.testing.assert_array_equal(found.quantiles[:, age], expected)


def test_no_launch_is_read_too() -> None:
    found = Calibration.none(LEVELS, HORIZON).read(forecast(skewed(0.8, seed=0), 0, seed=1))
    assert found.mean.shape == (0, HORIZON)
    assert found.quantiles.shape == (0, HORIZON, 3)
    assert found.total_quantiles.shape == (0, 3)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 400), st.booleans())
def test_levels_ascend_and_quantiles_never_cross(seed: int, n: int, ties: bool) -> None:
    """Whatever came, even if it had nothing to do with the forecasts."""
    rng = np.random.default_rng(seed)
    paths = forecast(rare(0.5, seed=seed, n=30), n, seed=seed, counts=True)
    came = rng.integers(0, 2, (n, HORIZON)) if ties else rng.pareto(1.0, (n, HORIZON))
    levels = (0.05, 0.1, 0.5, 0.9, 0.95)
    made = learn(paths, came.astype(float), weight=rng.random(n) + 1e-3, levels=levels)
    for found in (made.totals, made.ages):
        assert (np.diff(found, axis=1) >= 0).all()
        assert ((found >= 0) & (found <= 1)).all()
    read = made.read(paths)
    assert (np.diff(read.quantiles, axis=2) >= 0).all()
    assert (np.diff(read.total_quantiles, axis=1) >= 0).all()


@given(seed=st.integers(0, 10_000), n=st.integers(1, 60), ties=st.booleans())
def test_sums_of_ramps_are_as_if_added_one_by_one(seed: int, n: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    below = rng.random(n) * 0.8
    up_to = np.minimum(below + (rng.random(n) * 0.3 if ties else 1e-12), 1.0)
    weight = rng.random(n) + 0.1
    ramps = np.clip((_GRID[:, None] - below) / np.maximum(up_to - below, 1e-9), 0, 1)
    near = np.abs(_GRID[:, None] - below) < 1e-4  # where a narrow range is read as one level
    slack = 1e-9 + (near * weight).sum(axis=1)
    assert (np.abs(_reached(below, up_to, weight) - ramps @ weight) <= slack).all()


def test_widened_levels_are_further_out_and_ascend() -> None:
    plain = Calibration.none((0.1, 0.5, 0.9), 3)
    wide = plain.widened(1.5)
    for one, other in ((wide.totals, plain.totals), (wide.ages, plain.ages)):
        assert (one[:, 0] < other[:, 0]).all()
        assert one[:, 1] == pytest.approx(other[:, 1])
        assert (one[:, 2] > other[:, 2]).all()
        assert (np.diff(one) > 0).all()
    assert (np.diff(wide.even) > 0).all()
    assert plain.widened(1.0).totals == pytest.approx(plain.totals)

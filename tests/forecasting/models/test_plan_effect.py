"""A plan moves a launch's weeks against each other, not the launch."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from forecasting.data.panel import Floats
from forecasting.models.plan_effect import Elasticity, PlanEffect
from forecasting.models.sample_paths import Paths

NAN = np.nan
HORIZON = 6
SHAPE = np.array([3.0, 2, 2, 1, 1, 1])


def promoted(n: int, seed: int, share: float = 0.3) -> Floats:
    return (np.random.default_rng(seed).random((n, HORIZON, 1)) < share).astype(float)


def planted(plan: Floats, effect: Floats, seed: int = 0) -> tuple[Floats, Floats]:
    """What launches sold in which each unit of a covariate multiplies a week, and expected."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(0, 1, (len(plan), 1))
    expected = SHAPE * rng.lognormal(0, 1, (len(plan), 1))  # which is wrong about the level
    sold = rng.poisson(4 * level * SHAPE * np.exp(np.nan_to_num(plan) @ np.log(effect)))
    return sold.astype(float), expected


def courses(n: int, seed: int = 0) -> Paths:
    rng = np.random.default_rng(seed)
    return Paths(
        curves=rng.poisson(SHAPE, (20, HORIZON)).astype(float),
        position=rng.integers(0, 20, (n, 8)),
        weight=np.full((n, 8), 1 / 8),
        factor=rng.uniform(0.5, 2, (n, 8)),
        scale=rng.uniform(0.5, 2, (n, HORIZON)),
        counts=False,
    )


def ratio(effect: PlanEffect) -> Floats:
    """What one unit of each covariate multiplies a week by."""
    return np.exp(effect.slope / effect.spread)


@pytest.mark.parametrize("truth", [2.0, 0.5, 1.0, 5.0])
def test_a_planted_promotion_is_found(truth: float) -> None:
    plan = promoted(300, seed=1)
    found = PlanEffect.learn(plan, *planted(plan, np.array([truth])))
    np.testing.assert_allclose(ratio(found), [truth], rtol=0.15)


def test_the_effects_of_several_covariates_are_told_apart() -> None:
    price = np.random.default_rng(2).uniform(-1, 1, (400, HORIZON, 1))
    # Promotions come where the price is low, and each does something of its own.
    plan = np.concatenate([price, (price + 0.5 * promoted(400, seed=3) < 0.2)], axis=2)
    found = PlanEffect.learn(plan, *planted(plan, np.array([0.7, 2.0])))
    np.testing.assert_allclose(ratio(found), [0.7, 2.0], rtol=0.15)


def test_the_scale_in_which_a_plan_is_told_does_not_matter() -> None:
    plan = promoted(300, seed=1)
    sold, expected = planted(plan, np.array([2.0]))
    one, other = (PlanEffect.learn(told, sold, expected) for told in (plan, 1000 * plan - 7))
    np.testing.assert_allclose(other.slope, one.slope)
    paths = courses(300)
    np.testing.assert_allclose(
        other.applied(paths, 1000 * plan - 7).mean(), one.applied(paths, plan).mean()
    )


def test_a_plan_that_is_the_same_all_along_moves_nothing() -> None:
    plan = np.repeat(promoted(300, seed=1)[:, :1], HORIZON, axis=1)
    found = PlanEffect.learn(plan, *planted(plan, np.array([2.0])))
    np.testing.assert_array_equal(found.slope, [0])


@pytest.mark.parametrize("n", [0, 49])
def test_few_plans_teach_nothing(n: int) -> None:
    plan = promoted(300, seed=1, share=0.5)
    plan[n:] = NAN
    found = PlanEffect.learn(plan, *planted(plan, np.array([2.0])))
    np.testing.assert_array_equal(found.slope, [0])


def test_launches_without_a_plan_do_not_count() -> None:
    plan = promoted(300, seed=1)
    sold, expected = planted(plan, np.array([2.0]))
    more, noise = np.full((200, HORIZON, 1), NAN), np.random.default_rng(5).random((200, HORIZON))
    without = PlanEffect.learn(plan, sold, expected)
    found = PlanEffect.learn(
        np.concatenate([plan, more]),
        np.concatenate([sold, 99 * noise]),
        np.concatenate([expected, noise]),
    )
    assert found.slope == without.slope


def test_planned_launches_that_sold_nothing_teach_nothing() -> None:
    plan = promoted(300, seed=1)
    sold, expected = planted(plan, np.array([2.0]))
    found = PlanEffect.learn(plan, np.zeros_like(sold), expected)
    np.testing.assert_array_equal(found.slope, [0])
    found = PlanEffect.learn(plan, sold, np.zeros_like(expected))
    np.testing.assert_array_equal(found.slope, [0])


def test_no_covariate_has_no_effect() -> None:
    found = PlanEffect.learn(np.empty((99, 1, 0)), np.ones((99, HORIZON)), np.ones((99, HORIZON)))
    assert found.slope.shape == (0,)
    paths = courses(99)
    assert found.applied(paths, np.empty((99, 1, 0))) is paths


def test_what_has_no_effect_changes_nothing() -> None:
    paths = courses(3)
    assert PlanEffect.none(1).applied(paths, promoted(3, seed=0)) is paths


@pytest.mark.parametrize("value", [NAN, 0.0, 1.0])
def test_a_launch_without_a_plan_of_its_own_is_unchanged_to_the_last_bit(value: float) -> None:
    paths = courses(3)
    plan = promoted(3, seed=4, share=0.5)
    plan[1] = value
    found = PlanEffect(np.ones(1), np.log([2.0])).applied(paths, plan)
    np.testing.assert_array_equal(found.scale[1], paths.scale[1])
    assert not np.array_equal(found.scale[0], paths.scale[0])


@given(st.integers(0, 10**6), st.floats(-3, 3))
def test_the_mean_total_stays(seed: int, slope: float) -> None:
    paths = courses(4, seed)
    plan = np.where(promoted(4, seed, 0.8) > 0, np.random.default_rng(seed).random((4, 6, 1)), NAN)
    found = PlanEffect(np.ones(1), np.array([slope])).applied(paths, plan)
    np.testing.assert_allclose(found.mean().sum(axis=1), paths.mean().sum(axis=1))
    assert (found.scale > 0).all()


def test_promoted_weeks_rise_against_the_others() -> None:
    plan = np.zeros((1, HORIZON, 1))
    plan[0, 2] = 1
    paths = courses(1)
    found = PlanEffect(np.ones(1), np.log([2.0])).applied(paths, plan).mean() / paths.mean()
    others = np.delete(found[0], 2)
    np.testing.assert_allclose(found[0, 2] / others, 2)
    assert (others < 1).all()


def test_no_week_is_moved_without_bounds() -> None:
    plan = np.zeros((1, HORIZON, 1))
    plan[0, 2] = 1e6
    paths = courses(1)
    found = PlanEffect(np.ones(1), np.ones(1)).applied(paths, plan).mean() / paths.mean()
    assert found.max() / found.min() <= np.exp(3) * 1.001


def test_a_launch_that_sells_nothing_still_sells_nothing() -> None:
    paths = replace(courses(2), curves=np.zeros((20, HORIZON)))
    found = PlanEffect(np.ones(1), np.log([2.0])).applied(paths, promoted(2, seed=0))
    np.testing.assert_array_equal(found.mean(), np.zeros((2, HORIZON)))
    assert np.isfinite(found.scale).all()


def prices(n: int, seed: int = 0) -> np.ndarray:
    """(n, 4, 2) a price that stays, and a share that varies."""
    rng = np.random.default_rng(seed)
    price = np.repeat(rng.uniform(1, 5, (n, 1)), 4, axis=1)
    return np.stack([price, rng.uniform(-1, 1, (n, 4))], axis=2)


def learned(*signs: int, power: float = -2.0) -> Elasticity:
    plan = prices(400)
    expected = np.random.default_rng(1).gamma(3.0, 50.0, 400)
    sold = np.random.default_rng(2).poisson(expected * plan[:, 0, 0] ** power).astype(float)
    return Elasticity.learn(plan, sold, expected, np.array(signs))


def test_the_elasticity_of_what_moves_demand_one_way() -> None:
    found = learned(-1, 0)
    assert found.is_log.tolist() == [True, False]
    assert abs(found.slope[0] + 2.0) < 0.1
    assert found.slope[1] == 0
    plan = np.full((2, 4, 2), [[[2.0, 0.0]], [[3.0, 0.0]]])
    low, high = found.levels(plan)
    assert abs(high / low / 1.5**-2 - 1) < 0.1


def test_a_slope_of_the_wrong_sign_is_none() -> None:
    assert learned(1, 0).slope.tolist() == [0, 0]
    both = learned(-1, 1)
    assert abs(both.slope[0] + 2.0) < 0.1
    assert both.slope[1] >= 0


def test_beyond_the_plans_seen_half_counts_and_what_is_missing_nothing() -> None:
    found = learned(-1, 0)
    edge, beyond, unknown = np.full((3, 4, 2), 0.5)
    edge[:, 0], beyond[:, 0], unknown[:, 0] = (
        np.exp(found.high[0]),
        np.exp(found.high[0]) * 4,
        np.nan,
    )
    levels = found.levels(np.stack([edge, beyond, unknown]))
    np.testing.assert_allclose(levels[1] / levels[0], 4 ** (found.slope[0] / 2))
    assert levels[2] == 1


def test_few_launches_teach_no_elasticity() -> None:
    plan = prices(20)
    none = Elasticity.learn(plan, np.ones(20), np.ones(20), np.array([-1, 0]))
    assert not none.slope.any()
    assert (none.levels(plan) == 1).all()

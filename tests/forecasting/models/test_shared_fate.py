"""What launches have in common is read off those not seen, and drawn again."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.stats import norm

from forecasting.models.shared_fate import (
    SharedFate,
    calendar_deviation,
    normal_scores,
    ratio_variance,
)

N = 2400
PERIOD = np.arange(N) // 12
GROUP = np.arange(N) // 4
TRUE = SharedFate(season=0.0, period=0.2, group=0.4)


def scores(fate: SharedFate, seed: int = 0) -> np.ndarray:
    return norm.ppf(fate.draw(1, PERIOD, GROUP, np.random.default_rng(seed))[0])


def learn(score: np.ndarray, **changes: np.ndarray) -> SharedFate:
    known = {"period": PERIOD, "lead": np.zeros(N, dtype=np.int64), "group": GROUP}
    return SharedFate.learn(score, **(known | changes), reach=8)


def test_what_was_drawn_is_learned() -> None:
    found = learn(scores(TRUE))
    assert found.group == pytest.approx(0.4, abs=0.1)
    assert found.period == pytest.approx(0.2, abs=0.1)
    assert found.season < 0.05


def test_what_is_independent_has_nothing_in_common() -> None:
    found = learn(scores(SharedFate()))
    assert found.season + found.period + found.group < 0.1


def test_near_periods_that_turn_out_alike_have_a_season_in_common() -> None:
    eras = np.repeat(np.random.default_rng(1).standard_normal(20), N // 20)
    found = learn(np.sqrt(0.7) * scores(SharedFate()) + np.sqrt(0.3) * eras)
    assert found.season > 0.04
    assert found.group < 0.1


def test_a_launch_seen_from_two_distances_is_no_pair_of_its_own() -> None:
    both = np.tile(scores(SharedFate()), 2)
    found = SharedFate.learn(
        both,
        np.tile(PERIOD, 2),
        np.repeat([0, 3], N),
        np.tile(np.arange(N), 2),
        reach=8,
    )
    assert found.group == 0.0


def test_ties_hide_nothing() -> None:
    """Counts of which half are zero: their scores vary less, and what they share is the same."""
    level = norm.cdf(scores(TRUE))
    low, high = np.where(level < 0.5, 0.0, 0.5), np.where(level < 0.5, 0.5, 1.0)
    found = learn(normal_scores(low, high))
    assert found.group == pytest.approx(0.4, abs=0.15)


def test_scores_are_those_of_a_normal_distribution() -> None:
    level = np.array([0.1, 0.5, 0.975])
    np.testing.assert_allclose(normal_scores(level, level), norm.ppf(level), atol=1e-6)
    halves = normal_scores(np.array([0.0, 0.5]), np.array([0.5, 1.0]))
    np.testing.assert_allclose(halves, [-np.sqrt(2 / np.pi), np.sqrt(2 / np.pi)])
    assert np.isfinite(normal_scores(np.array([0.0, 1.0]), np.array([0.0, 1.0]))).all()


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 6), st.integers(1, 6))
def test_shares_are_shares_whatever_came(seed: int, n: int, periods: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    period, group = rng.integers(0, periods, n), rng.integers(0, groups, n)
    score = rng.standard_cauchy(n)
    found = SharedFate.learn(score, period, rng.integers(0, 2, n), group, reach=3)
    shares = (found.season, found.period, found.group)
    assert all(share >= 0 for share in shares)
    assert sum(shares) <= 0.951
    level = found.leaning(0.3).draw(5, period, group, rng)
    assert level.shape == (5, n)
    assert ((level >= 0) & (level <= 1)).all()


@pytest.mark.parametrize(("shared", "same"), [("period", PERIOD), ("group", GROUP)])
def test_members_come_out_together(shared: str, same: np.ndarray) -> None:
    made = SharedFate(**{shared: 0.5}).draw(4000, PERIOD[:24], GROUP[:24], np.random.default_rng(2))
    found = np.corrcoef(norm.ppf(made).T)
    alike = same[:24, None] == same[None, :24]
    np.testing.assert_allclose(found, np.where(np.eye(24) > 0, 1, 0.5 * alike), atol=0.08)


@pytest.mark.parametrize("deviation", [0.0, 0.3])
def test_what_a_calendar_period_does_is_told_from_chance(deviation: float) -> None:
    rng = np.random.default_rng(3)
    period, horizon = np.repeat(np.arange(80), 4), 6
    luck = rng.normal(-(deviation**2) / 2, deviation, 80 + horizon)
    expected = np.full((320, horizon), 10.0)
    came = rng.poisson(expected * np.exp(luck[period[:, None] + np.arange(horizon)]))
    lead = np.zeros(320, dtype=np.int64)
    found = calendar_deviation(came - expected, expected, expected, period, lead)
    assert found == pytest.approx(deviation, abs=0.08)
    factors = SharedFate(calendar=found).weather(20_000, 2, rng)
    np.testing.assert_allclose(factors.mean(axis=0), 1, atol=0.02)


def test_what_few_periods_leave_open_is_shared_and_widens() -> None:
    learned = SharedFate(period=0.2)
    few, times = learned.of_few(periods=3)
    assert times > 1.03
    assert few.season > 0.03  # what the center is off by is common to all
    assert few.period > learned.period
    many, hardly = learned.of_few(periods=60)
    assert hardly == pytest.approx(1, abs=0.01)
    assert many.period == pytest.approx(learned.period, rel=0.05)
    assert few.group == many.group == 0.0


def test_where_one_period_was_seen_a_belief_stands_in() -> None:
    one, times = SharedFate().of_few(periods=1)
    assert one.season + one.period > 0.1
    assert 1.1 < times < 2


def test_launches_that_share_their_fate_tell_once_what_a_ratio_is() -> None:
    rng = np.random.default_rng(0)
    luck = np.exp(0.3 * rng.standard_normal(12))
    period = np.repeat(np.arange(12), 20)
    came, said = 10 * np.repeat(luck, 20), np.full(240, 10.0)
    alone = np.arange(240)
    shared = ratio_variance(came, said, period, alone)
    apart = ratio_variance(came, said, alone, alone)
    assert shared == pytest.approx(luck.var(ddof=1) / luck.mean() ** 2 / 12 + 0.2**2 / 12)
    assert shared > 10 * apart
    # A key that says the same twice changes nothing.
    assert ratio_variance(came, said, period, period) == pytest.approx(shared)
    # Of one period nothing can be seen of what it shares.
    assert ratio_variance(came, said, np.zeros(240, int), alone) > 0.2**2
    assert np.isinf(ratio_variance(np.zeros(3), said[:3], period[:3], alone[:3]))

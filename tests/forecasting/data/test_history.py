"""What had been sold as of a period, by hand and for all inputs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from forecasting.data.history import History, Windows, launched, ratio
from forecasting.data.panel import NEVER, Grid, Panel

NAN = np.nan
HORIZON = 3
# Periods that show more than a year with its eight weeks, and some more.
LENGTHS = {"D": 430, "W-MON": 75, "MS": 20}


def history(
    units: list[list[float]] | np.ndarray,
    *,
    launch: dict[int, int] | None = None,
    freq: str = "W-MON",
    first_share: np.ndarray | float = 1.0,
    horizon: int = HORIZON,
) -> History:
    """Items visible from their launch, or from the start."""
    sold = np.array(units, dtype=np.float32)
    period = np.full(len(sold), NEVER)
    for item, when in (launch or {}).items():
        period[item] = when
    visible = np.where(period == NEVER, 0, period)
    sold[np.arange(sold.shape[1]) < visible[:, None]] = np.nan
    panel = Panel(
        np.array([f"item {n}" for n in range(len(sold))], object),
        Grid(freq, pd.Timestamp("2024-01-01")),
        sold,
        visible,
        period,
        first_share=np.asarray(first_share),
    )
    return History(panel, pd.DataFrame(index=range(len(sold))), horizon)


def at(*periods: int) -> np.ndarray:
    return np.array(periods, dtype=np.int64)


def ahead(standing: np.ndarray, periods: int = HORIZON) -> np.ndarray:
    return standing[:, None] + 1 + np.arange(periods)


def answers(made: History, standing: int) -> dict[str, np.ndarray]:
    """All that can be asked, standing at one period."""
    items = np.arange(len(made.panel.ids))
    when = np.full(len(items), standing)
    return {
        "level": made.level(items, when, made.windows.longer),
        "share_selling": made.share_selling(items, when, made.windows.recent),
        "curve": made.curve(items, when),
        "raw_curve": made.raw_curve(items, when),
        "market": made.market(when, made.windows.base),
        "unit": made.unit(when),
        "outlook": made.outlook(when, ahead(when, 2 * HORIZON)),
    }


@pytest.mark.parametrize(
    ("freq", "windows"),
    [
        ("D", Windows(recent=28, longer=56, base=84, year=364, cycle=7)),
        ("B", Windows(recent=20, longer=40, base=60, year=260, cycle=5)),
        ("2D", Windows(recent=14, longer=28, base=42, year=182, cycle=7)),
        ("h", Windows(recent=674, longer=1349, base=2023, year=8736, cycle=168)),
        ("W-MON", Windows(recent=4, longer=8, base=12, year=52, cycle=1)),
        ("W-SUN", Windows(recent=4, longer=8, base=12, year=52, cycle=1)),
        ("MS", Windows(recent=1, longer=2, base=3, year=12, cycle=1)),
        ("QS", Windows(recent=1, longer=1, base=1, year=4, cycle=1)),
        ("YS", Windows(recent=1, longer=1, base=1, year=1, cycle=1)),
    ],
)
def test_windows_are_weeks_in_periods_of_the_frequency(freq: str, windows: Windows) -> None:
    assert Windows.of(freq) == windows


def test_levels_by_hand() -> None:
    made = history([[1, 2, 3, 4, 5], [0, 0, 6, 0, 0]], launch={1: 2})
    both, when = at(0, 1), at(4, 4)
    np.testing.assert_allclose(made.level(both, when, 2), [4.5, 0])
    np.testing.assert_allclose(made.level(both, when, 99), [3, 2])  # no further than it goes back
    np.testing.assert_allclose(made.share_selling(both, when, 99), [1, 1 / 3])
    np.testing.assert_allclose(made.market(at(4, 3), 2), [4.5, 6.5])
    assert np.isnan(made.level(at(1), at(1), 2)[0])  # not yet on sale


def test_unknown_periods_count_neither_as_sales_nor_as_time() -> None:
    made = history([[4, NAN, 2, NAN], [NAN, NAN, NAN, 7]])
    both = at(0, 1)
    np.testing.assert_allclose(made.level(both, at(3, 3), 4), [3, 7])
    np.testing.assert_allclose(made.share_selling(both, at(3, 3), 4), [1, 1])
    np.testing.assert_array_equal(made.level(both, at(2, 2), 2), [2, NAN])
    np.testing.assert_array_equal(made.level(both, at(1, 1), 1), [NAN, NAN])
    np.testing.assert_array_equal(made.share_selling(both, at(1, 1), 1), [NAN, NAN])


@settings(max_examples=50)
@given(st.lists(st.sampled_from([NAN, 0, 1, 5]), min_size=12, max_size=12), st.integers(1, 12))
def test_a_level_is_the_mean_of_what_is_known_in_the_window(sold: list[float], window: int) -> None:
    made = history([sold])
    for standing in range(12):
        inside = np.array(sold[max(standing + 1 - window, 0) : standing + 1])
        known = inside[np.isfinite(inside)]
        level, selling = (
            one(at(0), at(standing), window)[0] for one in (made.level, made.share_selling)
        )
        if len(known):
            assert level == pytest.approx(known.mean())
            assert selling == pytest.approx((known > 0).mean())
        else:
            assert np.isnan([level, selling]).all()


def test_a_curve_shows_the_ages_reached_and_gaps_where_unknown() -> None:
    made = history([[1, 1, 1, 1, 1], [0, 6, NAN, 2, 9]], launch={1: 1})
    for standing, curve in enumerate([[NAN] * 3, [6, NAN, NAN], [6, NAN, NAN], [6, NAN, 2]]):
        np.testing.assert_array_equal(made.curve(at(1), at(standing)), [curve])
    assert np.isnan(made.curve(at(0), at(4))).all()  # no launch date, no curve
    np.testing.assert_array_equal(launched(made.panel), [1])


def test_a_first_period_in_part_is_scaled_up_to_a_whole_one() -> None:
    made = history([[2, 3, 4], [6, 6, 6]], launch={0: 0, 1: 0}, first_share=np.array([0.25, 1.0]))
    both, when = at(0, 1), at(2, 2)
    np.testing.assert_array_equal(made.curve(both, when), [[8, 3, 4], [6, 6, 6]])
    np.testing.assert_array_equal(made.raw_curve(both, when), [[2, 3, 4], [6, 6, 6]])


def test_the_unit_is_what_an_item_that_sold_sold_a_period() -> None:
    made = history([[9] + [2] * 8, [9] + [1] * 8, [0] * 9])
    # Eight weeks of 3 by two items that sold; the third does not count, nor do weeks before.
    np.testing.assert_allclose(made.unit(at(8, 0)), [1.5, 9])


def test_without_a_sale_the_unit_is_one() -> None:
    made = history([[0, 0, 5]])
    np.testing.assert_array_equal(made.unit(at(1, 2)), [1, 5 / 3])
    np.testing.assert_array_equal(made.outlook(at(1), ahead(at(1))), [[1, 1, 1]])


def test_no_row_has_no_unit_and_no_outlook() -> None:
    made = history([[1, 2, 3]])
    assert made.unit(at()).shape == (0,)
    assert made.outlook(at(), np.empty((0, 4), np.int64)).shape == (0, 4)


def seasonal(peak: float) -> np.ndarray:
    """A market of 10 that in the weeks 30 to 35 of the first year sold more."""
    units = np.full((2, 90), 10.0)
    units[:, 30:36] = peak
    return units


def test_the_season_moves_as_the_year_before() -> None:
    made = history(seasonal(20))
    standing = at(29 + 52)
    found = made.outlook(standing, np.array([np.arange(80, 90)]))[0] / made.unit(standing)
    # Three weeks around each one a year ago, over the eight weeks before that moment.
    expected = [1, 1, 5 / 3, 2, 2, 2, 2, 5 / 3, 4 / 3, 1]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    ("freq", "around"), [("D", 3), ("B", 2), ("W-MON", 1), ("2W-MON", 0), ("MS", 0), ("QS", 0)]
)
def test_a_season_is_told_by_about_as_many_days_whatever_a_period_is(
    freq: str, around: int
) -> None:
    assert Windows.of(freq).around == around


def test_a_month_moves_as_it_did_the_year_before() -> None:
    """December is three times a usual month, and neither November nor January is."""
    level = np.random.default_rng(0).uniform(100, 300, (40, 1))
    units = np.tile(level, (1, 36))
    units[:, 11::12] *= 3
    made = history(units.round(), freq="MS", horizon=4)
    standing = at(32)  # a September
    found = made.outlook(standing, ahead(standing, 4))[0] / made.unit(standing)
    np.testing.assert_allclose(found, [1, 1, 3, 1], rtol=0.02)
    january = at(35)  # stands after a December, of which its unit is half
    found = made.outlook(january, ahead(january, 2))[0] / made.unit(january)
    np.testing.assert_allclose(found, [0.5, 0.5], rtol=0.02)


def test_a_larger_market_moves_with_the_season_too() -> None:
    """More items, each selling as much, are no season; items that sell twice as much are one."""
    units = np.vstack([seasonal(20), np.tile(seasonal(20)[:1], (6, 1))])
    units[2:, :60] = NAN
    standing = at(81)
    few, many = (
        made.outlook(standing, ahead(standing)) for made in map(history, (seasonal(20), units))
    )
    np.testing.assert_allclose(many, few)


def test_what_moves_a_market_from_week_to_week_is_no_season() -> None:
    """All items sell more in one week and less in the next: of ten runs none believes a season."""
    standing, seen = at(81), []
    for seed in range(10):
        weather = np.exp(0.3 * np.random.default_rng(seed).standard_normal(90))
        made = history(np.full((40, 1), 20.0) * weather)
        found = made.outlook(standing, ahead(standing)) / made.unit(standing)
        seen.append(np.abs(np.log(found)).max())
    assert np.mean(seen) < 0.12  # .2 where only the number of items is counted
    assert np.median(seen) < 0.1


@pytest.mark.parametrize(("peak", "factor"), [(1000, 4.0), (0, 0.25)])
def test_the_season_is_not_believed_without_bounds(peak: float, factor: float) -> None:
    made = history(seasonal(peak))
    standing = at(81)
    found = made.outlook(standing, at(84)[:, None]) / made.unit(standing)
    np.testing.assert_allclose(found, [[factor]])


@pytest.mark.parametrize("standing", [58, 51, 7])
def test_less_than_a_year_tells_no_season(standing: int) -> None:
    units = np.arange(2.0, 92.0)[None, :]
    made = history(units)
    when = at(standing)
    np.testing.assert_array_equal(made.outlook(when, ahead(when)) / made.unit(when), [[1, 1, 1]])


def by_weekday(*units: float, weeks: int = 8) -> History:
    return history([list(units) * weeks], freq="D")


def test_days_differ_as_weekdays_did() -> None:
    made = by_weekday(1, 2, 3, 4, 5, 6, 0)
    standing = at(55)
    found = made.outlook(standing, ahead(standing, 9))[0]
    # Closed on Sundays is next to nothing: a twentieth of a mean day.
    np.testing.assert_allclose(found, [1, 2, 3, 4, 5, 6, 0.05 * 3, 1, 2])
    # Standing on a Thursday, the next day is a Friday all the same.
    friday, saturday = made.outlook(at(45), ahead(at(45), 2))[0]
    assert saturday / friday == pytest.approx(6 / 5)


def test_two_weeks_tell_weekdays_and_less_does_not() -> None:
    made = by_weekday(14, 0, 0, 0, 0, 0, 0)
    tells, does_not = (made.outlook(at(day), np.array([[14, 15]]))[0] for day in (13, 12))
    np.testing.assert_allclose(tells, [14, 0.1])
    assert does_not[0] == does_not[1]


def test_weeks_have_no_weekdays() -> None:
    made = history([[14, 0, 0, 0, 0, 0, 0] * 4])
    found = made.outlook(at(27), ahead(at(27), 7))
    assert len(np.unique(found)) == 1


@settings(max_examples=25)
@given(st.sampled_from(list(LENGTHS)), st.integers(0, 10**6), st.data())
def test_nothing_after_the_standing_period_is_read(
    freq: str, seed: int, data: st.DataObject
) -> None:
    periods = LENGTHS[freq]
    rng = np.random.default_rng(seed)
    units = rng.poisson(1.5, (4, periods)).astype(float)
    units[rng.random(units.shape) < 0.1] = NAN
    standing = data.draw(
        st.one_of(st.integers(0, periods - 2), st.integers(periods - 8, periods - 2))
    )
    noise = units.copy()
    noise[:, standing + 1 :] = rng.integers(0, 1000, (4, periods - standing - 1))
    launch = {2: periods // 3, 3: periods - 9}
    one, other = (
        answers(history(sold, launch=launch, freq=freq), standing) for sold in (units, noise)
    )
    for name, answer in one.items():
        np.testing.assert_array_equal(other[name], answer, err_msg=name)


def test_a_year_ahead_the_season_ends_with_the_standing_period() -> None:
    """The last days of a horizon of a year lie a year after the last days seen."""
    units = np.random.default_rng(4).poisson(3, (2, 430)).astype(float)
    noise, standing = units.copy(), at(425)
    noise[:, 426:] += 50
    one, other = (
        history(sold, freq="D", horizon=365).outlook(standing, ahead(standing, 365))
        for sold in (units, noise)
    )
    np.testing.assert_array_equal(other, one)
    assert len(np.unique(one[0, -7:].round(6))) == 7  # there the season is known


@pytest.mark.parametrize("freq", LENGTHS)
def test_what_was_sold_by_then_is_read(freq: str) -> None:
    periods = LENGTHS[freq]
    rng = np.random.default_rng(3)
    units = rng.poisson(3, (4, periods)).astype(float)
    changed = units.copy()
    changed[:, periods - 2] += 50
    one, other = (
        answers(history(sold, launch={3: periods - 3}, freq=freq), periods - 2)
        for sold in (units, changed)
    )
    # With weekdays the outlook moves on that weekday alone, which is not among the next six.
    ahead_of_it = ("outlook",) if Windows.of(freq).cycle == 1 else ()
    for name in ("level", "curve", "market", "unit", *ahead_of_it):
        assert not np.array_equal(other[name], one[name], equal_nan=True), name
    year_ago = units.copy()
    year_ago[:, periods - 1 - Windows.of(freq).year] += 50  # the season of the next period
    moved = answers(history(year_ago, launch={3: periods - 3}, freq=freq), periods - 2)
    np.testing.assert_array_equal(moved["unit"], one["unit"])
    assert (moved["outlook"][:, 0] > one["outlook"][:, 0]).all()


@settings(max_examples=25)
@given(
    st.sampled_from(list(LENGTHS)), st.integers(0, 10**6), st.sampled_from([0.5, 2.0, 3.7, 100.0])
)
def test_all_units_scale_with_sales(freq: str, seed: int, factor: float) -> None:
    units = np.random.default_rng(seed).integers(1, 9, (3, LENGTHS[freq])).astype(float)
    standing = LENGTHS[freq] - 1
    one, other = (answers(history(sold, freq=freq), standing) for sold in (units, units * factor))
    for name in ("level", "market", "unit", "outlook"):
        np.testing.assert_allclose(other[name], factor * one[name], rtol=1e-5, err_msg=name)
    np.testing.assert_array_equal(other["share_selling"], one["share_selling"])


def test_rows_are_answered_one_by_one() -> None:
    made = history(np.random.default_rng(0).poisson(2, (3, 80)))
    standing = at(70, 12, 79, 70, 3)
    together = made.outlook(standing, ahead(standing))
    for row, when in enumerate(standing):
        alone = made.outlook(at(when), ahead(at(when)))
        np.testing.assert_array_equal(together[row : row + 1], alone)


def test_a_share_of_nothing_is_unknown() -> None:
    np.testing.assert_array_equal(ratio(np.array([1.0, 0.0]), np.array([2, 0])), [0.5, NAN])

"""Votes by hand: how curves are completed, at which level they speak, and who speaks instead."""

import numpy as np
import pandas as pd
import pytest

from forecasting import LaunchForecaster
from forecasting.data.history import History
from forecasting.data.panel import NEVER, Grid, Panel
from forecasting.features.analogues import Pool, Pools
from forecasting.models.knn import LaunchVotes
from tests.forecasting.conftest import Slice

NAN = np.nan
HORIZON = 3
# Two incumbents, and launches in periods 1 and 4, of which the second shows two of three ages.
UNITS = np.array(
    [
        [2, 2, 2, 2, 2, 2],
        [NAN, NAN, 8, 0, 4, 0],
        [NAN, 6, 4, 2, 0, 0],
        [NAN, NAN, NAN, NAN, 3, 1],
    ]
)


def history(units: np.ndarray = UNITS) -> History:
    visible, launch = np.array([0, 2, 1, 4]), np.array([NEVER, NEVER, 1, 4])
    grid = Grid("W-MON", pd.Timestamp("2024-01-01"))
    panel = Panel(np.array(list("abcd"), object), grid, units.astype(np.float32), visible, launch)
    return History(panel, pd.DataFrame(index=range(4)), HORIZON)


def pool(*similarity: float, at: tuple[int, ...] = (0, 1)) -> Pool:
    """One row; NaN similarities are padding."""
    alike = np.array([similarity])
    position = np.where(np.isfinite(alike), np.array([at]), -1)
    return Pool(position, alike, 0.05, np.ones(alike.shape))


def vote(
    incumbents: Pool,
    launches: Pool,
    *,
    level: float = NAN,
    theirs: float = NAN,
    made: History | None = None,
) -> np.ndarray:
    """The mean course of one launch in a market that stays as it is."""
    made = made or history()
    votes = LaunchVotes(made, np.full(4, theirs))
    scale = made.outlook(np.array([5]), np.array([[6, 7, 8]]))
    nobody = pool(NAN, NAN)
    paths = votes.predict(Pools(incumbents, launches, nobody, None), scale, np.array([level]))
    np.testing.assert_allclose(paths.weight.sum(axis=1), 1)
    return paths.mean()[0]


def test_like_launches_vote_in_units_of_their_market() -> None:
    made = history()
    unit_then = made.unit(np.array([0]))[0]  # an item sold 2 before the first launch
    assert unit_then == 2
    now = made.unit(np.array([5]))[0]
    found = vote(pool(0.9, 0.9), pool(0.8, NAN, at=(2, 3)))
    np.testing.assert_allclose(found, np.array([6, 4, 2]) / unit_then * now)


def test_the_more_similar_launch_counts_more() -> None:
    first, second = (vote(pool(0.9, 0.9), pool(0.8, NAN, at=(at, 0))) for at in (2, 3))
    even = vote(pool(0.9, 0.9), pool(0.8, 0.8, at=(2, 3)))
    closer = vote(pool(0.9, 0.9), pool(0.8, 0.5, at=(2, 3)))
    np.testing.assert_allclose(even, (first + second) / 2)
    assert abs(closer - first).sum() < abs(even - first).sum()


@pytest.mark.parametrize(
    ("level", "theirs", "factor"),
    [
        (1.0, 1.0, 1.0),
        (1.0, 0.5, 1.5),  # (1 + 0.5) / (0.5 + 0.5)
        (0.25, 1.0, 0.5),
        (99.0, 0.0, 2.0),  # no further than twice as much
        (0.0, 99.0, 0.5),
        (NAN, 1.0, 1.0),
        (1.0, NAN, 1.0),
    ],
)
def test_launches_speak_at_the_level_of_the_incumbents(
    level: float, theirs: float, factor: float
) -> None:
    plain = vote(pool(0.9, 0.9), pool(0.8, NAN, at=(2, 3)))
    moved = vote(pool(0.9, 0.9), pool(0.8, NAN, at=(2, 3)), level=level, theirs=theirs)
    np.testing.assert_allclose(moved, plain * factor)


def test_without_a_like_launch_incumbents_sell_on() -> None:
    found = vote(pool(0.9, 0.9), pool(NAN, NAN))
    # a sold 2 a week, b 12 in four weeks.
    np.testing.assert_allclose(found, [2.5, 2.5, 2.5])
    np.testing.assert_allclose(vote(pool(0.9, NAN), pool(NAN, NAN)), [2, 2, 2])


def test_without_any_like_item_nothing_sells() -> None:
    np.testing.assert_array_equal(vote(pool(NAN, NAN), pool(NAN, NAN)), [0, 0, 0])


def test_a_launch_of_which_nothing_is_known_does_not_vote() -> None:
    units = UNITS.copy()
    units[3, 4:] = NAN  # out of stock from the first week
    found = vote(pool(0.9, 0.9), pool(0.8, NAN, at=(3, 2)), made=history(units))
    np.testing.assert_allclose(found, [2.5, 2.5, 2.5])


def test_what_is_weighed_is_not_rounded(grocery: Slice, voting: LaunchForecaster) -> None:
    described = voting.engine_.describer.describe(voting._launches(grocery.later.head(3)))
    assert voting.engine_.courses(described).counts
    kilos = LaunchVotes(history(UNITS * 0.7), np.full(4, NAN))
    nobody = pool(NAN, NAN)
    scale = np.ones((1, HORIZON))
    paths = kilos.predict(Pools(nobody, nobody, nobody, None), scale, np.array([NAN]))
    assert not paths.counts

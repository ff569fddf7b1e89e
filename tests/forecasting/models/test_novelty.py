"""Items unlike anything known: they are told, and their forecast is as wide as launches differ."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from forecasting import LaunchForecaster
from forecasting.models.novelty import Novelty, few_widened
from forecasting.models.sample_paths import Paths, quantiles
from tests.forecasting.conftest import Slice


@pytest.fixture(scope="module")
def unlike(grocery: Slice) -> pd.DataFrame:
    """The same launches, described as what no grocer sells."""
    text = [f"diesel forklift hydraulic pump, valve {number}" for number in range(60)]
    return grocery.later.head(60).assign(text=text)


def test_what_is_unlike_anything_is_told(
    grocery: Slice, unlike: pd.DataFrame, either: LaunchForecaster
) -> None:
    total = either.predict_total(unlike)
    assert total["novel"].all()
    assert (total["novelty"] > 0.99).all()
    usual = either.predict_total(grocery.later)
    assert usual["novel"].mean() < 0.05
    # Whose text the index holds already is as little new as can be.
    again = grocery.later.head(20).assign(text=either.engine_.describer.analogues.texts.iloc[:20])
    known = grocery.items.set_index("item_id").loc[either.panel_.ids[:20], "text"].to_numpy()
    again["text"] = known
    assert (either.novelty(again) == 0).all()
    assert not either.predict_total(again)["novel"].any()


def test_its_interval_is_wider(
    grocery: Slice, unlike: pd.DataFrame, fitted: LaunchForecaster
) -> None:
    usual = grocery.later[~fitted.predict_total(grocery.later)["novel"].to_numpy()]
    totals = [fitted.predict_total(items) for items in (unlike, usual)]
    wide, narrow = ((total["0.9"] - total["0.1"]).mean() for total in totals)
    assert wide > narrow
    spreads = [spread(fitted, items) for items in (unlike, usual)]
    assert np.median(spreads[0]) > 1.1 * np.median(spreads[1])


def spread(forecaster: LaunchForecaster, items: pd.DataFrame) -> np.ndarray:
    """Standard deviation of each total over its mean."""
    engine = forecaster.engine_
    paths = engine.courses(engine.describer.describe(forecaster._launches(items)))
    totals = paths.totals()
    mean = (totals * paths.weight).sum(axis=1, keepdims=True)
    return np.sqrt(((totals - mean) ** 2 * paths.weight).sum(axis=1)) / mean[:, 0]


def test_its_courses_are_half_those_of_any_launch(
    unlike: pd.DataFrame, either: LaunchForecaster
) -> None:
    engine = either.engine_
    described = engine.describer.describe(either._launches(unlike))
    paths = engine.courses(described)
    np.testing.assert_allclose(paths.weight.sum(axis=1), 1)
    by_launch = np.zeros((len(paths), len(paths.curves)))
    np.add.at(by_launch, (np.arange(len(paths))[:, None], paths.position), paths.weight)
    each = 0.5 / len(engine.reference)
    assert (by_launch[:, : len(engine.reference)] >= each * (1 - 1e-9)).all()


def test_company_changes_nothing(
    grocery: Slice, unlike: pd.DataFrame, either: LaunchForecaster
) -> None:
    among = unlike.assign(item_id=[f"odd {number}" for number in range(len(unlike))])
    both = either.predict_total(pd.concat([among, grocery.later]))
    pd.testing.assert_frame_equal(
        both.tail(len(grocery.later)).reset_index(drop=True),
        either.predict_total(grocery.later),
        check_exact=True,
    )


def test_the_share_of_past_launches_that_had_something_more_similar() -> None:
    novelty = Novelty.learn(np.array([0.9, 0.5, 0.7, 0.7]))
    shares = novelty.of(np.array([1.0, 0.9, 0.8, 0.7, 0.6, 0.1]))
    np.testing.assert_array_equal(shares, [0, 0, 0.25, 0.25, 0.75, 1])
    np.testing.assert_array_equal(Novelty.learn(np.empty(0)).of(np.array([0.3])), [0.5])


@pytest.mark.parametrize(("past", "novel"), [(0, False), (5, False), (98, False), (99, True)])
def test_a_handful_of_launches_cannot_tell(past: int, novel: bool) -> None:
    """With fewer than 99, more than one in a hundred like all others would be told novel."""
    novelty = Novelty.learn(np.linspace(0.5, 0.9, past))
    assert novelty.is_novel(novelty.of(np.array([0.1])))[0] == novel


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.floats(-1, 1), st.floats(-1, 1))
def test_the_less_similar_the_more_novel(past: list[float], one: float, other: float) -> None:
    novelty = Novelty.learn(np.array(past))
    low, high = novelty.of(np.array(sorted([one, other])))
    assert 0 <= high <= low <= 1


def test_usual_launches_keep_their_courses() -> None:
    paths = Paths(
        curves=np.arange(8.0).reshape(4, 2),
        position=np.array([[0, 1], [0, 1]]),
        weight=np.array([[0.75, 0.25], [0.75, 0.25]]),
        factor=np.full((2, 2), 2.0),
        scale=np.ones((2, 2)),
        counts=True,
    )
    novelty = Novelty.learn(np.linspace(0.5, 1, 200))
    wide = novelty.widened(paths, np.array([0.2, 1.0]), launches=3)
    np.testing.assert_array_equal(wide.mean()[0], paths.mean()[0])
    # Half of its own 2 * (0.75 * [0, 1] + 0.25 * [2, 3]), half the mean of three launches.
    np.testing.assert_allclose(wide.mean()[1], 0.1 * np.array([1, 3]) + 0.9 * np.array([2, 3]))
    assert novelty.widened(paths, np.array([0.2, 0.3]), launches=3) is paths
    assert novelty.widened(paths, np.array([0.2, 1.0]), launches=0) is paths


def spoken(n: int, spread: float = 0.5) -> Paths:
    """One launch of which n courses speak."""
    level = np.exp(spread * np.linspace(-1, 1, n)) if n > 1 else np.ones(1)
    return Paths(
        curves=100 * level[:, None] * np.array([[0.6, 0.4]]),
        position=np.arange(n)[None, :],
        weight=np.full((1, n), 1 / n),
        factor=np.ones((1, n)),
        scale=np.ones((1, 2)),
        counts=False,
    )


def width(paths: Paths) -> float:
    low, high = quantiles(paths.totals(), paths.weight, np.array([[0.1, 0.9]]))[0]
    return float(high - low)


def test_one_course_says_how_much_and_not_how_surely() -> None:
    wide = few_widened(spoken(1), launches=1)
    np.testing.assert_allclose(wide.mean(), spoken(1).mean())
    np.testing.assert_allclose(wide.weight.sum(axis=1), 1)
    assert width(wide) > 100


def test_the_more_launches_the_less_is_added() -> None:
    added = [width(few_widened(spoken(n), launches=n)) - width(spoken(n)) for n in (1, 2, 4, 8, 16)]
    assert (np.diff(added) < 0).all()
    assert few_widened(spoken(16), launches=20).position.shape == (1, 16)
    assert len(few_widened(spoken(3)[:0], launches=3)) == 0

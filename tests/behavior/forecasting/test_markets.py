"""Intervals on made-up markets whose truth is known; benchmarks.forecasts.markets has figures."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.forecasts.market import Market, World
from forecasting import Columns, FewLaunchesWarning, LaunchForecaster
from retrieval import Encoder

STYLES = Market(incumbents=12, launches=44, new=12, size=5, spread=0.8, own=0.25)


def fitted(world: World, encoder: Encoder, **changes: object) -> LaunchForecaster:
    settings = {
        "encoder": encoder,
        "horizon": world.market.horizon,
        "text": "name",
        "attributes": ["category"],
        "n_jobs": 1,
    }
    forecaster = LaunchForecaster(**(settings | changes))
    return forecaster.fit(world.items, world.sales, world.cutoff)


def held(table: pd.DataFrame, sums: np.ndarray) -> float:
    """Probability, by the market's own law, that the 80 % intervals hold (draws, n) sums."""
    low, high = table["0.1"].to_numpy(), table["0.9"].to_numpy()
    return float(((low <= sums) & (sums <= high)).mean())


@pytest.mark.parametrize("columns", [Columns(), Columns(group="group")])
def test_colors_of_a_style_share_its_fate(encoder: Encoder, columns: Columns) -> None:
    """Before groups were kept together, intervals held half of the items, and a third of sums."""
    items, sums = [], []
    for seed in (0, 1):
        world = STYLES.world(seed)
        forecaster = fitted(world, encoder, columns=columns)
        totals = world.courses(200, seed).sum(axis=2)
        items.append(held(forecaster.predict_total(world.new_items), totals))
        by_style = forecaster.predict_sum(world.new_items, by="group")
        sums.append(held(by_style, totals.reshape(200, -1, STYLES.size).sum(axis=2)))
        assert forecaster.engine_.model.fate.group > 0.3
    assert np.mean(items) > 0.62
    assert np.mean(sums) > 0.6


def test_best_sellers_that_were_sold_out_teach_what_they_would_have_sold(encoder: Encoder) -> None:
    world = Market(incumbents=40, launches=160, new=40, stockouts=0.6).world(3)
    told = fitted(world, encoder, columns=Columns(in_stock="on_shelf"))
    untold = fitted(world, encoder)
    whole = fitted(replace(Market(incumbents=40, launches=160, new=40)).world(3), encoder)
    mean = {
        name: one.predict_total(world.new_items)["mean"].sum()
        for name, one in (("told", told), ("untold", untold), ("whole", whole))
    }
    true = world.expected.sum()
    assert abs(mean["told"] / true - 1) < abs(mean["untold"] / true - 1)
    assert mean["told"] == pytest.approx(mean["whole"], rel=0.15)
    # Launches that were sold out for a time are over, too, and are learned from.
    assert len(told.engine_.reference) == len(untold.engine_.reference)


@pytest.mark.parametrize("launches", [0, 12])
def test_few_launches_are_said_to_be_few_and_intervals_are_wide(
    encoder: Encoder, launches: int
) -> None:
    world = Market(incumbents=1, launches=launches, new=20).world(0)
    with (
        pytest.warns(FewLaunchesWarning, match="analogues vote"),
        pytest.warns(FewLaunchesWarning, match="intervals are made wider"),
    ):
        forecaster = fitted(world, encoder)
    totals = forecaster.predict_total(world.new_items)
    assert (totals["0.9"] > 1.3 * totals["0.1"]).all()
    assert held(totals, world.courses(200, 0).sum(axis=2)) > 0.65


def test_of_few_launch_dates_little_is_known_of_the_next(encoder: Encoder) -> None:
    """Of four dates there are four draws of what a date brings, however many were launched then."""
    many = Market(incumbents=20, launches=240, new=20, cohort=0.3)
    few = replace(many, dates=4)
    told, lone = (fitted(one.world(0), encoder).engine_.model for one in (many, few))
    # What the center is off by is common to all that is forecast together.
    assert lone.fate.season > 0.01 > told.fate.season
    # Folds correct the mean by what they can tell of it: of four dates next to nothing.
    assert abs(np.log(lone.bias)) < 0.1


def test_what_was_learned_of_groups_is_saved(encoder: Encoder, tmp_path: object) -> None:
    world = STYLES.world(0)
    forecaster = fitted(world, encoder)
    forecaster.save(f"{tmp_path}/model")
    again = LaunchForecaster.load(f"{tmp_path}/model", encoder=encoder)
    assert again.engine_.model.fate == forecaster.engine_.model.fate
    for per in ("total", "period"):
        pd.testing.assert_frame_equal(
            again.predict_sum(world.new_items, by="group", per=per),
            forecaster.predict_sum(world.new_items, by="group", per=per),
            check_exact=True,
        )


def test_an_item_without_its_group_is_on_its_own(encoder: Encoder) -> None:
    world = STYLES.world(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        forecaster = fitted(world, encoder, columns=Columns(group="group"))
        lone = world.new_items.assign(group=None)
        together = forecaster.predict_sum(world.new_items)
        apart = forecaster.predict_sum(lone)
    assert (together["0.9"] - together["0.1"]).iloc[0] > (apart["0.9"] - apart["0.1"]).iloc[0]

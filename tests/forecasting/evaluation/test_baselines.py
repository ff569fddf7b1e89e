import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from forecasting.evaluation.baselines import BASELINES, Case
from forecasting.evaluation.past_launches import typical_launch
from tests.forecasting.conftest import CUTOFF, HORIZON, new_forecaster


@pytest.fixture(scope="module")
def case(grocery, fitted):
    return Case.of(fitted, grocery.later)


@pytest.fixture(scope="module")
def forecasts(case):
    return {name: baseline(case) for name, baseline in BASELINES.items()}


@pytest.fixture(scope="module")
def seen(grocery):
    """Units by launch and age, straight from the tables; ages after the cutoff missing."""
    items = grocery.items[grocery.items["launch_date"] <= CUTOFF].set_index("item_id")
    sold = grocery.sales.set_index(["unique_id", "ds"])["y"]
    rows = {}
    for item, launch in items["launch_date"].items():
        weeks = [launch + pd.Timedelta(weeks=age) for age in range(HORIZON)]
        rows[item] = [sold.get((item, week), 0) if week <= CUTOFF else np.nan for week in weeks]
    return pd.DataFrame.from_dict(rows, orient="index")


def assert_same(one, other):
    for name in ("mean", "quantiles", "total_quantiles"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_zeros(case):
    made = BASELINES["zeros"](case)
    assert made.mean.shape == (len(case.rows), HORIZON)
    assert not made.mean.any()
    assert not made.total_quantiles.any()


def test_global_mean_is_the_mean_of_what_had_been_seen(case, seen):
    made = BASELINES["global mean"](case)
    np.testing.assert_allclose(made.mean[0], seen.mean())
    np.testing.assert_allclose(made.mean[-1], seen.mean())
    totals = seen.dropna().sum(axis=1)
    expected = totals.quantile([0.1, 0.5, 0.9], interpolation="inverted_cdf")
    np.testing.assert_array_equal(made.total_quantiles[0], expected)


def test_category_mean_is_that_of_the_category(grocery, case, seen):
    category = grocery.items.set_index("item_id")["product_category"].loc[seen.index]
    made = BASELINES["category mean"](case)
    finished = seen.dropna().groupby(category).size()
    own, few = 0, 0
    for mean, name in zip(made.mean, grocery.later["product_category"], strict=True):
        enough = finished.get(name, 0) >= 5
        own, few = own + enough, few + (not enough)
        speakers = seen[category == name] if enough else seen
        np.testing.assert_allclose(mean, speakers.mean())
    assert own
    assert few


def test_attribute_knn_prefers_shared_categories(grocery, case, seen):
    made = BASELINES["attribute kNN"](case)
    items = grocery.items.set_index("item_id").loc[seen.dropna().index]
    for row in (0, 40, len(case.rows) - 1):
        new = grocery.later.iloc[row]
        shared = (items["product_category"] == new["product_category"]).astype(int)
        shared += (items["brand"] == new["brand"]).astype(int)
        order = pd.DataFrame({"shared": -shared, "launch": -items["launch_date"].astype("int64")})
        nearest = order.assign(id=order.index).sort_values(["shared", "launch", "id"]).index[:20]
        np.testing.assert_allclose(made.mean[row], seen.loc[nearest].mean())


def test_embedding_knn_weighs_the_most_similar_launches(case, seen):
    made = BASELINES["embedding kNN"](case)
    ids, pool = case.forecaster.panel_.ids, case.launches
    for row in (0, len(case.rows) - 1):
        chosen = pool.valid[row]
        weights = np.exp(pool.similarity[row][chosen] / 0.3)
        curves = seen.loc[ids[pool.position[row][chosen]]]
        reached = curves.notna().mul(weights, axis=0).sum()
        expected = curves.mul(weights, axis=0).sum() / reached
        np.testing.assert_allclose(made.mean[row], expected)


def test_incumbents_go_on_as_in_the_last_horizon(grocery, case):
    made = BASELINES["incumbents' level"](case)
    ids, pool = case.forecaster.panel_.ids, case.incumbents
    weeks = pd.date_range(end=CUTOFF, periods=HORIZON, freq="W-MON")
    sold = grocery.sales.pivot(index="unique_id", columns="ds", values="y").reindex(columns=weeks)
    launch = grocery.items.set_index("item_id")["launch_date"]
    began = launch.fillna(grocery.sales.groupby("unique_id")["ds"].min())
    levels, weights = [], np.exp(pool.similarity[0][pool.valid[0]] / 0.3)
    for item in ids[pool.position[0][pool.valid[0]]]:
        there = weeks >= began[item]
        units = sold.loc[item].fillna(0) if item in sold.index else pd.Series(0.0, weeks)
        levels.append(units[there].mean())
    expected = np.average(levels, weights=weights)
    np.testing.assert_allclose(made.mean[0], np.full(HORIZON, expected))
    highest = made.total_quantiles[0, -1] / HORIZON
    assert np.isclose(levels, highest).any()
    assert weights[np.array(levels) <= highest + 1e-9].sum() >= 0.9 * weights.sum()


def test_past_launches_are_seen_as_before_their_starts(case):
    past = case.past
    assert past.enough
    launch = case.forecaster.panel_.launch[past.items]
    np.testing.assert_array_equal(past.rows.standing, launch - 1)
    assert np.isfinite(past.came).all()


@pytest.mark.parametrize("name", ["incumbents, rescaled", "embedding kNN, rescaled"])
def test_what_is_rescaled_would_have_been_right_on_average(case, name):
    """The level times what past launches sold over theirs: the same for all, but for the level."""
    made = BASELINES[name](case)
    past = case.past
    shares = made.mean / made.mean.sum(axis=1, keepdims=True)
    sold = past.came.sum(axis=0) / past.came.sum()
    np.testing.assert_allclose(shares, np.tile(sold, (len(shares), 1)))
    ratio = made.total_quantiles[:, 2] / made.mean.sum(axis=1)
    np.testing.assert_allclose(ratio, ratio[0])


def test_like_launches_speak_as_a_geometric_mean_of_what_they_had_shown_by_then(case):
    curves = np.array([[[3.0, np.nan], [1.0, 1.0]], [[np.nan, np.nan], [7.0, 7.0]]])
    made = typical_launch(curves, np.array([[0.5, 0.5], [0.9, 0.1]]))
    np.testing.assert_allclose(made, [np.sqrt(4 * 2) - 1, 7])
    past, history = case.past, case.forecaster.history_
    then = past.pools.launches.curves(history, past.rows.standing)
    shown = np.isfinite(then).sum(axis=2)
    launch = history.panel.launch[np.maximum(past.pools.launches.position, 0)]
    assert (shown <= np.maximum(past.rows.standing[:, None] - launch + 1, 0)).all()
    assert (shown > 0).any()


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "zeros"])
def test_every_baseline_has_mean_and_ordered_quantiles(case, forecasts, name):
    made = forecasts[name]
    assert made.mean.shape == (len(case.rows), HORIZON)
    assert made.quantiles.shape == (len(case.rows), HORIZON, 3)
    assert np.isfinite(made.mean).all()
    assert (made.mean >= 0).all()
    assert (np.diff(made.quantiles, axis=-1) >= 0).all()
    assert (np.diff(made.total_quantiles, axis=-1) >= 0).all()
    assert (made.total_quantiles[:, -1] > made.total_quantiles[:, 0]).any()


@pytest.fixture(scope="module")
def corrupted(grocery, fitted):
    """Fitted where every later sale is noise and every later item garbage."""
    rng = np.random.default_rng(1)
    sales, items = grocery.sales.copy(), grocery.items.copy()
    later = sales["ds"] > CUTOFF
    sales.loc[later, "y"] = rng.integers(0, 1000, later.sum())
    unseen = ~items["item_id"].isin(sales.loc[~later, "unique_id"])
    for column in ("text", "product_category", "brand"):
        items.loc[unseen, column] = [f"garbage {n}" for n in range(unseen.sum())]
    assert later.any()
    assert unseen.any()
    return clone(fitted).fit(items, sales, cutoff=CUTOFF)


@pytest.mark.parametrize("name", list(BASELINES))
def test_corrupting_the_future_changes_no_bit(grocery, forecasts, corrupted, name):
    assert_same(forecasts[name], BASELINES[name](Case.of(corrupted, grocery.later)))


@pytest.mark.parametrize("name", list(BASELINES))
def test_a_row_does_not_depend_on_the_others(grocery, fitted, forecasts, name):
    alone = BASELINES[name](Case.of(fitted, grocery.later.iloc[[7]]))
    np.testing.assert_allclose(alone.mean[0], forecasts[name].mean[7], rtol=1e-12)


def test_the_model_without_neighbors_does_not_know_who_they_are(grocery, fitted, forecasts):
    name = "LightGBM without neighbors"
    others = clone(fitted).set_params(k=1, method="knn")
    case = Case.of(others.fit(grocery.items, grocery.sales, cutoff=CUTOFF), grocery.later)
    assert_same(BASELINES[name](case), forecasts[name])


def empty(pool):
    return pool.only(np.zeros_like(pool.valid))


def test_without_an_analogue_all_launches_speak(case):
    lonely = Case(case.forecaster, case.rows, empty(case.incumbents), empty(case.launches))
    for name in ("embedding kNN", "incumbents' level"):
        assert_same(BASELINES[name](lonely), BASELINES["global mean"](case))


def test_no_row_is_no_forecast(grocery, fitted):
    nobody = Case.of(fitted, grocery.later.head(0))
    for baseline in BASELINES.values():
        assert baseline(nobody).mean.shape == (0, HORIZON)


def test_an_unknown_category_is_forecast_by_all_launches(grocery, case, fitted):
    strangers = grocery.later.head(3).assign(product_category=["never seen", None, ""])
    made = BASELINES["category mean"](Case.of(fitted, strangers))
    expected = BASELINES["global mean"](case)
    np.testing.assert_array_equal(made.mean[:2], expected.mean[:2])


@pytest.fixture(scope="module")
def numbers_only(grocery, encoder):
    """No attribute is a category."""
    forecaster = new_forecaster(encoder, attributes=["product_id"])
    return forecaster.fit(grocery.items, grocery.sales, cutoff=CUTOFF)


def test_without_categories(grocery, numbers_only, seen):
    case = Case.of(numbers_only, grocery.later.head(4))
    assert case.category is None
    assert_same(BASELINES["category mean"](case), BASELINES["global mean"](case))
    launch = grocery.items.set_index("item_id")["launch_date"].loc[seen.dropna().index]
    order = pd.DataFrame({"launch": -launch.astype("int64"), "id": launch.index})
    recent = order.sort_values(["launch", "id"]).index[:20]
    np.testing.assert_allclose(
        BASELINES["attribute kNN"](case).mean, np.tile(seen.loc[recent].mean(), (4, 1))
    )
    assert np.isfinite(BASELINES["LightGBM without neighbors"](case).mean).all()


@pytest.mark.parametrize("known_ages", [0, 1, 3])
def test_without_a_finished_launch(grocery, numbers_only, known_ages, monkeypatch):
    """Only the first ages of every launch are known, or none: zeros then are all there is."""
    case = Case.of(numbers_only, grocery.later.head(4))
    curves = numbers_only.history_.curves.copy()
    curves[:, known_ages:] = np.nan
    monkeypatch.setattr(numbers_only.history_, "curves", curves)
    for name, baseline in BASELINES.items():
        made = baseline(case)
        assert np.isfinite(made.mean).all()
        assert np.isfinite(made.total_quantiles).all()
        if known_ages and name != "zeros":
            assert (made.mean.sum(axis=1) > 0).all()
        elif name not in ("zeros", "incumbents' level", "incumbents, rescaled"):
            assert not made.mean.any()

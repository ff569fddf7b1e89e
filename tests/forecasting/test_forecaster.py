from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from retrieval import InputError, ItemIndex, TableError

CUTOFF = pd.Timestamp("2017-08-21")
HORIZON = 6


def corrupted(grocery):
    """Every later sale replaced by noise, every later item by garbage."""
    rng = np.random.default_rng(1)
    sales, items = grocery.sales.copy(), grocery.items.copy()
    later = sales["ds"] > CUTOFF
    sales.loc[later, "y"] = rng.integers(0, 1000, later.sum())
    unseen = ~items["item_id"].isin(sales.loc[~later, "unique_id"])
    for column in ("text", "product_category", "brand"):
        items.loc[unseen, column] = [f"garbage {n}" for n in range(unseen.sum())]
    items.loc[unseen, "product_id"] = rng.integers(0, 10**9, unseen.sum())
    assert later.any()
    assert unseen.any()
    return items, sales


def test_corrupting_the_future_changes_no_bit(grocery, fitted):
    again = clone(fitted).fit(*corrupted(grocery), cutoff=CUTOFF)
    assert_same(again, fitted, grocery.later)


def test_an_index_that_already_holds_the_future_changes_no_bit(grocery, fitted, encoder, tmp_path):
    with ItemIndex(str(tmp_path / "all.db"), encoder) as index:
        settings = {"index": index, "encoder": None}
        clone(fitted).set_params(**settings).fit(*corrupted(grocery))
        again = clone(fitted).set_params(**settings).fit(*corrupted(grocery), cutoff=CUTOFF)
        assert index.count() > len(again.panel_.ids)
        assert_same(again, fitted, grocery.later)


def test_row_order_changes_nothing(grocery, fitted):
    items = grocery.items.sample(frac=1, random_state=2)
    sales = grocery.sales.sample(frac=1, random_state=3)
    again = clone(fitted).fit(items, sales, cutoff=CUTOFF)
    assert_same(again, fitted, grocery.later)
    shuffled = grocery.later.sample(frac=1, random_state=4)
    by_id = ["unique_id", "age"]
    pd.testing.assert_frame_equal(
        again.predict(shuffled).sort_values(by_id, ignore_index=True),
        fitted.predict(grocery.later).sort_values(by_id, ignore_index=True),
    )


def assert_same(one, other, new_items):
    for rows in (other.training_, other._launches(new_items)):
        (features, curves), (expected, expected_curves) = one._describe(rows), other._describe(rows)
        pd.testing.assert_frame_equal(features, expected, check_exact=True)
        np.testing.assert_array_equal(curves, expected_curves)
    pd.testing.assert_frame_equal(
        one.predict(new_items), other.predict(new_items), check_exact=True
    )
    pd.testing.assert_frame_equal(
        one.predict_total(new_items), other.predict_total(new_items), check_exact=True
    )


def test_the_training_rows_see_only_what_came_before_them(fitted):
    rows = fitted.training_
    assert (rows.standing < rows.period).all()
    assert {0, fitted.max_lead} == set(rows.period - rows.standing - 1)
    for pool in fitted._find(rows):
        analogue = pool.position[pool.valid]
        query = np.nonzero(pool.valid)[0]
        assert len(analogue)
        assert (fitted.panel_.ids[analogue] != rows.ids[query]).all()
        assert (fitted.panel_.visible[analogue] <= rows.standing[query]).all()


def test_an_item_is_never_its_own_analogue(grocery, fitted):
    known = fitted.panel_.ids[:20]
    disguised = grocery.items[grocery.items["item_id"].isin(known)]
    disguised = disguised.assign(launch_date=CUTOFF + pd.Timedelta(weeks=1))
    table = fitted.explain(disguised)
    assert set(table["unique_id"]) == set(known)
    assert (table["unique_id"] != table["analogue"]).all()


def test_the_forecasts_table(grocery, fitted):
    table = fitted.predict(grocery.later)
    assert list(table.columns) == ["unique_id", "cutoff", "ds", "age", "mean", "0.1", "0.5", "0.9"]
    assert len(table) == HORIZON * len(grocery.later)
    assert table["unique_id"].tolist() == np.repeat(grocery.later["item_id"], HORIZON).tolist()
    assert (table["cutoff"] == CUTOFF).all()
    launch = np.repeat(grocery.later["launch_date"].to_numpy(), HORIZON)
    assert (table["ds"] == launch + pd.to_timedelta(7 * table["age"], unit="D")).all()
    assert np.isfinite(table.select_dtypes("number")).all(axis=None)
    for numbers in (table, fitted.predict_total(grocery.later)):
        assert (numbers["0.1"] >= 0).all()
        assert (numbers["0.1"] <= numbers["0.5"]).all()
        assert (numbers["0.5"] <= numbers["0.9"]).all()
        assert (numbers["mean"] >= 0).all()


def test_means_add_up_to_the_total(grocery, fitted):
    total = fitted.predict_total(grocery.later).set_index("unique_id")["mean"]
    summed = fitted.predict(grocery.later).groupby("unique_id")["mean"].sum()
    np.testing.assert_allclose(summed[total.index], total)


def test_explain_shows_what_had_been_seen(grocery, fitted):
    table = fitted.explain(grocery.later.head(5))
    assert list(table.columns) == [
        "unique_id", "analogue", "pool", "similarity", "weight", "level", "curve",
    ]  # fmt: skip
    weights = table.groupby(["unique_id", "pool"])["weight"].sum()
    np.testing.assert_allclose(weights, 1)
    sold = grocery.sales[grocery.sales["ds"] <= CUTOFF].set_index(["unique_id", "ds"])["y"]
    launch = grocery.items.set_index("item_id")["launch_date"]
    for _, row in table[table["pool"] == "launch"].head(20).iterrows():
        weeks = pd.date_range(launch[row["analogue"]], CUTOFF, freq="W-MON")[:HORIZON]
        assert row["curve"] == [sold.get((row["analogue"], week), 0) for week in weeks]
    assert table.loc[table["pool"] == "incumbent", "curve"].isna().all()


def test_no_new_items_are_empty_tables(grocery, fitted):
    nobody, one = grocery.later.head(0), grocery.later.head(1)
    for method in (fitted.predict, fitted.predict_total, fitted.explain):
        table = method(nobody)
        assert len(table) == 0
        assert list(table.columns) == list(method(one).columns)


def test_an_unseen_category_and_a_missing_number_are_forecast(grocery, fitted):
    odd = grocery.later.head(1).assign(product_category="of its own", product_id=None)
    odd["product_id"] = odd["product_id"].astype(float)
    assert np.isfinite(fitted.predict(odd)["mean"]).all()


def test_it_is_a_scikit_learn_estimator(fitted):
    assert clone(fitted).get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        clone(fitted).predict(pd.DataFrame())


def test_items_launched_before_the_cutoff_are_refused(grocery, fitted):
    early = grocery.items[grocery.items["launch_date"] <= CUTOFF].head(2)
    with pytest.raises(
        TableError, match=r"must lie after the cutoff's period 2017-08-21.*row 1 \("
    ):
        fitted.predict(early)


def test_a_missing_column_is_named(grocery, fitted):
    with pytest.raises(TableError, match="text"):
        fitted.predict(grocery.later.drop(columns="text"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantiles": (0.9, 0.5)}, "quantiles must ascend"),
        ({"quantiles": (0.1, 0.9)}, "0.5 among them"),
        ({"horizon": 0}, "horizon must be at least 1"),
        ({"k": 0}, "k must be at least 1"),
    ],
)
def test_a_parameter_that_cannot_be_right(grocery, fitted, settings, message):
    with pytest.raises(InputError, match=message):
        clone(fitted).set_params(**settings).fit(grocery.items, grocery.sales)


def test_too_few_finished_launches_are_counted(grocery, fitted):
    with pytest.raises(InputError, match=r"only \d+ launches had sold for 6 periods by 2017-03-20"):
        clone(fitted).fit(grocery.items, grocery.sales, cutoff="2017-03-20")


def test_a_temporary_index_goes_with_its_forecaster(grocery, fitted):
    brief = clone(fitted).fit(grocery.items, grocery.sales, cutoff=CUTOFF)
    path = Path(brief.analogues_.index.uri)
    assert path.exists()
    del brief
    clone(fitted).fit(grocery.items, grocery.sales, cutoff=CUTOFF)  # the next one cleans up
    assert not path.exists()

"""Nothing after the cutoff, and nothing after the moment a training row stands at, is read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from forecasting import LaunchForecaster
from retrieval import Encoder, ItemIndex
from tests.forecasting.conftest import CUTOFF, Slice, assert_same_answers, new_forecaster


def corrupted(grocery: Slice) -> tuple[pd.DataFrame, pd.DataFrame]:
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


@pytest.fixture(params=["lightgbm", "knn", "knn by demand"])
def whichever(request: pytest.FixtureRequest) -> LaunchForecaster:
    name = {"lightgbm": "fitted", "knn": "voting"}.get(request.param, "by_demand")
    forecaster: LaunchForecaster = request.getfixturevalue(name)
    return forecaster


@pytest.mark.digits
def test_corrupting_the_future_changes_no_bit(grocery: Slice, whichever: LaunchForecaster) -> None:
    again = clone(whichever).fit(*corrupted(grocery), cutoff=CUTOFF)
    mine, theirs = (
        each.engine_.describer.describe(whichever.training_) for each in (again, whichever)
    )
    pd.testing.assert_frame_equal(mine.features, theirs.features, check_exact=True)
    assert_same_answers(again, whichever, grocery.later)
    taken = (one.cannibalization() for one in (again, whichever))
    assert len({(one.share, one.low, one.high, one.placebo, one.launches) for one in taken}) == 1


def test_an_index_that_already_holds_the_future_changes_no_bit(
    grocery: Slice, fitted: LaunchForecaster, encoder: Encoder, tmp_path: Path
) -> None:
    items, sales = corrupted(grocery)
    with ItemIndex(f"{tmp_path}/all.db", encoder) as index:
        index.upsert(items, text="text", launch_date="launch_date")
        again = clone(fitted).set_params(index=index, encoder=None)
        again.fit(items, sales, cutoff=CUTOFF)
        assert index.count() > len(again.panel_.ids)
        assert_same_answers(again, fitted, grocery.later)


@pytest.mark.parametrize("name", ["fitted", "by_demand"])
def test_the_training_rows_see_only_what_came_before_them(
    name: str, request: pytest.FixtureRequest
) -> None:
    fitted: LaunchForecaster = request.getfixturevalue(name)
    rows = fitted.training_
    assert (rows.standing < rows.period).all()
    assert {0, fitted.options.max_lead} == set(rows.period - rows.standing - 1)
    for pool in fitted._find(rows).named().values():
        analogue = pool.position[pool.valid]
        query = np.nonzero(pool.valid)[0]
        assert len(analogue)
        assert (fitted.panel_.ids[analogue] != rows.ids[query]).all()
        assert (fitted.panel_.visible[analogue] <= rows.standing[query]).all()


@pytest.mark.parametrize(("name", "lead"), [("fitted", 0), ("fitted", 3), ("by_demand", 0)])
def test_a_training_row_is_what_a_forecast_would_have_stood_on(
    grocery: Slice, request: pytest.FixtureRequest, encoder: Encoder, name: str, lead: int
) -> None:
    fitted: LaunchForecaster = request.getfixturevalue(name)
    rows = fitted.training_
    period = np.bincount(rows.period[rows.period > 20]).argmax()
    then = np.flatnonzero((rows.period == period) & (rows.standing == period - 1 - lead))
    assert len(then) > 5
    cutoff = fitted.panel_.grid.dates(np.array([period - 1 - lead]))[0]
    old = new_forecaster(encoder, method="knn", similarity=fitted.similarity)
    old.fit(grocery.items, grocery.sales, cutoff=cutoff)
    new = grocery.items.set_index("item_id").loc[list(rows.ids[then])].reset_index()
    described = old.engine_.describer.describe(old._launches(new))
    learned = fitted.engine_.describer.describe(rows[then])
    for feature, column in learned.features.items():
        expected = column.astype(object).where(column.notna(), None)
        found = described.features[feature].astype(object)
        assert found.where(found.notna(), None).tolist() == expected.tolist(), feature
    np.testing.assert_array_equal(described.scale, learned.scale)


def test_an_item_is_never_its_own_analogue(grocery: Slice, fitted: LaunchForecaster) -> None:
    panel = fitted.panel_
    known = [*panel.ids[:10], *panel.ids[fitted.launched_[:10]]]
    disguised = grocery.items[grocery.items["item_id"].isin(known)]
    disguised = disguised.assign(launch_date=CUTOFF + pd.Timedelta(weeks=1))
    table = fitted.explain(disguised).query("pool != 'outcome'")
    assert set(table["unique_id"]) == set(known)
    assert (table["unique_id"] != table["analogue"]).all()

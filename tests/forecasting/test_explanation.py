"""What a forecast rests on: its analogues as they had been seen, and contributions that add up."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from forecasting import Columns, LaunchForecaster, ModelOptions
from forecasting.explanation import plain_name
from forecasting.models.launch_model import _matrix
from retrieval import Encoder
from tests.forecasting.conftest import CUTOFF, HORIZON, Slice, new_forecaster


@pytest.fixture(scope="module")
def planned(grocery: Slice, encoder: Encoder) -> LaunchForecaster:
    """With every kind of feature there is."""
    items = grocery.items.assign(shop=grocery.items["product_id"] % 50)
    plan = items.dropna(subset="launch_date")
    plan = pd.DataFrame(
        {"unique_id": plan["item_id"], "ds": plan["launch_date"], "n_shops": plan["shop"] * 1.0}
    )
    forecaster = new_forecaster(encoder, columns=Columns(elsewhere="shop", covariates=["n_shops"]))
    return forecaster.fit(items, grocery.sales, cutoff=CUTOFF, future=plan)


def test_the_table_of_analogues(grocery: Slice, either: LaunchForecaster) -> None:
    table = either.explain(grocery.later.head(20))
    assert list(table.columns) == [
        "unique_id", "analogue", "pool", "similarity", "weight", "level", "curve", "similarity_of",
    ]  # fmt: skip
    assert set(table["pool"]) == {"incumbent", "launch", "sibling", "outcome"}
    assert set(table["unique_id"]) == set(grocery.later["item_id"].head(20))
    assert table["analogue"].isin(either.panel_.ids).all()
    assert not table.duplicated(["unique_id", "analogue", "pool"]).any()


def test_weights_add_up(grocery: Slice, either: LaunchForecaster) -> None:
    table = either.explain(grocery.later)
    assert (table["weight"] > 0).all()
    summed = table.groupby(["pool", "unique_id"])["weight"].sum()
    for pool in ("incumbent", "launch", "sibling"):
        np.testing.assert_allclose(summed[pool], 1)
    assert (summed["outcome"] <= 1 + 1e-9).all()
    assert (table[table["pool"] == "outcome"].groupby("unique_id").size() <= 20).all()


def test_the_outcomes_of_votes_are_the_like_launches(
    grocery: Slice, voting: LaunchForecaster
) -> None:
    table = voting.explain(grocery.later.iloc[[5]])
    outcomes, launches = (
        set(table.loc[table["pool"] == pool, "analogue"]) for pool in ("outcome", "launch")
    )
    assert outcomes
    assert outcomes <= launches


def test_similarity_is_the_cosine_of_the_texts(grocery: Slice, fitted: LaunchForecaster) -> None:
    some = grocery.later.head(10)
    table = fitted.explain(some)
    encode = fitted.engine_.describer.analogues.index.encoder.encode
    text = grocery.items.set_index("item_id")["text"]
    new, old = (encode(text[table[name]].tolist()) for name in ("unique_id", "analogue"))
    np.testing.assert_allclose(table["similarity"], (new * old).sum(axis=1), atol=1e-4)
    assert (table["similarity"] <= 1).all()


def test_curves_and_levels_are_as_they_had_been_seen(
    grocery: Slice, either: LaunchForecaster
) -> None:
    table = either.explain(grocery.later.head(5))
    sold = grocery.sales[grocery.sales["ds"] <= CUTOFF].set_index(["unique_id", "ds"])["y"]
    launch = grocery.items.set_index("item_id")["launch_date"]
    shown = table[table["pool"] != "incumbent"].drop_duplicates("analogue")
    assert shown["curve"].map(len).min() < HORIZON
    for _, row in shown.iterrows():
        weeks = pd.date_range(launch[row["analogue"]], CUTOFF, freq="W-MON")
        assert row["curve"] == [sold.get((row["analogue"], week), 0) for week in weeks[:HORIZON]]
        lately = [sold.get((row["analogue"], week), 0) for week in weeks[-8:]]
        assert row["level"] == pytest.approx(np.mean(lately))
    assert table.loc[table["pool"] == "incumbent", "curve"].isna().all()


def test_only_the_pools_in_use_are_shown(grocery: Slice, voting: LaunchForecaster) -> None:
    fewer = clone(voting).set_params(options=ModelOptions(pools=("launch",)))
    fewer.fit(grocery.items, grocery.sales, cutoff=CUTOFF)
    assert set(fewer.explain(grocery.later.head(3))["pool"]) == {"launch", "outcome"}


def test_contributions_add_up_to_the_logarithm_of_the_level(
    grocery: Slice, fitted: LaunchForecaster
) -> None:
    some = grocery.later.head(40)
    table = fitted.contributions(some)
    assert list(table.columns) == ["unique_id", "feature", "name", "value", "contribution"]
    described = fitted.engine_.describer.describe(fitted._launches(some))
    booster = fitted.engine_.model.trained.booster
    base = booster.predict(_matrix(described.features), pred_contrib=True)[:, -1]
    assert np.ptp(base) == 0
    level = booster.predict(_matrix(described.features))
    added = table.groupby("unique_id", sort=False)["contribution"].sum()
    assert added.index.tolist() == some["item_id"].tolist()
    np.testing.assert_allclose(added, np.log(level) - base, atol=1e-9)
    assert np.ptp(added) > 0


def test_contributions_show_the_values_of_the_features(
    grocery: Slice, fitted: LaunchForecaster
) -> None:
    some = grocery.later.head(3)
    table = fitted.contributions(some)
    for name in ("product_category", "product_id"):
        assert table.loc[table["feature"] == name, "value"].tolist() == some[name].tolist()
    features = fitted.engine_.describer.describe(fitted._launches(some)).features
    assert table["feature"].tolist() == [*features.columns] * 3
    assert table["unique_id"].tolist() == np.repeat(some["item_id"], features.shape[1]).tolist()


def test_every_feature_has_a_plain_name(grocery: Slice, planned: LaunchForecaster) -> None:
    items = grocery.later.head(2).assign(shop=1)
    table = planned.contributions(items).head(planned.engine_.model.trained.booster.num_feature())
    assert table["name"].is_unique
    assert not table["name"].str.contains("_").any()
    assert table["name"].map(lambda name: bool(re.fullmatch(r"[a-z][a-z0-9 ,']+", name))).all()
    words = table.set_index("feature")["name"]
    ours = words.index.str.match(r"(incumbent|launch|sibling|elsewhere|market|season)_\w+")
    raw = words.index.str.replace("_", " ")
    assert not (words[ours] == raw[ours]).any()  # told, not only spelled
    assert words["product_id_to_launch"] == "product id against like launches"
    assert words["incumbent_level_5"] == "like items' sales, the 5 most similar"
    assert words["plan_0_first"] == "planned n shops, first"
    assert words["elsewhere_level"] == "its sales in other places"


@pytest.mark.parametrize(
    ("feature", "name"),
    [
        ("plan_type", "plan type"),  # an attribute of the caller's
        ("plan_7_mean", "plan 7 mean"),
        ("size_5", "size 5"),
        ("list_price_rank", "list price against other launches"),
    ],
)
def test_an_attribute_may_be_called_anything(feature: str, name: str) -> None:
    assert plain_name(feature, ["n_shops"]) == name

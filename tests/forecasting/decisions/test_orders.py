"""Orders cost least among all that could be given, with packs, minimums and budgets."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from forecasting import LaunchForecaster
from forecasting.decisions.orders import (
    Demand,
    best_orders,
    mean_orders,
    mean_within_budgets,
    within_budgets,
)
from forecasting.decisions.terms import Terms
from retrieval import InputError, TableError
from tests.forecasting.conftest import Slice


def demand(rng: np.random.Generator, n: int) -> Demand:
    weight = rng.random((n, 6))
    units = np.sort(rng.integers(0, 12, (n, 6)), axis=1).astype(float)
    return Demand(units, weight / weight.sum(axis=1, keepdims=True))


def terms(rng: np.random.Generator, n: int) -> Terms:
    return Terms(
        over=rng.uniform(0.1, 3, n),
        under=rng.uniform(0.1, 3, n),
        pack=rng.integers(1, 5, n).astype(float),
        minimum=rng.integers(0, 6, n).astype(float),
        unit_cost=rng.uniform(0.5, 2, n),
    )


def possible(own: Terms, row: int) -> np.ndarray:
    """All orders of one item that are worth a thought."""
    packs = np.arange(0, 15) * own.pack[row]
    return packs[(packs == 0) | (packs >= own.minimum[row])]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_no_other_order_costs_less(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, own = demand(rng, 4), terms(rng, 4)
    orders = best_orders(found, own)
    cost = found.cost(orders, own)
    for row in range(4):
        assert orders[row] in possible(own, row)
        for other in possible(own, row):
            changed = orders.copy()
            changed[row] = other
            assert found.cost(changed, own)[row] >= cost[row] - 1e-9


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 30))
def test_a_budget_is_kept_and_nearly_as_well_spent_as_it_can_be(seed: int, money: float) -> None:
    rng = np.random.default_rng(seed)
    found, own = demand(rng, 3), terms(rng, 3)
    groups = pd.Series(["a", "a", "b"])
    orders = within_budgets(found, own, groups, {"a": money})
    free = best_orders(found, own)
    assert orders[2] == free[2]
    assert (orders * own.unit_cost)[:2].sum() <= money + 1e-6
    naive = mean_within_budgets(mean_orders(found.mean, own), own, groups, {"a": money})
    assert (naive * own.unit_cost)[:2].sum() <= money + 1e-6
    best = min(
        found.cost(np.array([*pair, free[2]]), own)[:2].sum()
        for pair in itertools.product(possible(own, 0), possible(own, 1))
        if pair @ own.unit_cost[:2] <= money
    )
    nothing = found.cost(np.zeros(3), own)[:2].sum()
    paid = found.cost(orders, own)[:2].sum()
    # Packs are whole: what is left over of a budget is at most what a first pack of each takes.
    first = np.maximum(own.pack, np.ceil(own.minimum / own.pack) * own.pack)[:2]
    slack = (first * own.under[:2]).sum()
    assert best - 1e-9 <= paid <= min(nothing, best + slack) + 1e-9


def test_orders_of_real_launches(grocery: Slice, fitted: LaunchForecaster) -> None:
    new = grocery.later.head(40).assign(margin=np.linspace(0.5, 5, 40))
    table = fitted.order_quantity(new, overage_cost=1.0, underage_cost="margin", pack_size=2)
    assert list(table.columns) == [
        "unique_id", "cutoff", "quantity", "mean", "left", "missing", "cost", "naive_quantity",
        "naive_cost",
    ]  # fmt: skip
    assert table["unique_id"].tolist() == new["item_id"].tolist()
    assert (table["quantity"] % 2 == 0).all()
    assert (table["cost"] <= table["naive_cost"] + 1e-9).all()
    totals = fitted.predict_total(new)
    np.testing.assert_allclose(table["mean"], totals["mean"])
    # What the forecast calls its 0.9 quantile is ordered where nine in ten are to be served.
    served = fitted.order_quantity(new, service_level=0.9)
    np.testing.assert_allclose(served["quantity"], totals["0.9"], atol=1.0)
    assert (fitted.order_quantity(new, service_level=0.5)["quantity"] <= served["quantity"]).all()
    first = fitted.order_quantity(new, service_level=0.9, lead_time=1)
    assert (first["mean"] < table["mean"]).all()
    np.testing.assert_allclose(first["mean"], fitted.predict(new).query("age == 0")["mean"])


def test_a_budget_of_each_group(grocery: Slice, fitted: LaunchForecaster) -> None:
    new = grocery.later.head(30)
    asked = {"overage_cost": 1, "underage_cost": 4, "unit_cost": 2, "by": "brand"}
    free = fitted.order_quantity(new, **asked)
    tight = fitted.order_quantity(new, **asked, budget={"National": 10})
    spent = (tight["quantity"] * 2).groupby(tight["group"]).sum()
    assert spent["National"] <= 10
    others = free["group"] != "National"
    pd.testing.assert_frame_equal(tight[others], free[others])
    assert tight["cost"].sum() > free["cost"].sum()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "give overage_cost and underage_cost, or service_level"),
        ({"overage_cost": 1}, "give overage_cost and underage_cost, or service_level"),
        ({"overage_cost": 1, "underage_cost": 1, "service_level": 0.9}, "instead of both"),
        ({"service_level": 1}, "service_level must be between 0 and 1, got 1"),
        ({"service_level": 0.9, "pack_size": 0}, "pack_size must be above 0, got 0"),
        ({"service_level": 0.9, "minimum": -1}, "minimum must be of at least 0, got -1"),
        ({"service_level": 0.9, "lead_time": 99}, "lead_time: 99 is beyond the horizon of 6"),
        ({"service_level": 0.9, "budget": 9}, "budget: give unit_cost"),
        (
            {"service_level": 0.9, "unit_cost": 1, "by": "brand", "budget": {"x": 1}},
            "budget: no group 'x'; there are: ",
        ),
    ],
)
def test_terms_that_cannot_be(
    asked: dict[str, object], message: str, grocery: Slice, fitted: LaunchForecaster
) -> None:
    with pytest.raises(InputError, match=message):
        fitted.order_quantity(grocery.later.head(2), **asked)


def test_an_item_without_an_amount_is_named(grocery: Slice, fitted: LaunchForecaster) -> None:
    new = grocery.later.head(2).assign(margin=[1.0, np.nan])
    message = r"new_items: margin must be a number above 0 \(underage_cost\)\n  row 2: margin=nan"
    with pytest.raises(TableError, match=message):
        fitted.order_quantity(new, overage_cost=1, underage_cost="margin")
    with pytest.raises(TableError, match="no column 'cost' for overage_cost; there are: "):
        fitted.order_quantity(new, overage_cost="cost", underage_cost=1)

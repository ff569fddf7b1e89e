"""What is not known of a new item, its plan or an attribute, is neither guessed nor left out."""

import warnings

import numpy as np
import pandas as pd
import pytest

from forecasting import Columns, ForecastWarning, LaunchForecaster, ModelOptions, in_short
from retrieval import Encoder
from tests.forecasting.conftest import CUTOFF, HORIZON, Slice, new_forecaster

WEEK = pd.Timedelta(weeks=1)


@pytest.fixture(scope="module")
def priced(small: Slice) -> Slice:
    """Items whose price, which no text tells, moves what they sell."""
    price = pd.Series(np.random.default_rng(0).uniform(1, 6, len(small.items)).round(2))
    items = small.items.assign(price=price.to_numpy())
    of = small.sales["unique_id"].map(dict(zip(items["item_id"], price, strict=True)))
    units = np.ceil(small.sales["y"] * 20 * of**-1.5)
    return Slice(items, small.sales.assign(y=units))


@pytest.fixture(scope="module")
def plan(priced: Slice) -> pd.DataFrame:
    """The price, in each of the first weeks."""
    launched = priced.items.dropna(subset="launch_date").set_index("item_id")
    weeks = pd.concat(
        [
            pd.DataFrame({"ds": launched["launch_date"] + age * WEEK, "price": launched["price"]})
            for age in range(HORIZON)
        ]
    )
    return weeks.reset_index(names="unique_id")


@pytest.fixture(scope="module")
def planned(priced: Slice, plan: pd.DataFrame, encoder: Encoder) -> LaunchForecaster:
    forecaster = new_forecaster(encoder, columns=Columns(covariates=["price"]))
    return forecaster.fit(priced.items, priced.sales, CUTOFF, future=plan)


@pytest.fixture(scope="module")
def blind(priced: Slice, encoder: Encoder) -> LaunchForecaster:
    """One that never knew of plans."""
    return new_forecaster(encoder).fit(priced.items, priced.sales, CUTOFF)


def arrived(plan: pd.DataFrame, case: str) -> pd.DataFrame | None:
    """Return the plan as it may arrive."""
    if case == "none":
        return None
    return {
        "other ids": plan.assign(unique_id="0" + plan["unique_id"]),
        "last year": plan.assign(ds=plan["ds"] - 52 * WEEK),
        "past launches": plan[plan["ds"] <= CUTOFF],
        "no rows": plan.iloc[:0],
        "first weeks": plan.drop_duplicates("unique_id"),
        "a price is missing": plan.assign(
            price=plan["price"].where(plan["unique_id"].duplicated(keep="last"))
        ),
    }[case]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("none", r"10 of 10 launches have no plan: '\d+', "),
        ("other ids", "10 of 10 launches have no plan: .*; unique_id in the plan is '0"),
        ("last year", "10 launches .* it has other periods of 10 of them: '.* while its first 6"),
        ("past launches", "10 of 10 launches have no plan"),
        ("no rows", "10 of 10 launches have no plan: .*; it has no rows"),
        ("first weeks", "10 of 10 launches have a plan for a part .*: '.*' lacks 5 of 6 price"),
        ("a price is missing", "10 of 10 launches have a plan for a part .*' lacks 1 of 6 price"),
    ],
)
def test_a_plan_that_does_not_arrive_is_told_and_was_never_known(
    case: str,
    message: str,
    planned: LaunchForecaster,
    blind: LaunchForecaster,
    priced: Slice,
    plan: pd.DataFrame,
) -> None:
    new = priced.later.head(10)
    with pytest.warns(ForecastWarning, match=message):
        curves, totals = planned.predict_both(new, future=arrived(plan, case))
    assert not totals.pop("planned").any()
    expected = blind.predict_both(new)
    pd.testing.assert_frame_equal(curves, expected[0], check_exact=True)
    pd.testing.assert_frame_equal(totals, expected[1], check_exact=True)


def test_sums_and_reasons_do_without_a_plan_too(
    planned: LaunchForecaster, blind: LaunchForecaster, priced: Slice
) -> None:
    new = priced.later.head(10)
    with pytest.warns(ForecastWarning, match="10 of 10 launches have no plan"):
        sums = planned.predict_sum(new, per="period")
    pd.testing.assert_frame_equal(sums, blind.predict_sum(new, per="period"), check_exact=True)
    added = planned.contributions(new).set_index(["unique_id", "feature"])["contribution"]
    expected = blind.contributions(new).set_index(["unique_id", "feature"])["contribution"]
    pd.testing.assert_series_equal(added[expected.index], expected, check_exact=True)
    assert (added.drop(expected.index) == 0).all()


def test_plans_that_arrived_count_beside_those_that_did_not(
    planned: LaunchForecaster, priced: Slice, plan: pd.DataFrame
) -> None:
    new = priced.later.head(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = planned.predict_total(new, future=plan)
    with pytest.warns(ForecastWarning, match="4 of 10 launches have no plan"):
        part = planned.predict_total(
            new, future=plan[~plan["unique_id"].isin(new["item_id"].head(4))]
        )
    assert whole["planned"].all()
    assert part["planned"].tolist() == [False] * 4 + [True] * 6
    pd.testing.assert_frame_equal(whole.iloc[4:], part.iloc[4:], check_exact=True)
    assert (whole["mean"] != part["mean"]).head(4).all()


@pytest.mark.parametrize("per", ["total", "period"])
def test_sums_add_up_where_some_plans_arrived(
    planned: LaunchForecaster, blind: LaunchForecaster, priced: Slice, plan: pd.DataFrame, per: str
) -> None:
    """Each launch is summed as it is forecast: those without a plan as who knew of none."""
    new = priced.later.head(20).assign(known=["a: not"] * 9 + ["b: known"] * 11)
    some = plan[plan["unique_id"].isin(new["item_id"].tail(11))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForecastWarning)
        totals = planned.predict_total(new, future=some)
        parts = planned.predict_sum(new, by="known", per=per, future=some)
        whole = planned.predict_sum(new, per=per, future=some)
        alone = planned.predict_sum(new.tail(11), per=per, future=some)
    assert whole["mean"].sum() == pytest.approx(totals["mean"].sum())
    assert parts["mean"].sum() == pytest.approx(totals["mean"].sum())
    without = blind.predict_sum(new.head(9), per=per).drop(columns="group")
    of = dict(tuple(parts.groupby("group")))
    found = of["a: not"].drop(columns="group").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, without, check_exact=True)
    # The others are drawn by another stream of chance, which few draws in 2,000 tell apart.
    known = of["b: known"].reset_index(drop=True)
    np.testing.assert_allclose(known["mean"], alone["mean"])
    np.testing.assert_allclose(known["0.5"].sum(), alone["0.5"].sum(), rtol=0.1)
    if per == "total":
        # Together they are no narrower than if apart nothing moved both, nor much wider than added.
        width = parts["0.9"] - parts["0.1"]
        spread = whole["0.9"].item() - whole["0.1"].item()
        assert 0.9 * np.sqrt((width**2).sum()) <= spread <= 1.2 * width.sum()


def test_a_launch_without_a_plan_sums_to_itself_beside_others(
    planned: LaunchForecaster, priced: Slice, plan: pd.DataFrame
) -> None:
    new = priced.later.head(8)
    some = plan[plan["unique_id"].isin(new["item_id"].iloc[::2])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForecastWarning)
        totals = planned.predict_total(new, future=some).set_index("unique_id")
        sums = planned.predict_sum(new, by="item_id", future=some).set_index("group")
    sums = sums.loc[totals.index]
    np.testing.assert_allclose(sums["mean"], totals["mean"])
    np.testing.assert_allclose(sums["0.5"], totals["0.5"], rtol=0.12, atol=1.5)


def test_a_plan_beyond_all_that_was_seen_is_told(
    planned: LaunchForecaster, priced: Slice, plan: pd.DataFrame
) -> None:
    with pytest.warns(ForecastWarning, match=r"10 of 10 launches plan a price bey.*\(1\.\d* to"):
        planned.predict(priced.later.head(10), future=plan.assign(price=plan["price"] * 10))


def test_a_price_of_which_demand_is_said_to_fall_does_so_by_its_elasticity(
    priced: Slice, plan: pd.DataFrame, encoder: Encoder
) -> None:
    """Units were multiplied by price to the power of -1.5, whatever else moves them."""
    forecaster = new_forecaster(
        encoder,
        attributes=["product_category", "brand"],
        columns=Columns(covariates=["price"]),
        options=ModelOptions(monotone={"price": -1}),
    ).fit(priced.items, priced.sales, CUTOFF, future=plan)
    new = priced.later
    base = forecaster.predict_total(new, future=plan)["mean"].sum()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForecastWarning)  # some lie beyond what was seen
        moved = [
            forecaster.predict_total(new, future=plan.assign(price=plan["price"] * by))[
                "mean"
            ].sum()
            for by in (0.8, 1.25)
        ]
    assert 1.15 < moved[0] / base < 1.6  # 0.8 ** -1.5 is 1.40
    assert 0.6 < moved[1] / base < 0.87  # 1.25 ** -1.5 is 0.72


def test_past_launches_without_plans_are_told(priced: Slice, encoder: Encoder) -> None:
    forecaster = new_forecaster(encoder, columns=Columns(covariates=["price"]))
    with pytest.warns(ForecastWarning, match="fit: future: .* launches have no plan"):
        forecaster.fit(priced.items, priced.sales, CUTOFF)


def test_an_attribute_that_is_not_known_widens(priced: Slice, encoder: Encoder) -> None:
    forecaster = new_forecaster(encoder, attributes=["product_category", "price"])
    forecaster.fit(priced.items, priced.sales, CUTOFF)
    new = priced.later
    known = forecaster.predict_total(new)
    unknown = forecaster.predict_total(new.assign(price=np.nan))
    # The more a price had said, the more is not known without it.
    spread = [np.log1p(one["0.9"]) - np.log1p(one["0.1"]) for one in (known, unknown)]
    assert spread[1].mean() > spread[0].mean() + 0.1
    half = new.assign(price=new["price"].where(np.arange(len(new)) % 2 == 0))
    some = forecaster.predict_total(half)
    pd.testing.assert_frame_equal(some.iloc[::2], known.iloc[::2], check_exact=True)


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA])
def test_a_column_in_which_nothing_is_known_is_of_the_kind_that_was_learned(
    nothing: object, blind: LaunchForecaster, priced: Slice
) -> None:
    new = priced.later.head(3)
    without = [
        new.assign(product_id=pd.Series([one] * 3, index=new.index)) for one in (nothing, np.nan)
    ]
    found, expected = (blind.predict(one) for one in without)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_what_was_not_known_of_a_launch_stands_beside_its_total(
    priced: Slice, encoder: Encoder
) -> None:
    forecaster = new_forecaster(encoder, attributes=["brand", "price"])
    forecaster.fit(priced.items, priced.sales, CUTOFF)
    new = priced.later.head(4).assign(launch_date=pd.Timestamp(CUTOFF) + 2 * WEEK)
    before = forecaster.predict_total(new)["warnings"].tolist()
    new.loc[new.index[0], "brand"] = "a; b"
    new.loc[new.index[1], "price"] = np.nan
    new.loc[new.index[2], "price"] = 999.0
    new.loc[new.index[3], "launch_date"] += 30 * WEEK
    table = forecaster.predict_total(new)
    pairs = zip(table["warnings"], before, strict=True)
    said = [one.removeprefix(was).strip("; ") for one, was in pairs]
    assert said[0] == "brand 'a, b' has not been seen"
    assert said[1] == "price is not known, and that of past launches was"
    assert said[2].startswith("price 999 lies beyond 1.")
    assert said[3] == "launched over 3 periods ahead, further than was learned from (max_lead)"
    assert forecaster.reader.doubts_about(new, forecaster.history_) == table["warnings"].tolist()
    assert in_short(table.assign(warnings=["a; b", "a", "", ""]))[0].endswith(" and 1 more")

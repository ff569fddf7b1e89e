"""The forecaster's tables, its parameters and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from forecasting import Columns, LaunchForecaster, ModelOptions, SalesRules
from retrieval import Encoder, InputError, ItemIndex, TableError
from tests.forecasting.conftest import CUTOFF, HORIZON, Slice

LEVELS = ["0.1", "0.5", "0.9"]


def test_the_forecasts_table(grocery: Slice, either: LaunchForecaster) -> None:
    table = either.predict(grocery.later)
    assert list(table.columns) == ["unique_id", "cutoff", "ds", "age", "mean", *LEVELS]
    assert len(table) == HORIZON * len(grocery.later)
    assert table["unique_id"].tolist() == np.repeat(grocery.later["item_id"], HORIZON).tolist()
    assert (table["cutoff"] == CUTOFF).all()
    launch = np.repeat(grocery.later["launch_date"].to_numpy(), HORIZON)
    assert (table["ds"] == launch + pd.to_timedelta(7 * table["age"], unit="D")).all()
    assert table["age"].tolist() == list(range(HORIZON)) * len(grocery.later)


def test_the_table_of_totals(grocery: Slice, either: LaunchForecaster) -> None:
    table = either.predict_total(grocery.later)
    assert list(table.columns) == [
        "unique_id", "cutoff", "mean", *LEVELS, "novelty", "novel", "method", "warnings",
    ]  # fmt: skip
    assert table["unique_id"].tolist() == grocery.later["item_id"].tolist()
    assert (table["cutoff"] == CUTOFF).all()
    assert table["novel"].dtype == bool
    assert table["novelty"].between(0, 1).all()
    assert (table["method"] == either.engine_.method).all()
    np.testing.assert_array_equal(table["novelty"], either.novelty(grocery.later))


def test_numbers_are_finite_not_negative_and_ordered(
    grocery: Slice, either: LaunchForecaster
) -> None:
    for table in (
        either.predict(grocery.later),
        either.predict_total(grocery.later),
        either.predict_sum(grocery.later, "product_category"),
        either.predict_sum(grocery.later, per="period"),
    ):
        numbers = table[["mean", *LEVELS]]
        assert np.isfinite(numbers).all(axis=None)
        assert (numbers >= 0).all(axis=None)
        assert (table["0.1"] <= table["0.5"]).all()
        assert (table["0.5"] <= table["0.9"]).all()
        assert (numbers[LEVELS] % 1 == 0).all(axis=None)  # what is counted comes whole


def test_means_add_up_from_ages_to_totals_to_sums(grocery: Slice, either: LaunchForecaster) -> None:
    curve = either.predict(grocery.later)
    total = either.predict_total(grocery.later).set_index("unique_id")["mean"]
    by_item = curve.groupby("unique_id")["mean"].sum()
    np.testing.assert_allclose(by_item[total.index], total)
    everything = either.predict_sum(grocery.later)
    assert everything.loc[0, "n_items"] == len(grocery.later)
    assert everything.loc[0, "mean"] == pytest.approx(total.sum())
    by_week = either.predict_sum(grocery.later, per="period").set_index("ds")["mean"]
    np.testing.assert_allclose(by_week, curve.groupby("ds")["mean"].sum()[by_week.index])
    by_kind = either.predict_sum(grocery.later, "brand").set_index("group")["mean"]
    kind = grocery.later.set_index("item_id")["brand"]
    np.testing.assert_allclose(by_kind, total.groupby(kind[total.index].to_numpy()).sum())


def test_no_new_items_are_empty_tables(grocery: Slice, either: LaunchForecaster) -> None:
    nobody, one = grocery.later.head(0), grocery.later.head(1)
    asks = [either.predict, either.predict_total, either.predict_sum, either.explain]
    if either.engine_.model is not None:
        asks.append(either.contributions)
    for ask in asks:
        table = ask(nobody)
        assert len(table) == 0
        assert list(table.columns) == list(ask(one).columns)
    assert either.novelty(nobody).shape == (0,)


def test_the_input_is_left_as_it_was(grocery: Slice, fitted: LaunchForecaster) -> None:
    before = grocery.later.copy(deep=True)
    for ask in (fitted.predict, fitted.predict_total, fitted.predict_sum, fitted.explain):
        ask(grocery.later)
    pd.testing.assert_frame_equal(grocery.later, before)


def test_it_is_a_scikit_learn_estimator(fitted: LaunchForecaster) -> None:
    assert clone(fitted).get_params() == fitted.get_params()
    assert clone(fitted).set_params(horizon=9).horizon == 9
    columns, options = Columns(covariates=["price"]), ModelOptions(pools=["launch"])
    told = LaunchForecaster(columns=columns, options=options)
    assert told.columns is columns  # as it was given
    assert clone(told).get_params() == told.get_params()
    assert clone(told).set_params(columns=Columns()).columns == Columns()
    assert repr(told).startswith("LaunchForecaster(columns=Columns(")
    for ask in ("predict", "predict_total", "predict_sum", "explain", "contributions", "novelty"):
        with pytest.raises(NotFittedError):
            getattr(clone(fitted), ask)(pd.DataFrame())


def test_fitted_twice_it_answers_the_same(
    grocery: Slice, small: Slice, voting: LaunchForecaster
) -> None:
    again = clone(voting)
    assert again.fit(small.items, small.sales, cutoff="2017-04-03") is again
    again.fit(grocery.items, grocery.sales, cutoff=CUTOFF)
    pd.testing.assert_frame_equal(
        again.predict(grocery.later), voting.predict(grocery.later), check_exact=True
    )


def test_items_launched_before_the_cutoff_are_refused(
    grocery: Slice, fitted: LaunchForecaster
) -> None:
    early = grocery.items[grocery.items["launch_date"] <= CUTOFF].head(2)
    with pytest.raises(
        TableError, match=r"must lie after the cutoff's period 2017-08-21.*row 1 \("
    ):
        fitted.predict(early)
    with pytest.raises(TableError, match=r"or is missing, in 1 rows: row 2 \("):
        fitted.predict(
            grocery.later.head(2).assign(launch_date=[pd.Timestamp("2017-09-04"), pd.NaT])
        )


def test_a_missing_column_is_named(grocery: Slice, fitted: LaunchForecaster) -> None:
    with pytest.raises(TableError, match="new_items: missing column text; there are:"):
        fitted.predict(grocery.later.drop(columns="text"))
    with pytest.raises(TableError, match="items: missing column brand; there are:"):
        clone(fitted).fit(grocery.items.drop(columns="brand"), grocery.sales)
    with pytest.raises(TableError, match="no column 'aisle' to group by; there are: product_id"):
        fitted.predict_sum(grocery.later, "aisle")


def test_an_item_asked_about_twice_is_refused(grocery: Slice, fitted: LaunchForecaster) -> None:
    with pytest.raises(TableError, match=r"new_items: bad rows\n.*is there more than once"):
        fitted.predict(pd.concat([grocery.later.head(1)] * 2))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"quantiles": (0.9, 0.5)}, "quantiles must ascend"),
        ({"quantiles": (0.1, 0.9)}, "0.5 among them"),
        ({"quantiles": (0.0, 0.5)}, "between 0 and 1"),
        ({"quantiles": 0.5}, "quantiles must be a list of numbers, .*, got 0.5"),
        ({"quantiles": ("0.5",)}, "quantiles must be a list of numbers"),
        (
            {"freq": "weekly"},
            r"freq 'weekly' is no frequency of pandas; .* W-MON",
        ),
        ({"freq": "0W-MON"}, "freq '0W-MON' does not count forward"),
        (
            {"freq": "12h"},
            "freq '12h': periods are whole days or longer; add up what a day sells",
        ),
        ({"freq": "36h"}, "freq '36h': periods are whole days or longer"),
        ({"freq": "-1W-MON"}, "freq '-1W-MON' does not count forward"),
        ({"freq": 7}, "freq 7 is no frequency"),
        ({"attributes": ["brand", "brand"]}, "attributes: 'brand' is named twice"),
        ({"attributes": ["item_id"]}, "attributes: 'item_id' is the column of ids"),
        ({"attributes": ["launch_date"]}, "attributes: 'launch_date' is the column of launch"),
        ({"attributes": "brand"}, r"attributes must be a list of columns, write \['brand'\]"),
        ({"columns": Columns(covariates=["ds"])}, "covariates: 'ds' is the column of periods"),
        ({"columns": Columns(covariates=["a", "a"])}, "covariates: 'a' is named twice"),
        (
            {"options": ModelOptions(monotone={"price": -1})},
            "monotone: no attribute or covariate 'price'; there are: product_category",
        ),
        ({"horizon": 0}, "horizon must be a whole number of at least 1, got 0"),
        ({"k": 0}, "k must be a whole number of at least 1, got 0"),
        ({"k": 2.5}, "k must be a whole number of at least 1, got 2.5"),
        ({"method": "arima"}, "unknown method 'arima'; there are: auto, lightgbm, knn"),
        ({"columns": {"in_stock": "ok"}}, r"columns must be Columns\(\.\.\.\), got a dict"),
        ({"options": SalesRules()}, r"options must be ModelOptions\(\.\.\.\), got a SalesRules"),
    ],
)
def test_a_parameter_that_cannot_be_right(
    grocery: Slice, fitted: LaunchForecaster, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        clone(fitted).set_params(**settings).fit(grocery.items, grocery.sales)


def test_an_index_brings_its_own_encoder(
    grocery: Slice, fitted: LaunchForecaster, tmp_path: Path
) -> None:
    with ItemIndex(str(tmp_path / "own.db"), fitted.encoder) as index:
        both = clone(fitted).set_params(index=index, encoder=Encoder())
        with pytest.raises(InputError, match="an index brings its own encoder"):
            both.fit(grocery.items, grocery.sales)


@pytest.mark.parametrize("ask", ["predict", "predict_total", "predict_sum"])
def test_a_plan_needs_covariates(grocery: Slice, fitted: LaunchForecaster, ask: str) -> None:
    plan = pd.DataFrame({"unique_id": ["a"], "ds": [CUTOFF], "price": [1.0]})
    with pytest.raises(InputError, match="future: name its columns as covariates"):
        getattr(fitted, ask)(grocery.later.head(1), future=plan)


def test_more_quantiles_lie_between_the_others(grocery: Slice, fitted: LaunchForecaster) -> None:
    levels = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
    finer = clone(fitted).set_params(quantiles=levels)
    finer.fit(grocery.items, grocery.sales, cutoff=CUTOFF)
    total = finer.predict_total(grocery.later)
    assert list(total.columns[3:10]) == [f"{level:g}" for level in levels]
    assert (total[total.columns[3:10]].diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    before = fitted.predict_total(grocery.later)
    pd.testing.assert_frame_equal(total[["mean", *LEVELS]], before[["mean", *LEVELS]])

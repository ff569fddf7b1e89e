"""A plan laid out by launch and age; what it ignores, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from forecasting.data.panel import NEVER, Grid
from forecasting.data.plans import plan_array
from retrieval import TableError

NAN = np.nan
HORIZON = 3
START = pd.Timestamp("2024-01-01")
COVARIATES = ("price", "promo")
FUTURE = pd.DataFrame(
    {
        "unique_id": ["a", "a", "b"],
        "ds": pd.to_datetime(["2024-01-15", "2024-01-24", "2024-01-08"]),
        "price": [2.5, 3.0, 9.0],
        "promo": [0, 1, 1],
    }
)
IDS = np.array(["a", "b"], object)
PERIOD = np.array([2, 1])


def laid_out(
    future: pd.DataFrame | None = FUTURE,
    ids: np.ndarray = IDS,
    period: np.ndarray = PERIOD,
    covariates: tuple[str, ...] = COVARIATES,
    freq: str = "W-MON",
) -> np.ndarray:
    return plan_array(
        future,
        ids,
        period,
        Grid(freq, START),
        HORIZON,
        covariates=covariates,
        id_col="unique_id",
        time_col="ds",
    )


def test_a_plan_by_launch_and_age() -> None:
    found = laid_out()
    # The 24th lies in the week of the 22nd: the week after the launch of a.
    np.testing.assert_array_equal(found[0], [[2.5, 0], [3, 1], [NAN, NAN]])
    np.testing.assert_array_equal(found[1], [[9, 1], [NAN, NAN], [NAN, NAN]])


def test_a_plan_in_months() -> None:
    found = laid_out(period=np.array([0, 1]), freq="MS", future=FUTURE.drop(index=1))
    np.testing.assert_array_equal(found[:, :, 0], [[2.5, NAN, NAN], [NAN, NAN, NAN]])


def test_the_columns_come_in_the_order_of_the_covariates() -> None:
    np.testing.assert_array_equal(laid_out(covariates=("promo", "price")), laid_out()[..., ::-1])


def test_an_id_may_be_there_more_than_once() -> None:
    found = laid_out(ids=np.array(["a", "b", "a"], object), period=np.array([2, 1, 3]))
    np.testing.assert_array_equal(found[:2], laid_out())
    np.testing.assert_array_equal(found[2], [[3, 1], [NAN, NAN], [NAN, NAN]])


@pytest.mark.parametrize("future", [None, FUTURE.iloc[:0], FUTURE.assign(unique_id="other")])
def test_nothing_is_planned(future: pd.DataFrame | None) -> None:
    assert np.isnan(laid_out(future)).all()
    assert laid_out(future).shape == (2, HORIZON, 2)


def test_without_covariates_a_plan_has_no_columns() -> None:
    assert laid_out(covariates=()).shape == (2, HORIZON, 0)


def test_a_launch_without_date_has_no_plan() -> None:
    found = laid_out(period=np.array([NEVER, 1]))
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], laid_out()[1])


def test_periods_outside_the_horizon_are_ignored() -> None:
    more = FUTURE.assign(ds=pd.to_datetime(["2023-01-02", "2024-02-05", "2034-12-27"]))
    assert np.isnan(laid_out(more)).all()


def test_numbers_ids_and_other_kinds_of_numbers_are_taken() -> None:
    future = FUTURE.assign(
        unique_id=[1, 1, 2],
        price=pd.array([2, None, 9], dtype="Int64"),
        promo=[False, True, True],
    )
    found = laid_out(future, ids=np.array(["1", "2"], object))
    np.testing.assert_array_equal(found[:, :2, 0], [[2, NAN], [9, NAN]])
    np.testing.assert_array_equal(found[..., 1], laid_out()[..., 1])


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.integers(0, 70)),
        st.integers(0, 9),
        max_size=12,
    ),
    st.lists(st.integers(0, 9), min_size=2, max_size=2),
    st.randoms(),
)
def test_what_is_planned_is_what_the_table_says(
    cells: dict[tuple[str, int], int], period: list[int], random: object
) -> None:
    weekly = {(item, day // 7): (day, value) for (item, day), value in cells.items()}
    rows = [(item, START + pd.Timedelta(days=day), v) for (item, _), (day, v) in weekly.items()]
    random.shuffle(rows)
    future = pd.DataFrame(rows, columns=["unique_id", "ds", "promo"])
    future = future.astype({"ds": "datetime64[ns]", "promo": float})
    found = laid_out(future, period=np.array(period), covariates=("promo",))[..., 0]
    for row, (item, start) in enumerate(zip(IDS, period, strict=True)):
        planned = [weekly.get((item, start + age), (0, NAN))[1] for age in range(HORIZON)]
        np.testing.assert_array_equal(found[row], planned)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("ds", ["2024-01-15", "soon", "2024-01-08"], "ds is not a date\n  row 2: .*'a', ds='soon'"),
        ("ds", ["2024-01-15", None, "2024-01-08"], "ds is not a date\n  row 2: unique_id='a'"),
        ("price", [1, 2, np.inf], "price is infinite\n  row 3: unique_id='b', ds=2024-01-08"),
        ("promo", ["yes", "no", "no"], "promo must be numeric, found str\n  row 1: .*promo='yes'"),
        ("price", [2.5, "n/a", 9], "price must be numeric, found object\n  row 2: .*price='n/a'"),
        ("unique_id", [1.0, 1.0, 2.0], r"column unique_id holds decimal numbers"),
        ("unique_id", ["a", None, "b"], "unique_id is missing\n  row 2"),
        (
            "ds",
            pd.to_datetime(["2024-01-15", "2024-01-21", "2024-01-08"]),
            r"\(unique_id, ds\) repeats\n  row 2: unique_id='a', ds=2024-01-21",
        ),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(
    column: str, values: object, message: str
) -> None:
    with pytest.raises(TableError, match=f"^future: {message}"):
        laid_out(FUTURE.assign(**{column: values}))


def test_rows_count_from_the_table_that_was_given() -> None:
    shuffled = FUTURE.assign(price=[1, np.inf, 2]).iloc[[2, 0, 1]]
    with pytest.raises(TableError, match="row 3: unique_id='a'"):
        laid_out(shuffled)


def test_a_missing_column_is_answered_with_what_there_is() -> None:
    message = "no column ds, promo; there are: unique_id, price"
    with pytest.raises(TableError, match=message):
        laid_out(FUTURE[["unique_id", "price"]])


def test_the_table_of_the_caller_stays_as_it_was() -> None:
    future = FUTURE.assign(unique_id=[1, 1, 2], ds=FUTURE["ds"].astype(str))
    before = future.copy(deep=True)
    laid_out(future)
    pd.testing.assert_frame_equal(future, before)

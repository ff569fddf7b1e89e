import numpy as np
import pandas as pd
import pytest

from forecasting.checks import ForecastWarning
from forecasting.data.columns import Columns, SalesRules
from forecasting.data.items import item_lives
from forecasting.data.sales import Sales, Sieved
from retrieval import InputError, TableError

IDS = pd.Series(["a", "b"])
SALES = pd.DataFrame(
    {
        "unique_id": ["a", "b", "a"],
        "ds": pd.to_datetime(["2024-01-08", "2024-01-08", "2024-01-15"]),
        "y": [2.0, 5.0, 3.0],
        "ok": [True, True, True],
    }
)


def validate(sales=SALES, ids=IDS, in_stock=None, **options):
    """The rows as a table, the items by their ids."""
    lives = item_lives(ids, pd.Series(pd.NaT, index=ids.index))
    made = Sales.read(
        sales,
        lives,
        freq="W-MON",
        columns=Columns(in_stock=in_stock),
        rules=SalesRules(**options),
    )
    return pd.DataFrame(
        {
            "unique_id": lives["id"].to_numpy()[made.item],
            "ds": made.grid.dates(made.period),
            "y": made.units,
            "row": made.row,
        }
    )


def change(column, row, value):
    return SALES.assign(
        **{column: [value if row == at else old for at, old in enumerate(SALES[column])]}
    )


def test_a_clean_table_holds_ids_as_text_dates_and_numbers():
    ids = pd.Series(["1", "2"])
    sales = pd.DataFrame({"unique_id": [1, 2], "ds": ["2024-01-08", "2024-01-15"], "y": [1, 2]})
    clean = validate(sales, ids)
    assert clean["unique_id"].tolist() == ["1", "2"]
    assert clean["ds"].tolist() == [pd.Timestamp("2024-01-08"), pd.Timestamp("2024-01-15")]
    assert clean["y"].dtype == np.float64
    assert sales["y"].dtype == np.int64  # the caller's table stays as it is


@pytest.mark.parametrize(
    ("sales", "message"),
    [
        (SALES.drop(columns="y"), r"no column 'y'; the table has unique_id, ds, ok"),
        (SALES.iloc[:0], "no rows"),
        (change("unique_id", 1, None), r"unique_id is missing\s+row 2: unique_id="),
        (change("ds", 1, pd.NaT), r"ds is missing\s+row 2: unique_id='b'"),
        (change("y", 1, np.nan), r"y is missing\s+row 2: unique_id='b'.*\n.*`in_stock`"),
        (change("y", 1, np.inf), r"y is infinite\s+row 2: unique_id='b'"),
        (SALES.assign(y="many"), "y must be numeric"),
        (SALES.assign(unique_id="x"), r"unique_id is not among the items\s+row 1: unique_id='x'"),
        (change("ds", 1, "soon"), r"ds is not a date\s+row 2: unique_id='b', ds='soon'"),
        (SALES.assign(ds=1704672000), "ds is not a date"),  # seconds since 1970
        (
            change("ds", 1, pd.Timestamp("2024-01-09")),
            r"not on the grid of 'W-MON'\s+row 2: .*ds=2024-01-09(.*\n)+.*repeats=\"sum\"",
        ),
        (
            change("ds", 1, pd.Timestamp("2024-01-08 06:00")),
            r"not on the grid of 'W-MON'\s+row 2: .*ds=2024-01-08 06:00",
        ),
        (
            change("y", 1, -1.0),
            r"y is negative\s+row 2: (.*\n)+.*returns=\"net\" .* returns=\"drop\"",
        ),
        (
            pd.concat([SALES, SALES.iloc[[2]]]),
            r"\(unique_id, ds\) repeats\s+row 4: (.*\n)+.*repeats=\"sum\"",
        ),
    ],
)
def test_bad_sales_name_rule_row_and_remedy(sales, message):
    with pytest.raises(TableError, match=message):
        validate(sales)


def test_all_offenders_are_told_for_programs():
    rows = pd.concat([SALES, pd.DataFrame([SALES.iloc[0].to_dict() | {"y": -1.0}] * 9)])
    with pytest.raises(TableError) as caught:
        validate(rows)
    (offense,) = caught.value.offenses
    assert (offense.table, offense.column, offense.problem) == ("sales", "y", "y is negative")
    assert list(offense.rows) == list(range(len(SALES), len(rows)))
    assert list(offense.values) == [-1.0] * 9


@pytest.mark.parametrize("name", ["returns", "repeats"])
def test_an_unknown_choice_is_answered_with_what_there_is(name):
    with pytest.raises(InputError, match=f"unknown {name} 'some'; there are: refuse, "):
        validate(**{name: "some"})


def test_rows_keep_their_number_when_others_are_left_out():
    sales = pd.concat([change("y", 0, -1.0), SALES.iloc[[2]]])
    with pytest.raises(TableError, match=r"repeats\s+row 4"):
        validate(sales, returns="drop")


def test_a_return_left_out_does_not_count_as_a_second_row():
    sales = pd.concat([SALES, SALES.iloc[[2]].assign(y=-1.0)])
    pd.testing.assert_frame_equal(validate(sales, returns="drop"), validate())
    with pytest.raises(TableError, match="repeats"):
        validate(sales, returns="net")


def test_a_table_of_returns_only_has_nothing_left():
    with pytest.raises(TableError, match="no row is left"):
        validate(SALES.assign(y=-1.0), returns="drop")


@pytest.mark.parametrize(
    "flags",
    [
        [True, False, None],
        pd.array([True, False, None], dtype="boolean"),
        [1.0, 0.0, np.nan],
        pd.array([1, 0, None], dtype="Int64"),
        [np.True_, 0, None],
        pd.Categorical([1, 0, None]),
    ],
)
def test_stock_flags_are_booleans_or_0_and_1_and_missing_ones_mean_in_stock(flags):
    clean = validate(SALES.assign(ok=flags), in_stock="ok")
    assert clean["y"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("flag", ["yes", "0", "", 2, 0.5, -1])
def test_other_stock_flags_are_refused(flag):
    with pytest.raises(TableError, match=r"ok is neither true nor false\s+row 2: unique_id='b'"):
        validate(change("ok", 1, flag), in_stock="ok")


def test_what_is_said_of_units_out_of_stock_is_not_read():
    sales = SALES.assign(ok=False, y=[np.nan, -np.inf, 9.0])
    assert validate(sales, in_stock="ok")["y"].isna().all()
    with pytest.raises(TableError, match=r"y is missing\s+row 1"):
        validate(sales)


def test_a_stock_column_that_is_not_there_is_named():
    with pytest.raises(TableError, match="no column 'stock'; the table has unique_id, ds, y, ok"):
        validate(in_stock="stock")


def test_every_rule_broken_is_told_and_a_row_counts_for_the_first() -> None:
    sales = SALES.assign(
        unique_id=["a", "nobody", "a"], ds=["soon", "soon", "2024-01-15"], y=[1, -2, "many"]
    )
    with pytest.raises(TableError) as caught:
        validate(sales)
    told = [(one.column, list(one.rows)) for one in caught.value.offenses]
    assert told == [("unique_id", [1]), ("ds", [0]), ("y", [2])]
    blocks = [line for line in str(caught.value).splitlines() if line.startswith("sales: ")]
    assert blocks == [
        "sales: unique_id is not among the items",
        "sales: ds is not a date",
        "sales: y is not a number",
    ]


def test_what_bad_rows_hide_is_unknown_by_rows_of_its_own() -> None:
    sales = pd.concat([SALES, SALES.iloc[[2]].assign(ds=pd.Timestamp("2024-01-22"))])
    sales = sales.assign(y=[2.0, np.nan, 3.0, 4.0])
    ids = item_lives(IDS, pd.Series([pd.Timestamp("2024-01-08")] * 2))
    sieved = Sieved.read(sales, ids, freq="W-MON", columns=Columns(), rules=SalesRules())
    with pytest.raises(TableError, match="y is missing"):
        sieved.clean()
    kept = sieved.kept().panel()
    np.testing.assert_array_equal(kept.units, [[2, 3, 4], [np.nan, 0, 0]])


def test_a_row_that_another_rule_refuses_repeats_nothing() -> None:
    sales = pd.concat([SALES, SALES.iloc[[2]].assign(y=np.inf)])
    ids = item_lives(IDS, pd.Series([pd.NaT] * 2))
    sieved = Sieved.read(sales, ids, freq="W-MON", columns=Columns(), rules=SalesRules())
    assert [one.column for one in sieved.offenses] == ["y"]
    assert sieved.kept().panel().units[0].tolist() == [2, 3]  # what the good row says


@pytest.mark.parametrize("cutoff", [pd.NaT, float("nan"), "", " ", "nan", "NaT"])
def test_an_empty_cutoff_is_refused(cutoff: object) -> None:
    made = Sales.read(SALES, item_lives(IDS, pd.Series([pd.NaT] * 2)), freq="W-MON")
    with pytest.raises(InputError, match="cutoff: the date is empty"):
        made.panel(cutoff)
    with pytest.raises(InputError, match="observed_until: the date is empty"):
        made.last_told(cutoff)


@pytest.mark.parametrize("freq", ["W-MON", "4W-MON", "MS", "2MS", "QS"])
def test_last_days_of_periods_name_them(freq: str) -> None:
    first = pd.date_range("2024-01-01", periods=5, freq=freq)
    last = first.shift(1) - pd.Timedelta(days=1)
    lives = item_lives(IDS, pd.Series([first[2], pd.NaT]))

    def of(dates: pd.DatetimeIndex) -> Sales:
        table = pd.DataFrame({"unique_id": "b", "ds": dates, "y": [1.0, 2, 3, 4, 5]})
        return Sales.read(table, lives, freq=freq)

    assert of(last).grid == of(first).grid
    assert of(last).panel().launch.tolist() == of(first).panel().launch.tolist()
    np.testing.assert_array_equal(of(last).panel().units, of(first).panel().units)
    with pytest.raises(TableError, match=r"ds is not on the grid of .*\n"):
        of(last[:-1].append(first[[4]]))


def test_another_day_of_the_week_is_refused_with_what_to_write() -> None:
    wednesdays = SALES.assign(ds=SALES["ds"] + pd.Timedelta(days=2))
    with pytest.raises(TableError, match=r"are Wednesdays: write freq='W-WED' .* freq='W-THU'"):
        validate(wednesdays)


def test_observed_units_are_exact() -> None:
    made = Sales.read(
        SALES.assign(y=[123_456_789.0, 7.1, 3.0]),
        item_lives(IDS, pd.Series([pd.Timestamp("2024-01-08")] * 2)),
        freq="W-MON",
    )
    with pytest.warns(ForecastWarning, match=r"beyond reason.*; it is taken as told\n  row 1"):
        seen = made.so_far()
    assert seen is not None
    assert seen.curves(2)[:, 0].tolist() == [123_456_789.0, 7.1]

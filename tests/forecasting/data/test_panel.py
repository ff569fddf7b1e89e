import dataclasses
import datetime as dt
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, strategies as st

from forecasting.checks import telling
from forecasting.data.columns import Columns, SalesRules
from forecasting.data.items import item_lives
from forecasting.data.panel import NEVER, Grid, Panel
from forecasting.data.sales import Sales
from retrieval import InputError, TableError

ITEMS = pd.DataFrame(
    {
        "id": ["new", "old", "later", "unsold"],
        "launch": pd.to_datetime(["2024-01-10", None, "2024-02-05", None]),
    }
)
SALES = pd.DataFrame(
    {
        "unique_id": ["old", "new", "old", "new", "later"],
        "ds": pd.to_datetime(
            ["2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29", "2024-02-05"]
        ),
        "y": [2.0, 5.0, 3.0, 1.0, 9.0],
    }
)
START = pd.Timestamp("2024-01-01")
LAUNCHES = {"a": None, "b": 16, "c": None}  # days after START
ORIGINS = {
    "D": START,
    "W-MON": START,
    "W-SUN": pd.Timestamp("2024-01-07"),
    "MS": START,
}
AS_TOLD = {"returns": "net", "repeats": "sum", "in_stock": "ok", "before_launch": "drop"}


def build_panel(sales, ids, launch, *, freq, cutoff=None, delisted=None, **options):
    names = {name: options.pop(name) for name in list(options) if name in vars(Columns())}
    made = Sales.read(
        sales,
        item_lives(ids, launch, delisted),
        freq=freq,
        columns=Columns(**names),
        rules=SalesRules(**options),
    )
    return made.panel(cutoff)


def panel(sales=SALES, items=ITEMS, **options):
    return build_panel(sales, items["id"], items["launch"], freq="W-MON", **options)


def row(made, item):
    return made.units[made.ids.tolist().index(item)]


def change(column, at, value):
    """SALES with one value changed; rows are counted from 0."""
    return SALES.assign(**{column: SALES[column].where(SALES.index != at, value)})


def only(*cells):
    """Sales of one item without launch date, as (date, units) or (date, units, in stock)."""
    sales = pd.DataFrame([("old", *cell) for cell in cells])
    sales.columns = ["unique_id", "ds", "y", "ok"][: sales.shape[1]]
    return sales.assign(ds=pd.to_datetime(sales["ds"], format="ISO8601"))


def receipts(rows):
    """A table of (item, day, units, in stock)."""
    table = pd.DataFrame(rows, columns=["unique_id", "ds", "y", "ok"])
    return table.assign(ds=START + pd.to_timedelta(table["ds"], unit="D"))


def told(sales, cutoff=None, **options):
    """The panel of receipts by the rules of AS_TOLD."""
    ids = pd.Series(list(LAUNCHES))
    launch = pd.Series([day and START + pd.Timedelta(days=day) for day in LAUNCHES.values()])
    with telling():  # some are not plausible
        return build_panel(sales, ids, launch, freq="W-MON", cutoff=cutoff, **(AS_TOLD | options))


def assert_same(one, other):
    assert one.grid == other.grid
    for name in (f.name for f in dataclasses.fields(Panel) if f.name != "grid"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def tables(units, days=60):
    """Rows for `receipts`; one sale is always the first, so that all tables begin alike."""
    one = st.tuples(
        st.sampled_from(list(LAUNCHES)),
        st.integers(0, days),
        units,
        st.sampled_from([True, False, None]),
    )
    return st.lists(one, max_size=40).map(lambda rows: [SOLD_FIRST, *rows])


SOLD_FIRST = ("a", 0, 1, True)
ROWS = tables(st.integers(-9, 9))
ROUGH = tables(st.sampled_from([-1e17, -0.1, 0.1, 1.0, 1e17]), days=7)  # sums depend on the order


def test_zeros_after_launch_and_nothing_before():
    made = panel(cutoff="2024-01-29")
    assert made.ids.tolist() == ["new", "old"]  # neither launched later nor never sold
    assert made.launch.tolist() == [0, NEVER]  # Wednesday the 10th lies in the week of the 8th
    np.testing.assert_array_equal(made.units, [[0, 5, 0, 1], [2, 0, 3, 0]])


def test_an_item_without_launch_date_is_visible_from_its_first_sale():
    late = SALES.assign(ds=SALES["ds"].where(SALES.index != 0, SALES["ds"][2]), y=[2, 5, 3, 1, 9])
    made = panel(late.drop(index=0))
    assert made.visible[made.ids.tolist().index("old")] == 1
    assert np.isnan(row(made, "old")[0])


def test_curves_are_aligned_to_launch_and_end_with_the_panel():
    made = panel()
    curves = dict(zip(made.ids, made.curves(3), strict=True))
    np.testing.assert_array_equal(curves["new"], [0, 5, 0])
    np.testing.assert_array_equal(curves["later"], [9, np.nan, np.nan])
    assert np.isnan(curves["old"]).all()


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 30)),
        st.integers(0, 50),
        min_size=1,
    ).filter(lambda cells: any(cells.values()))
)
def test_no_unit_is_lost_or_made(cells):
    start = pd.Timestamp("2023-12-25")
    sales = pd.DataFrame(
        [(item, start + pd.Timedelta(weeks=week), y) for (item, week), y in cells.items()],
        columns=["unique_id", "ds", "y"],
    )
    items = pd.DataFrame({"id": ["a", "b"], "launch": pd.to_datetime([None, None])})
    made = panel(sales, items)
    assert np.nansum(made.units) == sum(cells.values())
    assert (np.isnan(made.units) == (np.arange(made.end + 1) < made.visible[:, None])).all()


@given(ROWS, st.sampled_from(["net", "drop"]))
def test_the_rules_together_say_what_each_says_alone(rows, returns):
    cells = defaultdict(list)
    for item, day, units, ok in rows:
        launched = LAUNCHES[item] is None or day // 7 >= LAUNCHES[item] // 7
        if launched and (ok is False or returns == "net" or units >= 0):
            cells[item, day // 7].append(np.nan if ok is False else units)
    made = told(receipts(rows), returns=returns)
    assume(made.end == max(week for _, week in cells))  # else the last one is told in part
    for item, units in zip(made.ids, made.units, strict=True):
        want = [max(sum(sorted(cells[item, week])), 0) for week in range(made.end + 1)]
        begun = [LAUNCHES[item] // 7] if LAUNCHES[item] else np.flatnonzero(np.array(want) > 0)
        want[: begun[0]] = [np.nan] * begun[0]
        np.testing.assert_array_equal(units, np.array(want, dtype=np.float64))


@given(st.permutations(range(len(SALES))), st.permutations(range(len(ITEMS))))
def test_row_order_changes_nothing(sales_order, items_order):
    assert_same(panel(SALES.iloc[sales_order], ITEMS.iloc[items_order]), panel())


@given(ROUGH, st.randoms())
def test_the_order_of_receipts_changes_nothing_to_the_last_bit(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert_same(told(receipts(shuffled)), told(receipts(rows)))


def test_sums_do_not_depend_on_the_order_of_rows():
    sold = [1e17, 1.0, -1e17]  # 0 or 1, as they come
    sums = {
        told(receipts([SOLD_FIRST, *(("a", 7, sold[at], True) for at in order)])).units[0, 1]
        for order in [(0, 1, 2), (0, 2, 1), (1, 0, 2)]
    }
    assert len(sums) == 1


def test_the_cutoff_hides_what_comes_after():
    changed = SALES.assign(y=SALES["y"].where(SALES["ds"] <= "2024-01-22", 77.0))
    assert_same(panel(cutoff="2024-01-22"), panel(changed, cutoff="2024-01-22"))


@given(ROWS, ROWS, st.integers(0, 60))
def test_nothing_after_the_cutoff_changes_the_panel(rows, noise, day):
    """Neither other units or stock flags, nor more rows or fewer."""
    after = (day // 7 + 1) * 7
    past = [one for one in rows if one[1] < after]
    future = [(item, after + later, units, ok) for item, later, units, ok in noise]
    cutoff = START + pd.Timedelta(days=day)
    known = told(receipts(past), cutoff)
    assert_same(told(receipts(rows), cutoff), known)
    assert_same(told(receipts(future + past), cutoff), known)


def test_rows_after_the_cutoff_are_still_checked():
    with pytest.raises(TableError, match=r"y is negative\s+row 5"):
        panel(change("y", 4, -9.0), cutoff="2024-01-22")


def test_a_cutoff_after_the_table_does_not_make_zeros_of_the_unknown():
    assert panel(cutoff="2030-01-07").end == panel().end


def test_a_cutoff_before_all_sales_is_refused():
    with pytest.raises(InputError, match="before the first sale, 2024-01-08"):
        panel(cutoff="2023-01-02")


def test_column_names_are_arguments():
    renamed = SALES.rename(columns={"unique_id": "sku", "ds": "week", "y": "units"})
    made = panel(renamed, id_col="sku", time_col="week", target_col="units")
    np.testing.assert_array_equal(made.units, panel().units)


def test_an_unknown_choice_is_answered_with_what_there_is():
    with pytest.raises(InputError, match="unknown before_launch 'keep'; there are: refuse, drop"):
        panel(before_launch="keep")


def test_a_period_without_a_row_is_zero_and_one_out_of_stock_is_unknown():
    sales = only(("2024-01-08", 2, True), ("2024-01-22", 7, False), ("2024-02-05", 3, True))
    made = panel(sales, in_stock="ok")
    np.testing.assert_array_equal(row(made, "old"), [2, 0, np.nan, 0, 3])


def test_returns_are_subtracted_inside_their_period_or_left_out():
    sales = only(("2024-01-08", 5), ("2024-01-09", -2), ("2024-01-15", -4), ("2024-01-22", 1))
    net = panel(sales, returns="net", repeats="sum")
    np.testing.assert_array_equal(row(net, "old"), [3, 0, 1])  # the first week keeps its 3
    gross = panel(sales, returns="drop", repeats="sum")
    np.testing.assert_array_equal(row(gross, "old"), [5, 0, 1])


def test_a_period_of_returns_only_is_zero_and_no_first_sale():
    sales = only(("2024-01-08", -2), ("2024-01-15", 4))
    made = panel(sales, returns="net")
    np.testing.assert_array_equal(row(made, "old"), [np.nan, 4])
    np.testing.assert_array_equal(row(panel(sales, returns="drop"), "old"), [4])


@pytest.mark.parametrize("cutoff", [None, "2024-01-15", "2024-01-18", "2024-01-21"])
def test_receipts_make_the_panel_of_the_weeks_they_fall_into(cutoff):
    days = [("2024-01-08", 1), ("2024-01-14", 2), ("2024-01-15", 4), ("2024-01-21 23:59", 8)]
    weeks = only(("2024-01-08", 3), ("2024-01-15", 12))
    daily = panel(only(*days), repeats="sum", cutoff=cutoff)
    assert_same(daily, panel(weeks, cutoff=cutoff))


def test_a_first_receipt_inside_its_month_begins_with_the_month():
    sales = only(("2024-01-17", 1), ("2024-01-31", 2), ("2024-02-01", 4))
    made = build_panel(sales, ITEMS["id"], ITEMS["launch"], freq="MS", repeats="sum")
    assert made.grid.origin == pd.Timestamp("2024-01-01")
    np.testing.assert_array_equal(row(made, "old"), [3, 4])


def test_dates_with_a_zone_are_local_days_everywhere():
    zone = "Europe/Berlin"
    # In UTC each of these lies one day, and so one week, earlier.
    sales = SALES.assign(ds=(SALES["ds"] + pd.Timedelta(minutes=30)).dt.tz_localize(zone))
    launch = pd.Series(pd.to_datetime(["2024-01-15", None, None, None]))
    gone = pd.Series(pd.to_datetime([None, "2024-01-22", None, None]))
    cutoff = pd.Timestamp("2024-01-29")
    local = [
        (dates + pd.Timedelta(minutes=30)).dt.tz_localize(zone) for dates in (launch, gone)
    ] + [(cutoff + pd.Timedelta(minutes=30)).tz_localize(zone)]
    made = build_panel(
        sales,
        ITEMS["id"],
        local[0],
        freq="W-MON",
        delisted=local[1],
        cutoff=local[2],
        repeats="sum",
    )
    plain = build_panel(SALES, ITEMS["id"], launch, freq="W-MON", delisted=gone, cutoff=cutoff)
    assert_same(made, plain)
    assert made.delisted.tolist() == [NEVER, 2]


def test_one_row_out_of_stock_makes_its_whole_period_unknown():
    sales = only(
        ("2024-01-08", 9, True),
        ("2024-01-15", 2, True),
        ("2024-01-17", np.nan, False),
        ("2024-01-22", 4, None),
    )
    made = panel(sales.astype({"ok": object}), in_stock="ok", repeats="sum")
    np.testing.assert_array_equal(row(made, "old"), [9, np.nan, 4])


def test_a_row_out_of_stock_is_not_a_first_sale():
    sales = only(("2024-01-08", 9, False), ("2024-01-15", 0, True), ("2024-01-22", 4, True))
    made = panel(sales, in_stock="ok")
    assert dict(zip(made.ids, made.visible, strict=True)) == {"new": 0, "old": 2}
    np.testing.assert_array_equal(row(made, "old"), [np.nan, np.nan, 4])


def test_curves_are_unknown_where_the_units_are():
    sales = SALES.assign(ok=SALES["ds"] != "2024-01-15")  # new, launched the week before
    gone = pd.Series(pd.to_datetime(["2024-01-23", None, None, None]))
    made = panel(sales.drop(index=3), in_stock="ok", delisted=gone)
    assert made.ids.tolist() == ["later", "new", "old"]
    np.testing.assert_array_equal(made.curves(4)[1], [0, np.nan, 0, np.nan])


@pytest.mark.parametrize("freq", ["2W-MON", "4W-MON", "2MS", "28D", "2QS"])
@pytest.mark.parametrize("old", [None, "2022-11-15", "2022-12-05", "2022-12-26"])
def test_periods_of_several_units_begin_with_the_table_whatever_was_launched_before(freq, old):
    days = pd.date_range("2024-01-01", periods=8, freq=freq)
    sales = pd.DataFrame({"unique_id": "a", "ds": days, "y": np.arange(1.0, 9)})
    ids, launch = pd.Series(["a", "b"]), pd.Series([old and pd.Timestamp(old), days[6]])
    made = build_panel(sales, ids, launch.astype("datetime64[ns]"), freq=freq)
    np.testing.assert_array_equal(made.units[0], np.arange(1.0, 9))
    assert made.launch[1] == 6
    grid, periods = made.grid, np.arange(-30, 30)
    np.testing.assert_array_equal(grid.index(grid.dates(periods)), periods)
    np.testing.assert_array_equal(
        grid.index(grid.dates(periods + 1) - pd.Timedelta(days=1)), periods
    )


@pytest.mark.parametrize(
    ("freq", "date", "share"),
    [
        ("W-MON", "2024-01-08", 1.0),
        ("W-MON", "2024-01-12", 3 / 7),
        ("W-MON", "2024-01-14 18:00", 1 / 7),
        ("W-MON", "2023-12-31", 1 / 7),  # before the first period
        ("W-SUN", "2024-01-14", 1.0),
        ("W-SUN", "2024-01-13", 1 / 7),
        ("D", "2024-01-12 18:00", 1.0),
        ("MS", "2024-02-01", 1.0),
        ("MS", "2024-02-15", 15 / 29),
        ("MS", "2023-02-28", 1 / 28),
        ("MS", None, 1.0),
    ],
)
def test_the_first_share_is_what_launch_leaves_of_its_period(freq, date, share):
    grid = Grid(freq, ORIGINS[freq])
    assert grid.first_share(pd.DatetimeIndex([date])).tolist() == pytest.approx([share])


@given(st.dates(dt.date(1950, 1, 1), dt.date(2100, 1, 1)), st.sampled_from(list(ORIGINS)))
def test_the_first_share_counts_the_days_that_lie_in_the_same_period(date, freq):
    grid = Grid(freq, ORIGINS[freq])
    near = pd.Timestamp(date) + pd.to_timedelta(np.arange(-31, 32), unit="D")
    period = grid.index(near)
    same = period == period[31]
    share = grid.first_share(near[31:32])[0]
    assert share == pytest.approx(same[31:].sum() / same.sum())


def test_the_panel_knows_the_first_share_of_its_launches():
    made = panel()
    shares = dict(zip(made.ids, made.first_share, strict=True))
    assert shares == {"new": 5 / 7, "old": 1.0, "later": 1.0}  # a Wednesday, unknown, a Monday


def test_after_delisting_an_item_is_unknown_not_zero():
    gone = pd.Series(pd.to_datetime([None, "2024-01-25", None, None]))
    made = panel(delisted=gone)
    assert dict(zip(made.ids, made.delisted, strict=True)) == {
        "new": NEVER,
        "old": 2,
        "later": NEVER,
    }
    np.testing.assert_array_equal(row(made, "old"), [2, 0, 3, np.nan, np.nan])
    np.testing.assert_array_equal(row(made, "new"), row(panel(), "new"))


@pytest.mark.parametrize("gone", ["2024-01-29", "2024-02-06", "9999-12-31", None])
def test_a_delisting_to_come_is_not_known_at_the_cutoff(gone):
    delisted = pd.Series([None, gone, None, None], dtype=object)
    made = panel(delisted=delisted, cutoff="2024-01-22")
    assert made.delisted.tolist() == [NEVER, NEVER]
    assert_same(made, panel(cutoff="2024-01-22"))


def test_an_item_delisted_before_the_table_begins_is_unknown_throughout():
    items = ITEMS.assign(launch=pd.to_datetime(["2024-01-10", None, "2024-02-05", "2023-06-01"]))
    gone = pd.Series(pd.to_datetime([None, None, None, "2023-12-01"]))
    made = panel(items=items, delisted=gone)
    assert np.isnan(row(made, "unsold")).all()


def test_sales_after_delisting_are_refused_and_returns_or_zeros_are_not():
    gone = pd.Series(pd.to_datetime([None, "2024-01-18", None, None]))
    with pytest.raises(TableError, match=r"after the item's delisting date\s+row 3: .*'old'"):
        panel(delisted=gone)
    for units in (0.0, -3.0):
        made = panel(change("y", 2, units), delisted=gone, returns="net")
        np.testing.assert_array_equal(row(made, "old"), [2, 0, np.nan, np.nan, np.nan])


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (
            ["2024-01-09", None, None, None],
            r"items: delisted before launch\s+row 1: id='new', launch=2024-01-10",
        ),
        ([None, "some day", None, None], r"items: delisting date is not a date\s+row 2: .*'old'"),
    ],
)
def test_delisting_dates_that_cannot_be_name_the_item(gone, message):
    with pytest.raises(TableError, match=message):
        panel(delisted=pd.Series(gone, dtype=object))


def test_sales_before_the_launch_are_refused_or_left_out():
    early = change("ds", 4, SALES["ds"][0])
    with pytest.raises(
        TableError,
        match=r"before the item's launch date\s+row 5: unique_id='later', ds=2024-01-08"
        r"(.*\n)+.*before_launch=\"drop\"",
    ):
        panel(early)
    assert_same(panel(early, before_launch="drop"), panel(SALES.drop(index=4)))


def test_a_relaunched_item_counts_from_its_latest_launch():
    sales = pd.concat([SALES, only(("2023-06-05", 50)).assign(unique_id="new")])
    made = panel(sales, before_launch="drop")
    assert_same(made, panel())  # the table, too, begins where it did
    np.testing.assert_array_equal(made.curves(4)[1], [0, 5, 0, 1])


def test_a_table_of_earlier_lives_only_has_nothing_left():
    with pytest.raises(TableError, match="no row is left"):
        panel(only(("2023-06-05", 50)).assign(unique_id="new"), before_launch="drop")


def test_what_holds_for_all_items_may_be_given_once():
    plain = panel()
    made = Panel(plain.ids, plain.grid, plain.units, plain.visible, plain.launch)
    assert made.first_share.tolist() == [1.0, 1.0, 1.0]
    assert made.delisted.tolist() == [NEVER] * 3

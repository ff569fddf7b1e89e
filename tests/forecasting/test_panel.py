import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.panel import NEVER, build_panel
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


def panel(sales=SALES, items=ITEMS, **options):
    return build_panel(sales, items["id"], items["launch"], freq="W-MON", **options)


def test_zeros_after_launch_and_nothing_before():
    made = panel(cutoff="2024-01-29")
    assert made.ids.tolist() == ["new", "old"]  # neither launched later nor never sold
    assert made.launch.tolist() == [0, NEVER]  # Wednesday the 10th lies in the week of the 8th
    np.testing.assert_array_equal(made.units, [[0, 5, 0, 1], [2, 0, 3, 0]])


def test_an_item_without_launch_date_is_visible_from_its_first_sale():
    late = SALES.assign(ds=SALES["ds"].where(SALES.index != 0, SALES["ds"][2]), y=[2, 5, 3, 1, 9])
    made = panel(late.drop(index=0))
    assert made.visible[made.ids.tolist().index("old")] == 1
    assert np.isnan(made.units[made.ids.tolist().index("old"), 0])


def test_curves_are_aligned_to_launch_and_end_with_the_panel():
    made = panel()
    curves = dict(zip(made.ids, made.curves(3), strict=True))
    np.testing.assert_array_equal(curves["new"], [0, 5, 0])
    np.testing.assert_array_equal(curves["later"], [9, np.nan, np.nan])
    assert np.isnan(curves["old"]).all()


def test_the_cutoff_hides_what_comes_after():
    changed = SALES.assign(y=SALES["y"].where(SALES["ds"] <= "2024-01-22", 77.0))
    np.testing.assert_array_equal(
        panel(cutoff="2024-01-22").units, panel(changed, cutoff="2024-01-22").units
    )


@given(st.permutations(range(len(SALES))), st.permutations(range(len(ITEMS))))
def test_row_order_changes_nothing(sales_order, items_order):
    shuffled = panel(SALES.iloc[sales_order], ITEMS.iloc[items_order])
    assert shuffled.ids.tolist() == panel().ids.tolist()
    np.testing.assert_array_equal(shuffled.units, panel().units)
    np.testing.assert_array_equal(shuffled.launch, panel().launch)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.drop(columns="y"), r"no column 'y'; the table has unique_id, ds"),
        (lambda s: s.iloc[:0], "no rows"),
        (
            lambda s: s.assign(y=s["y"].where(s.index != 1)),
            r"y is missing\s+row 2: unique_id='new'",
        ),
        (lambda s: s.assign(y=-s["y"]), r"y is negative\s+row 1"),
        (lambda s: s.assign(y="many"), "y must be numeric"),
        (lambda s: pd.concat([s, s.iloc[[2]]]), r"\(unique_id, ds\) repeats\s+row 6"),
        (lambda s: s.assign(ds=s["ds"] + pd.Timedelta(days=1)), "not on the grid of 'W-MON'"),
        (lambda s: s.assign(ds="soon"), "ds is not a date"),
        (lambda s: s.assign(unique_id="x" + s["unique_id"]), "unique_id is not among the items"),
        (
            lambda s: s.assign(ds=s["ds"].where(s.index != 4, s["ds"][0])),
            r"before the item's launch date\s+row 5: unique_id='later', ds=2024-01-08",
        ),
    ],
)
def test_bad_sales_name_rule_and_row(change, message):
    with pytest.raises(TableError, match=message):
        panel(change(SALES))


def test_a_cutoff_after_the_table_does_not_make_zeros_of_the_unknown():
    assert panel(cutoff="2030-01-07").end == panel().end


def test_a_cutoff_before_all_sales_is_refused():
    with pytest.raises(InputError, match="before the first sale, 2024-01-08"):
        panel(cutoff="2023-01-02")


def test_column_names_are_arguments():
    renamed = SALES.rename(columns={"unique_id": "sku", "ds": "week", "y": "units"})
    made = panel(renamed, id_col="sku", time_col="week", target_col="units")
    np.testing.assert_array_equal(made.units, panel().units)

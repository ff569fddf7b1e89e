import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from forecasting.checks import ForecastWarning, telling
from forecasting.data.columns import Columns, SalesRules
from forecasting.data.items import item_lives
from forecasting.data.panel import NEVER, Grid, Panel
from forecasting.data.plausibility import beyond_reason, is_told_in_part, launch_doubts
from forecasting.data.sales import Sales
from retrieval import InputError

WEEKS = pd.date_range("2023-01-02", periods=26, freq="W-MON")
BARCODE = 4_006_381_333_931.0


def market(items: int = 12, seed: int = 0) -> pd.DataFrame:
    """Weekly sales of a few items, the first one the best seller by far."""
    rng = np.random.default_rng(seed)
    level = np.array([500.0, *np.full(items - 1, 6.0)])
    units = rng.poisson(level[:, None], (items, len(WEEKS))).astype(float)
    return pd.DataFrame(units, index=[f"i{number:02}" for number in range(items)], columns=WEEKS)


def rows(units: pd.DataFrame) -> pd.DataFrame:
    table = units.stack().reset_index()
    table.columns = ["unique_id", "ds", "y"]
    return table


def read(table: pd.DataFrame, freq: str = "W-MON", in_stock: str | None = None) -> Sales:
    ids = pd.Series(sorted(table["unique_id"].unique()))
    lives = item_lives(ids, pd.Series(pd.NaT, index=ids.index))
    rules, columns = SalesRules(repeats="sum"), Columns(in_stock=in_stock)
    return Sales.read(table, lives, freq=freq, rules=rules, columns=columns)


# --- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [False, True])
def test_a_barcode_among_the_units_is_unknown_and_named(flags: bool) -> None:
    units = market()
    units.loc["i03", WEEKS[4]] = BARCODE
    table = rows(units)
    at = int(table.index[table["y"] == BARCODE][0])
    sales = read(table.assign(ok=np.nan), in_stock="ok" if flags else None)
    with pytest.warns(ForecastWarning, match=rf"beyond reason(.*\n.*)row {at + 1}: .*'i03'"):
        made = sales.panel()
    assert np.argwhere(np.isnan(made.units)).tolist() == [[3, 4]]


@given(st.floats(1e-6, 1e6), st.integers(0, 9))
def test_the_scale_of_units_does_not_matter(scale: float, seed: int) -> None:
    units = market(seed=seed).to_numpy(copy=True)
    units[3, 4] = 400 * np.median(units[0])
    units[5, 6] = 200 * np.median(units[0])  # a bulk order, if a large one
    found = beyond_reason(units * scale)
    assert list(zip(found.item, found.period, strict=True)) == [(3, 4)]


def test_best_sellers_promotions_and_first_weeks_are_within_reason() -> None:
    units = market().to_numpy(copy=True)
    units[3, 4] *= 100  # a promotion
    units = np.vstack([units, np.full((2, len(WEEKS)), np.nan)])
    units[-2, 10:] = 90_000 * np.exp(-np.arange(len(WEEKS) - 10) / 2)  # a film, and its fans
    units[-1, -1] = 400_000  # and the next one, in its first week
    assert not len(beyond_reason(units).item)


def test_what_comes_later_changes_no_verdict() -> None:
    units = market()
    units.loc["i03", WEEKS[4]] = BARCODE
    later = units.copy()
    later.loc[:, WEEKS[20] :] = BARCODE
    with telling():
        before, after = (read(rows(one)).panel(WEEKS[19]) for one in (units, later))
    np.testing.assert_array_equal(before.units, after.units)


# --- a part of a period ---------------------------------------------------------------------------


def receipts(days: pd.DatetimeIndex) -> pd.DataFrame:
    table = pd.DataFrame({"unique_id": "a", "ds": days, "y": 1.0})
    return pd.concat([table, table.assign(unique_id="b")])


@pytest.mark.parametrize("freq", ["W-MON", "MS", "2W-MON"])
def test_receipts_that_end_inside_a_period_tell_a_part_of_it(freq: str) -> None:
    days = pd.date_range("2023-01-02", "2023-07-12")
    with pytest.warns(ForecastWarning, match="told in part only, its rows end on 2023-07-12"):
        made = read(receipts(days), freq).panel()
    end = made.grid.dates(np.array([made.end + 1]))[0]
    assert end <= pd.Timestamp("2023-07-12") < made.grid.dates(np.array([made.end + 2]))[0]
    whole = read(receipts(days), freq).panel(end - pd.Timedelta(days=1))
    np.testing.assert_array_equal(made.units, whole.units)


@pytest.mark.parametrize(
    "days",
    [
        pd.date_range("2023-01-02", "2023-07-16"),
        pd.bdate_range("2023-01-02", "2023-07-15", freq="C", weekmask="Mon Tue Wed Thu Fri Sat"),
        pd.date_range("2023-01-02", "2023-07-10", freq="W-MON"),
        pd.date_range("2023-01-04", "2023-07-12", freq="W-WED"),
        pd.date_range("2023-01-02", "2023-07-12", freq="11D"),
    ],
)
def test_whole_weeks_closed_days_and_few_rows_are_no_part(days: pd.DatetimeIndex) -> None:
    grid = Grid("W-MON", pd.Timestamp("2023-01-02"))
    assert not is_told_in_part(days, grid, int(grid.index(days[-1:])[0]))


# --- launches -------------------------------------------------------------------------------------


def launched(after: int, chance: float = 1.0, n: int = 30) -> Panel:
    """Launches that begin to sell so many weeks after their date, and then in a share of weeks."""
    rng = np.random.default_rng(1)
    launch = np.arange(n) % 12
    age = np.arange(len(WEEKS))[None, :] - launch[:, None]
    sells = rng.random(age.shape) < chance
    units = np.where(age < 0, np.nan, np.where((age >= after) & sells, 5.0, 0.0))
    ids = np.array([f"l{number}" for number in range(n)], dtype=object)
    return Panel(ids, Grid("W-MON", WEEKS[0]), units, launch, launch)


def test_nothing_sold_at_age_0_is_told_with_what_to_write() -> None:
    (said,) = launch_doubts(launched(1))
    assert "nothing sold in the period of launch of any of 30 launches" in said
    assert "write freq='W-TUE'" in said


SUNDAYS = pd.date_range("2023-01-08", periods=26, freq="W-SUN")


def dated_by_last_days(
    launch_day: int, freq: str = "W-SUN", chance: float = 1.0, n: int = 30
) -> Panel:
    """Weeks from Monday to Sunday under the date of the Sunday; launches so many days into them."""
    rng = np.random.default_rng(2)
    week = np.arange(n) % 12
    sells = rng.random((n, len(SUNDAYS))) < chance
    ids = [f"l{number}" for number in range(n)]
    table = pd.DataFrame(
        {"unique_id": np.repeat(ids, 26), "ds": np.tile(SUNDAYS, n), "y": 5.0 * sells.ravel()}
    )
    table = table[(np.arange(26)[None, :] >= week[:, None]).ravel()]
    first_days = SUNDAYS[week] - pd.Timedelta(days=6)
    days = pd.Series(first_days + pd.Timedelta(days=launch_day))
    return Sales.read(table, item_lives(pd.Series(ids), days), freq=freq).panel()


@pytest.mark.parametrize(("day", "chance"), [(0, 1.0), (2, 1.0), (5, 1.0), (0, 0.6), (2, 0.8)])
def test_weeks_counted_from_their_last_days_are_refused_with_what_to_write(
    day: int, chance: float
) -> None:
    with pytest.raises(InputError, match="write freq='W-MON'; if weeks do begin on a Sunday"):
        launch_doubts(dated_by_last_days(day, chance=chance))
    assert launch_doubts(dated_by_last_days(day, "W-MON", chance)) == []


def test_a_few_launches_that_waited_a_week_are_told_and_not_refused() -> None:
    (said,) = launch_doubts(dated_by_last_days(2, n=9))
    assert "nothing sold in the period of launch of any of 8 launches" in said


def test_launches_on_the_last_day_itself_do_not_hide_the_others() -> None:
    made, late = dated_by_last_days(2), dated_by_last_days(6)
    both = Panel(
        np.concatenate([made.ids, [f"{name}-sunday" for name in late.ids]]),
        made.grid,
        np.concatenate([made.units, late.units]),
        *(
            np.concatenate([getattr(made, name), getattr(late, name)])
            for name in ("visible", "launch", "first_share")
        ),
    )
    assert launch_doubts(late) == []  # of a day's sales, as those of a week would be
    with pytest.raises(InputError, match="none of 27 launches sold anything"):
        launch_doubts(both)


def test_launch_dates_weeks_before_the_first_sale_are_told() -> None:
    said = launch_doubts(launched(5))
    assert any(
        "30 of 30 launch dates lie 2 periods or more before the first sale" in one for one in said
    )


@pytest.mark.parametrize("chance", [1.0, 0.5, 0.1])
def test_slow_sellers_and_good_dates_are_not_told(chance: float) -> None:
    assert launch_doubts(launched(0, chance)) == []


@pytest.mark.parametrize(
    ("rows_of", "freq", "said"),
    [
        ("W-WED", "D", "one of 7 periods, and never between: freq='D' .* such as 'W-WED'"),
        ("MS", "D", "one of 28 to 31 periods"),
        ("MS", "W-MON", "one of 4 to 5 periods"),
    ],
)
def test_periods_shorter_than_those_of_the_rows_are_told(
    rows_of: str, freq: str, said: str
) -> None:
    days = pd.date_range("2023-01-01", periods=12, freq=rows_of)
    table = pd.DataFrame({"unique_id": "a", "ds": days, "y": 3.0})
    (doubt,) = launch_doubts(read(table, freq).panel())
    assert re.search(said, doubt)


def test_items_that_sell_now_and_then_are_not_told() -> None:
    days = pd.DatetimeIndex(["2023-01-02", "2023-01-09", "2023-01-13", "2023-01-30", "2023-02-14"])
    table = pd.DataFrame({"unique_id": "a", "ds": days, "y": 1.0})
    assert launch_doubts(read(table, "D").panel()) == []


def test_items_without_a_launch_are_not_asked() -> None:
    made = launched(3)
    never = np.full(len(made.ids), NEVER)
    assert launch_doubts(Panel(made.ids, made.grid, made.units, made.visible, never)) == []

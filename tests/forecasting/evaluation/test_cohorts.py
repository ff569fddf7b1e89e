import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from forecasting.data.panel import NEVER, Grid, Panel
from forecasting.evaluation.cohorts import NOT_OVER, SALES_UNKNOWN, make_cohorts
from retrieval import InputError

HORIZON = 3
ORIGINS = {"W-MON": "2024-01-01", "W-SUN": "2023-12-31", "D": "2024-01-01", "MS": "2024-01-01"}


def panel(launch, freq="W-MON", periods=20, unknown=()):
    """One item a launch, which sells its number; some of it unknown."""
    launch = np.asarray(launch, dtype=np.int64)
    units = np.repeat(np.arange(len(launch))[:, None], periods, axis=1).astype(np.float32)
    units[np.arange(periods)[None, :] < launch[:, None]] = np.nan
    for item, period in unknown:
        units[item, period] = np.nan
    ids = np.array([f"i{n:02}" for n in range(len(launch))], dtype=object)
    return Panel(ids, Grid(freq, pd.Timestamp(ORIGINS[freq])), units, launch, launch)


def cohorts(made, **options):
    settings = {"cutoffs": None, "n_windows": None, "step": 4, "last": None} | options
    return make_cohorts(made, HORIZON, **settings)


def date(made, period):
    return made.grid.dates(np.array([period]))[0]


@pytest.mark.parametrize("freq", list(ORIGINS))
def test_windows_adjoin_and_end_with_the_last_launch_that_can_be_scored(freq):
    made = panel(range(20), freq)
    first, second = cohorts(made, n_windows=2, step=5)
    # 20 periods, horizon 3: the launch of period 17 is the last one whose horizon is over.
    assert (first.cutoff, second.cutoff) == (date(made, 7), date(made, 12))
    assert first.came.index.tolist() == [f"i{n:02}" for n in range(8, 13)]
    assert second.came.index.tolist() == [f"i{n:02}" for n in range(13, 18)]
    assert second.left_out["unique_id"].tolist() == ["i18", "i19"]
    assert set(second.left_out["reason"]) == {NOT_OVER}
    np.testing.assert_array_equal(second.came.loc["i14"], [14, 14, 14])


@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.integers(0, 19), min_size=1))
def test_every_launch_after_the_first_cutoff_is_scored_or_listed_once(n_windows, step, launches):
    made = panel([*range(20), *launches])  # no window is empty
    split = cohorts(made, n_windows=n_windows, step=step)
    begin = int(made.grid.index(pd.DatetimeIndex([split[0].cutoff]))[0])
    told = [one for part in split for one in (*part.came.index, *part.left_out["unique_id"])]
    assert sorted(told) == sorted(made.ids[made.launch > begin])
    assert len(split) == n_windows


def test_dates_within_a_period_mean_that_period():
    made = panel(range(20))
    monday, wednesday = "2024-02-05", pd.Timestamp("2024-02-07")
    (one,) = cohorts(made, cutoffs=[wednesday, monday])
    assert one.cutoff == pd.Timestamp(monday)


def test_what_is_unknown_cannot_be_scored_and_is_listed():
    made = panel([5, 6, 6], unknown=[(1, 7)])
    (one,) = cohorts(made, cutoffs=[date(made, 4)])
    assert one.came.index.tolist() == ["i00", "i02"]
    assert one.left_out.to_dict("records") == [{"unique_id": "i01", "reason": SALES_UNKNOWN}]


def test_launches_after_the_last_one_wanted_do_not_count():
    made = panel([*range(20), NEVER])
    (one,) = cohorts(made, cutoffs=[date(made, 4)], last=date(made, 6))
    assert one.came.index.tolist() == ["i05", "i06"]
    assert one.left_out.empty
    (window,) = cohorts(made, n_windows=1, last=date(made, 6))
    assert window.came.index.tolist() == ["i03", "i04", "i05", "i06"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"pass either cutoffs=\[...\].*or n_windows=.*got neither"),
        ({"cutoffs": ["2024-02-05"], "n_windows": 2}, "got both"),
        ({"cutoffs": []}, "cutoffs is empty"),
        ({"cutoffs": ["soon"]}, "cutoffs: 'soon' is not a date"),
        ({"cutoffs": [None]}, "cutoffs: the date is empty"),
        ({"cutoffs": ["2024-02-05"], "last": "later"}, "last: 'later' is not a date"),
        ({"n_windows": 0}, "n_windows must be at least 1, got 0"),
        ({"n_windows": 1, "step": 0}, "step must be at least 1, got 0"),
        ({"n_windows": 5}, "5 windows of 4 periods do not fit.* in 17 of 20 periods.* for 4"),
        ({"cutoffs": ["2024-05-13"]}, "no launch after it has 3 observed periods"),
        ({"cutoffs": ["2024-02-05"], "last": "2024-02-05"}, "no launch after it and by 2024-02-05"),
    ],
)
def test_what_cannot_be_done_is_refused_and_says_what_can(options, message):
    with pytest.raises(InputError, match=message):
        cohorts(panel(range(20)), **options)

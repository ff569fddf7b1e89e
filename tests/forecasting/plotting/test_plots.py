"""Pictures of a launch, from tables made by hand and from a real forecaster."""

import math
from collections.abc import Callable, Iterator

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from forecasting import LaunchForecaster
from forecasting.plotting.plots import plot_analogues, plot_forecast, plot_importance
from forecasting.plotting.style import ACCENT, INK, WARM, feature_text
from retrieval import InputError
from tests.forecasting.conftest import Slice

mpl.use("Agg")

WEEKS = pd.date_range("2017-11-27", periods=8, freq="W-MON")
MEDIAN = np.array([6.0, 4.0, 3.0, 3.0, 2.0, 2.0, 1.0, 0.0])


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    pyplot.close("all")


def _forecasts(item: str = "a", ds: pd.DatetimeIndex = WEEKS, first: int = 0) -> pd.DataFrame:
    median = MEDIAN[first : first + len(ds)]
    return pd.DataFrame(
        {
            "unique_id": item,
            "cutoff": pd.Timestamp("2017-11-20"),
            "ds": ds,
            "age": np.arange(first, first + len(ds)),
            "mean": median + 0.5,
            "0.1": median / 2,
            "0.25": median / 1.5,
            "0.5": median,
            "0.75": median + 1,
            "0.9": median + 4,
        }
    )


def _explained(item: str = "a") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unique_id": item,
            "analogue": ["i1", "i2", "i3", "l1", "l2", "l3"],
            "pool": ["incumbent"] * 3 + ["launch"] * 3,
            "similarity": [0.9, 0.8, np.nan, 0.95, 0.85, 0.75],
            "weight": [0.2, 0.7, 0.1, 0.6, 0.001, 0.399],
            "level": [1.25, 120.4, np.nan, 2.0, 0.0, 0.5],
            "curve": [None, None, None, [4.0, 2.0, 1.0], [8.0], [2.0, np.nan, 1.0, 1.0]],
        }
    )


def _contributions(item: str = "a", sign: float = 1.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unique_id": item,
            "feature": ["f0", "f1", "f2", "f3", "f4"],
            "name": ["siblings so far", "price", None, "brand", "lead"],
            "value": pd.Series([0.4321, 13118517, np.nan, "National", 0], dtype=object),
            "contribution": sign * np.array([0.1, -0.5, 0.2, np.nan, 0.05]),
        }
    )


def _lines(ax: Axes) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_ydata(), dtype=float) for line in ax.lines}


def _texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def _names(ax: Axes) -> list[str]:
    return [tick.get_text() for tick in ax.get_yticklabels()]


def _bars(ax: Axes) -> list[Rectangle]:
    return [bar for bar in ax.patches if isinstance(bar, Rectangle)]


def _draw(ax: Axes) -> None:
    """A warning of the layout comes only now, and is an error."""
    ax.figure.canvas.draw()


def test_a_forecast_is_a_fan_with_median_and_mean() -> None:
    ax = plot_forecast(_forecasts())
    _draw(ax)
    lines = _lines(ax)
    assert set(lines) == {"median", "mean"}
    assert lines["median"].tolist() == MEDIAN.tolist()
    assert lines["mean"].tolist() == (MEDIAN + 0.5).tolist()
    wide, narrow = ax.collections
    assert [wide.get_label(), narrow.get_label()] == ["80 % interval", "50 % interval"]
    assert wide.get_paths()[0].get_extents().y1 == 10
    assert narrow.get_paths()[0].get_extents().y1 == 7
    assert narrow.get_alpha() > wide.get_alpha()
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] == pytest.approx(10.8)
    assert ax.get_title(loc="left") == "a — 8 weeks, seen up to the week of 20 Nov 2017"
    assert ax.get_ylabel() == "units a week"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [
        "27 Nov\n2017",
        "4 Dec",
        "11 Dec",
        "18 Dec",
        "25 Dec",
        "1 Jan\n2018",
        "8 Jan",
        "15 Jan",
    ]


def test_what_came_is_drawn_where_the_forecast_and_the_sales_are() -> None:
    sales = pd.DataFrame(
        {
            "unique_id": ["a", "a", "a", "b"],
            "ds": [WEEKS[0] - pd.Timedelta(weeks=1), WEEKS[0], WEEKS[2], WEEKS[4]],
            "y": [99, 12, 1, 99],
        }
    )
    ax = plot_forecast(_forecasts(), actual=sales)
    # Weeks without a row are zeros as far as the table goes, and unknown after.
    assert _lines(ax)["what came"].tolist() == [12, 0, 1, 0, 0]
    assert ax.get_ylim()[1] == pytest.approx(1.08 * 12)


def test_weeks_known_before_stand_before_the_forecast() -> None:
    known = pd.DataFrame({"unique_id": "a", "ds": WEEKS[[0, 2]], "y": [5.0, 2.0]})
    ax = plot_forecast(_forecasts(ds=WEEKS[3:], first=3), observed=known, analogues=_explained())
    lines = {line.get_label(): line for line in ax.lines}
    before = lines["known before"]
    assert list(np.asarray(before.get_ydata())) == [5, 0, 2]
    assert list(np.asarray(before.get_xdata())) == list(WEEKS[:3].to_numpy())
    # Curves of like items begin at the launch, not at the forecast.
    curve = lines["like items' launches"]
    assert list(np.asarray(curve.get_xdata())) == list(WEEKS[:3].to_numpy())
    assert ax.get_title(loc="left").startswith("a — 5 weeks, ")
    assert ax.get_xticklabels()[0].get_text() == "27 Nov\n2017"


def test_launch_curves_lie_behind_the_forecast_the_heavier_the_darker() -> None:
    many = pd.concat([_explained()] + [_explained().query("analogue == 'l2'")] * 20)
    ax = plot_forecast(_forecasts(), analogues=many)
    curves = [line for line in ax.lines if line.get_zorder() == 1]
    assert len(curves) == 10
    assert list(np.asarray(curves[0].get_ydata())) == [4, 2, 1]
    strength = [line.get_alpha() for line in curves]
    assert strength[0] == pytest.approx(0.8)
    assert strength == sorted(strength, reverse=True)
    assert strength[1] > strength[2]
    legend = ax.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names.count("like items' launches") == 1


def test_a_curve_far_above_does_not_flatten_the_forecast() -> None:
    like = _explained().assign(curve=[None] * 3 + [[500.0, 300.0]] * 3)
    ax = plot_forecast(_forecasts(), analogues=like)
    assert ax.get_ylim()[1] == pytest.approx(1.08 * 16)


def test_one_period_and_no_number_can_be_drawn() -> None:
    ax = plot_forecast(_forecasts(ds=WEEKS[:1]), analogues=_explained())
    _draw(ax)
    assert ax.get_title(loc="left") == "a — 1 period, seen up to 20 Nov 2017"
    assert all(line.get_marker() != "None" for line in ax.lines if len(line.get_xdata()) == 1)
    blank = _forecasts().assign(mean=np.nan)[["unique_id", "cutoff", "ds", "age", "mean"]]
    ax = plot_forecast(blank)
    _draw(ax)
    assert ax.get_ylim() == (0, 1)


@pytest.mark.parametrize(
    ("freq", "unit", "first"),
    [("D", "day", "1 Jan\n2018"), ("MS", "month", "Jan\n2018"), ("QS", "quarter", "Jan\n2018")],
)
def test_periods_are_called_what_they_are(freq: str, unit: str, first: str) -> None:
    ds = pd.date_range("2018-01-01", periods=6, freq=freq)
    table = _forecasts(ds=ds[2:], first=2)
    known = pd.DataFrame({"unique_id": "a", "ds": ds[:2], "y": 1})
    ax = plot_forecast(table, observed=known)
    assert ax.get_ylabel() == f"units a {unit}"
    assert f" — 4 {unit}s, " in ax.get_title(loc="left")
    assert ax.get_xticklabels()[0].get_text() == first
    assert list(np.asarray(ax.lines[2].get_xdata())) == list(ds[:2].to_numpy())


def test_a_table_read_from_a_file_is_drawn_too() -> None:
    table = _forecasts("12").assign(unique_id=12)
    table[["ds", "cutoff"]] = table[["ds", "cutoff"]].astype(str)
    ax = plot_forecast(table, 12, actual=table.assign(y=1))
    assert _lines(ax)["what came"].tolist() == [1] * 8


def test_many_periods_have_few_dates() -> None:
    weeks = pd.date_range("2017-01-02", periods=60, freq="W-MON")
    table = pd.DataFrame(
        {"unique_id": "a", "cutoff": weeks[0], "ds": weeks, "age": range(60), "mean": 1.0}
    )
    assert len(plot_forecast(table).get_xticks()) <= 8


def test_analogues_are_bars_by_pool_the_heaviest_on_top() -> None:
    ax = plot_analogues(_explained())
    _draw(ax)
    assert _names(ax) == ["i2", "i1", "i3", "l1", "l3", "l2"]
    assert [bar.get_width() for bar in _bars(ax)] == [0.7, 0.2, 0.1, 0.6, 0.399, 0.001]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    texts = _texts(ax)
    assert texts[:4] == ["incumbents", "70 %", "0.80", "120"]
    assert texts.index("earlier launches") > texts.index("incumbents")
    assert "< 1 %" in texts
    assert texts.count("?") == 2, "a similarity and a level are not known"
    assert texts[-3:] == ["similarity", "sells", "launch, up to 8"]
    assert ax.get_title(loc="left") == "a — the items its forecast leans on, by weight"


def test_launch_curves_stand_beside_their_bars_on_one_scale() -> None:
    ax = plot_analogues(_explained())
    assert [len(line.get_xdata()) for line in ax.lines] == [3, 4, 1]
    bars = _bars(ax)
    for line, bar, highest in zip(ax.lines, bars[3:], (4.0, 2.0, 8.0), strict=True):
        assert min(np.asarray(line.get_xdata())) > bar.get_width()
        foot = bar.get_y() + bar.get_height() / 2 + 0.4
        assert foot - np.nanmin(np.asarray(line.get_ydata())) == pytest.approx(0.1 * highest)
    assert len(plot_analogues(_explained(), pool="incumbent").lines) == 0


def test_pools_take_turns_and_one_can_be_chosen() -> None:
    assert _names(plot_analogues(_explained(), most=4)) == ["i2", "i1", "l1", "l3"]
    alone = _explained().drop(index=[0, 2])
    assert _names(plot_analogues(alone, most=3)) == ["i2", "l1", "l3"]
    assert _names(plot_analogues(_explained(), pool="launch", most=2)) == ["l1", "l3"]
    four = _explained().assign(pool=["elsewhere", "sibling", "incumbent", "launch", "odd", "odd"])
    ax = plot_analogues(four)
    pools = [text for text in _texts(ax) if text.isalpha() or " launch" in text or "," in text]
    assert pools[:5] == [
        "incumbents",
        "earlier launches",
        "siblings, launched with it",
        "elsewhere",
        "odd",
    ]


def test_names_are_written_as_they_are_and_shortened() -> None:
    named = _explained().assign(name=["tea $5 ^ $6", "long " * 40, None, "b", "c", "d"])
    ax = plot_analogues(named, pool="incumbent")
    _draw(ax)
    names = _names(ax)
    assert names[1:] == ["tea $5 ^ $6", "i3"]
    assert names[0].startswith("long long")
    assert names[0].endswith("…")
    assert len(names[0]) <= 36


def test_weights_that_are_missing_weigh_nothing() -> None:
    ax = plot_analogues(_explained().assign(weight=np.nan, curve=None))
    _draw(ax)
    assert [bar.get_width() for bar in _bars(ax)] == [0.0] * 6
    assert "launch, up to 0" not in _texts(ax)


def test_one_items_features_are_steps_to_what_they_make_together() -> None:
    ax = plot_importance(_contributions(), most=2)
    _draw(ax)
    assert _names(ax) == ["price: 13,118,517", "f2: unknown", "everything else (3)", "all together"]
    widths = [bar.get_width() for bar in _bars(ax)]
    np.testing.assert_allclose(widths, [-0.5, 0.2, 0.15, -0.15])
    np.testing.assert_allclose([bar.get_x() for bar in _bars(ax)], [0, -0.5, -0.3, 0])
    factors = [math.exp(width) for width in widths]
    assert _texts(ax) == [f"×{factor:.2f}" for factor in factors]  # noqa: RUF001
    colors = [bar.get_facecolor()[:3] for bar in _bars(ax)]
    assert colors == [to_rgb(color) for color in (WARM, ACCENT, ACCENT, INK)]
    low, high = ax.get_xlim()
    assert low < -0.5
    assert high > 0
    assert ax.get_title(loc="left") == "a — what moves its forecast"


def test_few_features_leave_nothing_else() -> None:
    ax = plot_importance(_contributions())
    assert _names(ax) == [
        "price: 13,118,517",
        "f2: unknown",
        "siblings so far: 0.43",
        "lead: 0",
        "brand: National",
        "all together",
    ]
    _draw(plot_importance(_contributions().assign(contribution=0.0)))


def test_of_several_items_features_have_mean_factors_whatever_the_direction() -> None:
    both = pd.concat([_contributions(), _contributions("b", sign=-3.0)])
    ax = plot_importance(both, most=2)
    _draw(ax)
    assert _names(ax) == ["price", "f2", "everything else (3)"]
    np.testing.assert_allclose([bar.get_width() for bar in _bars(ax)], [1.0, 0.4, 0.3])
    assert _texts(ax) == ["×2.72", "×1.49", "×1.35"]  # noqa: RUF001
    assert ax.get_title(loc="left") == "What moves the forecasts of 2 items most"
    assert plot_importance(both, "b").get_title(loc="left") == "b — what moves its forecast"


def test_a_feature_that_one_item_lacks_moves_it_not_at_all() -> None:
    both = pd.concat([_contributions(), _contributions("b").query("feature != 'f1'")])
    widths = [bar.get_width() for bar in _bars(plot_importance(both, most=2))]
    np.testing.assert_allclose(widths[:2], [0.25, 0.2])


PLOTS: list[tuple[Callable[..., Axes], Callable[..., pd.DataFrame], str]] = [
    (plot_forecast, _forecasts, "forecasts"),
    (plot_analogues, _explained, "explained"),
    (plot_importance, _contributions, "contributions"),
]


@pytest.mark.parametrize(("plot", "table", "source"), PLOTS)
def test_a_picture_goes_where_it_is_told_and_changes_no_table(
    plot: Callable[..., Axes], table: Callable[..., pd.DataFrame], source: str
) -> None:
    figure, axes = pyplot.subplots(1, 2, figsize=(12, 4), layout="constrained")
    given = table()
    before = given.copy(deep=True)
    assert plot(given, "a", ax=axes[1]) is axes[1]
    figure.canvas.draw()
    assert pyplot.get_fignums() == [figure.number]
    assert axes[1].get_title(loc="left")
    assert not axes[0].has_data()
    pd.testing.assert_frame_equal(given, before)


@pytest.mark.parametrize(("plot", "table", "source"), PLOTS)
def test_what_cannot_be_drawn_is_said(
    plot: Callable[..., Axes], table: Callable[..., pd.DataFrame], source: str
) -> None:
    several = pd.concat([table(f"item {number}") for number in range(7)])
    some = r"item 0, item 1, item 2, item 3, item 4, \.\.\. and 2 more"
    with pytest.raises(InputError, match=f"{source}: unknown item 'x'; there are: {some}"):
        plot(several, "x")
    with pytest.raises(InputError, match=f"{source}: the table has no rows"):
        plot(table().head(0))
    last = table().columns[-1] if source != "forecasts" else "mean"
    with pytest.raises(InputError, match=f"missing column {last}; there are: unique_id, "):
        plot(table().drop(columns=last))
    with pytest.raises(InputError, match="expected a pandas DataFrame, got list"):
        plot([1, 2])
    assert pyplot.get_fignums() == [], "nothing is left of a picture that failed"


def test_an_item_is_named_where_there_are_several() -> None:
    for plot, table, _ in PLOTS[:2]:
        with pytest.raises(InputError, match="holds several items; name one of them: a, b"):
            plot(pd.concat([table(), table("b")]))


def test_rows_that_contradict_each_other_are_refused() -> None:
    twice = pd.concat([_forecasts(), _forecasts().assign(mean=9.0)])
    with pytest.raises(InputError, match="several rows of ds 2017-11-27; keep one cutoff"):
        plot_forecast(twice)
    sales = pd.DataFrame({"unique_id": "a", "ds": [WEEKS[0]] * 2, "y": [1, 2]})
    with pytest.raises(InputError, match="actual: item 'a' has several rows of ds 2017-11-27"):
        plot_forecast(_forecasts(), actual=sales)
    with pytest.raises(InputError, match="several rows of feature 'f0'"):
        plot_importance(pd.concat([_contributions()] * 2))
    with pytest.raises(InputError, match="item 'b' has several rows of feature 'f0'"):
        plot_importance(pd.concat([_contributions(), *[_contributions("b")] * 2]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": "much"}, "forecasts: mean holds 'much', which is not a number"),
        ({"ds": "soon"}, "forecasts: ds holds 'soon', which is not a date"),
        ({"ds": pd.NaT}, "forecasts: ds is missing in row 1"),
        ({"0.9": np.inf}, "forecasts: 0.9 is infinite in row 1"),
    ],
)
def test_a_column_that_holds_something_else_is_named(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        plot_forecast(_forecasts().assign(**changes))


def test_a_pool_that_is_not_there_and_no_rows_asked_for() -> None:
    with pytest.raises(InputError, match="unknown pool 'sibling'; there are: incumbent, launch"):
        plot_analogues(_explained(), pool="sibling")
    for plot, table, _ in PLOTS[1:]:
        with pytest.raises(InputError, match="most must be at least 1, got 0"):
            plot(table(), most=0)


def test_a_real_forecast_is_drawn_as_it_comes(grocery: Slice, fitted: LaunchForecaster) -> None:
    new = grocery.later.head(3)
    item = new["item_id"].iloc[1]
    forecasts, explained = fitted.predict(new), fitted.explain(new)
    ax = plot_forecast(forecasts, item, actual=grocery.sales, analogues=explained)
    _draw(ax)
    mine = forecasts[forecasts["unique_id"] == item]
    assert _lines(ax)["mean"].tolist() == mine["mean"].tolist()
    assert len([line for line in ax.lines if line.get_zorder() == 1]) == 10
    ax = plot_analogues(explained, item)
    _draw(ax)
    assert len(_bars(ax)) == 10
    assert 5 <= len(ax.lines) < 10  # curves of launches, siblings and outcomes; not of incumbents


@pytest.mark.parametrize(
    ("feature", "value", "said"),
    [
        ("price_to_incumbent", math.log(1.06), "6% above"),
        ("price_to_launch", math.log(0.88), "12% below"),
        ("market_trend", 0.001, "the same"),
        ("price_to_launch", math.log(3), "×3.0"),  # noqa: RUF001
        ("price_rank", 0.062, "above 6% of them"),
        ("price_to_launch", float("nan"), "unknown"),
        ("price", 3.5, "3.5"),
        ("brand", "National", "National"),
    ],
)
def test_numbers_of_features_are_in_a_reader_s_words(
    feature: str, value: object, said: str
) -> None:
    assert feature_text(feature, value, 16) == said

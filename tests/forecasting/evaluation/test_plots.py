import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from forecasting import BacktestResult, LaunchForecaster
from forecasting.evaluation.plots import PLOTS, best_baseline, period_name

LEVELS = (0.1, 0.5, 0.9)
N, HORIZON = 60, 3


def result(**factors):
    """Launches of Poisson sales; each method forecasts them times a factor."""
    rng = np.random.default_rng(0)
    sold = rng.poisson(5, (N, HORIZON)).astype(float)
    ids, cutoff = [f"i{n:02}" for n in range(N)], pd.Timestamp("2024-01-01")
    totals, curves = [], []
    for method, factor in factors.items():
        total = sold.sum(axis=1)
        columns = {"method": method, "unique_id": ids, "cutoff": cutoff, "y": total}
        numbers = {"mean": factor * total, "0.1": 0.0, "0.5": factor * total, "0.9": 17.0}
        totals.append(pd.DataFrame(columns | numbers))
        ages = np.tile(np.arange(HORIZON), N)
        columns = {"method": method, "unique_id": np.repeat(ids, HORIZON), "cutoff": cutoff}
        days = cutoff + pd.to_timedelta(7 * ages, unit="D")
        units = {"ds": days, "age": ages, "y": sold.ravel(), "mean": factor * sold.ravel()}
        bounds = {"0.1": 0.0, "0.5": factor * sold.ravel(), "0.9": 9.0}
        curves.append(pd.DataFrame(columns | units | bounds))
    items = totals[0][["unique_id", "cutoff"]].assign(
        category="a", similarity=0.5, level=totals[0]["mean"]
    )
    return BacktestResult(
        predictions=pd.concat(curves, ignore_index=True),
        totals=pd.concat(totals, ignore_index=True),
        items=items,
        left_out=pd.DataFrame({"unique_id": [], "cutoff": [], "reason": []}),
        quantiles=LEVELS,
        forecaster=LaunchForecaster(horizon=HORIZON),
    )


MADE = result(LaunchForecaster=1.2, zeros=0.0, good=1.1, **{"alike $5": 1.2})


def draw(kind, made=MADE):
    axis = Figure(figsize=(7.6, 4.2), layout="constrained").subplots()
    assert made.plot(kind, ax=axis) is axis
    axis.figure.canvas.draw()
    return axis


def test_the_comparison_has_a_dot_and_an_interval_for_each_baseline_around_zero():
    axis, compare = draw("comparison"), MADE.compare()
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == ["zeros", "alike $5", "good"]  # the hardest to beat on top
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    bars = [line for line in axis.lines if line.get_linewidth() > 2]
    for name, dot, bar in zip(names, dots, bars, strict=True):
        assert dot.get_xdata()[0] == pytest.approx(compare.loc[name, "difference"])
        np.testing.assert_allclose(bar.get_xdata(), compare.loc[name, ["low", "high"]].tolist())
    assert len({bar.get_color() for bar in bars}) == 3  # beaten, not shown, better
    assert any(list(line.get_xdata()) == [0, 0] for line in axis.lines)


def test_the_comparison_says_who_is_better():
    title = draw("comparison").get_title(loc="left")
    assert "shown to be lower than that of 1 of 3 baselines" in title
    assert title.endswith("higher than that of good")
    winner = result(LaunchForecaster=1.0, zeros=0.0)
    assert "higher" not in draw("comparison", winner).get_title(loc="left")


def test_ages_show_what_came_beside_us_and_the_best_baseline():
    axis = draw("age")
    lines = {str(line.get_label()): np.asarray(line.get_ydata()) for line in axis.lines}
    assert set(lines) == {"good (mean)", "our forecast (mean)", "what came"}
    came = MADE.predictions.query("method == 'good'").groupby("age")["y"].mean()
    np.testing.assert_allclose(lines["what came"], came)
    np.testing.assert_allclose(lines["our forecast (mean)"], 1.2 * came)
    assert axis.get_xlabel() == "weeks since launch"
    assert axis.get_title(loc="left") == "Over all launches we expected 20% more than came"


def test_coverage_is_shown_by_thirds_beside_what_was_wanted():
    axis = draw("coverage")
    ours = MADE.by("level").xs("LaunchForecaster", level="method")
    np.testing.assert_allclose([bar.get_height() for bar in axis.patches], ours["coverage_80"])
    held = (MADE.totals.query("method == 'good'")["y"] <= 17).mean()
    assert axis.get_title(loc="left") == f"Our 80% interval held {held:.0%} of the totals"
    assert "80% wanted" in [text.get_text() for text in axis.texts]


@pytest.mark.parametrize("kind", list(PLOTS))
def test_no_words_overlap(kind):
    axis = draw(kind)
    renderer = FigureCanvasAgg(axis.figure).get_renderer()
    words = [*axis.texts, *axis.get_xticklabels(), *axis.get_yticklabels(), axis.title]
    words += [axis.xaxis.label, axis.yaxis.label]
    boxes = [one.get_window_extent(renderer) for one in words if one.get_text()]
    for place, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:place])


def test_nothing_sold_is_drawn_all_the_same():
    nothing = result(LaunchForecaster=1.0, zeros=0.0)
    for table in (nothing.predictions, nothing.totals):
        table["y"] = 0.0
    for kind in PLOTS:
        axis = draw(kind, nothing)
        assert "nan" not in axis.get_title(loc="left")
        assert np.isfinite([*axis.get_xlim(), *axis.get_ylim()]).all()


def test_the_best_baseline_is_not_ours():
    compare = pd.DataFrame({"wape_total": [0.1, 0.3, 0.2]}, index=["ours", "b", "c"])
    assert best_baseline(compare, "ours") == "c"
    assert best_baseline(compare * np.nan, "ours") == "b"


@pytest.mark.parametrize(
    ("freq", "name"), [("W-SUN", "week"), ("D", "day"), ("MS", "month"), ("h", "period")]
)
def test_periods_have_names(freq, name):
    assert period_name(freq) == name

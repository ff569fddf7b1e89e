import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from classifiers.evaluation.selective import Selective
from pipelines.reports.pictures import (
    comparison_figure,
    confusions_figure,
    coverage_figure,
    launch_figure,
    reliability_figure,
    to_svg,
)
from tests.pipelines.conftest import DemoRun

OURS = "LaunchForecaster"


@pytest.fixture(scope="module")
def forecast(demo_run: DemoRun) -> pd.DataFrame:
    ours = demo_run.launches.predictions.query("method == @OURS")
    return ours[ours["unique_id"] == ours["unique_id"].iloc[0]]


@pytest.fixture
def analogues() -> pd.DataFrame:
    return pd.DataFrame({"weight": [0.6, 0.3, 0.1], "curve": [[1.0, 2.0], [3.0], []]})


def _lines(axis: Axes) -> dict[str, np.ndarray]:
    return {str(line.get_label()): np.asarray(line.get_ydata()) for line in axis.lines}


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_a_launch_shows_analogues_forecast_and_what_came(
    forecast: pd.DataFrame, analogues: pd.DataFrame
) -> None:
    axis = launch_figure([forecast], [analogues], ["one"]).axes[0]
    lines = _lines(axis)
    assert lines["forecast (mean)"].tolist() == forecast["mean"].tolist()
    assert lines["what came"].tolist() == forecast["y"].tolist()
    assert [list(line.get_ydata()) for line in axis.lines[:3]] == [[1.0, 2.0], [3.0], []]
    widths = [line.get_linewidth() for line in axis.lines[:3]]
    assert widths == sorted(widths, reverse=True)
    band = axis.collections[0].get_paths()[0].get_extents()
    assert band.y0 == pytest.approx(forecast["0.1"].min())
    assert band.y1 == pytest.approx(forecast["0.9"].max())
    assert axis.get_ylim()[1] > max(forecast["y"].max(), forecast["0.9"].max())


def test_launches_stand_side_by_side_with_one_legend(
    forecast: pd.DataFrame, analogues: pd.DataFrame
) -> None:
    nothing = analogues.head(0)  # an item without a launch like it is drawn as well
    figure = launch_figure([forecast, forecast], [analogues, nothing], ["one", "two"])
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["one", "two"]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(words) == [
        "80 % interval",
        "forecast (mean)",
        "like items' launches",
        "what came",
    ]
    assert to_svg(figure)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6])
def test_no_title_meets_another_panel_or_the_legend(
    n: int, forecast: pd.DataFrame, analogues: pd.DataFrame
) -> None:
    title = "a salad bowl of bamboo, large, with two spoons and a lid\n18 Mar 2024"
    figure = launch_figure([forecast] * n, [analogues] * n, [title] * n)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [axis._left_title.get_window_extent(renderer) for axis in figure.axes]  # type: ignore[attr-defined]
    boxes += [axis.get_window_extent(renderer) for axis in figure.axes]
    boxes.append(figure.legends[0].get_window_extent(renderer))
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.fixture
def compare() -> pd.DataFrame:
    return pd.DataFrame(
        {"wape_total": [0.7, 1.0, 0.6], "low": [np.nan, 0.2, -0.2], "high": [np.nan, 0.4, 0.1]},
        index=pd.Index([OURS, "zeros", "other"], name="method"),
    )


def test_the_best_method_is_on_top_and_ours_stands_out(compare: pd.DataFrame) -> None:
    axis = comparison_figure(compare, OURS).axes[0]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == ["zeros", OURS, "other"]
    assert [bar.get_width() for bar in axis.patches] == [1.0, 0.7, 0.6]
    colors = [bar.get_facecolor() for bar in axis.patches]
    assert colors[0] == colors[2] != colors[1]


def test_whiskers_are_the_difference_laid_on_ours(compare: pd.DataFrame) -> None:
    axis = comparison_figure(compare, OURS).axes[0]
    whiskers = {line.get_ydata()[0]: line.get_xdata() for line in axis.lines[:-1]}
    assert set(whiskers) == {0, 2}
    np.testing.assert_allclose(whiskers[0], [0.9, 1.1])
    np.testing.assert_allclose(whiskers[2], [0.5, 0.8])
    assert [text.get_text() for text in axis.texts] == ["1.000", "0.700", "0.600"]


def _selective(n_labeled: int) -> Selective:
    nothing = float("nan")
    share, precision = (0.25, 0.91) if n_labeled else (0.0, nothing)
    return Selective(0.9, 0.8, 0.9, 0.3, precision, share, n_labeled)


CURVE = pd.DataFrame({"coverage": [0.25, 1.0], "precision": [0.91, 0.6]})


def test_the_automatic_share_is_marked_on_the_curve() -> None:
    figure = coverage_figure(CURVE, _selective(25))
    curve, target, mark = figure.axes[0].lines
    assert list(curve.get_ydata()) == [0.91, 0.6]
    assert list(target.get_ydata()) == [0.9, 0.9]
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([0.25], [0.91])
    assert _texts(figure) == ["25.0% at 91.0%"]


def test_without_an_automatic_share_there_is_no_mark() -> None:
    figure = coverage_figure(CURVE, _selective(0))
    assert len(figure.axes[0].lines) == 2
    assert _texts(figure) == []


def test_without_a_target_there_is_the_curve_alone() -> None:
    assert len(coverage_figure(CURVE).axes[0].lines) == 1


def test_reliability_shows_each_bins_gap_and_size() -> None:
    bins = pd.DataFrame({"confidence": [0.3, 0.9], "accuracy": [0.5, 0.8], "n": [10, 30]})
    axis = reliability_figure(bins).axes[0]
    gaps, dots = axis.collections
    segments = [path.vertices.tolist() for path in gaps.get_paths()]
    assert segments == [[[0.3, 0.3], [0.3, 0.5]], [[0.9, 0.9], [0.9, 0.8]]]
    assert dots.get_offsets().tolist() == [[0.3, 0.5], [0.9, 0.8]]
    assert dots.get_sizes()[1] > 2 * dots.get_sizes()[0]


def test_confusions_are_drawn_most_frequent_on_top() -> None:
    names = [f"a label with a name that goes on and on and on {n}" for n in range(20)]
    pairs = pd.DataFrame(
        {"label": names, "predicted": "$5 & <$6>", "n": range(20, 0, -1), "share": 0.5}
    )
    figure = confusions_figure(pairs)
    axis = figure.axes[0]
    assert [bar.get_width() for bar in axis.patches] == list(range(6, 21))
    assert _texts(figure)[-1] == "  20 (50%)"
    first = axis.get_yticklabels()[-1].get_text()
    assert first == "a label with a name that goes on and on and…\n  taken for \\$5 & <\\$6>"
    assert ElementTree.fromstring(to_svg(figure)) is not None


def test_without_confusions_there_is_an_empty_picture() -> None:
    none = pd.DataFrame({"label": [], "predicted": [], "n": [], "share": []})
    assert not confusions_figure(none).axes[0].patches


def test_an_svg_is_whole_and_needs_nothing_beside_it(
    forecast: pd.DataFrame, analogues: pd.DataFrame
) -> None:
    # Names of products hold what XML and matplotlib have other uses for.
    svg = to_svg(launch_figure([forecast], [analogues], ["$1 & <$2> -- Crème"]))
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    links = re.findall(r'(?:href|src)="([^"]*)"', svg) + re.findall(r"url\(([^)]*)\)", svg)
    assert links
    assert all(link.startswith("#") for link in links)

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from forecasting import BacktestResult
from forecasting.evaluation.backtest import NAME as OURS
from forecasting.evaluation.baselines import BASELINES
from pipelines.components import open_index
from pipelines.demo.demo import demo_settings
from pipelines.demo.report import launch_examples, write_report
from pipelines.demo_summary import automatic_in_words, forecasts_in_words
from tests.pipelines.conftest import DemoRun
from tests.pipelines.html_page import Page


@pytest.fixture(scope="module")
def html(demo_run: DemoRun) -> str:
    return (demo_run.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_needs_nothing_beside_it(page: Page, html: str) -> None:
    assert page.tags.count("svg") == 3
    assert page.links
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "img", "link", "iframe", "object", "image"} & set(page.tags)
    assert re.search(r"@import|url\((?!#)", html) is None


def test_the_page_is_whole(page: Page, html: str) -> None:
    assert html.startswith("<!doctype html>")
    assert html.rstrip().endswith("</html>")
    assert page.open == []
    cells = {cell.strip() for row in page.rows for cell in row}
    assert not cells & {"None", "nan", "nan %", "<NA>"}


def test_each_method_has_a_row_with_its_scores(page: Page, demo_run: DemoRun) -> None:
    rows = {row[0]: row for row in page.rows}
    for scores in demo_run.metrics["forecasts"]["compare"]:
        row = rows[scores["method"]]
        assert row[1:4] == [f"{scores[key]:.3f}" for key in ("wape_total", "wape_curve", "wql")]
        assert row[4] == f"{scores['rmse_total']:.1f}"
        assert row[5] == f"{100 * scores['bias']:+.0f} %"
        assert row[6] == f"{100 * scores['coverage_80']:.0f} %"
        verdict = scores["verdict"] or ""
        assert " ".join(row[7].split()).startswith(verdict)
    assert {OURS, *BASELINES} <= set(rows)
    labels = [row for row in page.rows if len(row) == 6 and row[2].endswith("%")]
    expected = [f"{100 * row['top1_item']:.1f} %" for row in demo_run.metrics["labels"]["scores"]]
    assert [row[2] for row in labels] == expected


def test_the_words_are_those_of_the_terminal(page: Page, demo_run: DemoRun) -> None:
    words = " ".join(page.text.split())
    assert automatic_in_words(demo_run.metrics["labels"]["automatic"]) in words
    assert forecasts_in_words(demo_run.metrics["forecasts"]) in words
    assert f"{demo_run.metrics['forecasts']['launches']} products launched" in words


def test_some_labels_are_shown_right_or_wrong(page: Page, demo_run: DemoRun) -> None:
    given = demo_run.labeling.labels
    pairs = set(zip(given["label"], given["product_category"], strict=True))
    start = next(n for n, row in enumerate(page.rows) if row[-1] == "label in truth")
    shown = page.rows[start + 1 : start + 9]
    assert all((row[1], row[3]) in pairs for row in shown)
    assert all(0 <= float(row[2]) <= 1 for row in shown)


@pytest.fixture(scope="module")
def launches(demo_run: DemoRun) -> Iterator[BacktestResult]:
    """The demo closes its index when it is done; pictures of launches need it open."""
    with open_index(demo_settings(demo_run.folder), collection="launches") as index:
        demo_run.launches.forecaster.engine_.describer.analogues.index = index
        yield demo_run.launches


def test_names_are_escaped(demo_run: DemoRun, launches: BacktestResult, tmp_path: Path) -> None:
    labels = demo_run.labeling.labels.assign(label="<b>bread</b> & more")
    labeling = replace(demo_run.labeling, labels=labels)
    path = tmp_path / "report.html"
    write_report(demo_run.metrics, demo_run.data, labeling, launches, path)
    assert "b" not in Page(path.read_text(encoding="utf-8")).tags
    assert "<b>bread</b> & more" in Page(path.read_text(encoding="utf-8")).text


def test_launches_are_chosen_by_forecast_and_not_by_outcome(
    demo_run: DemoRun, launches: BacktestResult
) -> None:
    ours = launches.totals.query("method == @OURS").sort_values("mean", ascending=False)
    largest = demo_run.data.items.set_index("product_id").loc[ours["unique_id"].iloc[0]]
    titles = _titles(launch_examples(launches, demo_run.data.items))
    assert len(titles) == 3
    assert titles[0].startswith(largest["product_type"].capitalize())
    day = f"{largest['launch_date']:%d %B %Y}".lstrip("0")
    assert titles[0].endswith(f"launched {day}")

    other = replace(
        launches,
        totals=launches.totals.assign(y=range(len(launches.totals))),
        predictions=launches.predictions.assign(y=7.0),
    )
    figure = launch_examples(other, demo_run.data.items)
    assert _titles(figure) == titles
    came = [line for line in figure.axes[0].lines if line.get_label() == "what came"]
    assert set(came[0].get_ydata()) == {7.0}


def _titles(figure: Figure) -> list[str]:
    return [axis.get_title(loc="left") for axis in figure.axes]

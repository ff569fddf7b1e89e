import copy
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from rich.console import Console

from forecasting import BacktestResult
from forecasting.evaluation.backtest import FORECASTER as OURS
from forecasting.evaluation.baselines import BASELINES
from pipelines.demo.labeling import METHODS
from pipelines.demo.report import (
    automatic_in_words,
    certainty_in_words,
    forecasts_in_words,
    launch_examples,
    show_summary,
    write_report,
)
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
def launches(demo_run: DemoRun) -> BacktestResult:
    return demo_run.launches


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


def _shown(metrics: dict[str, Any], out: Path, *, width: int = 120, color: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=color, highlight=False)
    show_summary(console, metrics, out, 61.4)
    return file.getvalue()


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.strip().startswith(start))


def test_every_method_has_its_numbers(demo_run: DemoRun) -> None:
    shown = _shown(demo_run.metrics, Path("out"))
    for row in demo_run.metrics["forecasts"]["compare"]:
        cells = _line(shown, row["method"]).removeprefix(row["method"]).split()
        numbers = [float(cell.strip("[],%")) for cell in cells]
        expected = [row[key] for key in ("wape_total", "wape_curve", "rmse_total")]
        assert numbers[:3] == pytest.approx(expected, abs=0.006)
        assert cells[3:5] == [f"{row['bias']:+.0%}", f"{row['coverage_80']:.0%}"]
        against = [] if row["method"] == OURS else [row["difference"], row["low"], row["high"]]
        assert numbers[5:] == pytest.approx(against, abs=0.0006)
    for row in demo_run.metrics["labels"]["scores"]:
        keys = ("top1_item", "top5_item", "top1_type", "top5_type")
        assert " ".join(f"{row[key]:.1%}" for key in keys) in " ".join(shown.split())
        assert f"{row['items']} ({row['n_items']:,})" in shown
    assert all(f"\n{name} " in shown for name in METHODS)
    assert "61 s" in shown


def test_whether_certainty_is_right_stands_in_words(demo_run: DemoRun) -> None:
    certainty = {"probability": 0.588, "right": 0.594, "set_coverage": 0.902, "set_size": 12.34}
    assert certainty_in_words(certainty) == (
        "Mean probability of the labels 58.8%, right are 59.4%. Label sets of 12.3 labels on "
        "average hold the true one for 90.2% of the products (90% were wanted)."
    )
    shown = " ".join(_shown(demo_run.metrics, Path("out")).split())
    assert certainty_in_words(demo_run.metrics["labels"]["certainty"]) in shown


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (0.25, "+.250"),
        (-0.0604, "-.060"),
        (0.99996, "+1.000"),
        (10.2, "+10.200"),
        (-20.5, "-20.500"),
    ],
)
def test_a_difference_is_short_and_right(
    difference: float, expected: str, demo_run: DemoRun
) -> None:
    metrics = copy.deepcopy(demo_run.metrics)
    metrics["forecasts"]["compare"][1]["difference"] = difference
    assert expected in _line(_shown(metrics, Path("out")), "zeros").split()


def test_it_tells_which_launches_were_scored_and_from_where(demo_run: DemoRun) -> None:
    count = demo_run.metrics["forecasts"]["launches"]
    title = f"{count:,} launches from 2017-10-16 on, seen from 2017-10-09"
    assert title in _shown(demo_run.metrics, Path("out"))


def test_numbers_stay_whole_on_a_terminal_of_80_columns(demo_run: DemoRun) -> None:
    shown = _shown(demo_run.metrics, Path("out"), width=80)
    wide = _shown(demo_run.metrics, Path("out"))
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    for row in demo_run.metrics["forecasts"]["compare"]:
        assert _line(shown, row["method"]).rstrip() == _line(wide, row["method"]).rstrip()


def test_a_path_is_neither_broken_nor_read_as_markup(demo_run: DemoRun) -> None:
    out = Path("/", "long" * 30, "[bold]", "demo")
    shown = _shown(demo_run.metrics, out, width=80)
    assert f"{out}/report.html\n" in shown
    assert f"{out}/ labels.parquet" in shown


def test_the_best_number_is_bold_whoever_has_it(demo_run: DemoRun) -> None:
    metrics = copy.deepcopy(demo_run.metrics)
    for row in metrics["forecasts"]["compare"]:
        row["wape_total"] = 0.123 if row["method"] == "zeros" else 0.456
    shown = _shown(metrics, Path("out"), color=True)
    assert re.search(r"\x1b\[1m *\.123", shown)
    assert ".456" in shown
    assert not re.search(r"\x1b\[1m *\.456", shown)


def _compare(**verdicts: str) -> dict[str, Any]:
    scores = {"wape_curve": 0.8, "wql": 0.5, "rmse_total": 20.0}
    rows = [{"method": OURS, "verdict": None, **scores}]
    rows += [{"method": name, "verdict": verdict, **scores} for name, verdict in verdicts.items()]
    return {"compare": rows}


def test_words_say_what_is_beaten_and_what_is_not() -> None:
    every = _compare(zeros="worse", knn="worse")
    assert forecasts_in_words(every) == "Beaten on total WAPE: zeros, knn."
    some = _compare(zeros="worse", knn="no difference shown", other="better")
    assert forecasts_in_words(some) == (
        "Beaten on total WAPE: zeros. No difference shown: knn. Better than ours: other."
    )
    assert forecasts_in_words(_compare(knn="better")) == (
        "Beaten on total WAPE: none. Better than ours: knn."
    )


@pytest.mark.parametrize(
    ("measure", "words"),
    [
        ("wape_curve", "Lower WAPE of the curve: knn (0.100, ours 0.800)."),
        ("wql", "Lower WQL: knn (0.100, ours 0.500)."),
        ("rmse_total", "Lower RMSE: knn (0.100, ours 20.000)."),
    ],
)
def test_words_do_not_hide_a_measure_in_which_another_is_better(measure: str, words: str) -> None:
    compared = _compare(zeros="worse", knn="worse")
    compared["compare"][2][measure] = 0.1
    assert forecasts_in_words(compared) == f"Beaten on total WAPE: zeros, knn. {words}"


def test_words_name_every_baseline_of_a_real_run(demo_run: DemoRun) -> None:
    words = forecasts_in_words(demo_run.metrics["forecasts"])
    assert all(name in words for name in BASELINES)


def test_words_for_what_is_labeled_without_a_person() -> None:
    automatic = {"target": 0.9, "n_labeled": 120, "coverage": 0.314, "precision": 0.883}
    words = automatic_in_words(automatic)
    assert words.startswith("Without a person: 31.4% of the products at 88.3% precision")
    # As read from JSON, where no number is null.
    nothing = automatic | {"n_labeled": 0, "coverage": 0.0, "precision": None, "threshold": None}
    assert automatic_in_words(nothing).startswith("No confidence reaches 90% precision")

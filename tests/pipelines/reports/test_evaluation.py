import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from classifiers.evaluation.evaluation import Evaluation, score
from classifiers.evaluation.predictions import Answers
from pipelines.reports.evaluation import (
    automatic_shares,
    headline,
    remarks,
    score_rows,
    show_evaluation,
    worst_labels,
    write_page,
)
from pipelines.reports.pictures import (
    confusions_figure,
    coverage_figure,
    reliability_figure,
    to_svg,
)
from tests.pipelines.html_page import Page

SETUP: dict[str, Any] = {
    "method": "cross-validation",
    "folds": 4,
    "group_col": None,
    "left_out": 0,
    "examples": 100,
}

NAME = "<b>tea</b> & more"
WHOLE: dict[str, Any] = SETUP | {
    "items": "<items>.csv",
    "outside": None,
    "seed": 0,
    "coverage": 0.9,
    "likewise": "0.1.0",
    "created": "2026-01-01T00:00:00+00:00",
    "python": "3.11",
    "versions": {"numpy": "2"},
    "encoder": {"name": "an encoder", "backend": "torch"},
    "classify": {"k": 20, "temperature": 0.05},
    "model": "models/shelf",
}


def answered(n: int = 100, *, outside: int = 0, label: str = "[b]tea[/b]") -> Evaluation:
    """Half tea and half milk, most tea taken for milk."""
    half = n // 2
    truth, predicted = [label] * half + ["milk"] * half, ["milk"] * (n - 10) + [label] * 10
    correct = np.array(truth) == np.array(predicted)
    items = pd.DataFrame(
        {
            "item_id": [str(row) for row in range(n)],
            "label": truth,
            "predicted": predicted,
            "probability": np.linspace(0.3, 0.9, n),
            "correct": correct,
            "in_top_5": True,
            "label_probability": 0.4,
            "squared_error": 0.5,
            "examples": [3] * half + [40] * half,
            "label_known": True,
            "known": True,
            "novelty": np.linspace(0, 1, n),
            "label_set": [["milk"]] * n,
            "assured": [row >= 2 for row in range(n)],
            "in_set": True,
            "set_size": 1,
            "twin": np.arange(n) == 5,
        }
    )
    strangers = pd.DataFrame(
        {"item_id": "x", "label": "milk", "known": False, "novelty": 2.0}, index=range(outside)
    )
    baseline = items.assign(predicted="milk", correct=items["label"] == "milk")
    return score(Answers(items, baseline, strangers), draws=100)


EVALUATION = answered(label=NAME, outside=3)


@pytest.fixture
def evaluation() -> Evaluation:
    return answered()


@pytest.fixture
def screen(evaluation: Evaluation) -> Callable[[int], str]:
    def show(width: int) -> str:
        stream = io.StringIO()
        show_evaluation(Console(file=stream, width=width), evaluation, SETUP)
        return stream.getvalue()

    return show


def test_the_headline_has_interval_and_baseline(evaluation: Evaluation) -> None:
    words = headline(evaluation, SETUP)
    low, high = evaluation.intervals["accuracy"]
    assert words == (
        "100 items of 2 labels, cross-validated in 4 folds. 40.0% of the labels are right (95 % "
        f"interval {low:.1%} to {high:.1%}); the most frequent label alone would be right for "
        "50.0%."
    )
    by_group = headline(evaluation, SETUP | {"group_col": "brand"})
    assert "in 4 folds, whole groups held out." in by_group
    tested = headline(evaluation, {"method": "test items", "examples": 1234, "group_col": None})
    assert "labeled by 1,234 labeled items." in tested
    words = headline(evaluation, {"method": "test items", "examples": 0, "group_col": None})
    assert "labeled by what their labels are in words, without an example." in words
    setup = {"method": "test items", "examples": 0, "adapted": 80, "group_col": None}
    assert "without an example, having learned from their texts." in headline(evaluation, setup)


def test_scores_that_rest_on_nothing_have_no_row(evaluation: Evaluation) -> None:
    names = [row.name for row in score_rows(evaluation)]
    assert names[0] == "accuracy"
    assert not [name for name in names if name.startswith("strangers") or "group" in name]
    rows = {row.name: row for row in score_rows(answered(outside=7))}
    assert (rows["strangers found"].value, rows["strangers: AUROC"].value) == ("100.0%", "1.000")
    assert (rows["accuracy"].value, rows["accuracy"].baseline) == ("40.0%", "50.0%")
    assert rows["strangers: AUROC"].interval == rows["calibration error"].baseline == ""


def test_remarks_say_what_scores_rest_on(evaluation: Evaluation) -> None:
    lines = remarks(evaluation, SETUP)
    assert lines[0].startswith("1 item with a labeled item that reads the same")
    assert lines[1].startswith("2 items labeled with a label too rare to promise")
    assert lines[2] == "50 items of 1 label make the tail recall."
    assert len(lines) == 3
    more = remarks(answered(outside=3), SETUP | {"indexed": 12, "left_out": 1000})
    assert [line.split(" ")[0] for line in more] == ["1", "12", "2", "1,000", "50", "3"]


def test_a_sample_is_called_one(evaluation: Evaluation) -> None:
    setup = SETUP | {"method": "held-out sample", "folds": 1, "examples": 4900, "seed": 7}
    words = headline(evaluation, setup)
    assert words.startswith(
        "100 items of 2 labels, drawn at random, labeled by 4,900 labeled items. 40.0% of"
    )
    assert "items, whole groups held out." in headline(evaluation, setup | {"group_col": "brand"})
    low, high = evaluation.intervals["accuracy"]
    assert (
        "100 items of 5,000 are scored, drawn with seed 7; the standard error of the accuracy is "
        f"{(high - low) / 3.92:.2%}."
    ) in remarks(evaluation, setup)


def test_the_automatic_share_is_the_largest_at_its_precision() -> None:
    curve = pd.DataFrame({"coverage": [0.1, 0.4, 0.6, 1.0], "precision": [0.8, 0.96, 0.91, 0.7]})
    words = automatic_shares(curve)
    assert words.endswith("without a person: 60% at 90% precision, 40% at 95% precision.")
    assert automatic_shares(curve, (0.99,)) == "No share of the surest labels is 99% right."


def test_a_label_of_few_items_is_not_the_worst(evaluation: Evaluation) -> None:
    rare = pd.DataFrame({"label": ["rare"], "n": [1], "recall": [0.0]})
    table = pd.concat([rare, evaluation.per_label], ignore_index=True)
    assert worst_labels(replace(evaluation, per_label=table))["label"].tolist() == [
        "[b]tea[/b]",
        "milk",
    ]
    assert worst_labels(replace(evaluation, per_label=rare))["label"].tolist() == ["rare"]


def test_the_screen_shows_labels_as_they_are(screen: Callable[[int], str]) -> None:
    lines = screen(120).splitlines()
    confused = next(line for line in lines if "[b]tea[/b]" in line and "milk" in line)
    assert confused.split() == ["[b]tea[/b]", "milk", "50", "100%"]
    assert "labels that are right" in screen(120)


def test_eighty_columns_are_enough(screen: Callable[[int], str]) -> None:
    lines = screen(80).splitlines()
    assert "labels that are right" not in screen(80)
    rows = [line.split()[0] for line in lines if "%" in line and "to" in line.split()]
    assert {"accuracy", "top", "balanced"} <= set(rows)
    assert max(map(len, lines)) <= 80


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "evaluation.html"
    pictures = {
        "reliability": to_svg(reliability_figure(EVALUATION.reliability)),
        "risk_coverage": to_svg(coverage_figure(EVALUATION.risk_coverage)),
        "confusions": to_svg(confusions_figure(EVALUATION.confusions)),
    }
    write_page(EVALUATION, WHOLE, pictures, path)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_needs_nothing_beside_it(page: Page, html: str) -> None:
    assert page.tags.count("svg") == 3
    assert all(link.startswith("#") for link in page.links)
    assert not {"script", "img", "link", "iframe", "object", "image"} & set(page.tags)
    assert re.search(r"@import|url\((?!#)", html) is None
    assert 'name="viewport"' in html


def test_the_page_is_whole_and_names_are_escaped(page: Page, html: str) -> None:
    assert html.rstrip().endswith("</html>")
    assert page.open == []
    assert not {"b", "items"} & set(page.tags)
    assert NAME in page.text
    assert not {"None", "nan", "nan %"} & {cell.strip() for row in page.rows for cell in row}


def test_numbers_are_those_of_the_terminal(page: Page) -> None:
    words = " ".join(page.text.split())
    assert headline(EVALUATION, WHOLE) in words
    shown = [row for row in page.rows if len(row) == 4]
    for expected in score_rows(EVALUATION):
        row = next(row for row in shown if row[0] == expected.name + expected.meaning)
        assert row[1:] == [expected.value, expected.interval, expected.baseline]
    assert [NAME, "milk", "50", "100 %"] in page.rows
    assert sum(len(row) == 4 and row[0].isdigit() for row in page.rows) == len(
        EVALUATION.reliability
    )

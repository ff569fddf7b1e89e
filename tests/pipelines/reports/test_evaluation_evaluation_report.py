import re
from pathlib import Path
from typing import Any

import pytest

from pipelines.evaluation_report import write_page
from pipelines.reports.evaluation import headline, score_rows
from pipelines.reports.pictures import (
    confusions_figure,
    coverage_figure,
    reliability_figure,
    to_svg,
)
from tests.pipelines.html_page import Page
from tests.pipelines.reports.test_evaluation import SETUP, answered

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
EVALUATION = answered(label=NAME, outside=3)


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

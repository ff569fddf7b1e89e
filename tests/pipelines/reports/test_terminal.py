import io

import pandas as pd
import pytest
from rich.console import Console

from pipelines.reports.terminal import show_forecasts, show_labels, show_neighbors


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=120)


def _shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _labels(count: int) -> pd.DataFrame:
    near = [{"item_id": "[red]", "label": "a", "similarity": 0.9, "weight": 1.0}]
    return pd.DataFrame(
        {
            "item_id": [str(row) for row in range(count)],
            "label": ["[bold]a"] * count,
            "probability": [0.5] * count,
            "known": [True] * count,
            "label_set": [["a"]] * count,
            "assured": [True] * count,
            "neighbors": [near] * count,
        }
    )


def test_names_with_brackets_are_no_markup(console: Console) -> None:
    show_labels(console, _labels(1))
    assert "[bold]a" in _shown(console)
    assert "[red] (0.90)" in _shown(console)


def test_a_long_table_is_cut_and_counted(console: Console) -> None:
    show_labels(console, _labels(1_234))
    assert "... and 1,224 items more" in _shown(console)
    assert "1,234 items labeled: [bold]a 1,234" in _shown(console)


def test_items_without_a_visible_neighbor_have_no_label(console: Console) -> None:
    nobody = {
        "item_id": "x",
        "label": None,
        "probability": float("nan"),
        "known": False,
        "label_set": None,
        "assured": False,
        "neighbors": [],
    }
    show_labels(console, pd.concat([_labels(1), pd.DataFrame([nobody])]))
    assert "1 items labeled" in _shown(console)
    assert "nan" not in _shown(console).lower()


def test_labels_are_summed_up_below_the_table(console: Console) -> None:
    table = _labels(10).assign(
        label=[f"label {row % 7}" for row in range(10)],
        probability=[row / 10 for row in range(10)],
        known=[row != 3 for row in range(10)],
        label_set=[["a"] * (row % 2 + 1) for row in range(10)],
        assured=[row > 2 for row in range(10)],
    )
    show_labels(console, table)
    shown = _shown(console)
    assert "10 items labeled: label 0 2, label 1 2, label 2 2, label 3 1, label 4 1, and 2" in shown
    assert "label 3 (unknown)" in shown
    assert "1 item called unknown" in shown
    assert "0.45 in the middle; a tenth below 0.09, a tenth above 0.81" in shown
    assert "label sets: 1.5 labels on average" in shown
    assert "3 items of labels too rare to promise what their sets hold" in shown


def test_lists_of_labels_are_shown_as_such(console: Console) -> None:
    table = _labels(2).assign(
        assured=False,
        label=[["tea", "milk"], []],
        probability=[[0.9, 0.7], []],
        label_set=[["tea", "milk"], []],
    )
    show_labels(console, table)
    assert "tea, milk" in _shown(console)
    assert "(none)" in _shown(console)
    assert "too rare" not in _shown(console)
    assert "0.90" in _shown(console)


def _launches(novel: bool = False, method: str = "lightgbm") -> tuple[pd.DataFrame, pd.DataFrame]:
    weeks = pd.to_datetime(["2024-01-08", "2024-01-15", "2024-01-22"])
    curves = pd.DataFrame(
        {
            "unique_id": ["A[red]"] * 3 + ["B"] * 3,
            "cutoff": pd.Timestamp("2024-01-01"),
            "ds": [*weeks, *weeks],
            "age": [0, 1, 2] * 2,
            "mean": [8.0, 4.0, 0.0, 0.0, 0.0, 0.0],
        }
    )
    totals = pd.DataFrame(
        {
            "unique_id": ["A[red]", "B"],
            "cutoff": pd.Timestamp("2024-01-01"),
            "mean": [12.0, 0.0],
            "0.05": [3.0, 0.0],
            "0.5": [9.0, 0.0],
            "0.95": [1_234.5, 0.0],
            "novelty": [0.1, 1.0],
            "novel": [False, novel],
            "method": method,
        }
    )
    return curves, totals


def test_a_launch_is_shown_with_its_total_and_its_curve(console: Console) -> None:
    show_forecasts(console, *_launches())
    row = next(line for line in _shown(console).splitlines() if "A[red]" in line)
    assert row.split() == ["A[red]", "2024-01-08", "9.0", "3.0", "to", "1,234.5", "12.0", "█▅▁"]
    assert "90 % interval" in _shown(console)
    assert "▁▁▁" in _shown(console)
    assert "2 items as of 2024-01-01, 3 periods each; 12 units expected in all\n" in _shown(console)
    assert "novel" not in _shown(console)


def test_what_to_be_careful_with_is_said(console: Console) -> None:
    show_forecasts(console, *_launches(novel=True, method="knn"), ["few [launches]"])
    shown = _shown(console)
    assert next(line for line in shown.splitlines() if " B " in line).split()[-1] == "novel"
    assert "! 1 item is novel: unlike what was known" in shown
    assert "3 periods each; the analogues voted; 12 units" in shown
    assert "! few [launches]" in shown


def test_nothing_to_show_is_no_failure(console: Console) -> None:
    show_labels(console, _labels(0))
    show_neighbors(console, pd.DataFrame({"query": [], "item_id": []}), [])
    assert "0 items labeled: none" in _shown(console)
    assert "0 like items of 0 queries" in _shown(console)

import io

import pandas as pd
import pytest
from rich.console import Console

from pipelines.display import show_forecasts, show_labels, show_neighbors


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
    nobody = {"item_id": "x", "label": None, "probability": float("nan"), "neighbors": []}
    show_labels(console, pd.concat([_labels(1), pd.DataFrame([nobody])]))
    assert "1 items labeled" in _shown(console)
    assert "nan" not in _shown(console).lower()


def test_a_launch_curve_is_drawn_to_its_own_scale(console: Console) -> None:
    forecasts = pd.DataFrame(
        {
            "unique_id": ["A", "A", "A", "B", "B", "B"],
            "cutoff": pd.Timestamp("2024-01-01"),
            "ds": pd.to_datetime(["2024-01-08", "2024-01-15", "2024-01-22"] * 2),
            "age": [0, 1, 2] * 2,
            "mean": [8.0, 4.0, 0.0, 0.0, 0.0, 0.0],
        }
    )
    show_forecasts(console, forecasts)
    assert "2024-01-08" in _shown(console)
    assert "█▅▁" in _shown(console)
    assert "▁▁▁" in _shown(console)
    assert "2 items as of 2024-01-01; 12 units expected in all" in _shown(console)


def test_nothing_to_show_is_no_failure(console: Console) -> None:
    show_labels(console, _labels(0))
    show_neighbors(console, pd.DataFrame({"query": [], "item_id": []}), [])
    assert "0 items labeled: none" in _shown(console)
    assert "0 like items of 0 queries" in _shown(console)

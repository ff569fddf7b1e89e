"""All methods of a backtest beside ours, as a table on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from forecasting.evaluation.backtest import NAME

_VERDICTS = {"worse": ("worse", "green"), "better": ("better", "red")}
_NOT_SHOWN = ("not shown", "dim")
_LOWER_IS_BETTER = ("wape_total", "wape_curve", "rmse_total")


def comparison_table(
    title: str,
    rows: Sequence[Mapping[Any, Any]],
    *,
    detailed: bool = False,
    coverage: str = "coverage_80",
) -> Table:
    """Make the table; 80 columns wide, or with WQL and verdict 100.

    Args:
        title: Above it.
        rows: As in `forecasting.BacktestResult.compare`, with the method.
        detailed: With WQL and the verdict in words.
        coverage: The column of the outer interval's coverage; its number is what it should be.
    """
    nominal = coverage.removeprefix("coverage_")
    scores = [*_LOWER_IS_BETTER, *(["wql"] if detailed else [])]
    heads = ["WAPE\ntotal", "WAPE\ncurve", "RMSE\ntotal", *(["WQL\ntotal"] if detailed else [])]
    table = plain_table(title, ["method", *heads, "bias", f"{nominal} %\nholds"])
    table.add_column("WAPE total - ours\nand 95 % interval", no_wrap=True)
    if detailed:
        table.add_column("than\nours", no_wrap=True)
    best = {
        key: min((row[key] for row in rows if _known(row[key])), default=None) for key in scores
    }
    for row in rows:
        is_ours = row["method"] == NAME
        cells = [
            named(row["method"], NAME),
            *(emphasized(_short(row[key]), row[key] == best[key]) for key in scores),
            Text(_share(row["bias"], "+.0%")),
            Text(_share(row[coverage], ".0%")),
            Text() if is_ours else _against(row),
        ]
        if detailed:
            words, style = _VERDICTS.get(row["verdict"], _NOT_SHOWN)
            cells.append(Text() if is_ours else Text(words, style=style))
        table.add_row(*cells)
    return table


def plain_table(title: str, columns: Sequence[str]) -> Table:
    """Make an empty table, the first column of words, the others of numbers."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    for column in columns:
        left = column == columns[0]
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    return table


def named(method: str, ours: str) -> Text:
    """Make a method's name, ours in color."""
    return Text(method, style="bold cyan" if method == ours else "")


def emphasized(text: str, is_best: bool) -> Text:
    """Make a number, bold where it is the best."""
    return Text(text, style="bold" if is_best else "")


def _against(row: Mapping[Any, Any]) -> Text:
    if not _known(row["difference"]):
        return Text("n/a", style="dim")
    ends = f"{_signed(row['low'])}, {_signed(row['high'])}"
    _, style = _VERDICTS.get(row["verdict"], _NOT_SHOWN)
    return Text(f"{_signed(row['difference'])} [{ends}]", style=style)


def _short(value: float | None) -> str:
    if not _known(value):
        return "n/a"
    assert value is not None
    return f"{value:.3f}"[1:] if value < 0.9995 else f"{value:.2f}"


def _share(value: float | None, form: str) -> str:
    return format(value, form) if _known(value) else "n/a"


def _signed(value: float) -> str:
    """Three digits without the zero in front: the table fits a terminal of 80 columns."""
    text = f"{value:+.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _known(value: float | None) -> bool:
    """Whether there is a number: none where nothing was sold to relate it to (null in JSON)."""
    return value is not None and not math.isnan(value)

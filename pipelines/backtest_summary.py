"""What a backtest says on a terminal: first where we lose, then every method, then the rest."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.markup import escape

from forecasting import BacktestResult
from forecasting.evaluation.backtest import NAME
from forecasting.evaluation.comparison import BETTER, NONE
from forecasting.evaluation.metrics import interval_names
from pipelines.comparison_table import comparison_table
from pipelines.reports.backtest import backtest_headline, faults_in_words, wins_in_words

# Columns of a terminal from which on WQL and verdict stand in the table.
_WIDE = 96
_MEASURES = {
    "wape_total": "WAPE total",
    "wape_curve": "WAPE curve",
    "rmse_total": "RMSE",
    "wql": "WQL total",
    "wql_curve": "WQL curve",
}


def show_backtest(console: Console, result: BacktestResult) -> None:
    """Print where we lose, the scores of every method, and what else to know.

    Args:
        console: Where to.
        result: The backtest.
    """
    compare = result.compare()
    coverage, _ = interval_names(result.quantiles)
    console.print(f"\n[bold]Where we lose:[/] {escape(losses_in_short(compare))}\n")
    table = comparison_table(
        backtest_title(result),
        compare.reset_index().to_dict("records"),
        detailed=console.width >= _WIDE,
        coverage=coverage,
    )
    console.print(table)
    same = compare.index[compare["verdict"] == NONE].tolist()
    shown = f" No difference shown on total WAPE: {', '.join(same)}." if same else ""
    console.print(
        f"\n{escape(wins_in_words(compare) + shown)}\n{escape(backtest_headline(result))}"
    )
    for line in faults_in_words(result):
        console.print(f"[yellow]![/] {line}")
    for reason, n in result.left_out["reason"].value_counts().items():
        launches = "launch is left out" if n == 1 else "launches are left out, each"
        console.print(f"[yellow]![/] {n:,} {launches} because {escape(str(reason))}.")
    forecaster = result.forecaster
    if forecaster.method == "auto" and forecaster.engine_.method == "knn":
        console.print(
            "[yellow]![/] At the last cutoff too few launches had finished to train on: the "
            "analogues voted (method knn)."
        )


def backtest_title(result: BacktestResult) -> str:
    """How many launches from how many cutoffs, as a title."""
    launches, cutoffs = len(result.items), result.items["cutoff"].nunique()
    return (
        f"{launches:,} launch{'' if launches == 1 else 'es'} from {cutoffs} "
        f"cutoff{'' if cutoffs == 1 else 's'}, {len(result.left_out):,} left out"
    )


def losses_in_short(compare: pd.DataFrame) -> str:
    """Say to whom we lose, and who has the lowest error where we have not, in one line."""
    others, ours = compare.drop(index=NAME), compare.loc[NAME]
    lines = []
    for prefix, measure in (("", "total WAPE"), ("wql_", "WQL")):
        better = others.index[others[f"{prefix}verdict"] == BETTER].tolist()
        if better:
            lines.append(f"on {measure} to {', '.join(better)}.")
    lowest: dict[str, list[str]] = {}
    for key, measure in _MEASURES.items():
        if others[key].min() < ours[key]:
            lowest.setdefault(str(others[key].idxmin()), []).append(measure)
    if lowest:
        said = "; ".join(f"{name} ({', '.join(of)})" for name, of in lowest.items())
        lines.append(f"Lower errors than ours: {said}.")
    return " ".join(lines) or "nowhere that shows, over all launches."

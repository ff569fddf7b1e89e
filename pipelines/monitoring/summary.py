"""What monitoring says on a terminal: what is watched, what moved, what came; alarms at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.monitoring.checks import ALARM, CHANCE, FEW, FINE
from pipelines.monitoring.label_drift import LabelDrift
from pipelines.monitoring.matured_forecasts import MaturedForecasts, Scores
from pipelines.monitoring.monitor import MonitorReport
from pipelines.reports.terminal import plain_table
from pipelines.reports.words import counted, number
from pipelines.runs.label_profiles import LEVELS, LabelProfile

_STYLES = {FINE: "green", ALARM: "bold red", FEW: "yellow", CHANCE: "yellow"}
_CUTOFFS = 12
_SHARE = "{:.0%}"


def show_monitoring(console: Console, report: MonitorReport) -> None:
    """Print the whole report."""
    if report.labels is not None:
        _show_labels(console, report.labels)
    if report.forecasts is not None:
        _show_forecasts(console, report.forecasts, report.scores, report)
    _show_checks(console, report)
    for check in report.alerts:
        console.print(f"[bold red]alarm[/] {escape(check.in_words)}")
    if report.calls_for_adapt:
        console.print(
            "items are less like those known: label some of them, and let [bold]likewise adapt[/] "
            "try whether a tuned encoder knows them better"
        )
    if not report.alerts:
        console.print("[green]no alarm[/]")


def _show_labels(console: Console, drift: LabelDrift) -> None:
    now, last = drift.now, drift.last
    against = f"; the last run, {_run(last)}" if last else "; there is no run before"
    console.print(f"\n[bold]Labels[/] of {_run(now)}{against}\n")
    table = plain_table("How new the items are", ["", *map(_quantile, LEVELS)])
    for what in ("distance", "novelty"):
        for name, one in (("this run", now), ("last run", last)):
            if one is not None:
                values = getattr(one, what)
                table.add_row(f"{what}, {name}", *(f"{value:.3f}" for value in values))
    _print(console, table)
    console.print(
        "[dim]distance: one minus the similarity of the nearest like item. novelty is on a scale "
        "of its classifier's own[/]\n"
    )
    if drift.moved:
        table = plain_table("Labels that moved most", ["label", "this run", "last run", "change"])
        for label in drift.moved:
            change = label.now - label.last
            cells = (f"{label.now:.1%}", f"{label.last:.1%}", f"{change:+.1%}")
            table.add_row(escape(label.label), *cells)
        _print(console, table)


def _show_forecasts(
    console: Console, made: MaturedForecasts, scores: Scores | None, report: MonitorReport
) -> None:
    how = (
        "their totals over the whole horizon"
        if made.ages is None
        else f"their first {made.ages} periods, one by one"
    )
    console.print(
        f"[bold]Forecasts[/] against sales until the period of {made.until:%Y-%m-%d}: {how}\n"
    )
    if scores is not None:
        columns = ["cutoff", "launches", "units", "WAPE", "baseline", "bias", "interval holds"]
        table = plain_table("Launches that have matured", columns)
        shown = list(report.by_cutoff.items())[-_CUTOFFS:]
        for cutoff, one in shown:
            table.add_row(f"{cutoff:%Y-%m-%d}", *_score_cells(one))
        table.add_row("all", *_score_cells(scores), style="bold")
        _print(console, table)
        if len(shown) < len(report.by_cutoff):
            more = len(report.by_cutoff) - len(shown)
            console.print(f"[dim]  ... and {more:,} earlier cutoffs[/]")
        console.print(
            "[dim]all: each launch once, by its last forecast. baseline: the median of all "
            "launches seen by the cutoff[/]"
        )
    console.print(_rest_in_words(made) + "\n")


def _show_checks(console: Console, report: MonitorReport) -> None:
    table = plain_table("What is watched", ["measure", "value", "allowed", "rests on", "verdict"])
    for check in report.checks:
        of = "items" if check.name in _OF_ITEMS else "launches"
        style = _STYLES.get(check.verdict, "dim")
        table.add_row(
            check.what,
            check.value_shown,
            check.threshold_shown,
            f"{check.count:,} {of}",
            f"[{style}]{check.verdict}[/]",
        )
    _print(console, table)


_OF_ITEMS = {"unknown_share", "unknown_rise", "novelty_psi", "label_shift"}


def _score_cells(scores: Scores) -> Sequence[str]:
    holds = f"{number(scores.coverage, _SHARE)} of {number(scores.interval, _SHARE)}"
    return (
        f"{scores.launches:,}",
        f"{scores.units:,.0f}",
        number(scores.wape, _SHARE),
        number(scores.baseline_wape, _SHARE),
        number(scores.bias, "{:+.0%}"),
        holds if math.isfinite(scores.coverage) else "n/a",
    )


def _rest_in_words(made: MaturedForecasts) -> str:
    """Return the launches that are not in the scores."""
    parts = [
        f"{made.waiting:,} not over yet",
        *([f"{made.older:,} matured before the window"] if made.older else []),
        *(f"{count:,} left out: {reason}" for reason, count in made.left_out.items()),
    ]
    return "Launches besides: " + "; ".join(parts) + "."


def _run(profile: LabelProfile) -> str:
    return f"{profile.made[:16].replace('T', ' ')} UTC ({counted(profile.items, 'item')})"


def _quantile(level: float) -> str:
    return {0.0: "least", 0.5: "median", 1.0: "most"}.get(level, f"{level:g}")


def _print(console: Console, table: Table) -> None:
    console.print(table)
    console.print()

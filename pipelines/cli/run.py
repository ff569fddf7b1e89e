"""The verbs ``likewise demo``, ``run`` and ``monitor``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import (
    BadRowsOptions,
    ConfigOption,
    PruneOption,
    TableOptions,
    YesOption,
)
from pipelines.cli.runner import (
    check_folder,
    check_out,
    settings_of,
    show_quarantine,
    verb,
)

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.runs.steps import Outcome


FolderOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Folder of the run; else run.out."),
]

ALERTED = 3
"""The exit code where a threshold is crossed: all was done, and somebody should look."""


_Limit = str | None  # a number, or "none"

_STYLES = {"done": "bold green", "unchanged": "cyan", "not asked for": "dim"}


@verb
def run(
    config: ConfigOption = None,
    out: FolderOption = None,
    steps: Annotated[
        str | None,
        typer.Option("--steps", metavar="STEP,STEP", help="Only these; else run.steps."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Do also the steps that are unchanged.")
    ] = False,
    prune: PruneOption = None,
    yes: YesOption = False,
    *,
    written: TableOptions,
    bad_rows: BadRowsOptions,
) -> None:
    """Do all steps of the settings: index, classify, forecast, evaluate, backtest."""
    from pipelines.reports.terminal import make_console
    from pipelines.runs.run import run_job

    settings = settings_of(
        config,
        tables=written.section,
        run={"out": out, "steps": steps},
        index={"prune": prune},
        bad_rows=bad_rows.section,
    )
    folder = run_folder(settings.run.out)
    console = make_console()
    outcomes = run_job(
        settings,
        folder,
        force=force,
        confirmed=yes,
        told=lambda outcome: show_outcome(console, outcome),
    )
    if any(outcome.counts.get("quarantined") for outcome in outcomes):
        where = settings.bad_rows.folder or folder / "quarantine"
        typer.echo(f"bad rows left out, see {where}/")
    typer.echo(f"written to {folder}/")


def run_folder(out: Path | None) -> Path:
    """Return the folder of a run; InputError where neither the flag nor the settings name one."""
    from retrieval import InputError

    if out is None:
        raise InputError("no folder for the results: give --out, or set run.out in the config")
    check_folder(out)
    return out


@verb
def demo(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder of index, tables and report."),
    ] = Path("build/demo"),
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Reuse the vectors and tables of an earlier run."),
    ] = True,
) -> None:
    """Label and forecast real new products (Complete Journey) and write a report."""
    from pipelines.demo.demo import run_demo

    run_demo(out, cache=cache)


@verb
def monitor(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Folder of the run; else run.out.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="The report as .json.")
    ] = None,
    unknown_share: Annotated[
        _Limit,
        typer.Option("--unknown-share", metavar="LIMIT", help="Share of unknown items, or none."),
    ] = None,
    label_shift: Annotated[
        _Limit, typer.Option("--label-shift", metavar="LIMIT", help="Shift of the label mix.")
    ] = None,
    novelty_psi: Annotated[
        _Limit, typer.Option("--novelty-psi", metavar="LIMIT", help="Stability index of novelty.")
    ] = None,
    wape: Annotated[
        _Limit, typer.Option("--wape", metavar="LIMIT", help="WAPE of launches that have matured.")
    ] = None,
    bias: Annotated[
        _Limit, typer.Option("--bias", metavar="LIMIT", help="Bias of the mean, either way.")
    ] = None,
    ages: Annotated[
        str | None,
        typer.Option("--ages", metavar="N", help="Measure the first N periods; none: the totals."),
    ] = None,
    min_items: Annotated[
        int | None, typer.Option("--min-items", min=1, help="Fewer items do not alarm.")
    ] = None,
    min_launches: Annotated[
        int | None, typer.Option("--min-launches", min=1, help="Fewer launches do not alarm.")
    ] = None,
    *,
    written: TableOptions,
    bad_rows: BadRowsOptions,
    config: ConfigOption = None,
) -> None:
    """Hold a run against the last one and its forecasts against sales; exit 3: an alarm."""
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.monitoring.monitor import monitor_job
    from pipelines.monitoring.summary import show_monitoring
    from pipelines.reports.terminal import make_console
    from pipelines.runs.run import LABELS
    from pipelines.tables.output import write_json

    flags = {
        "unknown_share": unknown_share,
        "label_shift": label_shift,
        "novelty_psi": novelty_psi,
        "wape": wape,
        "bias": bias,
        "ages": ages,
        "min_items": min_items,
        "min_launches": min_launches,
    }
    settings = settings_of(
        config,
        tables=written.section,
        run={"out": folder},
        monitor=flags,
        bad_rows=bad_rows.section,
    )
    _check_report(out)
    where = run_folder(settings.run.out)
    check_out(settings, out, labels=where / LABELS, kept=where / "kept")
    bad = Quarantine.of(settings, "monitor", where)
    report = monitor_job(settings, where, quarantine=bad)
    show_monitoring(make_console(), report)
    show_quarantine(bad)
    if out is not None:
        write_json(report.as_dict(), out)
        typer.echo(f"written to {out}")
    if report.alerts:
        raise typer.Exit(ALERTED)


def _check_report(out: Path | None) -> None:
    from retrieval import InputError

    if out is not None and (out.suffix != ".json" or out.is_dir()):
        raise InputError(f"--out {out}: the report is a file that ends in .json")


def show_outcome(console: "Console", outcome: "Outcome") -> None:
    """One line: the step, what became of it, its counts."""
    from rich.markup import escape

    style = _STYLES[outcome.status]
    status = f"[{style}]{outcome.status}[/]" + " " * (14 - len(outcome.status))
    said = outcome.reason or "  ".join(
        f"{count:,} {name.replace('_', ' ')}" if isinstance(count, int) else f"{name} {count}"
        for name, count in outcome.counts.items()
    )
    seconds = f"  ({outcome.seconds:.1f} s)" if outcome.status == "done" else ""
    console.print(f"{outcome.step:<9} {status} {escape(said)}{seconds}")

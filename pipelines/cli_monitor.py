"""The verb ``likewise monitor``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import (
    BadRowsOption,
    ConfigOption,
    DebugOption,
    LogFormatOption,
    QuarantineOption,
)
from pipelines.cli.runner import bad_rows_section, check_out, running, settings_of, show_quarantine

ALERTED = 3
"""The exit code where a threshold is crossed: all was done, and somebody should look."""


_Limit = str | None  # a number, or "none"


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
    on_bad_rows: BadRowsOption = None,
    quarantine: QuarantineOption = None,
    config: ConfigOption = None,
    log_format: LogFormatOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Hold a run against the last one and its forecasts against sales; exit 3: an alarm."""
    with running(log_format, debug):
        from pipelines.cli.run import run_folder
        from pipelines.inputs.bad_rows import Quarantine
        from pipelines.monitoring.monitor import monitor_job
        from pipelines.monitoring.summary import show_monitoring
        from pipelines.reports.terminal import make_console
        from pipelines.runs.run import LABELS
        from pipelines.tables.reader import write_json

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
            run={"out": folder},
            monitor=flags,
            bad_rows=bad_rows_section(on_bad_rows, quarantine),
        )
        _check_report(out)
        where = run_folder(settings.run.out)
        check_out(settings, out, labels=where / LABELS, kept=where / "kept")
        bad_rows = Quarantine.of(settings, "monitor", where)
        report = monitor_job(settings, where, quarantine=bad_rows)
        show_monitoring(make_console(), report)
        show_quarantine(bad_rows)
        if out is not None:
            write_json(report.as_dict(), out)
            typer.echo(f"written to {out}")
        alerted = bool(report.alerts)
    if alerted:
        raise typer.Exit(ALERTED)


def _check_report(out: Path | None) -> None:
    from retrieval import InputError

    if out is not None and (out.suffix != ".json" or out.is_dir()):
        raise InputError(f"--out {out}: the report is a file that ends in .json")

"""The verb ``likewise run``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import (
    BadRowsOption,
    ConfigOption,
    DebugOption,
    LogFormatOption,
    PruneOption,
    QuarantineOption,
    YesOption,
)
from pipelines.cli.runner import bad_rows_section, check_folder, running, settings_of

FolderOption = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FOLDER", help="Folder of the run; else run.out."),
]


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
    on_bad_rows: BadRowsOption = None,
    quarantine: QuarantineOption = None,
    log_format: LogFormatOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Do all steps of the settings: index, classify, forecast, evaluate, backtest."""
    with running(log_format, debug):
        from pipelines.reports.terminal import make_console
        from pipelines.run_summary import show_outcome
        from pipelines.runs.run import run_job

        settings = settings_of(
            config,
            run={"out": out, "steps": steps},
            index={"prune": prune},
            bad_rows=bad_rows_section(on_bad_rows, quarantine),
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
    """The folder of a run; InputError where neither the flag nor the settings name one."""
    from retrieval import InputError

    if out is None:
        raise InputError("no folder for the results: give --out, or set run.out in the config")
    check_folder(out)
    return out

"""The verb ``likewise tune``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import (
    BadRowsOptions,
    ConfigOption,
    IdOption,
    LabelOption,
    LabelsOption,
    TableOptions,
    TextOption,
)
from pipelines.cli.runner import settings_of, show_quarantine, verb


@verb
def tune(
    items: Annotated[
        Path | None,
        typer.Argument(metavar="ITEMS", help="Labeled items to learn from; else the config's."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder of the tuned encoder.")
    ] = Path("encoder"),
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="auto: the whole ladder; map, lora, full: one rung.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="Most that it may take: 90s, 30m, 2h."),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option("--encoder", metavar="NAME", help="Else encoder.name.")
    ] = None,
    labels: LabelsOption = None,
    group_col: Annotated[
        str | None,
        typer.Option("--group-col", metavar="COL", help="Column of what is held out together."),
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Parts held out in turn.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of folds and trainings.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a tuned encoder in the folder.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="PATH", help="Scores and costs, as JSON.")
    ] = None,
    config: ConfigOption = None,
    id_col: IdOption = None,
    text_cols: TextOption = None,
    label_col: LabelOption = None,
    *,
    bad_rows: BadRowsOptions,
    written: TableOptions,
) -> None:
    """Tune the encoder on labeled items; written only where held-out items say it is better."""
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.jobs.tune import tune_job
    from pipelines.overwriting import Write, refuse_overwriting
    from pipelines.reports.terminal import make_console, show_tuning
    from pipelines.tables.output import write_json

    settings = settings_of(
        config,
        items={"id": id_col, "text": text_cols, "label": label_col},
        encoder={"name": encoder},
        classify={"labels": labels},
        tables=written.section,
        tune={
            "method": method,
            "budget": budget,
            "folds": folds,
            "seed": seed,
            "group_col": group_col,
        },
        bad_rows=bad_rows.section,
    )
    if report is not None:
        refuse_overwriting(settings, Write("--report", report), items=items)
    bad = Quarantine.of(settings, "tune", out.parent)
    done = tune_job(
        settings, settings.items.at(items), out=out, overwrite=overwrite, quarantine=bad
    )
    show_tuning(make_console(), done)
    show_quarantine(bad)
    if report is not None:
        write_json(done.to_dict(), report)
    if not done.is_tuned:
        typer.echo("nothing is better than the encoder as it is: nothing was written")
        raise typer.Exit(1)
    typer.echo(f"tuned encoder written to {done.out}/: use it with encoder.name, then reindex")

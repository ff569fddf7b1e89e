"""The verbs ``likewise tune`` and ``likewise compress``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import (
    BadRowsOptions,
    ConfigOption,
    DemandOption,
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
    demand: DemandOption = None,
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
            "demand": demand,
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


@verb
def compress(
    items: Annotated[
        Path | None,
        typer.Argument(metavar="ITEMS", help="Items with the texts to fit it to."),
    ] = None,
    to: Annotated[
        str,
        typer.Option("--to", metavar="static|int8", help="A table of tokens, or whole numbers."),
    ] = "static",
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Folder of the new encoder.")
    ] = Path("encoder"),
    encoder: Annotated[
        str | None, typer.Option("--encoder", metavar="NAME", help="Else encoder.name.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the texts that judge.")] = 0,
    config: ConfigOption = None,
    id_col: IdOption = None,
    text_cols: TextOption = None,
    label_col: LabelOption = None,
    *,
    bad_rows: BadRowsOptions,
    written: TableOptions,
) -> None:
    """Write the encoder in a faster form, fitted to the texts of items; tell how close it is."""
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.jobs.compress import compress_job, in_words

    settings = settings_of(
        config,
        items={"id": id_col, "text": text_cols, "label": label_col},
        encoder={"name": encoder},
        tables=written.section,
        bad_rows=bad_rows.section,
    )
    bad = Quarantine.of(settings, "compress", out.parent)
    done = compress_job(
        settings, settings.items.at(items), to=to, out=out, seed=seed, quarantine=bad
    )
    typer.echo(in_words(done))
    show_quarantine(bad)
    typer.echo(f"written to {out}/: use it with encoder.name, then reindex")

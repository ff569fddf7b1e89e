"""The verb ``likewise adapt``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import ConfigOption, DemandOption, IndexOptions, TableOptions
from pipelines.cli.runner import check_out, settings_of, verb
from pipelines.jobs.acceptance import Acceptance


@verb
def adapt(
    config: ConfigOption = None,
    *,
    index: IndexOptions,
    written: TableOptions,
    encoders: Annotated[
        Path,
        typer.Option("--encoders", metavar="FOLDER", help="Where the tuned encoders are kept."),
    ] = Path("encoders"),
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="How often, while something is gained.")
    ] = 1,
    method: Annotated[
        str | None, typer.Option("--method", metavar="NAME", help="As of likewise tune.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option("--budget", metavar="TIME", help="Most that tuning may take, a round."),
    ] = None,
    demand: DemandOption = None,
    min_recall: Annotated[
        float,
        typer.Option("--min-recall", min=0, max=1, help="Least recall@10 of the new version."),
    ] = Acceptance.recall,
    max_loss: Annotated[
        float,
        typer.Option(
            "--max-loss", min=0, max=1, help="Most that its neighbors may agree less on labels."
        ),
    ] = 0.0,
    no_backtest: Annotated[
        bool, typer.Option("--no-backtest", help="Forecast no past launches before it is read.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="What was done, as JSON.")
    ] = None,
) -> None:
    """Tune the encoder on what the index holds, and let the index follow, if all is better."""
    from pipelines.jobs.adapt import adapt_job
    from pipelines.reports.terminal import make_console, show_adapting
    from pipelines.tables.output import write_json

    settings = settings_of(
        config,
        index=index.section,
        tables=written.section,
        tune={"method": method, "budget": budget, "demand": demand},
    )
    check_out(settings, out)
    done = adapt_job(
        settings,
        encoders=encoders,
        rounds=rounds,
        demands=Acceptance(min_recall, max_loss),
        with_sales=not no_backtest,
    )
    show_adapting(make_console(), settings.index.collection, done)
    if out is not None:
        write_json([one.as_dict() for one in done], out)

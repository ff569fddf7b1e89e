"""The command ``likewise``: parses, calls a job, prints; the jobs do the work.

The API stands above the jobs: `serving.command_line` adds its verbs and is the entry point.

Exit codes: 0 done, 1 failed, 2 bad input, 3 an alarm of ``monitor``, 130 interrupted. A result
goes to ``--out``, the summary for people to stdout, logs, progress and errors to stderr. What is
heavy is imported inside the verbs, so that ``--help`` answers at once.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from pipelines.cli.adapt import adapt
from pipelines.cli.answers import ask, recommend
from pipelines.cli.concepts import concepts
from pipelines.cli.encoders import compress, tune
from pipelines.cli.forecasts import backtest, forecast
from pipelines.cli.items import index, reindex, similar
from pipelines.cli.labels import classify, evaluate
from pipelines.cli.look import look
from pipelines.cli.run import demo, monitor, run

app = typer.Typer(
    name="likewise",
    help="Label and forecast items without history from the like items already known.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad input, 3 an alarm of monitor, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for job in (
    demo,
    look,
    index,
    reindex,
    tune,
    adapt,
    compress,
    similar,
    classify,
    evaluate,
    forecast,
    backtest,
    ask,
    recommend,
    run,
    monitor,
):
    app.command()(job)
app.add_typer(concepts, name="concepts")


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"likewise {version('likewise')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass

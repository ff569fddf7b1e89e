"""The command ``likewise``: parses, calls a job, prints; the jobs do the work.

Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted. A result goes to ``--out``, the summary
for people to stdout, logs, progress and errors to stderr. What is heavy is imported inside the
verbs, so that ``--help`` answers at once.
"""

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.logs import LogFormat, configure_logs

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.config import Settings

app = typer.Typer(
    name="likewise",
    help="Label and forecast items without history from the like items already known.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", metavar="FILE", help="YAML settings; see configs/ for one."),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="PATH", help="Result, .parquet or .csv; replaced as a whole."
    ),
]
UriOption = Annotated[
    str | None,
    typer.Option("--uri", help="Milvus: a .db file (Lite) or http(s)://host:port.", metavar="URI"),
]
CollectionOption = Annotated[
    str | None, typer.Option("--collection", help="Collection of the index.", metavar="NAME")
]
IdOption = Annotated[
    str | None, typer.Option("--id-col", help="Column of item ids.", metavar="COL")
]
TextOption = Annotated[
    str | None, typer.Option("--text-cols", help="Columns of text.", metavar="COL,COL")
]
LaunchOption = Annotated[
    str | None, typer.Option("--launch-date-col", help="Column of launch dates.", metavar="COL")
]
AttributesOption = Annotated[
    str | None, typer.Option("--attribute-cols", help="Columns of attributes.", metavar="COL,COL")
]
LogFormatOption = Annotated[
    LogFormat,
    typer.Option("--log-format", help="Logs on stderr; auto: console on a terminal, else json."),
]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Log more; show the traceback of an error.")
]


def main() -> None:
    """Runs the command line."""
    app()


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


@app.command()
def demo(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder of index, tables and report."),
    ] = Path("build/demo"),
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Reuse the vectors and tables of an earlier run."),
    ] = True,
    log_format: LogFormatOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Label and forecast real new products (Complete Journey) and write a report."""
    with _running(log_format, debug):
        from pipelines.demo import run_demo

        run_demo(out, cache=cache)


@app.command()
def index(
    items: Annotated[
        Path | None, typer.Argument(metavar="ITEMS", help="Items table; else the config's.")
    ] = None,
    config: ConfigOption = None,
    id_col: IdOption = None,
    text_cols: TextOption = None,
    label_col: Annotated[
        str | None, typer.Option("--label-col", help="Column of labels.", metavar="COL")
    ] = None,
    launch_date_col: LaunchOption = None,
    attribute_cols: AttributesOption = None,
    uri: UriOption = None,
    collection: CollectionOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="Counts, as JSON.")
    ] = None,
    log_format: LogFormatOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Encode an items table into a Milvus collection; a re-run embeds only what changed."""
    with _running(log_format, debug):
        from pipelines.display import make_console, show_counts
        from pipelines.jobs import index_job
        from pipelines.tables import write_json

        columns = {
            "id": id_col,
            "text": text_cols,
            "label": label_col,
            "launch_date": launch_date_col,
            "attributes": attribute_cols,
        }
        settings = _settings(config, items=columns, index=_index(uri, collection))
        counts = index_job(settings, items)
        show_counts(make_console(), f"{settings.index.uri} / {settings.index.collection}", counts)
        if out is not None:
            write_json(counts, out)


@app.command()
def similar(
    items: Annotated[
        Path | None, typer.Argument(metavar="ITEMS", help="Table of the items asked about.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", "-t", help="A text asked about; repeat for more.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbors of each.")] = 10,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Only items launched until then.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="COL=VALUE", help="Also col=a,b or col=1..3; all must hold."
        ),
    ] = None,
    config: ConfigOption = None,
    uri: UriOption = None,
    collection: CollectionOption = None,
    out: OutOption = None,
    log_format: LogFormatOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Find the like items of a table's rows or of texts."""
    with _running(log_format, debug):
        from pipelines.display import make_console, show_neighbors
        from pipelines.jobs import similar_job
        from retrieval import InputError

        if (items is None) == (not text):
            raise InputError("similar: give either an items table or --text")
        _check_out(out, items)
        settings = _settings(config, index=_index(uri, collection))
        queries = items if items is not None else list(text or ())
        when = _date("--as-of", as_of)
        near = similar_job(settings, queries, k=k, as_of=when, where=where or ())
        show_neighbors(make_console(), near, text or ())
        _write(near, out)


@app.command()
def classify(
    items: Annotated[Path, typer.Argument(metavar="ITEMS", help="Table of the items to label.")],
    k: Annotated[int | None, typer.Option("-k", min=1, help="Neighbors that vote.")] = None,
    config: ConfigOption = None,
    uri: UriOption = None,
    collection: CollectionOption = None,
    out: OutOption = None,
    log_format: LogFormatOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Label new items by the labeled items of the index."""
    with _running(log_format, debug):
        from pipelines.display import make_console, show_labels
        from pipelines.jobs import classify_job

        _check_out(out, items)
        settings = _settings(config, index=_index(uri, collection), classify={"k": k})
        labels = classify_job(settings, items)
        show_labels(make_console(), labels)
        _write(labels, out)


@app.command()
def forecast(
    items: Annotated[
        Path | None, typer.Argument(metavar="ITEMS", help="Items table; else the config's.")
    ] = None,
    sales: Annotated[
        Path | None, typer.Argument(metavar="SALES", help="Sales table; else the config's.")
    ] = None,
    new: Annotated[
        Path | None,
        typer.Option(
            "--new", metavar="PATH", help="Items to forecast; else those after the cutoff."
        ),
    ] = None,
    cutoff: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Last period seen; else the last of the sales."),
    ] = None,
    horizon: Annotated[int | None, typer.Option(min=1, help="Periods from the launch.")] = None,
    freq: Annotated[str | None, typer.Option(help="Period, as pandas names it: W-MON.")] = None,
    config: ConfigOption = None,
    id_col: IdOption = None,
    text_cols: TextOption = None,
    launch_date_col: LaunchOption = None,
    attribute_cols: AttributesOption = None,
    out: OutOption = None,
    log_format: LogFormatOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Forecast the launch curves of new items from their analogues' sales."""
    with _running(log_format, debug):
        from pipelines.display import make_console, show_forecasts
        from pipelines.jobs import forecast_job

        _check_out(out, items, sales, new)
        columns = {"id": id_col, "launch_date": launch_date_col}
        options = {
            "horizon": horizon,
            "freq": freq,
            "text": text_cols,
            "attributes": attribute_cols,
        }
        settings = _settings(config, items=columns, forecast=options)
        when = _date("--cutoff", cutoff)
        forecasts = forecast_job(settings, items, sales, new=new, cutoff=when)
        show_forecasts(make_console(), forecasts)
        _write(forecasts, out)


@contextmanager
def _running(log_format: LogFormat, debug: bool) -> Iterator[None]:
    """Sets up the logs; turns an error into a clear message and its exit code."""
    configure_logs(log_format, debug=debug)
    try:
        yield
    except Exception as error:
        from retrieval import InputError, LikewiseError

        if debug:
            traceback.print_exc()
        expected = isinstance(error, LikewiseError | OSError)
        message = str(error) if expected else f"{type(error).__name__}: {error}"
        if not (expected or debug):
            message += "\n(unexpected; --debug shows where)"
        print(f"error: {message}", file=sys.stderr)
        raise typer.Exit(2 if isinstance(error, InputError) else 1) from None


def _settings(config: Path | None, **flags: Mapping[str, Any]) -> "Settings":
    """The settings of a verb, whose flags win where they were given."""
    from pipelines.config import load_settings

    given = {
        section: {key: value for key, value in keys.items() if value is not None}
        for section, keys in flags.items()
    }
    return load_settings(config, given)


def _index(uri: str | None, collection: str | None) -> dict[str, str | None]:
    return {"uri": uri, "collection": collection}


def _date(option: str, text: str | None) -> "pd.Timestamp | None":
    if text is None:
        return None
    import pandas as pd

    from retrieval import InputError

    try:
        return pd.to_datetime(text, format="ISO8601")
    except ValueError:
        raise InputError(f"{option}: {text!r} is not a date (write YYYY-MM-DD)") from None


def _check_out(out: Path | None, *inputs: Path | None) -> None:
    """Refuses, before the work, an output that cannot be written or would replace an input."""
    if out is None:
        return
    from pipelines.tables import check_writable
    from retrieval import InputError

    check_writable(out)
    if any(path is not None and path.resolve() == out.resolve() for path in inputs):
        raise InputError(f"--out {out}: is one of the input tables")


def _write(table: "pd.DataFrame", out: Path | None) -> None:
    if out is not None:
        from pipelines.tables import write_table

        write_table(table, out)
        typer.echo(f"written to {out}")

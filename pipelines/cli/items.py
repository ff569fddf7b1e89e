"""The verbs ``likewise index`` and ``likewise similar``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import (
    AttributesOption,
    BadRowsOption,
    CollectionOption,
    ConfigOption,
    DebugOption,
    EngineOption,
    IdOption,
    LabelOption,
    LaunchOption,
    LogFormatOption,
    OutOption,
    PruneOption,
    QuarantineOption,
    TextOption,
    UriOption,
    YesOption,
)
from pipelines.cli.runner import (
    bad_rows_section,
    check_out,
    check_table_out,
    index_section,
    parsed_date,
    running,
    settings_of,
    show_quarantine,
    write_result,
)


def index(
    items: Annotated[
        Path | None, typer.Argument(metavar="ITEMS", help="Items table; else the config's.")
    ] = None,
    config: ConfigOption = None,
    id_col: IdOption = None,
    text_cols: TextOption = None,
    label_col: LabelOption = None,
    launch_date_col: LaunchOption = None,
    attribute_cols: AttributesOption = None,
    uri: UriOption = None,
    collection: CollectionOption = None,
    prune: PruneOption = None,
    yes: YesOption = False,
    engine: EngineOption = None,
    on_bad_rows: BadRowsOption = None,
    quarantine: QuarantineOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="Counts, as JSON.")
    ] = None,
    log_format: LogFormatOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Encode an items table into a Milvus collection; a re-run embeds only what changed."""
    with running(log_format, debug):
        from pipelines.components import index_job
        from pipelines.inputs.bad_rows import Quarantine
        from pipelines.reports.terminal import make_console, show_counts
        from pipelines.tables.reader import write_json

        columns = {
            "id": id_col,
            "text": text_cols,
            "label": label_col,
            "launch_date": launch_date_col,
            "attributes": attribute_cols,
        }
        section = {**index_section(uri, collection), "prune": prune}
        bad_rows = bad_rows_section(on_bad_rows, quarantine)
        settings = settings_of(
            config, items=columns, index=section, bad_rows=bad_rows, engine={"kind": engine}
        )
        check_out(settings, out, items=items)
        bad = Quarantine.of(settings, "index", out and out.parent)
        table = settings.items.at(items)
        counts = index_job(settings, table, confirmed=yes, quarantine=bad)
        show_counts(make_console(), f"{settings.index.uri} / {settings.index.collection}", counts)
        show_quarantine(bad)
        if out is not None:
            write_json(counts, out)


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
    with running(log_format, debug):
        from pipelines.components import similar_job
        from pipelines.reports.terminal import make_console, show_neighbors
        from retrieval import InputError

        if (items is None) == (not text):
            raise InputError("similar: give either an items table or --text")
        settings = settings_of(config, index=index_section(uri, collection))
        check_table_out(settings, out, items=items)
        asked = settings.new_items.at(items)
        queries = asked if asked is not None else list(text or ())
        when = parsed_date("--as-of", as_of)
        near = similar_job(settings, queries, k=k, as_of=when, where=where or ())
        show_neighbors(make_console(), near, text or ())
        write_result(near, out)

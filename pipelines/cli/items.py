"""The verbs ``likewise index``, ``similar`` and ``reindex``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import (
    AttributesOption,
    BadRowsOptions,
    ConfigOption,
    EngineOption,
    IdOption,
    IndexOptions,
    LabelOption,
    LanguageOption,
    LaunchOption,
    OutOption,
    PruneOption,
    TableOptions,
    TextOption,
    YesOption,
)
from pipelines.cli.runner import (
    check_out,
    check_table_out,
    parsed_date,
    settings_of,
    show_quarantine,
    verb,
    write_result,
)
from pipelines.jobs.acceptance import Acceptance


@verb
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
    language: LanguageOption = None,
    *,
    where: IndexOptions,
    prune: PruneOption = None,
    yes: YesOption = False,
    engine: EngineOption = None,
    written: TableOptions,
    bad_rows: BadRowsOptions,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="Counts, as JSON.")
    ] = None,
) -> None:
    """Encode an items table into a Milvus collection; a re-run embeds only what changed."""
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.jobs.index import index_job
    from pipelines.reports.terminal import make_console, show_counts
    from pipelines.tables.output import write_json
    from retrieval import masked

    columns = {
        "id": id_col,
        "text": text_cols,
        "label": label_col,
        "launch_date": launch_date_col,
        "attributes": attribute_cols,
        "language": language,
    }
    section = {**where.section, "prune": prune}
    settings = settings_of(
        config,
        tables=written.section,
        items=columns,
        index=section,
        bad_rows=bad_rows.section,
        engine={"kind": engine},
    )
    check_out(settings, out, items=items)
    bad = Quarantine.of(settings, "index", out and out.parent)
    table = settings.items.at(items)
    counts = index_job(settings, table, confirmed=yes, quarantine=bad)
    where_to = f"{masked(settings.index.uri)} / {settings.index.collection}"
    show_counts(make_console(), where_to, counts)
    show_quarantine(bad)
    if out is not None:
        write_json(counts, out)


@verb
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
    concept: Annotated[
        str | None,
        typer.Option(
            "--concept", metavar="NAME", help="Only items of this concept, or of one below it."
        ),
    ] = None,
    every_twin: Annotated[
        bool, typer.Option("--all", help="List items of one text and label each, not once.")
    ] = False,
    config: ConfigOption = None,
    *,
    index: IndexOptions,
    written: TableOptions,
    out: OutOption = None,
) -> None:
    """Find the like items of a table's rows or of texts."""
    from pipelines.jobs.labels import similar_job
    from pipelines.reports.terminal import make_console, show_neighbors
    from retrieval import InputError

    if (items is None) == (not text):
        raise InputError("similar: give either an items table or --text")
    settings = settings_of(config, tables=written.section, index=index.section)
    check_table_out(settings, out, items=items)
    asked = settings.new_items.at(items)
    queries = asked if asked is not None else list(text or ())
    when = parsed_date("--as-of", as_of)
    near = similar_job(
        settings,
        queries,
        k=k,
        as_of=when,
        where=where or (),
        every_twin=every_twin,
        concept=concept,
    )
    show_neighbors(make_console(), near, text or ())
    write_result(settings, near, out)


@verb
def reindex(
    config: ConfigOption = None,
    *,
    index: IndexOptions,
    encoder: Annotated[
        str | None, typer.Option("--encoder", metavar="NAME", help="Else encoder.name.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--index", metavar="KIND", help="Else index.kind.")
    ] = None,
    min_recall: Annotated[
        float,
        typer.Option("--min-recall", min=0, max=1, help="Least recall@10 of the new version."),
    ] = Acceptance.recall,
    max_loss: Annotated[
        float,
        typer.Option(
            "--max-loss", min=0, max=1, help="Most that its neighbors may agree less on labels."
        ),
    ] = Acceptance.loss,
    no_switch: Annotated[
        bool, typer.Option("--no-switch", help="Fill and examine it only.")
    ] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Remove all other versions afterwards.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Go back to the version before the live one.")
    ] = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Go to this version.")
    ] = None,
    as_it_is: Annotated[
        bool,
        typer.Option("--as-it-is", help="With --rollback, --to: leave out what came since."),
    ] = False,
) -> None:
    """Build the index anew beside the live one, examine it, and let it take its place."""
    from pipelines.jobs.reindex import reindex_job, rollback_job
    from pipelines.reports.terminal import make_console, show_reindexing
    from retrieval import InputError

    if rollback and to is not None:
        raise InputError("reindex: give either --rollback or --to")
    is_back = rollback or to is not None
    if is_back and (no_switch or drop_old):
        raise InputError("reindex: --no-switch and --drop-old do not go with --rollback or --to")
    if as_it_is and not is_back:
        raise InputError("reindex: --as-it-is goes with --rollback or --to")
    section = {**index.section, "kind": kind}
    settings = settings_of(config, index=section, encoder={"name": encoder})
    if is_back:
        done = rollback_job(settings, to=to, as_it_is=as_it_is)
    else:
        done = reindex_job(
            settings,
            demands=Acceptance(min_recall, max_loss),
            switch=not no_switch,
            drop_old=drop_old,
        )
    show_reindexing(make_console(), settings.index.collection, done)

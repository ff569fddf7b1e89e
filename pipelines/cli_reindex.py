"""The verb ``likewise reindex``."""

from typing import Annotated

import typer

from pipelines.cli.options import (
    CollectionOption,
    ConfigOption,
    DebugOption,
    LogFormatOption,
    UriOption,
)
from pipelines.cli.runner import index_section, running, settings_of
from pipelines.jobs.acceptance import Demands


def reindex(
    config: ConfigOption = None,
    uri: UriOption = None,
    collection: CollectionOption = None,
    encoder: Annotated[
        str | None, typer.Option("--encoder", metavar="NAME", help="Else encoder.name.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--index", metavar="KIND", help="Else index.kind.")
    ] = None,
    min_recall: Annotated[
        float,
        typer.Option("--min-recall", min=0, max=1, help="Least recall@10 of the new version."),
    ] = Demands.recall,
    max_loss: Annotated[
        float,
        typer.Option(
            "--max-loss", min=0, max=1, help="Most that its neighbors may agree less on labels."
        ),
    ] = Demands.loss,
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
    log_format: LogFormatOption = "auto",
    debug: DebugOption = False,
) -> None:
    """Build the index anew beside the live one, examine it, and let it take its place."""
    with running(log_format, debug):
        from pipelines.jobs.reindex import reindex_job, rollback_job
        from pipelines.reindex_summary import show_reindexing
        from pipelines.reports.terminal import make_console
        from retrieval import InputError

        if rollback and to is not None:
            raise InputError("reindex: give either --rollback or --to")
        is_back = rollback or to is not None
        if is_back and (no_switch or drop_old):
            raise InputError(
                "reindex: --no-switch and --drop-old do not go with --rollback or --to"
            )
        if as_it_is and not is_back:
            raise InputError("reindex: --as-it-is goes with --rollback or --to")
        index = {**index_section(uri, collection), "kind": kind}
        settings = settings_of(config, index=index, encoder={"name": encoder})
        if is_back:
            done = rollback_job(settings, to=to, as_it_is=as_it_is)
        else:
            done = reindex_job(
                settings,
                demands=Demands(min_recall, max_loss),
                switch=not no_switch,
                drop_old=drop_old,
            )
        show_reindexing(make_console(), settings.index.collection, done)

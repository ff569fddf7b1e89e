"""The verbs of ``likewise concepts``: load, link, correct, show, propose."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import ConfigOption, IndexOptions, OutOption, TableOptions
from pipelines.cli.runner import check_out, check_table_out, settings_of, verb, write_result

concepts = typer.Typer(
    help="Concepts and relations beside the items: what items are of, and what replaces what.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

PathColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--path-cols", metavar="COL,COL", help="Column of paths A > B, or one column a level."
    ),
]
SeparatorOption = Annotated[
    str, typer.Option("--separator", metavar="MARK", help="Between the levels of a path.")
]


@verb
def load(
    source: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Concepts, relations, SKOS, or items with a path."),
    ],
    relations: Annotated[
        Path | None, typer.Option("--relations", metavar="FILE", help="Relations besides.")
    ] = None,
    path_cols: PathColumnsOption = None,
    concept_id_col: Annotated[
        str | None,
        typer.Option("--concept-id-col", metavar="COL", help="Ids of the path's lowest level."),
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", metavar="WORD", help="What the concepts are.")
    ] = "concept",
    language: Annotated[
        str | None, typer.Option("--language", metavar="CODE", help="Of SKOS names; else English.")
    ] = None,
    separator: SeparatorOption = " > ",
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove what the file does not have.")
    ] = False,
    config: ConfigOption = None,
    *,
    index: IndexOptions,
) -> None:
    """Load concepts and relations; a second time does nothing."""
    from pipelines.concepts.jobs import load_concepts_job

    settings = settings_of(config, index=index.section)
    done = load_concepts_job(
        settings,
        source,
        relations=relations,
        path=_columns(path_cols),
        ids=concept_id_col,
        kind=kind,
        language=language,
        separator=separator,
        replace=replace,
    )
    typer.echo(
        f"{done['concepts']:,} concepts, {done['relations']:,} relations: {done['new']:,} new, "
        f"{done['changed']:,} changed, {done['removed']:,} removed"
    )


@verb
def link(
    items: Annotated[
        Path | None, typer.Argument(metavar="ITEMS", help="Items to link; else all of the index.")
    ] = None,
    path_cols: PathColumnsOption = None,
    separator: SeparatorOption = " > ",
    since_col: Annotated[
        str | None,
        typer.Option(
            "--since-col", metavar="COL", help="With --path-cols: since when that is known."
        ),
    ] = None,
    false_alarm_rate: Annotated[
        float | None,
        typer.Option("--false-alarm-rate", help="Lower links fewer items, and more surely."),
    ] = None,
    config: ConfigOption = None,
    *,
    index: IndexOptions,
    written: TableOptions,
    out: OutOption = None,
) -> None:
    """Link items to the concept each is most like, or to none; only new and changed ones."""
    from pipelines.concepts.jobs import link_job

    settings = settings_of(config, tables=written.section, index=index.section)
    check_table_out(settings, out, items=items)
    table = None if items is None else settings.tables.at(items)
    links = link_job(
        settings,
        table,
        path=_columns(path_cols),
        separator=separator,
        since=since_col,
        false_alarm_rate=false_alarm_rate,
    )
    known = int(links["concept_id"].notna().sum())
    share = f" ({known / len(links):.0%})" if len(links) else ""
    typer.echo(f"{known:,} of {len(links):,} items linked{share}")
    write_result(settings, links, out)


@verb
def correct(
    corrections: Annotated[
        Path, typer.Argument(metavar="FILE", help="item_id, concept_id; blank: of none.")
    ],
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="First day that was known; else today."),
    ] = None,
    config: ConfigOption = None,
    *,
    index: IndexOptions,
    written: TableOptions,
) -> None:
    """Say of which concept items are: it stays, and teaches later links."""
    from pipelines.concepts.jobs import correct_job

    settings = settings_of(config, tables=written.section, index=index.section)
    done = correct_job(settings, settings.tables.at(corrections), since=since)
    typer.echo(f"{len(done):,} items corrected")


@verb
def show(
    concept: Annotated[
        str, typer.Argument(metavar="CONCEPT", help="Its id, name, a synonym, or path.")
    ],
    picture: Annotated[
        Path | None,
        typer.Option("--picture", metavar="PNG", help="Draw what is around it in the graph."),
    ] = None,
    config: ConfigOption = None,
    *,
    index: IndexOptions,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="PATH", help="The same, as JSON.")
    ] = None,
) -> None:
    """Show a concept: its path, names, relations and items."""
    from pipelines.concepts.jobs import reading_graph, show_concept_job
    from pipelines.concepts.neighborhood import draw_neighborhood
    from pipelines.tables.output import write_json

    settings = settings_of(config, index=index.section)
    check_out(settings, out)
    check_out(settings, picture)
    shown = show_concept_job(settings, concept)
    for line in _lines(shown):
        typer.echo(line)
    if picture is not None:
        with reading_graph(settings) as graph:
            draw_neighborhood(graph, shown["concept_id"], picture)
        typer.echo(f"written to {picture}")
    if out is not None:
        write_json(shown, out)


@verb
def propose(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PATH", help="Concepts to accept, .csv.")
    ],
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="COL,COL", help="Attributes; else all of words."),
    ] = None,
    least: Annotated[
        int | None, typer.Option("--least", min=2, help="Items that a concept has at least.")
    ] = None,
    config: ConfigOption = None,
    *,
    index: IndexOptions,
) -> None:
    """Propose concepts out of the catalogue, for a person to accept and ``concepts load``."""
    from pipelines.concepts.jobs import propose_job

    settings = settings_of(config, index=index.section)
    check_table_out(settings, out)
    found = propose_job(settings, columns=_columns(columns), least=least)
    typer.echo(f"{len(found):,} concepts proposed; set accepted to yes, and load the file")
    write_result(settings, found, out)


def _columns(told: str | None) -> list[str]:
    return [one.strip() for one in (told or "").split(",") if one.strip()]


def _lines(shown: dict[str, object]) -> list[str]:
    """Return what is shown of a concept, line by line."""
    lines = [f"{shown['name']} ({shown['concept_id']}, {shown['kind']})", f"  {shown['path']}"]
    for name in ("description", "synonyms", "children"):
        if told := shown[name]:
            lines.append(f"  {name}: {', '.join(told) if isinstance(told, list) else told}")
    for one in shown["relations"]:  # type: ignore[attr-defined]
        lines.append(f"  {one['source']} {one['relation']} {one['target']}")
    lines.append(f"  items: {shown['n_items']:,}, with those below it {shown['n_items_below']:,}")
    for one in shown["items"]:  # type: ignore[attr-defined]
        lines.append(f"    {one['item_id']}: {str(one['text'])[:70]}")
    return lines


for job in (load, link, correct, show, propose):
    concepts.command()(job)

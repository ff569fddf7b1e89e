"""The verb ``likewise look``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import ConfigOption, TableOptions
from pipelines.cli.runner import settings_of, verb


@verb
def look(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Tables to look at, of any kind.")
    ],
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="FILE", help="Settings that read them, a new YAML file."),
    ] = None,
    sheet: Annotated[
        str | None, typer.Option("--sheet", metavar="NAME", help="Of a workbook.")
    ] = None,
    config: ConfigOption = None,
    *,
    written: TableOptions,
) -> None:
    """Say what each column of a table is read as, its gaps and likely slips; write settings."""
    from pipelines.inputs.look import look_at, write_draft

    settings = settings_of(config, tables={**written.section, "sheet": sheet})
    looks = [look_at(path, settings.tables) for path in files]
    for one in looks:
        typer.echo("\n".join(one.lines))
    if write is not None:
        write_draft(looks, write)
        typer.echo(f"written to {write}: read it, and change what is wrong")

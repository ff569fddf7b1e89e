"""The verb ``likewise demo``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.options import DebugOption, LogFormatOption
from pipelines.cli.runner import running


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
    with running(log_format, debug):
        from pipelines.demo.demo import run_demo

        run_demo(out, cache=cache)

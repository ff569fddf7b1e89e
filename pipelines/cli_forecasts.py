"""The verb ``likewise forecast``."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_options import (
    AttributesOption,
    ConfigOption,
    DebugOption,
    IdOption,
    LaunchOption,
    LogFormatOption,
    OutOption,
    TextOption,
)
from pipelines.cli_running import check_out, parsed_date, running, settings_of, write_result


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
    with running(log_format, debug):
        from pipelines.display import make_console, show_forecasts
        from pipelines.jobs import forecast_job

        check_out(out, items, sales, new)
        columns = {"id": id_col, "launch_date": launch_date_col}
        options = {
            "horizon": horizon,
            "freq": freq,
            "text": text_cols,
            "attributes": attribute_cols,
        }
        settings = settings_of(config, items=columns, forecast=options)
        when = parsed_date("--cutoff", cutoff)
        forecasts = forecast_job(settings, items, sales, new=new, cutoff=when)
        show_forecasts(make_console(), forecasts)
        write_result(forecasts, out)

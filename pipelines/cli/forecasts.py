"""The verbs ``likewise forecast`` and ``likewise backtest``."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import (
    AttributesOption,
    BadRowsOptions,
    ConfigOption,
    EngineOption,
    IdOption,
    LaunchOption,
    OutTableOption,
    TableOptions,
    TextOption,
)
from pipelines.cli.runner import (
    check_folder,
    check_out,
    check_table_out,
    parsed_date,
    settings_of,
    show_quarantine,
    verb,
    write_result,
)

if TYPE_CHECKING:
    import pandas as pd

    from pipelines.config.settings import Settings
    from pipelines.reports.forecast import Judged

_ItemsArgument = Annotated[
    Path | None, typer.Argument(metavar="ITEMS", help="Items table; else the config's.")
]
_SalesArgument = Annotated[
    Path | None, typer.Argument(metavar="SALES", help="Sales table; else the config's.")
]
_FutureOption = Annotated[
    Path | None,
    typer.Option("--future", metavar="PATH", help="Plans by item and period; else the config's."),
]


@dataclass(frozen=True)
class _ForecasterOptions:
    """Which columns a forecaster reads, and how it forecasts."""

    horizon: Annotated[int | None, typer.Option(min=1, help="Periods from the launch.")] = None
    freq: Annotated[str | None, typer.Option(help="Period, as pandas names it: W-MON.")] = None
    method: Annotated[str | None, typer.Option(metavar="NAME", help="auto, lightgbm or knn.")] = (
        None
    )
    id_col: IdOption = None
    text_cols: TextOption = None
    launch_date_col: LaunchOption = None
    attribute_cols: AttributesOption = None

    @property
    def columns(self) -> dict[str, str | None]:
        """What was given of the columns, as settings."""
        return {"id": self.id_col, "launch_date": self.launch_date_col}

    @property
    def section(self) -> dict[str, object]:
        """What else was given, as settings."""
        return {
            "horizon": self.horizon,
            "freq": self.freq,
            "method": self.method,
            "text": self.text_cols,
            "attributes": self.attribute_cols,
        }


@dataclass(frozen=True)
class _OrderOptions:
    """What orders of the new items cost, and where they are written."""

    orders: Annotated[
        Path | None, typer.Option(metavar="PATH", help="How much to order of each, as a table.")
    ] = None
    overage_cost: Annotated[
        str | None, typer.Option(metavar="NUMBER|COL", help="Of orders: cost of a unit left over.")
    ] = None
    underage_cost: Annotated[
        str | None, typer.Option(metavar="NUMBER|COL", help="Of orders: cost of a unit missing.")
    ] = None
    service_level: Annotated[
        str | None,
        typer.Option(metavar="NUMBER|COL", help="Instead: probability to have enough."),
    ] = None

    @property
    def section(self) -> dict[str, object]:
        """What was given of the costs, as settings."""
        return {
            "overage_cost": self.overage_cost,
            "underage_cost": self.underage_cost,
            "service_level": self.service_level,
        }


@verb
def forecast(
    items: _ItemsArgument = None,
    sales: _SalesArgument = None,
    new: Annotated[
        Path | None,
        typer.Option(
            "--new",
            metavar="PATH",
            help="Items to forecast; else the config's new_items, else those after the cutoff.",
        ),
    ] = None,
    cutoff: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Last period seen; else the last of the sales."),
    ] = None,
    observed: Annotated[
        Path | None,
        typer.Option("--observed", metavar="PATH", help="Sales of the new items so far."),
    ] = None,
    observed_until: Annotated[
        str | None,
        typer.Option(
            "--observed-until", metavar="DATE", help="Last period of --observed; else its last row."
        ),
    ] = None,
    future: _FutureOption = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="FOLDER", help="A saved forecaster, instead of fitting one."
        ),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option("--save", metavar="FOLDER", help="Save the forecaster for --model."),
    ] = None,
    totals: Annotated[
        bool, typer.Option("--totals", help="--out gets one row per item: its total.")
    ] = False,
    taken: Annotated[
        bool | None, typer.Option("--taken", help="Tell what launches take from like items.")
    ] = None,
    config: ConfigOption = None,
    *,
    forecaster: _ForecasterOptions,
    ordering: _OrderOptions,
    engine: EngineOption = None,
    written: TableOptions,
    bad_rows: BadRowsOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="PATH",
            help="Table (.csv, .parquet), or a folder: a page, and all tables.",
        ),
    ] = None,
    out_table: OutTableOption = None,
    tested: Annotated[
        bool,
        typer.Option(
            "--backtest/--no-backtest", help="Whether the page of a folder says how good they are."
        ),
    ] = True,
) -> None:
    """Forecast the launch curves of new items from their analogues' sales."""
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.jobs.forecasts import forecast_launches
    from pipelines.reports.forecast import FILES as FORECAST_FILES, Judged, write_forecasts
    from pipelines.reports.terminal import make_console, show_forecasts, show_orders
    from pipelines.tables.output import check_workbooks

    if model is not None:
        _refuse_flags({**forecaster.columns, **forecaster.section})
    settings = settings_of(
        config,
        tables=written.section,
        items=forecaster.columns,
        forecast={**forecaster.section, "taken": taken},
        orders=ordering.section,
        bad_rows=bad_rows.section,
        engine={"kind": engine},
    )
    _require_costs(settings, ordering.orders)
    bad = Quarantine.of(settings, "forecast", out and out.parent)
    given = {"items": items, "sales": sales, "new_items": new, "future": future}
    more = {"observed": observed, "model": model, "save": save}
    page = out if out is not None and _is_folder(out) else None
    if page is not None:
        check_workbooks()
        check_folder(page)
        check_out(settings, page, FORECAST_FILES, **given, **more)
    table = out if page is None else None
    target = check_table_out(settings, table, out_table, **given, **more)
    check_table_out(settings, ordering.orders, None, **given, **more)
    made = forecast_launches(
        settings,
        settings.items.at(items),
        settings.sales.at(sales),
        new=settings.new_items.source if new is None else settings.new_items.at(new),
        cutoff=parsed_date("--cutoff", cutoff),
        future=settings.future.at(future),
        observed=settings.sales.at(observed),
        observed_until=parsed_date("--observed-until", observed_until),
        model=model,
        save=save,
        quarantine=bad,
        background=page is not None,
    )
    show_forecasts(make_console(), made.curves, made.totals, made.remarks, made.names)
    if made.orders is not None:
        show_orders(make_console(), made.orders)
    show_quarantine(bad)
    write_result(settings, made.totals if totals else made.curves, table, target)
    if page is not None:
        judged = Judged.unknown("--no-backtest was given.")
        if tested:
            judged = _judged(settings, items, sales, future, model, page)
        write_forecasts(made, page, judged, guard_csv=settings.sink.csv_guard)
        typer.echo(f"written to {page}/: forecast.html, and tables with the items' names")
    if made.orders is not None:
        write_result(settings, made.orders, ordering.orders)
    if save is not None:
        typer.echo(f"forecaster saved to {save}/")


_WINDOWS = 4  # cutoffs of the test that a page tells of, unless the settings say which


def _is_folder(out: Path) -> bool:
    return out.is_dir() or not out.suffix


def _judged(
    settings: "Settings",
    items: Path | None,
    sales: Path | None,
    future: Path | None,
    model: Path | None,
    page: Path,
) -> "Judged":
    """Test the forecaster on past launches, as far as there are any."""
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.jobs.forecasts import backtest_job
    from pipelines.reports.forecast import Judged
    from retrieval import InputError

    given = settings.backtest
    windows = None if given.cutoffs else given.n_windows or _WINDOWS
    if model is not None:
        return Judged.unknown("it was read from a folder; `likewise backtest --like` tests it.")
    try:
        result = backtest_job(
            settings,
            settings.items.at(items),
            settings.sales.at(sales),
            future=settings.future.at(future),
            n_windows=windows,
            progress=sys.stderr.isatty(),
            quarantine=Quarantine.of(settings, "backtest", page.parent),
        )
    except InputError as error:
        return Judged.unknown(str(error))
    return Judged.by(result)


@verb
def backtest(
    items: _ItemsArgument = None,
    sales: _SalesArgument = None,
    cutoffs: Annotated[
        str | None,
        typer.Option("--cutoffs", metavar="DATE,DATE", help="Last periods seen."),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option("--windows", min=1, help="How many cutoffs to place, as late as possible."),
    ] = None,
    step: Annotated[
        int | None, typer.Option("--step", min=1, help="Periods between these; else max_lead + 1.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--last", metavar="DATE", help="Latest launch date to score.")
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option("--like", metavar="FOLDER", help="Judge a saved forecaster's settings."),
    ] = None,
    future: _FutureOption = None,
    config: ConfigOption = None,
    *,
    forecaster: _ForecasterOptions,
    written: TableOptions,
    bad_rows: BadRowsOptions,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder of page, numbers and tables."),
    ] = None,
) -> None:
    """Score forecasts of past launches beside every baseline."""
    from pipelines.inputs.bad_rows import Quarantine
    from pipelines.jobs.forecasts import backtest_job
    from pipelines.reports.backtest import FILES, show_backtest, write_backtest
    from pipelines.reports.terminal import make_console, show_order_costs

    check_folder(out)
    if like is not None:
        _refuse_flags({**forecaster.columns, **forecaster.section}, "--like")
    settings = settings_of(
        config,
        tables=written.section,
        items=forecaster.columns,
        forecast=forecaster.section,
        bad_rows=bad_rows.section,
    )
    check_out(settings, out, FILES, items=items, sales=sales, future=future, model=like)
    bad = Quarantine.of(settings, "backtest", out)
    result = backtest_job(
        settings,
        settings.items.at(items),
        settings.sales.at(sales),
        future=settings.future.at(future),
        cutoffs=_parsed_dates("--cutoffs", cutoffs),
        n_windows=windows,
        step=step,
        last=parsed_date("--last", last),
        like=like,
        progress=sys.stderr.isatty(),
        quarantine=bad,
    )
    show_backtest(make_console(), result)
    costs = settings.orders.of_backtest
    if costs:
        show_order_costs(make_console(), result.order_costs(**costs))
    show_quarantine(bad)
    if out is not None:
        write_backtest(result, settings, out, items=items, sales=sales, like=like)
        typer.echo(f"written to {out}/: backtest.html and what it is made of")


def _parsed_dates(option: str, text: str | None) -> "list[pd.Timestamp] | None":
    if text is None:
        return None
    dates = [parsed_date(option, part.strip()) for part in text.split(",")]
    return [date for date in dates if date is not None]


def _require_costs(settings: "Settings", orders: Path | None) -> None:
    """Refuse to write orders of which nobody said what they cost."""
    if orders is not None and not settings.orders.asked:
        from retrieval import InputError

        raise InputError(
            "--orders: say what a unit left over and one missing cost, --overage-cost and "
            "--underage-cost, or --service-level; or in the config's section orders"
        )


def _refuse_flags(flags: dict[str, object], option: str = "--model") -> None:
    """Refuse flags beside a saved forecaster, which has its own columns and options."""
    names = {
        "id": "--id-col",
        "launch_date": "--launch-date-col",
        "text": "--text-cols",
        "attributes": "--attribute-cols",
    }
    given = [names.get(key, f"--{key}") for key, value in flags.items() if value is not None]
    if given:
        from retrieval import InputError

        raise InputError(f"{option} brings its own columns and options; leave out {given[0]}")

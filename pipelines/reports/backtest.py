"""Report a backtest: its files, one HTML page that needs nothing beside it, a summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape

from forecasting import (
    BETTER,
    FORECASTER,
    NO_DIFFERENCE,
    PLOTS,
    SLICES,
    WORSE,
    BacktestResult,
    interval_names,
    period_name,
)
from pipelines.components import make_encoder
from pipelines.config.settings import Settings
from pipelines.fingerprint import made_with
from pipelines.inputs.items import TableInput, name_of
from pipelines.reports.launch_examples import all_categories, launch_examples, methods_in_words
from pipelines.reports.order_costs import CostOfOrders
from pipelines.reports.page import fill_page
from pipelines.reports.pictures import to_svg
from pipelines.reports.terminal import comparison_table
from pipelines.reports.words import counted, date, known
from pipelines.tables.output import write_json, write_table
from retrieval import first_few, masked_values, replacing_files

_DRAWS = 2000
_PLAIN_RULE = "category mean"  # what planners do without a forecaster
_FEWEST = 20  # launches a group needs for its scores to be called a loss
_LEFT_OUT_SHOWN = 50
_CUTOFFS_SHOWN = 6
_OFF = 0.1  # bias from which on it is said in words
_APART = 0.05  # share of totals from which on a quantile is called too low or too high
_FIGURE = {"comparison": (7.6, 4.2), "age": (7.6, 3.4), "coverage": (7.6, 3.4)}
_TITLES = {
    "age": "By age",
    "category": "By category",
    "similarity": "By likeness of the most similar known item",
    "level": "By how much was forecast",
    "cohort": "By cohort",
}
_MEASURES = {
    "wape_total": ("WAPE of the total", "{:.3f}"),
    "wape_curve": ("WAPE of the curve", "{:.3f}"),
    "rmse_total": ("RMSE of the total", "{:.2f}"),
    "wql": ("WQL of the total", "{:.3f}"),
    "wql_curve": ("WQL of the curve", "{:.3f}"),
}

FILES = (
    "backtest.html",
    "backtest.json",
    "compare.csv",
    "predictions.parquet",
    "totals.parquet",
    "left_out.csv",
)
"""What `write_backtest` leaves in a folder."""

_SECTIONS = {"items", "sales", "future", "forecast", "orders", "backtest"}

# Columns of a terminal from which on WQL and verdict stand in the table.
_WIDE = 96
_SHORT_MEASURES = {
    "wape_total": "WAPE total",
    "wape_curve": "WAPE curve",
    "rmse_total": "RMSE",
    "wql": "WQL total",
    "wql_curve": "WQL curve",
}


@dataclass(frozen=True)
class _Group:
    """One row of a table of slices: our scores, and the best baseline's error there."""

    what: str
    name: str
    n_items: int
    wape: float
    rival: str
    rival_wape: float
    wql: float
    bias: float
    coverage: float

    @property
    def is_lost(self) -> bool:
        return self.rival_wape < self.wape


def write_backtest_report(
    result: BacktestResult,
    path: Path | str,
    *,
    title: str = "How good are the launch forecasts?",
    seed: int = 0,
    costs: Mapping[str, Any] | None = None,
) -> None:
    """Write the page, whole or not at all.

    Args:
        result: The backtest.
        path: Where to.
        title: Its heading.
        seed: Of the bootstrap.
        costs: Of orders, as arguments of `forecasting.BacktestResult.order_costs`; None: not told.
    """
    compare = result.compare(seed=seed, draws=_DRAWS)
    coverage, width = interval_names(result.quantiles)
    slices = {what: list(_groups(result, what)) for what in _sliced_by(result)}
    fill_page(
        "backtest.html.j2",
        Path(path),
        title=title,
        verdict=verdict_in_words(result, compare),
        headline=backtest_headline(result),
        methods=methods_in_words(result),
        examples=launch_examples(result),
        categories=all_categories(result),
        losses=losses_in_words(compare, [row for rows in slices.values() for row in rows]),
        faults=list(faults_in_words(result)),
        wins=wins_in_words(compare),
        ours=FORECASTER,
        compare=compare.reset_index().to_dict("records"),
        coverage=coverage,
        width=width,
        nominal=result.quantiles[-1] - result.quantiles[0],
        slices=[(what, _TITLES[what], rows) for what, rows in slices.items()],
        orders=CostOfOrders.of(result, costs or {}, seed),
        calibration=_calibration(result),
        left_out=result.left_out.head(_LEFT_OUT_SHOWN).to_dict("records"),
        n_left_out=len(result.left_out),
        reasons=result.left_out["reason"].value_counts().to_dict(),
        cutoffs=[date(cutoff) for cutoff in result.items["cutoff"].drop_duplicates()],
        parameters=_parameters(result),
        made={**made_with(), "draws": _DRAWS, "seed": seed},
        pictures={kind: Markup(_picture(result, kind)) for kind in PLOTS},
    )


def backtest_headline(result: BacktestResult) -> str:
    """Return what was tested, as two sentences."""
    forecaster, n = result.forecaster, len(result.items)
    period = period_name(str(forecaster.freq))
    cutoffs = [date(cutoff) for cutoff in result.items["cutoff"].drop_duplicates()]
    if len(cutoffs) > _CUTOFFS_SHOWN:
        when = f"{len(cutoffs)} cutoffs from {cutoffs[0]} to {cutoffs[-1]}"
    else:
        when = f"{', '.join(cutoffs[:-1])} and {cutoffs[-1]}" if cutoffs[1:] else cutoffs[0]
    first = result.predictions.loc[result.predictions["age"] == 0, "ds"]
    return (
        f"{counted(n, 'launch', 'es')} from {date(first.min())} to {date(first.max())}, each "
        f"forecast for {forecaster.horizon} {period}s with nothing but what was known at the "
        f"cutoff before it ({when}). None was left out for what it sold."
    )


def plain_rule(compare: pd.DataFrame) -> str:
    """Return the method of a comparison that stands for planning without a forecaster."""
    others = compare.drop(index=FORECASTER).index
    return _PLAIN_RULE if _PLAIN_RULE in others else str(others[0])


def verdict_in_words(result: BacktestResult, compare: pd.DataFrame) -> str:
    """Say whether to trust the forecasts, as a planner would ask: two sentences."""
    rival = plain_rule(compare)
    row: Any = compare.loc[rival]
    ours: Any = compare.loc[FORECASTER]
    low, high = row["low"] / row["wape_total"], row["high"] / row["wape_total"]
    tested = f"Tested on {counted(len(result.items), 'past launch', 'es')}"
    if not known(low):
        return f"{tested}, which sold nothing: there is nothing to compare."
    if row["verdict"] == WORSE:  # of the row's method
        said = f"better than the {rival} by {low:.0%} to {high:.0%}"
    elif row["verdict"] == BETTER:
        said = f"worse than the {rival} by {-high:.0%} to {-low:.0%}"
    else:
        said = f"not shown to beat the {rival} ({low:+.0%} to {high:+.0%})"
    coverage, _ = interval_names(result.quantiles)
    nominal = result.quantiles[-1] - result.quantiles[0]
    return (
        f"{tested}, their totals are {said} (error of the median, 95 % interval). "
        f"Of ten {nominal:.0%} intervals {10 * ours[coverage]:.1f} held what came."
    )


def losses_in_words(compare: pd.DataFrame, groups: list[_Group]) -> list[str]:
    """Say where a baseline is better than ours, or not shown to be worse."""
    others, ours = compare.drop(index=FORECASTER), compare.loc[FORECASTER]
    lines = list(_lost_intervals(others))
    for key, (measure, pattern) in _MEASURES.items():
        if others[key].min() < ours[key]:
            best = others[key].idxmin()
            lines.append(
                f"{measure}: {best} has {pattern.format(others[key].min())}, "
                f"ours is {pattern.format(ours[key])}."
            )
    same = others.index[others["verdict"] == NO_DIFFERENCE].tolist()
    if same:
        lines.append(f"On total WAPE no difference is shown to {', '.join(same)}.")
    lost = [row for row in groups if row.is_lost and row.n_items >= _FEWEST and row.what != "age"]
    lost.sort(key=lambda row: row.rival_wape - row.wape)
    if lost:
        shown = "; ".join(first_few(lost, _lost_group))
        lines.append(f"Groups in which some baseline has the lower total WAPE: {shown}.")
    return lines


def _lost_group(row: _Group) -> str:
    return f"{row.what} {row.name} ({row.rival} {row.rival_wape:.3f}, ours {row.wape:.3f})"


def _lost_intervals(others: pd.DataFrame) -> Iterator[str]:
    for prefix, measure in (("", "total WAPE"), ("wql_", "WQL of the total")):
        for name, row in others[others[f"{prefix}verdict"] == BETTER].iterrows():
            yield (
                f"{name} is better on {measure}, by {-row[f'{prefix}difference']:.3f} "
                f"(95 % interval {-row[f'{prefix}high']:.3f} to {-row[f'{prefix}low']:.3f})."
            )


def faults_in_words(result: BacktestResult) -> Iterator[str]:
    """Say whether our mean is off, and which quantiles are by more than ties can explain."""
    ours = result.totals[result.totals["method"] == FORECASTER]
    units = ours["y"].sum()
    bias = ours["mean"].sum() / units - 1 if units else 0.0
    if abs(bias) >= _OFF:
        yield f"Our mean is {abs(bias):.0%} too {'high' if bias > 0 else 'low'}."
    for row in _calibration(result):
        name = f"Our {row['level']:g} quantile is too"
        if row["up_to"] < row["level"] - _APART:
            yield f"{name} low: {row['up_to']:.0%} of the totals are up to it."
        elif row["below"] > row["level"] + _APART:
            yield f"{name} high: {row['below']:.0%} of the totals are below it."


def _calibration(result: BacktestResult) -> list[dict[Any, Any]]:
    return result.calibration.xs(FORECASTER, level="method").reset_index().to_dict("records")


def wins_in_words(compare: pd.DataFrame) -> str:
    """Say which baselines are shown to be worse than ours."""
    others = compare.drop(index=FORECASTER)
    beaten = {
        measure: others.index[others[column] == WORSE].tolist()
        for measure, column in (("total WAPE", "verdict"), ("WQL", "wql_verdict"))
    }
    return " ".join(
        f"Beaten on {measure}: {', '.join(names) or 'none'}." for measure, names in beaten.items()
    )


def _sliced_by(result: BacktestResult) -> list[str]:
    known = result.items["category"].notna().any()
    ways = [what for what in _TITLES if what == "age" or what in SLICES]
    return [what for what in ways if what != "category" or known]


def _groups(result: BacktestResult, what: str) -> Iterator[_Group]:
    scores = result.by(what)
    coverage, _ = interval_names(result.quantiles)
    error = "wape" if what == "age" else "wape_total"
    for name in scores.index.get_level_values(what).unique():
        group = scores.loc[name]
        ours, others = group.loc[FORECASTER], group.drop(index=FORECASTER)[error]
        known = others.notna().any()
        yield _Group(
            what=what,
            name=date(name) if isinstance(name, pd.Timestamp) else str(name),
            n_items=int(ours["n_items"]),
            wape=float(ours[error]),
            rival=str(others.idxmin()) if known else "",
            rival_wape=float(others.min()),
            wql=float(ours["wql"]),
            bias=float(ours["bias"]),
            coverage=float(ours[coverage]),
        )


def _picture(result: BacktestResult, kind: str) -> str:
    figure = Figure(figsize=_FIGURE[kind], layout="constrained")
    result.plot(kind, ax=figure.subplots())
    return to_svg(figure)


def _parameters(result: BacktestResult) -> dict[str, str]:
    """Return the forecaster's parameters that are plain, as text."""
    plain = (str, int, float, tuple, list)
    parameters: dict[str, Any] = {}
    for name, value in result.forecaster.get_params(deep=False).items():
        group = is_dataclass(value) and not isinstance(value, type)
        parameters |= asdict(value) if group else {name: value}
    return {
        name: ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
        for name, value in parameters.items()
        if isinstance(value, plain)
    }


def write_backtest(
    result: BacktestResult,
    settings: Settings,
    folder: Path,
    *,
    items: TableInput | None = None,
    sales: TableInput | None = None,
    like: Path | None = None,
) -> None:
    """Write a backtest's page, numbers and tables, all of them or none.

    They are `FILES`.

    Args:
        result: The backtest.
        settings: What it was made with.
        folder: Where to; what else is in it stays.
        items: As given to `pipelines.jobs.forecasts.backtest_job`.
        sales: So, too.
        like: So, too.
    """
    compare, costs = result.compare(), settings.orders.of_backtest
    orders = CostOfOrders.of(result, costs)
    setup = _setup(result, settings)
    setup["items"] = name_of(items if items is not None else settings.items.source, "items")
    setup["sales"] = name_of(sales if sales is not None else settings.sales.source, "sales")
    setup["like"] = None if like is None else str(like)
    numbers = {
        "setup": setup,
        "compare": _records(compare),
        "slices": {what: _records(result.by(what)) for what in ("age", *SLICES)},
        "calibration": _records(result.calibration),
        "orders": None if orders is None else orders.as_json,
    }
    guard = settings.sink.csv_guard
    with replacing_files(folder) as made:
        write_json(numbers, made / "backtest.json")
        write_table(compare.reset_index(), made / "compare.csv", guard_csv=guard)
        write_table(result.predictions, made / "predictions.parquet")
        write_table(result.totals, made / "totals.parquet")
        write_table(result.left_out, made / "left_out.csv", guard_csv=guard)
        write_backtest_report(result, made / "backtest.html", costs=costs)


def _setup(result: BacktestResult, settings: Settings) -> dict[str, Any]:
    """How the backtest came about; secrets of the settings are masked."""
    return {
        **made_with(),
        "encoder": make_encoder(settings).identity.as_dict(),
        "settings": masked_values(settings.model_dump(mode="json", include=_SECTIONS)),
        "cutoffs": [f"{cutoff:%Y-%m-%d}" for cutoff in result.items["cutoff"].unique()],
        "methods": _records(result.methods.set_index("cutoff")),
        "launches": len(result.items),
        "left_out": result.left_out["reason"].value_counts().to_dict(),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in _rows(table)]


def _rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    return table.reset_index().to_dict("records")


def show_backtest(console: Console, result: BacktestResult) -> None:
    """Print where we lose, the scores of every method, and what else to know.

    Args:
        console: Where to.
        result: The backtest.
    """
    compare = result.compare()
    coverage, _ = interval_names(result.quantiles)
    console.print(f"\n[bold]Where we lose:[/] {escape(losses_in_short(compare))}\n")
    table = comparison_table(
        backtest_title(result),
        compare.reset_index().to_dict("records"),
        detailed=console.width >= _WIDE,
        coverage=coverage,
    )
    console.print(table)
    same = compare.index[compare["verdict"] == NO_DIFFERENCE].tolist()
    shown = f" No difference shown on total WAPE: {', '.join(same)}." if same else ""
    console.print(
        f"\n{escape(wins_in_words(compare) + shown)}\n{escape(backtest_headline(result))}"
    )
    for line in faults_in_words(result):
        console.print(f"[yellow]![/] {line}")
    for reason, n in result.left_out["reason"].value_counts().items():
        launches = "launch is left out" if n == 1 else "launches are left out, each"
        console.print(f"[yellow]![/] {n:,} {launches} because {escape(str(reason))}.")
    if said := methods_in_words(result):
        console.print(f"[dim]{escape(said)}[/]")


def backtest_title(result: BacktestResult) -> str:
    """How many launches from how many cutoffs, as a title."""
    launches, cutoffs = len(result.items), result.items["cutoff"].nunique()
    return (
        f"{counted(launches, 'launch', 'es')} from {counted(cutoffs, 'cutoff')}, "
        f"{len(result.left_out):,} left out"
    )


def losses_in_short(compare: pd.DataFrame) -> str:
    """Say to whom we lose, and who has the lowest error where we have not, in one line."""
    others, ours = compare.drop(index=FORECASTER), compare.loc[FORECASTER]
    lines = []
    for prefix, measure in (("", "total WAPE"), ("wql_", "WQL")):
        better = others.index[others[f"{prefix}verdict"] == BETTER].tolist()
        if better:
            lines.append(f"on {measure} to {', '.join(better)}.")
    lowest: dict[str, list[str]] = {}
    for key, measure in _SHORT_MEASURES.items():
        if others[key].min() < ours[key]:
            lowest.setdefault(str(others[key].idxmin()), []).append(measure)
    if lowest:
        said = "; ".join(f"{name} ({', '.join(of)})" for name, of in lowest.items())
        lines.append(f"Lower errors than ours: {said}.")
    return " ".join(lines) or "nowhere that shows, over all launches."

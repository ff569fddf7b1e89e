"""Report forecasts to whoever decides: one page by the items' names, and the tables behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from forecasting import APART, WORSE, BacktestResult, period_name, plot_forecast
from pipelines.fingerprint import made_with
from pipelines.jobs.forecasts import Background, LaunchForecasts
from pipelines.reports.backtest import faults_in_words, plain_rule, verdict_in_words
from pipelines.reports.page import fill_page
from pipelines.reports.pictures import to_svg
from pipelines.reports.words import counted, date, short
from pipelines.tables.output import write_table, write_workbook
from retrieval import replacing_files

_ROWS = 500  # of the page's table; the files have all
_DRAWN = 24
_LIKE = 5
_NAME = 60  # letters
_SIZE = (6.6, 3.0)
_COMMON = 0.1  # of the launches: what is said of more stands above, and not beside each

FILES = (
    "forecast.html",
    "totals.csv",
    "totals.parquet",
    "curves.csv",
    "curves.parquet",
    "like_items.csv",
    "forecast.xlsx",
    "orders.csv",
    "sums.csv",
)
"""What `write_forecasts` leaves in a folder; the last two where there are orders and groups."""


@dataclass(frozen=True)
class Judged:
    """What a backtest says of the forecaster.

    Attributes:
        words: A verdict, as a sentence or two.
        faults: What else to know, a sentence each.
        is_good: Whether they are shown to be better than a plain rule.
    """

    words: str
    faults: tuple[str, ...] = ()
    is_good: bool = False

    @classmethod
    def by(cls, result: BacktestResult) -> Judged:
        """Return the verdict of a backtest."""
        compare = result.compare()
        is_good = compare.loc[plain_rule(compare), "verdict"] == WORSE  # of the row's method
        words = verdict_in_words(result, compare)
        return cls(words, tuple(faults_in_words(result)), bool(is_good))

    @classmethod
    def unknown(cls, reason: str) -> Judged:
        """Return that there is none, and why."""
        return cls(f"Nobody has tested this forecaster yet: {reason}")


def write_forecasts(
    made: LaunchForecasts, folder: Path, judged: Judged, *, guard_csv: bool = True
) -> None:
    """Write the page and the tables, all of them or none.

    Args:
        made: The forecasts, with their background.
        folder: Where to; what else is in it stays. What an earlier run left of `FILES` and this one
            does not make goes.
        judged: What a backtest says of them.
        guard_csv: As `pipelines.tables.output.write_table` takes it.

    Raises:
        ValueError: They have no background.
    """
    if made.background is None:
        raise ValueError("the forecasts have no background")
    tables = _tables(made, made.background)
    with replacing_files(folder, FILES, mark=FILES[0]) as files:
        for name, table in tables.items():
            write_table(table, files / f"{name}.csv", guard_csv=guard_csv)
        for name in ("totals", "curves"):
            write_table(tables[name], files / f"{name}.parquet")
        write_workbook(tables, files / "forecast.xlsx")
        _write_page(made, made.background, files / "forecast.html", judged)


def _tables(made: LaunchForecasts, background: Background) -> dict[str, pd.DataFrame]:
    """Return the tables by name, each with the items' names."""
    names = made.names
    like = background.analogues[background.analogues["pool"] != "outcome"]
    like = like.assign(curve=like["curve"].map(_plain_curve))
    tables = {
        "totals": _named(made.totals, names),
        "curves": _named(made.curves, names),
        "like_items": _named(_named(like, names), names, "analogue", "analogue_name"),
    }
    if made.orders is not None:
        tables["orders"] = _named(made.orders, names)
    if background.groups is not None:
        tables["sums"] = background.groups.rename(columns={"group": background.by})
    return tables


def _named(
    table: pd.DataFrame, names: Mapping[str, str], column: str = "unique_id", out: str = "name"
) -> pd.DataFrame:
    """Return a table with a column of names beside that of ids."""
    named = table.copy()
    named.insert(list(table.columns).index(column) + 1, out, table[column].map(names))
    return named


def _plain_curve(curve: object) -> str:
    """Write a curve as people read it: 3, 1, 0."""
    return ", ".join(f"{one:g}" for one in curve) if isinstance(curve, list | tuple) else ""


def _write_page(made: LaunchForecasts, background: Background, path: Path, judged: Judged) -> None:
    totals = made.totals.sort_values("mean", ascending=False, kind="stable")
    levels = [name for name in made.curves.columns if _is_level(name)]
    share = float(levels[-1]) - float(levels[0])
    launched = made.curves.groupby("unique_id")["ds"].min()
    orders = None if made.orders is None else made.orders.set_index("unique_id")["quantity"]
    totals = totals.assign(warnings=_own_warnings(totals["warnings"]))
    analogues = background.analogues[background.analogues["pool"] != "outcome"]
    like = {str(item): mine for item, mine in analogues.groupby("unique_id")}
    rows = [
        {
            **_row(total, made.names, launched[total["unique_id"]], levels, orders),
            "like": _like(like.get(str(total["unique_id"])), made.names, background.freq),
        }
        for total in totals.head(_ROWS).to_dict("records")
    ]
    horizon = int(made.curves.groupby("unique_id").size().max())
    fill_page(
        "forecast.html.j2",
        path,
        headline=_headline(made, background, horizon),
        judged=judged,
        remarks=made.remarks,
        interval=f"{share:.0%}",
        rows=rows,
        n=len(totals),
        has_orders=orders is not None,
        drawn=[
            {**row, "picture": Markup(_fan(made, background, row["id"]))} for row in rows[:_DRAWN]
        ],
        by=background.by,
        groups=_group_rows(background.groups, levels),
        cutoff=date(made.curves["cutoff"].iloc[0]),
        made=made_with(),
    )


def _headline(made: LaunchForecasts, background: Background, horizon: int) -> str:
    first = made.curves.groupby("unique_id")["ds"].min()
    period = period_name(background.freq)
    said = (
        f"{counted(len(made.totals), 'launch', 'es')} from {date(first.min())} to "
        f"{date(first.max())}, each forecast for its first {counted(horizon, period)}"
    )
    if background.sums is None:
        return f"{said}: {made.totals['mean'].sum():,.0f} units expected in all."
    total = background.sums.iloc[0]
    levels = [name for name in background.sums.columns if _is_level(name)]
    share = float(levels[-1]) - float(levels[0])
    return (
        f"{said}: {total['mean']:,.0f} units expected in all, and with {share:.0%} probability "
        f"between {total[levels[0]]:,.0f} and {total[levels[-1]]:,.0f}."
    )


def _row(
    total: Mapping[Any, Any],
    names: Mapping[str, str],
    launch: pd.Timestamp,
    levels: Sequence[str],
    orders: pd.Series | None,
) -> dict[str, Any]:
    name = str(total["unique_id"])
    return {
        "id": name,
        "name": short(names.get(name, name), _NAME),
        "launch": date(launch),
        "mean": f"{total['mean']:,.1f}",
        "low": f"{total[levels[0]]:,.0f}",
        "high": f"{total[levels[-1]]:,.0f}",
        "order": "" if orders is None else f"{orders[name]:,.0f}",
        "novel": bool(total["novel"]),
        "warnings": total["warnings"],
    }


def _own_warnings(warnings: pd.Series) -> pd.Series:
    """Leave out what is said of many launches."""
    said = warnings.str.split(APART)
    count = said.explode().value_counts()
    common = set(count.index[count > max(1, _COMMON * len(warnings))])
    return said.map(lambda each: APART.join(one for one in each if one not in common))


def _like(mine: pd.DataFrame | None, names: Mapping[str, str], freq: str) -> list[dict[str, Any]]:
    """Return the items that a forecast leans on most, each once."""
    if mine is None:
        return []
    mine = mine.sort_values("weight", ascending=False, kind="stable")
    found = []
    for one in mine.drop_duplicates("analogue").head(_LIKE).to_dict("records"):
        curve = one["curve"] if isinstance(one["curve"], list | tuple) else None
        found.append(
            {
                "name": short(names.get(one["analogue"], one["analogue"]), _NAME),
                "similarity": "" if pd.isna(one["similarity"]) else f"{one['similarity']:.0%}",
                "sold": _sold(curve, one["level"], period_name(freq)),
            }
        )
    return found


def _sold(curve: Sequence[float] | None, level: float, period: str) -> str:
    """Say what a like item sold, as a person would."""
    if curve:
        return f"{sum(curve):,.0f} in its first {counted(len(curve), period)}"
    return "" if pd.isna(level) else f"{level:,.1f} a {period} of late"


def _fan(made: LaunchForecasts, background: Background, item: str) -> str:
    figure = Figure(figsize=_SIZE, layout="constrained")
    axis = plot_forecast(made.curves, item, analogues=background.analogues, ax=figure.subplots())
    axis.set_title("", loc="left")  # the item's name stands above
    return to_svg(figure)


def _group_rows(groups: pd.DataFrame | None, levels: Sequence[str]) -> list[dict[str, str]]:
    if groups is None:
        return []
    ranked = groups.sort_values("mean", ascending=False, kind="stable")
    return [
        {
            "name": short(one["group"], _NAME),
            "n": f"{one['n_items']:,}",
            "mean": f"{one['mean']:,.0f}",
            "low": f"{one[levels[0]]:,.0f}",
            "high": f"{one[levels[-1]]:,.0f}",
        }
        for one in ranked.to_dict("records")
    ]


def _is_level(name: object) -> bool:
    try:
        return 0 < float(str(name)) < 1
    except ValueError:
        return False

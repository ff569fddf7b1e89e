"""What a person sees on the terminal when a job is done."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipelines.reports.words import known, number, short

if TYPE_CHECKING:
    from pipelines.jobs.adapt import Round
    from pipelines.jobs.reindex import Reindexing
    from retrieval import TuneReport


_ROWS = 10
_CALLED = 28  # letters of a name beside its id
_NEIGHBORS = 3
_MOST = 5
_TEXT_WIDTH = 60
_BARS = "▁▂▃▄▅▆▇█"
_PIPE_WIDTH = 120

_VERDICTS = {"worse": ("worse", "green"), "better": ("better", "red")}
_NOT_SHOWN = ("not shown", "dim")
_LOWER_IS_BETTER = ("wape_total", "wape_curve", "rmse_total")


def make_console() -> Console:
    """Return standard output, wide where it is no terminal: a pipe loses nothing to wrapping."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def show_counts(console: Console, title: str, counts: Mapping[str, int]) -> None:
    """One line of named counts."""
    shown = "  ".join(f"[bold]{count:,}[/] {name}" for name, count in counts.items())
    console.print(f"{escape(title)}: {shown}")


def show_neighbors(console: Console, near: pd.DataFrame, texts: Sequence[str]) -> None:
    """Print the like items of the first queries.

    Args:
        console: Where to.
        near: As `pipelines.jobs.labels.similar_job` returns it.
        texts: The queries, where they were texts; of an item table the ids are shown.
    """
    groups = near.groupby("query", sort=False)
    for query, rows in itertools.islice(groups, _ROWS):
        title = texts[int(str(query))] if texts else str(query)
        table = _table(
            escape(short(title, _TEXT_WIDTH)), ["#", "item_id", "similarity", "label", "text"]
        )
        for row in rows.to_dict("records"):
            cells = [row["rank"], _counted(row), f"{row['similarity']:.3f}"]
            table.add_row(*_cells([*cells, row["label"], short(row["text"], _TEXT_WIDTH)]))
        console.print(table)
    _more(console, groups.ngroups, "queries")
    console.print(f"[bold]{len(near):,}[/] like items of {groups.ngroups:,} queries")


def show_recommendations(console: Console, found: pd.DataFrame) -> None:
    """Print the first recommendations, with the items they rest on.

    Args:
        console: Where to.
        found: As `pipelines.jobs.answers.recommend_job` returns it.
    """
    groups = found.groupby("query", sort=False)
    for query, rows in itertools.islice(groups, _ROWS):
        table = _table(escape(short(str(query), _TEXT_WIDTH)), ["#", "id", "score", "because of"])
        for row in rows.head(_ROWS).to_dict("records"):
            reasons = [f"{one['item_id']} ({one['similarity']:.2f})" for one in row["because"]]
            table.add_row(
                *_cells([row["rank"], row["id"], f"{row['score']:.3f}", ", ".join(reasons)])
            )
        console.print(table)
    _more(console, groups.ngroups, "queries")
    console.print(f"[bold]{len(found):,}[/] recommendations for {groups.ngroups:,} queries")


def _counted(near: Mapping[Any, Any]) -> str:
    """Name a neighbor, and how many it stands for."""
    others = int(near.get("count", 1)) - 1
    return f"{near['item_id']} + {others:,} alike" if others > 0 else str(near["item_id"])


def show_labels(console: Console, labels: pd.DataFrame) -> None:
    """Print the first labels with the neighbors that explain them, and what came of all items.

    Args:
        console: Where to.
        labels: The labels table.
    """
    table = _table("labels", ["item_id", "label", "probability", "", "like"])
    for row in labels.head(_ROWS).to_dict("records"):
        share = _most(row["probability"])
        like = [f"{_counted(near)} ({near['similarity']:.2f})" for near in row["neighbors"]]
        label = "" if _is_missing(row["label"]) else _in_words(row["label"])
        shown = "" if math.isnan(share) else f"{share:.2f}"
        cells = [
            row["item_id"],
            label if row["known"] else f"{label} (unknown)",
            shown,
            _bar(share),
        ]
        table.add_row(*_cells([*cells, ", ".join(like[:_NEIGHBORS])]))
    console.print(table)
    _more(console, len(labels), "items")
    for line in _labels_in_short(labels):
        console.print(line)


def _labels_in_short(labels: pd.DataFrame) -> list[str]:
    """How many items are known, which labels they got, how sure the answers are."""
    n = labels["label"].count()
    named = labels["label"].map(_in_words, na_action="ignore").value_counts()
    most = ", ".join(
        f"{escape(str(label))} {count:,}" for label, count in named.head(_MOST).items()
    )
    rest = f", and {len(named) - _MOST:,} labels more" if len(named) > _MOST else ""
    unknown = int((~labels["known"].astype(bool)).sum())
    lines = [f"[bold]{n:,}[/] items labeled: {most or 'none'}{rest}"]
    if unknown:
        items = "item" if unknown == 1 else "items"
        lines.append(
            f"[bold]{unknown:,}[/] {items} called unknown: like none of the labels; the "
            "probability beside it only compares the labels with each other"
        )
    sure = labels["probability"].map(_most).dropna()
    if len(sure):
        tenth, middle, ninth = sure.quantile([0.1, 0.5, 0.9])
        lines.append(
            f"probability of the label: {middle:.2f} in the middle; a tenth below {tenth:.2f}, "
            f"a tenth above {ninth:.2f}"
        )
    sizes = labels["label_set"].dropna().map(len)
    if len(sizes):
        lines.append(f"label sets: {sizes.mean():.1f} labels on average")
        promised = labels.loc[sizes.index, "label"].map(
            lambda one: not isinstance(one, list | tuple)
        )
        rare = int((promised & ~labels.loc[sizes.index, "assured"].astype(bool)).sum())
        if rare:
            items = "item" if rare == 1 else "items"
            lines.append(f"{rare:,} {items} of labels too rare to promise what their sets hold")
    return lines


def _in_words(label: object) -> str:
    """Return a label, or several."""
    if isinstance(label, list | tuple):
        return ", ".join(map(str, label)) or "(none)"
    return str(label)


def _most(probability: Any) -> float:
    """Return the probability of the label; of several the highest, of none NaN."""
    if isinstance(probability, list | tuple):
        return max(probability, default=math.nan)
    return math.nan if probability is None else float(probability)


def show_forecasts(
    console: Console,
    curves: pd.DataFrame,
    totals: pd.DataFrame,
    remarks: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
) -> None:
    """Print the first launches: their totals with interval, and the course of the mean.

    Args:
        console: Where to.
        curves: The forecasts table.
        totals: As `forecasting.LaunchForecaster.predict_total` gives them, of the same items.
        remarks: What to say below.
        names: Item id → what people call it.
    """
    items = curves.groupby("unique_id", sort=False)
    low, high = _outer_levels(totals)
    interval = f"{round(100 * (float(high) - float(low)))} % interval"
    columns = ["item", "launch", "median total", interval, "mean total", "curve of the mean", ""]
    table = _table("launch forecasts", columns)
    by_item = totals.set_index("unique_id")
    for name, rows in itertools.islice(items, _ROWS):
        curve, total = rows.sort_values("age"), by_item.loc[name]
        cells = [
            _called(str(name), names or {}),
            pd.Timestamp(curve["ds"].iloc[0]).date(),
            f"{total['0.5']:,.1f}",
            f"{total[low]:,.1f} to {total[high]:,.1f}",
            f"{total['mean']:,.1f}",
            _sparkline(curve["mean"]),
            "novel" if total["novel"] else "",
        ]
        table.add_row(*_cells(cells))
    console.print(table)
    _more(console, items.ngroups, "items")
    console.print(_forecasts_in_short(curves, totals))
    novel = int(totals["novel"].sum())
    if novel:
        items_are = "item is" if novel == 1 else "items are"
        console.print(
            f"[yellow]![/] {novel:,} {items_are} novel: unlike what was known, with a wide interval"
        )
    for remark in remarks:
        console.print(f"[yellow]![/] {escape(remark)}")


def _called(item: str, names: Mapping[str, str]) -> str:
    return f"{item} {short(names[item], _CALLED)}" if item in names else item


def show_orders(console: Console, orders: pd.DataFrame) -> None:
    """Print how much is ordered in all and what it costs, beside who orders the mean."""
    quantity, naive = orders["quantity"].sum(), orders["naive_quantity"].sum()
    cost, naive_cost = orders["cost"].sum(), orders["naive_cost"].sum()
    console.print(
        f"orders: {quantity:,.0f} units of {len(orders):,} items, expected to cost {cost:,.2f}; "
        f"who orders the mean orders {naive:,.0f} units, at {naive_cost:,.2f}"
    )


def show_order_costs(console: Console, costs: pd.DataFrame) -> None:
    """Print what orders by every method would have cost, as `BacktestResult.order_costs` has it."""
    columns = ["method", "cost", "of its mean", "more than ours", "95 % interval", "verdict"]
    table = _table("what orders would have cost", columns)
    for method, row in costs.iterrows():
        more = ["", "", ""]
        if not math.isnan(row["low"]):
            interval = f"{row['low']:,.0f} to {row['high']:,.0f}"
            more = [f"{row['difference']:,.0f}", interval, str(row["verdict"])]
        table.add_row(*_cells([method, f"{row['cost']:,.0f}", f"{row['naive_cost']:,.0f}", *more]))
    console.print(table)


def _forecasts_in_short(curves: pd.DataFrame, totals: pd.DataFrame) -> str:
    """How many items, from when, by what, and how much in all."""
    seen = ", ".join(str(pd.Timestamp(cutoff).date()) for cutoff in curves["cutoff"].unique())
    periods = "" if curves.empty else f", {curves['age'].max() + 1} periods each"
    by = "; the analogues voted" if (totals["method"] == "knn").any() else ""
    return (
        f"[bold]{len(totals):,}[/] items{f' as of {seen}' if seen else ''}{periods}{by}; "
        f"{totals['mean'].sum():,.0f} units expected in all"
    )


def _outer_levels(totals: pd.DataFrame) -> tuple[str, str]:
    """Return the columns of the lowest and the highest quantile."""
    levels = [name for name in totals.columns if name.replace(".", "", 1).isdigit()]
    return levels[0], levels[-1]


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    numeric = {"#", "similarity", "probability", "median total", "mean total"}
    for column in columns:
        table.add_column(
            column, justify="right" if column in numeric or column.endswith("interval") else "left"
        )
    return table


def _cells(values: Iterable[object]) -> list[str]:
    return ["" if _is_missing(value) else escape(str(value)) for value in values]


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _more(console: Console, count: int, what: str) -> None:
    if count > _ROWS:
        console.print(f"[dim]  ... and {count - _ROWS:,} {what} more[/]")


def _bar(share: float) -> str:
    return "" if math.isnan(share) else "█" * round(share * 10)


def _sparkline(values: Iterable[float]) -> str:
    numbers = [max(float(value), 0.0) for value in values]
    top = max(numbers, default=0.0) or 1.0
    return "".join(_BARS[round(number / top * (len(_BARS) - 1))] for number in numbers)


def comparison_table(
    title: str,
    rows: Sequence[Mapping[Any, Any]],
    *,
    detailed: bool = False,
    coverage: str = "coverage_80",
) -> Table:
    """Make the table; 80 columns wide, or with WQL and verdict 100.

    Args:
        title: Above it.
        rows: As in `forecasting.BacktestResult.compare`, with the method.
        detailed: With WQL and the verdict in words.
        coverage: The column of the outer interval's coverage; its number is what it should be.
    """
    from forecasting import FORECASTER

    nominal = coverage.removeprefix("coverage_")
    scores = [*_LOWER_IS_BETTER, *(["wql"] if detailed else [])]
    heads = ["WAPE\ntotal", "WAPE\ncurve", "RMSE\ntotal", *(["WQL\ntotal"] if detailed else [])]
    table = plain_table(title, ["method", *heads, "bias", f"{nominal} %\nholds"])
    table.add_column("WAPE total - ours\nand 95 % interval", no_wrap=True)
    if detailed:
        table.add_column("than\nours", no_wrap=True)
    best = {key: min((row[key] for row in rows if known(row[key])), default=None) for key in scores}
    for row in rows:
        is_ours = row["method"] == FORECASTER
        cells = [
            named(row["method"], FORECASTER),
            *(emphasized(_short_number(row[key]), row[key] == best[key]) for key in scores),
            Text(number(row["bias"], "{:+.0%}")),
            Text(number(row[coverage], "{:.0%}")),
            Text() if is_ours else _against(row),
        ]
        if detailed:
            words, style = _VERDICTS.get(row["verdict"], _NOT_SHOWN)
            cells.append(Text() if is_ours else Text(words, style=style))
        table.add_row(*cells)
    return table


def plain_table(title: str, columns: Sequence[str]) -> Table:
    """Make an empty table, the first column of words, the others of numbers."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=0,
        show_edge=False,
    )
    for column in columns:
        left = column == columns[0]
        table.add_column(column, justify="left" if left else "right", no_wrap=True)
    return table


def named(method: str, ours: str) -> Text:
    """Make a method's name, ours in color."""
    return Text(method, style="bold cyan" if method == ours else "")


def emphasized(text: str, is_best: bool) -> Text:
    """Make a number, bold where it is the best."""
    return Text(text, style="bold" if is_best else "")


def _against(row: Mapping[Any, Any]) -> Text:
    if not known(row["difference"]):
        return Text("n/a", style="dim")
    ends = f"{_signed(row['low'])}, {_signed(row['high'])}"
    _, style = _VERDICTS.get(row["verdict"], _NOT_SHOWN)
    return Text(f"{_signed(row['difference'])} [{ends}]", style=style)


def _short_number(value: float | None) -> str:
    if not known(value):
        return "n/a"
    return f"{value:.3f}"[1:] if value < 0.9995 else f"{value:.2f}"


def _signed(value: float) -> str:
    """Three digits without the zero in front: the table fits a terminal of 80 columns."""
    text = f"{value:+.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def show_reindexing(console: Console, name: str, done: Reindexing) -> None:
    """Print what was done, and how the versions compare.

    Args:
        console: Where to.
        name: Of the collection.
        done: What `pipelines.jobs.reindex` returned.
    """
    if done.before is not None and done.after is not None:
        console.print(_compared(done))
    console.print(
        f"[bold]{done.copied:,}[/] copied  [bold]{done.removed:,}[/] removed  "
        f"[bold]{done.late:,}[/] carried over afterwards"
    )
    for one in done.dropped:
        console.print(f"removed {escape(one)}")
    former, live = escape(done.former), escape(done.live)
    if live == former:
        console.print(f"{escape(name)} stays [bold]{former}[/]")
    else:
        console.print(f"{escape(name)} is now [bold]{live}[/], was {former}")


def show_adapting(console: Console, name: str, rounds: Sequence[Round]) -> None:
    """Print what each round of adapting came to.

    Args:
        console: Where to.
        name: Of the collection.
        rounds: What `pipelines.jobs.adapt` returned.
    """
    for turn, one in enumerate(rounds, 1):
        if one.tuning is not None:
            show_tuning(console, one.tuning)
        if one.reindexing is not None:
            show_reindexing(console, name, one.reindexing)
        console.print(f"round {turn}: [bold]{one.verdict}[/], {escape(one.reason)}")


def show_tuning(console: Console, report: TuneReport) -> None:
    """Print the rungs that were tried: scores, gains, times, verdicts."""
    table = Table(box=box.SIMPLE_HEAD)
    rows = report.table().reset_index()
    for column in rows.columns:
        table.add_column(column, justify="left" if column in ("rung", "verdict") else "right")
    for row in rows.to_numpy().tolist():
        table.add_row(*map(escape, row))
    console.print(table)
    console.print(
        f"[bold]{report.texts:,}[/] texts of [bold]{report.labels:,}[/] labels, held out in "
        f"[bold]{report.folds}[/] parts; {report.seconds:,.0f} s; chosen: [bold]{report.chosen}[/]"
    )


def _compared(done: Reindexing) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("version", "items", "recall@10", "neighbors with the same label", "by"):
        table.add_column(column, justify="left" if column in ("version", "by") else "right")
    for role, version, found in (
        ("live", done.former, done.before),
        ("next", done.version, done.after),
    ):
        assert found is not None
        agreement = "no labels" if math.isnan(found.agreement) else f"{found.agreement:.1%}"
        table.add_row(
            f"{escape(version)} ({role})",
            f"{found.items:,}",
            f"{found.recall:.3f}",
            agreement,
            escape(found.engine),
        )
    return table

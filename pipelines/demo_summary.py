"""The closing words of the demo on the terminal, out of its metrics alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipelines.labeling import CLASSIFIER, EVERY, HARDER

OURS = "LaunchForecaster"


def show_summary(console: Console, metrics: dict[str, Any], out: Path, seconds: float) -> None:
    """Print both tables, what they say in words, and where the files are."""
    console.print()
    _show_labels(console, metrics["labels"])
    _show_forecasts(console, metrics["forecasts"])
    folder = escape(str(out))
    files = "labels.parquet  forecasts.parquet  metrics.json  items.db"
    # A path broken over two lines cannot be copied.
    console.print(f"[bold]Report[/]    {folder}/report.html", soft_wrap=True)
    console.print(f"[bold]Files[/]     {folder}/ {files}", soft_wrap=True)
    console.print(f"[bold]Time[/]      {seconds:.0f} s")


def _show_labels(console: Console, labels: dict[str, Any]) -> None:
    scores = labels["scores"]
    every = next(row for row in scores if row["items"] == EVERY)
    table = _table(
        f"Labels for {every['n_items']:,} products of {every['n_types']} unseen types "
        f"({labels['labels']} labels)",
        ["method", "top 1", "top 5", "top 1\nby type", "top 5\nby type"],
    )
    for subset in (EVERY, HARDER):
        rows = [row for row in scores if row["items"] == subset]
        best = {key: max(row[key] for row in rows) for key in _LABEL_SCORES}
        table.add_row(Text(f"{subset} ({rows[0]['n_items']:,})", style="italic"))
        for row in rows:
            cells = [_best(f"{row[key]:.1%}", row[key] == best[key]) for key in _LABEL_SCORES]
            table.add_row(_ours(row["method"], CLASSIFIER), *cells, end_section=row is rows[-1])
    console.print(table)
    console.print(f"\n{automatic_in_words(labels['automatic'])}")
    console.print(f"{certainty_in_words(labels['certainty'])}\n")


_LABEL_SCORES = ("top1_item", "top5_item", "top1_type", "top5_type")


def automatic_in_words(automatic: dict[str, Any]) -> str:
    """Say how much can be labeled without a person, as a sentence."""
    if not automatic["n_labeled"]:
        return (
            f"No confidence reaches {automatic['target']:.0%} precision out of fold, so none can "
            "be labeled without a person."
        )
    return (
        f"Without a person: {automatic['coverage']:.1%} of the products at "
        f"{automatic['precision']:.1%} precision (threshold set for {automatic['target']:.0%} "
        "on other product types, not on these)."
    )


def certainty_in_words(certainty: dict[str, Any]) -> str:
    """Say whether probabilities and label sets mean what they say, as two sentences."""
    return (
        f"Mean probability of the labels {certainty['probability']:.1%}, right are "
        f"{certainty['right']:.1%}. Label sets of {certainty['set_size']:.1f} labels on average "
        f"hold the true one for {certainty['set_coverage']:.1%} of the products (90% were wanted)."
    )


def _show_forecasts(console: Console, forecasts: dict[str, Any]) -> None:
    table = _table(
        f"Forecasts for {forecasts['launches']:,} launches from {forecasts['first_launch']} on, "
        f"seen from {forecasts['cutoff']}",
        ["method", "WAPE\ntotal", "WAPE\ncurve", "RMSE\ntotal", "bias", "80 %\nholds"],
    )
    table.add_column("WAPE total - ours\nand 95 % interval", no_wrap=True)
    rows = forecasts["compare"]
    best = {key: min(row[key] for row in rows) for key in _LOWER_IS_BETTER}
    for row in rows:
        table.add_row(
            _ours(row["method"], OURS),
            *(_best(_short(row[key]), row[key] == best[key]) for key in _LOWER_IS_BETTER),
            f"{row['bias']:+.0%}",
            f"{row['coverage_80']:.0%}",
            Text() if row["method"] == OURS else _against(row),
        )
    console.print(table)
    console.print(f"\n{forecasts_in_words(forecasts)}\n")


_LOWER_IS_BETTER = ("wape_total", "wape_curve", "rmse_total")
_VERDICT_STYLES = {"worse": "green", "better": "red"}


def _against(row: dict[str, Any]) -> Text:
    ends = f"{_signed(row['low'])}, {_signed(row['high'])}"
    style = _VERDICT_STYLES.get(row["verdict"], "dim")
    return Text(f"{_signed(row['difference'])} [{ends}]", style=style)


def _short(value: float) -> str:
    return f"{value:.3f}"[1:] if value < 0.9995 else f"{value:.2f}"


def _signed(value: float) -> str:
    """Three digits without the zero in front: the table fits a terminal of 80 columns."""
    text = f"{value:+.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def _table(title: str, columns: list[str]) -> Table:
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


def forecasts_in_words(forecasts: dict[str, Any]) -> str:
    """Say which baselines are beaten, which are not, and where one is better."""
    rows = {row["method"]: row for row in forecasts["compare"]}
    ours = rows.pop(OURS)
    said = []
    for verdict, words in _VERDICTS.items():
        names = [name for name, row in rows.items() if row["verdict"] == verdict]
        if names or verdict == "worse":
            said.append(f"{words}: {', '.join(names) or 'none'}.")
    for key, measure in _MEASURES.items():
        best = min(rows, key=lambda name: float(rows[name][key]))
        if rows[best][key] < ours[key]:
            said.append(f"Lower {measure}: {best} ({rows[best][key]:.3f}, ours {ours[key]:.3f}).")
    return " ".join(said)


_VERDICTS = {
    "worse": "Beaten on total WAPE",
    "no difference shown": "No difference shown",
    "better": "Better than ours",
}
_MEASURES = {"wape_curve": "WAPE of the curve", "wql": "WQL", "rmse_total": "RMSE"}


def _ours(method: str, ours: str) -> Text:
    return Text(method, style="bold cyan" if method == ours else "")


def _best(text: str, is_best: bool) -> Text:
    return Text(text, style="bold" if is_best else "")

"""The closing words of the demo on the terminal, out of its metrics alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from forecasting.evaluation.backtest import NAME
from pipelines.comparison_table import comparison_table, emphasized, named, plain_table
from pipelines.demo.labeling import CLASSIFIER, EVERY, HARDER


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
    table = plain_table(
        f"Labels for {every['n_items']:,} products of {every['n_types']} unseen types "
        f"({labels['labels']} labels)",
        ["method", "top 1", "top 5", "top 1\nby type", "top 5\nby type"],
    )
    for subset in (EVERY, HARDER):
        rows = [row for row in scores if row["items"] == subset]
        best = {key: max(row[key] for row in rows) for key in _LABEL_SCORES}
        table.add_row(Text(f"{subset} ({rows[0]['n_items']:,})", style="italic"))
        for row in rows:
            cells = [emphasized(f"{row[key]:.1%}", row[key] == best[key]) for key in _LABEL_SCORES]
            table.add_row(named(row["method"], CLASSIFIER), *cells, end_section=row is rows[-1])
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
    title = (
        f"Forecasts for {forecasts['launches']:,} launches from {forecasts['first_launch']} on, "
        f"seen from {forecasts['cutoff']}"
    )
    console.print(comparison_table(title, forecasts["compare"]))
    console.print(f"\n{forecasts_in_words(forecasts)}\n")


def forecasts_in_words(forecasts: dict[str, Any]) -> str:
    """Say which baselines are beaten, which are not, and where one is better."""
    rows = {row["method"]: row for row in forecasts["compare"]}
    ours = rows.pop(NAME)
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

"""Report the demo: one HTML page that needs nothing beside it, and a summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from forecasting import FORECASTER, BacktestResult
from pipelines.demo.complete_journey import LABEL, TEXT, CompleteJourney
from pipelines.demo.labeling import CLASSIFIER, EVERY, HARDER, METHODS, Labeling
from pipelines.reports.page import fill_page
from pipelines.reports.pictures import comparison_figure, coverage_figure, launch_figure, to_svg
from pipelines.reports.terminal import comparison_table, emphasized, named, plain_table
from retrieval import item_texts

_LABEL_EXAMPLES = 8
# Places in the list of launches, largest forecast first.
_LAUNCH_EXAMPLES = (0.0, 0.1, 0.25)
_ANALOGUES_SHOWN = 15


def write_report(
    metrics: dict[str, Any],
    data: CompleteJourney,
    labeling: Labeling,
    launches: BacktestResult,
    path: Path,
) -> None:
    """Write the page.

    Args:
        metrics: As in metrics.json.
        data: The tables.
        labeling: Labels of the held-out products.
        launches: Forecasts of the launches.
        path: Where to.
    """
    rows = metrics["forecasts"]["compare"]
    keys = ("wape_total", "wape_curve", "wql", "rmse_total")
    fill_page(
        "demo.html.j2",
        path,
        **metrics,
        classifier=CLASSIFIER,
        n_methods=len(METHODS),
        ours=FORECASTER,
        best={key: min(row[key] for row in rows) for key in keys},
        automatic_words=automatic_in_words(metrics["labels"]["automatic"]),
        certainty_words=certainty_in_words(metrics["labels"]["certainty"]),
        forecast_words=forecasts_in_words(metrics["forecasts"]),
        label_examples=_label_examples(labeling, data.items),
        coverage_svg=Markup(to_svg(coverage_figure(labeling.curve, labeling.automatic))),
        launch_svg=Markup(to_svg(launch_examples(launches, data.items))),
        comparison_svg=Markup(to_svg(comparison_figure(launches.compare(), FORECASTER))),
    )


def launch_examples(launches: BacktestResult, items: pd.DataFrame) -> Figure:
    """Draw some launches, chosen by their place in the list of forecasts."""
    totals = launches.totals[launches.totals["method"] == FORECASTER]
    ranked = totals.sort_values(["mean", "unique_id"], ascending=[False, True])["unique_id"]
    chosen = [ranked.iloc[int(place * (len(ranked) - 1))] for place in _LAUNCH_EXAMPLES]
    catalog = items.set_index("product_id")
    analogues = launches.forecaster.explain(items[items["product_id"].isin(chosen)])
    curves = analogues[analogues["pool"] == "launch"]
    by_age = launches.predictions[launches.predictions["method"] == FORECASTER]
    return launch_figure(
        [by_age[by_age["unique_id"] == one] for one in chosen],
        [curves[curves["unique_id"] == one].nlargest(_ANALOGUES_SHOWN, "weight") for one in chosen],
        [_title(catalog.loc[one]) for one in chosen],
    )


def _title(item: pd.Series) -> str:
    size = "" if pd.isna(item["package_size"]) else f", {item['package_size'].lower()}"
    launch = item["launch_date"]
    return f"{item['product_type'].capitalize()}{size}\nlaunched {launch.day} {launch:%B %Y}"


def _label_examples(labeling: Labeling, items: pd.DataFrame) -> list[dict[str, Any]]:
    texts = pd.Series(item_texts(items, TEXT).to_numpy(), index=items["product_id"])
    shown = labeling.labels.sample(_LABEL_EXAMPLES, random_state=0)
    return [
        {
            "text": texts[row["item_id"]],
            "label": row["label"],
            "probability": row["probability"],
            "truth": row[LABEL],
            "like": "; ".join(
                dict.fromkeys(texts[near["item_id"]] for near in row["neighbors"][:3])
            ),
        }
        for row in shown.to_dict("records")
    ]


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
    ours = rows.pop(FORECASTER)
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

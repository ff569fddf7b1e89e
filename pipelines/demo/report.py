"""The demo's report: one HTML page that needs nothing beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from forecasting import BacktestResult
from forecasting.evaluation.backtest import NAME
from pipelines.demo.complete_journey import LABEL, TEXT, CompleteJourney
from pipelines.demo.labeling import CLASSIFIER, METHODS, Labeling
from pipelines.demo_summary import (
    automatic_in_words,
    certainty_in_words,
    forecasts_in_words,
)
from pipelines.reports.pictures import comparison_figure, coverage_figure, launch_figure, to_svg
from pipelines.tables.reader import write_text
from retrieval.items import item_texts

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
    environment = Environment(
        loader=PackageLoader("pipelines.reports"), autoescape=True, undefined=StrictUndefined
    )
    rows = metrics["forecasts"]["compare"]
    keys = ("wape_total", "wape_curve", "wql", "rmse_total")
    page = environment.get_template("demo.html.j2").render(
        **metrics,
        classifier=CLASSIFIER,
        n_methods=len(METHODS),
        ours=NAME,
        best={key: min(row[key] for row in rows) for key in keys},
        automatic_words=automatic_in_words(metrics["labels"]["automatic"]),
        certainty_words=certainty_in_words(metrics["labels"]["certainty"]),
        forecast_words=forecasts_in_words(metrics["forecasts"]),
        label_examples=_label_examples(labeling, data.items),
        coverage_svg=Markup(to_svg(coverage_figure(labeling.curve, labeling.automatic))),
        launch_svg=Markup(to_svg(launch_examples(launches, data.items))),
        comparison_svg=Markup(to_svg(comparison_figure(launches.compare(), NAME))),
    )
    write_text(page, path)


def launch_examples(launches: BacktestResult, items: pd.DataFrame) -> Figure:
    """Draw some launches, chosen by their place in the list of forecasts."""
    totals = launches.totals[launches.totals["method"] == NAME]
    ranked = totals.sort_values(["mean", "unique_id"], ascending=[False, True])["unique_id"]
    chosen = [ranked.iloc[int(place * (len(ranked) - 1))] for place in _LAUNCH_EXAMPLES]
    catalog = items.set_index("product_id")
    analogues = launches.forecaster.explain(items[items["product_id"].isin(chosen)])
    curves = analogues[analogues["pool"] == "launch"]
    by_age = launches.predictions[launches.predictions["method"] == NAME]
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

"""A page about a fitted forecaster for people: what it knows, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from forecasting.forecasts import quantile_names
from forecasting.models.fitted import FittedForecaster
from retrieval import ItemIndex, card_list, card_page, card_versions

_MEANING = {
    "lightgbm": "LightGBM over like items: a forest says which past launches a new one is like, "
    "boosted trees at which level",
    "knn": "the launches most like the new one vote, without training",
}


def model_card(
    engine: FittedForecaster, parameters: Mapping[str, Any], collection: ItemIndex | None
) -> str:
    """Return the page as Markdown.

    Args:
        engine: What the forecaster knows.
        parameters: Of its constructor.
        collection: Where the vectors are; None: in the folder of the page.
    """
    sections = {
        "Data": _data(engine, collection),
        "How it forecasts": _forecasting(engine, parameters),
        "How to load it": _loading(collection),
        "Limits": _limits(engine),
        "Versions": card_versions(engine.describer.analogues.index.encoder.identity, "lightgbm"),
    }
    return card_page(_introduction(engine), sections)


def _introduction(engine: FittedForecaster) -> str:
    history = engine.describer.history
    return (
        f"A `LaunchForecaster` of likewise, written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC. It "
        f"forecasts what new items sell in their first {history.horizon} periods "
        f"(`{history.panel.grid.freq}`), from the items they are like, as of {_cutoff(engine)}."
    )


def _data(engine: FittedForecaster, collection: ItemIndex | None) -> str:
    panel = engine.describer.history.panel
    first = panel.grid.origin
    rows = {
        "items": f"{len(panel.ids):,}",
        "periods": f"{panel.end + 1:,}, from {first:%Y-%m-%d} to {_cutoff(engine)} (the cutoff)",
        "launches learned from": f"{len(np.unique(engine.reference)):,}",
    }
    where = (
        "This folder holds the items' texts, vectors and sales"
        if collection is None
        else f"Vectors are in collection `{collection.collection}` of an index of the "
        "owner's. This folder holds the items' texts and sales"
    )
    return (
        f"{card_list(rows)}\n\n{where}: share it with those only who may read them. What the data "
        "is and where it comes from, only its owner can say: beside this folder, since `load` "
        "refuses one that was changed."
    )


def _forecasting(engine: FittedForecaster, parameters: Mapping[str, Any]) -> str:
    levels = ", ".join(quantile_names(engine.describer.quantiles))
    rows = {
        "method": f"`{engine.method}`, {_MEANING[engine.method]}",
        "quantile levels": levels,
        "horizon": f"{engine.describer.history.horizon} periods, the one of launch included",
    }
    named = {"attributes": parameters["attributes"]}
    named["covariates (plans)"] = parameters["columns"].covariates
    for name, columns in named.items():
        if len(columns):
            rows[name] = ", ".join(f"`{column}`" for column in columns)
    for verdict in engine.describer.verdicts:
        pool, _, said = str(verdict).partition(": ")
        rows[f"analogues, pool {pool}"] = said
    if engine.describer.concept_verdict is not None:
        _, _, rows["concepts"] = str(engine.describer.concept_verdict).partition(": ")
        told = engine.inheritance
        rows["relations"] = ", ".join(
            f"{word} moves the level by {told.weight[word]:.0%} of the way "
            f"({told.launches[word]:,} past launches told)"
            for word in told.weight
        )
    if engine.model is not None and engine.model.calibrate:
        rows["calibrated"] = (
            "quantiles on launches not trained on; means are multiplied by "
            f"{engine.model.bias:.3f}, by what such launches sold"
        )
    return card_list(rows)


def _loading(collection: ItemIndex | None) -> str:
    if collection is None:
        lines = ["forecaster = LaunchForecaster.load(folder)"]
    else:
        lines = [
            "index = ItemIndex(uri, encoder, collection)  # where it was; see forecaster.json",
            "forecaster = LaunchForecaster.load(folder, index=index)",
        ]
    lines.append("forecaster.predict(new_items)  # launched after the cutoff")
    return "```python\n" + "\n".join(lines) + "\n```"


def _limits(engine: FittedForecaster) -> str:
    limits = [
        f"It knows nothing of what happened after {_cutoff(engine)}. Fit it anew as sales come in; "
        "the first weeks of a new item can be told with `observed=`.",
        "How good it is, only a backtest on your own launches tells (`forecasting.backtest`).",
        "An item unlike anything known is still forecast. Look at `novel` in `predict_total`: such "
        "an item's interval is wide, and deserves a person's look.",
    ]
    if engine.model is None:
        limits.insert(0, "Its quantiles are not calibrated: analogues vote as they are.")
    elif not engine.model.calibrate:
        limits.insert(0, "Its means and quantiles are not calibrated (`calibrate=False`).")
    return "\n".join(f"- {limit}" for limit in limits)


def _cutoff(engine: FittedForecaster) -> str:
    panel = engine.describer.history.panel
    return f"{panel.grid.dates(np.array([panel.end]))[0]:%Y-%m-%d}"
